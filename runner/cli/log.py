"""`proj log`: what a shell script, or a program in any language, writes into the record of its run."""

from __future__ import annotations

import os

from runner import paths
from runner.cli.options import Command, Group, Option, pairs
from runner.cli.reference import RUN, STORE, find, open_store
from runner.errors import InputError
from runner.host.files import is_special
from runner.text.secrets import around
from runner.tracking import events
from runner.tracking.log import now
from runner.tracking.writer import RunWriter

__all__ = ["COMMAND"]


def metric(points: tuple[str, ...], step: int, timestamp: int | None, ref: str, location: str) -> int:
    """Log points of metrics: proj log metric loss=0.3 acc=0.9 --step 4."""
    moment = now() if timestamp is None else timestamp
    found = []
    for key, text in _given(points, "a metric"):
        try:
            found.append((key, float(text), moment, step))
        except ValueError:
            raise InputError(f"the metric {key!r} is not a number: {text!r}") from None
    with _writer(ref, location) as record:
        if len(found) == 1:
            record.metric(*found[0][:2], step=step, timestamp=moment)
        else:
            record.metrics(found)
    return 0


def param(params: tuple[str, ...], ref: str, location: str) -> int:
    """Log parameters: proj log param lr=0.1 model=ridge. They are kept as text."""
    found = _given(params, "a parameter")
    with _writer(ref, location) as record:
        record.append(*(events.param(key, value) for key, value in found))
    return 0


def tag(tags: tuple[str, ...], ref: str, location: str) -> int:
    """Set tags: proj log tag team=x."""
    found = _given(tags, "a tag")
    with _writer(ref, location) as record:
        record.append(*(events.tag(key, value) for key, value in found))
    return 0


def artifact(files: tuple[str, ...], path: str, ref: str, location: str) -> int:
    """Keep a file or a folder with the run: proj log artifact out.png --path plots."""
    from runner.tracking import artifacts

    if not files:
        raise InputError("which file?", "proj log artifact FILE")
    for file in files:
        _check_there(file)
    with _writer(ref, location) as record:
        for file in files:
            artifacts.put(record, os.path.abspath(file), path)
    return 0


def dataset(file: str, name: str, usage: str, ref: str, location: str) -> int:
    """Note which data was used, by name, hash and number of rows: proj log dataset data.csv --context training."""
    from runner.data.dataset import describe

    _check_there(file)
    try:
        event = describe(file, name, usage)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    with _writer(ref, location) as record:
        record.append(event)
    return 0


def _check_there(file: str) -> None:
    if not os.path.exists(file):
        raise InputError(f"there is no file {file}")
    if is_special(file):
        raise InputError(f"{file} is a device or a pipe, not a file")


def _given(texts: tuple[str, ...], what: str) -> list[tuple[str, str]]:
    if not texts:
        raise InputError(f"{what} is missing", "NAME=VALUE ...")
    return pairs(texts)


def _writer(ref: str, location: str) -> RunWriter:
    """Of the run around us (PROJ_RUN_ID, PROJ_STORE), without looking into its log; or of `--run`."""
    if ref:
        with open_store(location) as store:
            return store.open_run(find(store, ref).run_id)
    root, run_id = paths.store(location), os.environ.get("PROJ_RUN_ID", "")
    if not run_id:
        raise InputError("this is not inside a run", "proj log ... --run RUN  writes to one from outside")
    if not os.path.exists(os.path.join(root, "runs", run_id, "events.jsonl")):
        raise InputError(f"the run {run_id} is not in the store {root}", "PROJ_STORE  says where it is")
    return RunWriter(root, run_id, around(os.environ))


RECORD = (
    RUN._replace(
        names=("--run",), help="The run to write to; by default the one around this command.", default=""
    ),
    STORE._replace(help="The store of that run."),
)
COMMAND = Group("Write metrics, parameters, tags and files into the record of a run.", {
    "metric": Command(metric, (
        Option("points", (), "NAME=NUMBER", "many", metavar="NAME=NUMBER..."),
        Option("step", ("--step",), "Step of the points.", "int", 0, metavar="N"),
        Option("timestamp", ("--timestamp",), "Their time, in ms since the epoch; by default now.", "int", None),
        *RECORD,
    )),
    "param": Command(param, (Option("params", (), "NAME=VALUE", "many", metavar="NAME=VALUE..."), *RECORD)),
    "tag": Command(tag, (Option("tags", (), "NAME=VALUE", "many", metavar="NAME=VALUE..."), *RECORD)),
    "artifact": Command(artifact, (
        Option("files", (), "Files or folders.", "many", metavar="FILE..."),
        Option("path", ("--path",), "Folder among the artifacts.", metavar="FOLDER"),
        *RECORD,
    )),
    "dataset": Command(dataset, (
        Option("file", (), "File or folder with the data.", default=None, metavar="FILE"),
        Option("name", ("--name",), "Name of the data; by default the file's.", metavar="NAME"),
        Option("usage", ("--context",), "What it is used for: training, validation, ...", metavar="TEXT"),
        *RECORD,
    )),
})  # fmt: skip
