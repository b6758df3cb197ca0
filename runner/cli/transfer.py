"""`proj import`: takes runs over from an MLflow server, its database, or an mlruns folder."""

from __future__ import annotations

import sys
from typing import Any

from runner.cli import reference
from runner.cli.options import Option
from runner.errors import InputError

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    Option(
        "source",
        ("source",),
        "http://host:5000, mlflow.db, sqlite:///FILE or mlruns.",
        default=None,
        metavar="SOURCE",
    ),
    Option("experiment", ("--experiment",), "Only those of this experiment (name).", "many", metavar="NAME"),
    Option(
        "artifacts", ("--artifacts",), "Where the server of a database kept its artifacts.", metavar="FOLDER"
    ),
    Option("no_artifacts", ("--no-artifacts",), "Leave the files out.", "flag", False),
    Option("store", ("--store",), "The store (default: PROJ_STORE, or the user's).", metavar="FOLDER"),
    Option("json", ("--json",), "Print JSON.", "flag", False),
)


def command(values: dict[str, Any]) -> int:
    """Take runs over from MLflow: parameters, metrics with their histories, tags, datasets, artifacts."""
    from runner.cli.output import emit_json, emit_lines
    from runner.cli.terminal import Terminal
    from runner.tracking.mlflow.readers import open_reader
    from runner.tracking.mlflow.takeover import take_over

    given = reference.take(values)
    if not given["source"]:
        raise InputError("it is not said from where", "proj import http://host:5000 | mlflow.db | mlruns")
    reader = open_reader(given["source"], given["artifacts"])
    try:
        with reference.open_store(given["store"]) as store:
            done = take_over(store, reader, Terminal(), given["experiment"], not given["no_artifacts"])
    finally:
        reader.close()
    if given["json"]:
        emit_json(done._asdict())
    else:
        sys.stdout.write(
            f"{done.runs} runs imported" + (f", {done.there} were there" if done.there else "") + "\n"
        )
    for reason in done.without_files:
        emit_lines([f"warning: without artifacts: {reason}"], sys.stderr)
    return 0
