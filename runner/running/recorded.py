"""A run as its record tells it: all that is needed to make it again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from runner.environments.packages import changes
from runner.environments.python.lockfile import versions
from runner.errors import InputError, ProjError
from runner.running.reconcile import current
from runner.tracking.events import Facts
from runner.tracking.fold import PARENT_TAG, Metric, Run
from runner.tracking.log import read
from runner.tracking.metrics import points
from runner.tracking.store import Store
from runner.typed import NamedTuple
from runner.values import CodeState, Json

__all__ = [
    "CannotRunError",
    "Recorded",
    "changed_packages",
    "load",
    "machine_facts",
    "of",
    "with_children",
    "without_root",
]

DEPTH = 3  # of runs in runs
CHILDREN = 1000


class CannotRunError(ProjError):
    """The run cannot be made again. `cause`: code, environment, inputs, parameters or hardware."""

    def __init__(self, cause: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.cause = cause


class Recorded(NamedTuple):
    run: Run
    store: str  # folder of the store
    directory: str  # of the record
    params: Mapping[str, Json]  # that the command was given; those that it logged are not here
    texts: Mapping[str, str]
    lock: str  # text; "" when the environment had none
    installed: str = ""  # packages, one a line, of an environment that was found and not made
    untouched: tuple[str, ...] = ()  # outputs that were there before: only of a run in a clean room
    children: tuple[Recorded, ...] = ()  # runs that it started, in their order; only `load` looks for them

    def section(self, name: str) -> Facts:
        return self.run.sections.get(name, {})

    @property
    def packages(self) -> str:
        """Text that names all packages: the lock, or what was found installed."""
        return self.lock or self.installed

    @property
    def versions(self) -> dict[str, str]:
        """Of local packages: what the lock calls them -> name==version."""
        return versions(self.section("environment"))

    @property
    def code(self) -> CodeState:
        known = {key: value for key, value in self.section("code").items() if key in CodeState._fields}
        for key in ("left_out", "submodules", "folders"):
            known[key] = tuple(known.get(key) or ())
        return CodeState(**known)

    @property
    def options(self) -> dict[str, Any]:
        """The options of `proj run` that the record keeps, as fields of a Request."""
        given = self.section("command").get("options") or {}
        return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}

    @property
    def project(self) -> str:
        """The folder in which the command ran."""
        return str(self.section("command").get("directory", ""))

    @property
    def root(self) -> str:
        """The folder that the snapshot is of."""
        inside = self.subdirectory
        project = self.project
        return project[: -len(inside) - 1] if inside and project.endswith("/" + inside) else project

    @property
    def subdirectory(self) -> str:
        return str(self.section("source").get("subdirectory", ""))

    @property
    def artifacts(self) -> str:
        return os.path.join(self.directory, "artifacts")

    def descendants(self) -> Iterator[Recorded]:
        """Steps, and steps of steps, parents first."""
        for each in self.children:
            yield each
            yield from each.descendants()

    def artifact(self, name: str, folder: str) -> str:
        """The file of an artifact; of one that is kept elsewhere a copy, made in `folder`. "" when it is lost."""
        path = os.path.join(self.artifacts, *name.split("/"))
        if os.path.isfile(path):
            inside = os.path.realpath(path).startswith(os.path.realpath(self.artifacts) + os.sep)
            return path if inside else ""  # of a record that was sent to us
        from runner.tracking.artifacts import fetch

        target = os.path.join(folder, self.run.run_id, os.path.dirname(name))
        try:
            return fetch(Store(self.store), self.run.run_id, name, target)[0]
        except ProjError:
            return ""

    def histories(self) -> dict[str, list[Metric]]:
        """All points of all metrics in the order in which they were logged, re-sent ones once."""
        found: dict[str, dict[str, Metric]] = {}
        for key, metric in points(self.directory):
            found.setdefault(key, {}).setdefault(str(metric), metric)
        return {key: list(points.values()) for key, points in found.items()}


def load(store: Store, ref: str) -> Recorded:
    """InputError for a run that is not there, or still on."""
    run = current(store, store.resolve(ref))
    if run.status in ("RUNNING", "SCHEDULED"):
        raise InputError(f"the run {run.name} is not over", f"proj wait {run.run_id[:12]}  waits until it is")
    return with_children(store, of(store, run))


def with_children(store: Store, recorded: Recorded, depth: int = DEPTH) -> Recorded:
    """Steps of a pipeline, trials of a search: also runs that a client nested in it."""
    if not depth:
        return recorded
    page = store.search(f"tags.`{PARENT_TAG}` = '{recorded.run.run_id}'", limit=CHILDREN)
    runs = sorted(page.runs, key=lambda run: (run.start_time, run.run_id))
    return recorded._replace(children=tuple(with_children(store, of(store, run), depth - 1) for run in runs))


def of(store: Store, run: Run) -> Recorded:
    """With the parameters and locks that its folder holds. StoreError when the record cannot be read."""
    directory = store.run_directory(run.run_id)
    run = _exact(store, run)
    params, texts = _given(directory)
    environment = run.sections.get("environment", {})
    lock, installed = (_text(directory, environment.get(name)) for name in ("lock", "packages"))
    return Recorded(run, store.root, directory, params, texts, lock, installed)


def _exact(store: Store, run: Run) -> Run:
    """With paths as the file system has them: those that are not UTF-8 are shown with a backslash."""
    files = (*run.inputs, *run.outputs, *(run.sections.get("code", {}).get("left_out") or ()))
    named = [*(str(each.get("path", "")) for each in files), *run.artifacts]
    return store.read(run.run_id, exact=True) if any("\\" in path for path in named) else run


def _text(directory: str, name: object) -> str:
    """Of a file in the record; "" when it is not there."""
    if not isinstance(name, str) or not name:
        return ""
    try:
        with open(
            os.path.join(directory, os.path.basename(name)), encoding="utf-8", errors="replace"
        ) as file:
            return file.read()
    except OSError:
        return ""


def _given(directory: str) -> tuple[dict[str, Json], dict[str, str]]:
    """Parameters that were recorded before the command: what the program logs comes after."""
    params: dict[str, Json] = {}
    texts: dict[str, str] = {}
    for event, _ in read(os.path.join(directory, "events.jsonl"), exact=True):
        if event["type"] == "command":
            break
        if event["type"] == "param" and "key" in event:
            params[event["key"]] = event.get("value")
            texts[event["key"]] = event.get("text", str(event.get("value")))
    return params, texts


def machine_facts(recorded: Recorded) -> dict[str, str]:
    """What may change numbers: processor, system, number of cores, GPUs."""
    machine = recorded.section("machine")
    found = {name: str(machine[name]) for name in ("cpu", "cores", "os") if machine.get(name)}
    return found | {"gpus": str(machine.get("gpus") or "none")} if machine else {}


def without_root(recorded: Recorded) -> dict[str, Any]:
    """A path in the project's folder is the same wherever that folder is."""
    root = recorded.root
    return {
        name: value.replace(root, "") if isinstance(value, str) and root else value
        for name, value in recorded.params.items()
    }


def changed_packages(old: str, new: str) -> list[str]:
    """`six 1.16.0 -> 1.17.0` for each package that differs."""
    if old == new or not (old and new):  # of a run that did not record them nothing is known
        return []
    return [
        f"{name} {before or 'absent'} -> {after or 'absent'}" for name, before, after in changes(old, new)
    ]
