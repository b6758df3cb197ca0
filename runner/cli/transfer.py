"""`proj import`: takes runs over from an MLflow server, its database, or an mlruns folder."""

from __future__ import annotations

import sys

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.cli.terminal import Terminal
from runner.errors import InputError
from runner.text.units import counted

__all__ = ["COMMAND"]


def command(
    source: str, experiments: tuple[str, ...], artifacts: str, no_artifacts: bool, location: str,
    as_json: bool,
) -> int:  # fmt: skip
    """Take runs over from MLflow: parameters, metrics with their histories, tags, datasets, artifacts."""
    from runner.tracking.mlflow.readers import open_reader
    from runner.tracking.mlflow.takeover import take_over

    if not source:
        raise InputError("it is not said from where", "proj import http://host:5000 | mlflow.db | mlruns")
    reader = open_reader(source, artifacts)
    try:
        with reference.open_store(location, new=True) as store:
            done = take_over(store, reader, Terminal(), experiments, not no_artifacts)
    finally:
        reader.close()
    there = f", {done.there} were there" if done.there else ""
    output.result(as_json, done, [f"{counted(done.runs, 'run')} imported{there}"])
    for reason in done.without_files:
        output.emit_lines([f"warning: without artifacts: {reason}"], sys.stderr)
    return 0


COMMAND = Command(command, (
    Option("source", (), "http://host:5000, mlflow.db, sqlite:///FILE or mlruns.", default=None, metavar="SOURCE"),
    Option("experiments", ("--experiment",), "Only those of this experiment (name).", "many", metavar="NAME"),
    Option("artifacts", ("--artifacts",), "Where the server of a database kept its artifacts.", metavar="FOLDER"),
    Option("no_artifacts", ("--no-artifacts",), "Leave the files out.", "flag"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
