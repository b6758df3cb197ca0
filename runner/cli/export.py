"""`proj export`: writes runs to a CSV, JSON or Parquet file, or gives them to an MLflow server."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from runner.cli import reference, unknown
from runner.cli.options import Command, Option
from runner.cli.output import harmless, json_text
from runner.errors import InputError, ProjError
from runner.host.files import Draft, is_special
from runner.tables import columns
from runner.text.units import counted

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["COMMAND"]

FORMATS = ("csv", "json", "jsonl", "parquet", "html")
STEPS = 100_000  # of a pipeline, with those that were tried again


def command(
    refs: tuple[str, ...], path: str, form: str, to_mlflow: str, where: str, order_by: tuple[str, ...],
    experiments: tuple[str, ...], names: tuple[str, ...], everything: bool, location: str, as_json: bool, csv: bool,
    html: bool, spreadsheet: bool,
) -> int:  # fmt: skip
    """Write the runs of the project in this folder, or RUNS, with every metric, parameter and tag to a file."""
    from runner.cli import sync
    from runner.cli.runs import Selection, experiment_names, select

    gc.enable()
    if to_mlflow and (names or form or path != "-"):
        raise InputError("--to-mlflow sends runs as they are: it takes no --columns, --format or --output")
    if refs and (where or experiments):
        raise InputError("RUNS and a filter exclude each other")
    kind = format_of(form or ("html" if html else "json" if as_json else "csv" if csv else ""), path)
    if spreadsheet and kind != "csv":
        raise InputError(f"--for-spreadsheet is for CSV, not for {kind}", "--csv")
    view = "all" if everything else "active"
    with reference.open_store(location) as store:
        chosen = columns.check(names, lambda name: unknown.whole(store, name))
        scope = None if everything else reference.scope_here(store)
        if refs:
            runs = [each for ref in refs for each in _whole(store, reference.find(store, ref))]
        else:
            runs, _ = select(
                store,
                Selection(where, order_by, sys.maxsize, experiments=experiments, view=view, scope=scope),
            )
        if to_mlflow:
            return sync.show([sync.send(store, run.run_id, to_mlflow, False) for run in runs], as_json)
        known = experiment_names(store, runs)
        if kind == "html":
            write_page(path, store, runs, known)
            return 0
    write_file(path, kind, runs, chosen or columns.everything(runs), known, spreadsheet)
    return 0


def _whole(store: Store, run: Run) -> list[Run]:
    """A pipeline with its steps."""
    if run.kind != "pipeline":
        return [run]
    page = store.search(f"parent = '{run.run_id}'", limit=STEPS, order_by=["attributes.start_time"])
    return [run, *page.runs]


def write_file(
    path: str, kind: str, runs: Sequence[Run], names: Sequence[str], known: dict[str, str], spreadsheet: bool
) -> None:
    """Whole or not at all. `-` is stdout; `known`: names of experiments."""
    if path == "-":
        if kind == "parquet":
            raise InputError("Parquet is not written to a terminal or a pipe", "proj export -o runs.parquet")
        write(sys.stdout, kind, runs, names, known, spreadsheet)
        return
    refuse_special(path)
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):  # misspelt, rather than to be made
        raise ProjError(f"{path} cannot be written: there is no folder {folder}")
    try:
        with Draft(path, parents=False) as draft:
            if kind == "parquet":
                write_parquet(draft, runs, names, known)
            else:
                with open(draft, "w", encoding="utf-8", newline="") as file:
                    write(file, kind, runs, names, known, spreadsheet)
    except OSError as error:
        raise ProjError(f"{path} cannot be written: {error.strerror or error}") from None
    sys.stderr.write(f"{counted(len(runs), 'run')} written to {path}\n")


def write_page(path: str, store: Store, runs: Sequence[Run], known: dict[str, str]) -> None:
    """One file that needs nothing else."""
    from runner.web.report import of_runs

    page = of_runs(store, runs, known)
    if path == "-":
        harmless(sys.stdout, html=True).write(page.decode())
        return
    refuse_special(path)
    try:
        with Draft(path, parents=False) as draft, open(draft, "wb") as file:
            file.write(page)
    except OSError as error:
        raise ProjError(f"{path} cannot be written: {error.strerror or error}") from None
    sys.stderr.write(f"{counted(len(runs), 'run')} written to {path}\n")


def refuse_special(path: str) -> None:
    """InputError: a file is put in its place as a whole, and no device or pipe is replaced."""
    if is_special(path):
        raise InputError(f"{path} is a device or a pipe, not a file", "-o -  writes to standard output")


def format_of(kind: str, path: str) -> str:
    """As asked for, or as the file is called."""
    extension = os.path.splitext(path)[1].lstrip(".").lower()
    found = kind or ("csv" if path == "-" else {"ndjson": "jsonl", "pq": "parquet"}.get(extension, extension))
    if found not in FORMATS:
        raise InputError(f"there is no format {found!r}", f"--format {'|'.join(FORMATS)}")
    return found


def write(
    file: TextIO,
    kind: str,
    runs: Sequence[Run],
    names: Sequence[str],
    known: dict[str, str],
    spreadsheet: bool,
) -> None:
    """csv has the columns `names`; json and jsonl have whole runs."""
    if kind == "csv":
        from runner.tables import csvfile

        csvfile.write(harmless(file), runs, names, known, spreadsheet)
        return
    from runner.cli.render_run import as_json

    texts = (json_text(as_json(run, known)) for run in runs)
    if kind == "jsonl":
        file.writelines(f"{text}\n" for text in texts)
    else:
        file.write("[")
        file.writelines(f"{',' if place else ''}\n{text}" for place, text in enumerate(texts))
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
        found = [columns.value(run, name) for run in runs]
        if name in ("started", "ended"):
            arrays[name] = pyarrow.array(found, pyarrow.timestamp("ms", tz="UTC"))
            continue
        types = {type(value) for value in found if value is not None}
        if types == {int, float}:
            found = [None if value is None else float(value) for value in found]
        elif name == "experiment" or len(types) > 1 or types & {dict, list}:
            found = [
                columns.flat(run, name, known) if value is not None else None
                for run, value in zip(runs, found, strict=True)
            ]
        arrays[name] = pyarrow.array(found, None if types else pyarrow.string(), from_pandas=False)
    parquet.write_table(pyarrow.table(arrays), path)


COMMAND = Command(command, (
    reference.RUNS,
    Option("path", ("-o", "--output"), "File to write; - is stdout.", default="-", metavar="FILE"),
    Option("form", ("--format",), "csv, json, jsonl, parquet or html; by default as the file is called.", metavar="FORMAT"),
    Option("to_mlflow", ("--to-mlflow",), "Send them to an MLflow server instead, with everything: as proj sync --to.", metavar="URI"),
    Option("where", ("--filter",), "Those that this filter finds.", metavar="FILTER"),
    Option("order_by", ("--order-by",), 'Such as "metrics.rmse".', "many", metavar="KEY", complete="keys"),
    Option("experiments", ("--experiment",), "Those of this experiment.", "many", metavar="NAME", complete="experiments"),
    Option("names", ("--columns",), "Columns of the file; by default all.", "many", metavar="NAMES", complete="columns"),
    Option("everything", ("-a", "--all"), "Those of all projects, and deleted ones, too.", "flag"),
    reference.STORE,
    Option("as_json", ("--json",), "As --format json.", "flag"),
    Option("csv", ("--csv",), "As --format csv.", "flag"),
    Option("html", ("--html",), "As --format html: a page with charts, in one file.", "flag"),
    Option("spreadsheet", ("--for-spreadsheet",), "In CSV: texts that a spreadsheet would calculate get a ' before them.", "flag"),
))  # fmt: skip
