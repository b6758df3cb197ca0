"""`proj export`: writes runs to a CSV, JSON or Parquet file, or gives them to an MLflow server."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runner.cli import columns, reference
from runner.cli.options import Option
from runner.errors import InputError, ProjError
from runner.host.files import Draft

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["OPTIONS", "command"]

FORMATS = ("csv", "json", "jsonl", "parquet")
OPTIONS = (
    reference.RUNS,
    Option("output", ("-o", "--output"), "File to write; - is stdout.", default="-", metavar="FILE"),
    Option(
        "format",
        ("--format",),
        "csv, json, jsonl or parquet; by default as the file is called.",
        metavar="FORMAT",
    ),
    Option(
        "to_mlflow",
        ("--to-mlflow",),
        "Send them to an MLflow server instead, with everything: as proj sync --to.",
        metavar="URI",
    ),
    Option("filter", ("--filter",), "Those that this filter finds.", metavar="FILTER"),
    Option("order_by", ("--order-by",), 'Such as "metrics.rmse".', "many", metavar="KEY"),
    Option(
        "experiment",
        ("--experiment",),
        "Those of this experiment.",
        "many",
        metavar="NAME",
        complete="runner.cli.complete:experiments",
    ),
    Option("columns", ("--columns",), "Columns of the file; by default all.", "many", metavar="NAMES"),
    Option("all", ("-a", "--all"), "Deleted ones too.", "flag", False),
    reference.STORE,
    Option("json", ("--json",), "As --format json.", "flag", False),
)


def command(values: dict[str, Any]) -> int:
    """Write runs (all, or RUNS, or what --filter finds) with every metric, parameter and tag to a file."""
    import gc

    from runner.cli.runs import experiment_names

    gc.enable()
    given = reference.take(values)
    if given["to_mlflow"]:
        return to_mlflow(given)
    kind = format_of(given)
    names = columns.check(given["columns"])
    with reference.open_store(given["store"]) as store:
        runs = chosen(store, given)
        known = experiment_names(store, runs)
    names = names or columns.everything(runs)
    path = given["output"]
    if path == "-":
        if kind == "parquet":
            raise InputError("Parquet is not written to a terminal or a pipe", "proj export -o runs.parquet")
        write(sys.stdout, kind, runs, names, known)
        return 0
    try:
        with Draft(path) as draft:
            if kind == "parquet":
                write_parquet(draft, runs, names, known)
            else:
                with open(draft, "w", encoding="utf-8", newline="") as file:
                    write(file, kind, runs, names, known)
    except OSError as error:
        raise ProjError(f"{path} cannot be written: {error.strerror or error}") from None
    sys.stderr.write(f"{len(runs)} runs written to {path}\n")
    return 0


def chosen(store: Store, given: dict[str, Any]) -> Sequence[Run]:
    from runner.cli.runs import Wanted, select

    if given["runs"]:
        if given["filter"] or given["experiment"]:
            raise InputError("RUNS and a filter exclude each other")
        return [reference.find(store, ref) for ref in given["runs"]]
    view = "all" if given["all"] else "active"
    experiments = tuple(given["experiment"])
    wanted = Wanted(given["filter"], tuple(given["order_by"]), sys.maxsize, "", experiments, (), view)
    return select(store, wanted)[0]


def to_mlflow(given: dict[str, Any]) -> int:
    from runner.cli import sync

    if given["columns"] or given["format"] or given["output"] != "-":
        raise InputError("--to-mlflow sends runs as they are: it takes no --columns, --format or --output")
    with reference.open_store(given["store"]) as store:
        runs = [run.run_id for run in chosen(store, given)]
        sent = [sync.send(store, run_id, given["to_mlflow"], False) for run_id in runs]
    sync.show(sent, given["json"])
    return 0


def format_of(given: dict[str, Any]) -> str:
    kind = given["format"] or ("json" if given["json"] else "")
    if not kind:
        extension = os.path.splitext(given["output"])[1].lstrip(".").lower()
        kind = (
            "csv"
            if given["output"] == "-"
            else {"ndjson": "jsonl", "pq": "parquet"}.get(extension, extension)
        )
    if kind not in FORMATS:
        raise InputError(f"there is no format {kind!r}", f"--format {'|'.join(FORMATS)}")
    return str(kind)


def write(file: Any, kind: str, runs: Sequence[Run], names: Sequence[str], known: dict[str, str]) -> None:
    if kind == "csv":
        from runner.cli.runs import write_csv

        write_csv(file, runs, names, known)
        return
    from runner.cli.output import json_text
    from runner.cli.render_run import as_json

    if kind == "jsonl":
        for run in runs:
            file.write(json_text(as_json(run, known)) + "\n")
        return
    file.write("[")
    for place, run in enumerate(runs):
        file.write((",\n" if place else "\n") + json_text(as_json(run, known)))
    file.write("\n]\n")


def write_parquet(path: str, runs: Sequence[Run], names: Sequence[str], known: dict[str, str]) -> None:
    """Numbers as numbers, times as UTC timestamps; a parameter that is of several types as text."""
    from importlib import import_module

    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        hint = "pip install 'proj-runner[parquet]', or  -o runs.csv"
        raise InputError("writing Parquet needs pyarrow, which is not installed", hint) from None
    arrays = {}
    for name in names:
        if name in ("started", "ended"):
            kind = pyarrow.timestamp("ms", tz="UTC")
            arrays[name] = pyarrow.array([columns.value(run, name) for run in runs], kind)
            continue
        found = [
            columns.flat(run, name, known) if name == "experiment" else columns.value(run, name)
            for run in runs
        ]
        types = {type(value) for value in found if value is not None}
        if types == {int, float}:
            found = [None if value is None else float(value) for value in found]
        elif len(types) > 1 or types & {dict, list}:
            found = [
                None if value is None else columns.flat(run, name, known)
                for run, value in zip(runs, found, strict=True)
            ]
        arrays[name] = (
            pyarrow.array(found, from_pandas=False) if types else pyarrow.array(found, pyarrow.string())
        )
    parquet.write_table(pyarrow.table(arrays), path)
