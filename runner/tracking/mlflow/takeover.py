"""Takes runs over from MLflow into a store: whole or not at all, and each once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from sqlite3 import DatabaseError
from typing import TYPE_CHECKING, NamedTuple

from runner.errors import InputError, ProjError, StoreError
from runner.host.files import Hash
from runner.tracking import events
from runner.tracking.events import Event
from runner.tracking.journal import hint
from runner.tracking.log import encode, now
from runner.tracking.mlflow.reader import File, ForeignExperiment, ForeignRun, Reader
from runner.tracking.store import is_run_id
from runner.values import Report

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["Taken", "take_over"]

POINTS = 5000  # of one line


ODD = (
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    DatabaseError,
)  # of what others wrote


class Taken(NamedTuple):
    runs: int
    there: int  # that were there before
    without_files: tuple[str, ...]  # reasons, for runs whose artifacts could not be read


def take_over(
    store: Store, reader: Reader, report: Report, names: Sequence[str] = (), files: bool = True
) -> Taken:
    """`names`: only these experiments. A run keeps its id, so that a second time finds it there."""
    taken, there, problems = 0, 0, []
    found = [each for each in reader.experiments() if not names or each.name in names]
    if missing := set(names) - {each.name for each in found}:
        raise InputError(f"there is no experiment {sorted(missing)[0]!r}")
    for experiment in found:
        target = _experiment(store, experiment)
        with report.step(f"importing {experiment.name}") as step:
            for run in reader.runs(experiment):
                if os.path.exists(store.run_directory(_id(run))):
                    there += 1
                    continue
                problem = _take(store, reader, run, target, files)
                if problem and problem not in problems:
                    problems.append(problem)
                taken += 1
                step.update(f"{taken} runs")
        if (
            experiment.lifecycle == "deleted"
            and store.experiment(target).lifecycle == "active"
            and target != "0"
        ):
            store.delete_experiment(target)
    return Taken(taken, there, tuple(problems))


def _id(run: ForeignRun) -> str:
    """Its own, if it is one that we could have; else one that is made from it."""
    if is_run_id(run.run_id):
        return run.run_id
    total = Hash()
    total.update(run.run_id.encode())
    return total.result().hex[:32]


def _experiment(store: Store, experiment: ForeignExperiment) -> str:
    known = store.experiment_by_name(experiment.name)
    if known is not None:
        return known.experiment_id
    return store.create_experiment(experiment.name, tags=dict(experiment.tags))


def _take(store: Store, reader: Reader, run: ForeignRun, experiment_id: str, files: bool) -> str:
    """Why its artifacts could not be taken; "" when all is there. The folder is moved to its place when it is whole."""
    run_id, problem = _id(run), ""
    draft = os.path.join(store.root, "runs", f".import-{run_id}-{os.getpid()}")
    try:
        os.makedirs(draft)
        with open(os.path.join(draft, "events.jsonl"), "wb") as log:
            for event in _events(reader, run, experiment_id):
                log.write(encode({"time": now(), **event}))
            if files:
                try:
                    for file in reader.files(run):
                        log.write(encode({"time": now(), **_copy(file, os.path.join(draft, "artifacts"))}))
                except InputError as error:
                    problem = error.message
            log.write(encode({**events.update(status=run.status, end_time=run.end_time), "time": now()}))
            if run.lifecycle == "deleted":
                log.write(encode({**events.deleted(), "time": now()}))
        os.rename(draft, store.run_directory(run_id))
    except OSError as error:
        raise StoreError(f"{draft}: {error.strerror or error}") from error
    except ODD as error:
        raise InputError(f"the run {run.run_id!r} cannot be read there: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    hint(store.root, run_id)
    return problem


def _events(reader: Reader, run: ForeignRun, experiment_id: str) -> Iterator[Event]:
    name = run.name or run.tags.get("mlflow.runName", "")
    start = run.start_time
    yield events.start(_id(run), experiment_id, name=name, user=run.user, kind="client", start_time=start)
    yield from events.params(run.params)
    yield from events.tags(run.tags)
    for dataset in run.datasets:
        yield events.dataset(**dataset._asdict())
    points: list[tuple[str, float, int, int]] = []
    for key in run.metric_keys:
        for point in reader.history(run, key):
            points.append((key, *point))
            if len(points) == POINTS:
                yield events.metrics(points)
                points = []
    if points:
        yield events.metrics(points)


def _copy(file: File, root: str) -> Event:
    parts = file.path.split("/")
    if ".." in parts or file.path.startswith("/") or "\0" in file.path:
        raise ProjError(f"an artifact has the path {file.path!r}, which leads out of its run")
    target = os.path.join(root, *parts)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    total = Hash()
    with open(target, "wb") as copy:
        for piece in file.read():
            total.update(piece)
            copy.write(piece)
    digest, size = total.result()
    return events.artifact(file.path, digest, size)
