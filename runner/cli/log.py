"""`proj log`: what a shell script, or a program in any language, writes into the record of its run."""

from __future__ import annotations

import os
from typing import Any

from runner import paths
from runner.cli.options import Option
from runner.errors import InputError
from runner.text.secrets import around
from runner.tracking import events
from runner.tracking.writer import RunWriter

__all__ = ["GROUP"]

RUN = Option(
    "run",
    ("--run",),
    "The run to write to; by default the one around this command.",
    metavar="RUN",
    complete="runner.cli.complete:runs",
)
STORE = Option("store", ("--store",), "The store of that run.", metavar="PATH")


def metric(values: dict[str, Any]) -> int:
    """Log points of metrics: proj log metric loss=0.3 acc=0.9 --step 4."""
    from runner.tracking.log import now

    moment = now() if values["timestamp"] is None else values["timestamp"]
    points = []
    for key, text in pairs(values["points"], "a metric"):
        try:
            points.append((key, float(text), moment, values["step"]))
        except ValueError:
            raise InputError(f"the metric {key!r} is not a number: {text!r}") from None
    with writer(values) as record:
        if len(points) == 1:
            record.metric(*points[0][:2], step=values["step"], timestamp=moment)
        else:
            record.metrics(points)
    return 0


def param(values: dict[str, Any]) -> int:
    """Log parameters: proj log param lr=0.1 model=ridge. They are kept as text."""
    found = pairs(values["params"], "a parameter")
    with writer(values) as record:
        record.append(*(events.param(key, value) for key, value in found))
    return 0


def tag(values: dict[str, Any]) -> int:
    """Set tags: proj log tag team=x."""
    found = pairs(values["tags"], "a tag")
    with writer(values) as record:
        record.append(*(events.tag(key, value) for key, value in found))
    return 0


def artifact(values: dict[str, Any]) -> int:
    """Keep a file or a folder with the run: proj log artifact out.png --path plots."""
    no_extra(values)
    if not values["files"]:
        raise InputError("which file?", "proj log artifact FILE")
    for path in values["files"]:
        if not os.path.exists(path):
            raise InputError(f"there is no file {path}")
    from runner.tracking import artifacts

    with writer(values) as record:
        for path in values["files"]:
            artifacts.put(record, os.path.abspath(path), values["path"])
    return 0


def dataset(values: dict[str, Any]) -> int:
    """Note which data was used, by name, hash and number of rows: proj log dataset data.csv --context training."""
    no_extra(values)
    if not os.path.exists(values["file"]):
        raise InputError(f"there is no file {values['file']}")
    from runner.data.dataset import describe

    event = describe(values["file"], values["name"], values["usage"])
    with writer(values) as record:
        record.append(event)
    return 0


def no_extra(values: dict[str, Any]) -> None:
    if values["extra"]:
        raise InputError(f"nothing can follow -- here: {' '.join(values['extra'])}")


def pairs(texts: list[str], what: str) -> list[tuple[str, str]]:
    """NAME=VALUE; a name may not be empty, a value may contain `=`."""
    if not texts:
        raise InputError(f"{what} is missing", "NAME=VALUE ...")
    found = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InputError(f"{text!r} is not NAME=VALUE")
        found.append((key, value))
    return found


def writer(values: dict[str, Any]) -> RunWriter:
    """Of the run around us (PROJ_RUN_ID, PROJ_STORE), without looking into its log; or of `--run`."""
    root = paths.store(values["store"])
    if values["run"]:
        from runner.cli.reference import find, open_store

        with open_store(values["store"]) as store:
            return store.open_run(find(store, values["run"]).run_id)
    run_id = os.environ.get("PROJ_RUN_ID", "")
    if not run_id:
        raise InputError("this is not inside a run", "proj log ... --run RUN  writes to one from outside")
    if not os.path.exists(os.path.join(root, "runs", run_id, "events.jsonl")):
        raise InputError(f"the run {run_id} is not in the store {root}", "PROJ_STORE  says where it is")
    return RunWriter(root, run_id, around(os.environ))


STEP = Option("step", ("--step",), "Step of the points.", "int", 0, metavar="N")
TIME = Option(
    "timestamp", ("--timestamp",), "Their time, in ms since the epoch; by default now.", "int", None
)
GROUP = {
    "metric": (
        (
            Option("points", ("points",), "NAME=NUMBER", "many", metavar="NAME=NUMBER..."),
            STEP,
            TIME,
            RUN,
            STORE,
        ),
        metric,
    ),
    "param": (
        (Option("params", ("params",), "NAME=VALUE", "many", metavar="NAME=VALUE..."), RUN, STORE),
        param,
    ),
    "tag": ((Option("tags", ("tags",), "NAME=VALUE", "many", metavar="NAME=VALUE..."), RUN, STORE), tag),
    "artifact": (
        (
            Option("files", ("files",), "Files or folders.", "many", metavar="FILE..."),
            Option("path", ("--path",), "Folder among the artifacts.", metavar="FOLDER"),
            RUN,
            STORE,
        ),
        artifact,
    ),
    "dataset": (
        (
            Option("file", ("file",), "File or folder with the data.", default=None, metavar="FILE"),
            Option("name", ("--name",), "Name of the data; by default the file's.", metavar="NAME"),
            Option("usage", ("--context",), "What it is used for: training, validation, ...", metavar="TEXT"),
            RUN,
            STORE,
        ),
        dataset,
    ),
}
