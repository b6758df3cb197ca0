"""`proj predict`, told by one function: a model, its environment, an input in chunks, an output, a record."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from runner import paths
from runner.environments import system
from runner.errors import InputError, ProjError
from runner.host import hashing
from runner.host.files import Digest, Draft, open_file, transfer
from runner.models import mlmodel, trust
from runner.models.address import Located
from runner.models.environment import Choice, prepare
from runner.models.output import Output
from runner.models.predicting import batch
from runner.models.predicting.files import Parts, Source
from runner.models.recording import About, Recording
from runner.models.serving import worker
from runner.running.recorded import of
from runner.tracking import artifacts, events
from runner.tracking.fold import Run
from runner.tracking.store import Store
from runner.values import Ended, Environment, Json, Report

__all__ = ["Predicted", "Wish", "predict"]

KEY = "proj.predict.key"  # tag: of all that decides on the predictions
FORMAT = 2  # of the key
STANDARD = "-"  # label of standard input


class Wish(NamedTuple):
    """What is asked of it."""

    source: Source
    target: str  # path of the output
    label: str  # how it is called in the record: its path, or - for standard output
    to: str  # its form
    keep: tuple[str, ...] = ()  # columns of the input that are written, too
    params: Mapping[str, str] = {}
    chunk: int = 50_000  # rows
    cached: bool = False
    only_signed: bool = False


class Predicted(NamedTuple):
    run_id: str
    name: str
    rows: int
    output: str
    digest: str
    cached_from: str = ""


def predict(
    store: Store,
    model_at: AbstractContextManager[Located],
    choice: Choice,
    wish: Wish,
    about: About,
    report: Report,
) -> Predicted:
    """InputError or StoreError for what is no model, or must not be loaded; ProjError when it gives no predictions."""
    with model_at as found:
        model = mlmodel.read(found.folder)
        signers = trust.check(store, found, model.digest, wish.only_signed)
        trust.tell_risks(found, model, report)
        data = _digest(wish.source, report)
        with Recording.begin(store, about, found, model, signers) as recording:
            facts = {
                "path": wish.source.label,
                "digest": data.digest,
                "size": data.size,
                "origin": "declared",
            }
            recording.writer.append(events.input_file(facts))
            environment = prepare(store, found, model, choice, report)
            recording.environment(environment)
            key = _key(
                model.digest,
                data,
                [environment.key, environment.lock, *_installed(environment, recording.run_id)],
                wish,
            )
            earlier = _earlier(store, key) if wish.cached else None
            if wish.cached and not environment.lock:
                report.note("--cached: the environment has no lock, so nothing says that it is the same")
            if earlier is not None and environment.lock:
                _check_unchanged(wish.source, data, report)
                rows = _take(store, earlier, wish)
                recording.writer.append(events.run_link("cached-from", earlier.run_id))
            else:
                trust.check(store, found, model.digest, wish.only_signed)
                rows = _made(recording, environment, found.folder, wish, data, key, report)
            digest = _keep(recording, wish, key, rows)
            recording.ended = Ended("FINISHED", 0, "exit")
            from_run = earlier.run_id if earlier is not None and environment.lock else ""
            return Predicted(recording.run_id, recording.name, rows, wish.label, digest, from_run)


def _digest(source: Source, report: Report) -> Digest:
    with report.step(f"reading {os.path.basename(source.path)}"):
        try:
            return hashing.digest(source.path)
        except OSError as error:
            raise InputError(f"{source.path} cannot be read: {error.strerror or error}") from None


def _check_unchanged(source: Source, data: Digest, report: Report) -> None:
    if _digest(source, report) != data:
        raise ProjError(f"{source.label} was changed while it was read", "the same command begins anew")


def _installed(environment: Environment, run_id: str) -> Iterator[str]:
    """What an environment is of that has no key, since we did not make it; of one that cannot be known `run_id`."""
    activation = environment.activation
    if environment.key:
        return
    if os.environ.get("PYTHONPATH") or system.editable(activation.python):
        yield run_id  # code in somebody's folder: it is begun anew each time
    yield from (os.path.realpath(activation.python), activation.prefix)
    yield from (*system.packages(activation), *system.loose(activation))


def _key(model: str, data: Digest, environment: Iterable[str], wish: Wish) -> str:
    parts = [FORMAT, model, data.digest, [*environment], wish.to, wish.source.form]
    options = [list(wish.keep), dict(wish.params), wish.chunk]
    return hashlib.sha256(json.dumps([parts, options], sort_keys=True).encode()).hexdigest()


def _earlier(store: Store, key: str) -> Run | None:
    page = store.search(f"tags.`{KEY}` = '{key}' and kind = 'predict' and status = 'FINISHED'", limit=1)
    return page.runs[0] if page.runs else None


def _take(store: Store, run: Run, wish: Wish) -> int:
    """Its predictions, as they were kept."""
    hint = "without --cached they are made again"
    with TemporaryDirectory(dir=paths.temporary()) as folder:
        path = of(store, run).artifact(_kept_as(wish), folder)
        if not path or not run.outputs:
            raise ProjError(f"the predictions of the run {run.name} are lost", hint)
        with Draft(wish.target) as draft, open_file(path) as kept, open(draft, "wb") as file:
            if transfer(kept, file.write).digest != run.outputs[0]["digest"]:
                raise ProjError(f"the predictions of the run {run.name} were changed since", hint)
    return int(run.metrics["predict.rows"].value)


def _made(
    recording: Recording,
    environment: Environment,
    folder: str,
    wish: Wish,
    data: Digest,
    key: str,
    report: Report,
) -> int:
    """Nothing takes the place of the output before it is whole, and made of what was there at the beginning."""
    began = time.monotonic()
    with closing(Parts(f"{wish.target}.parts", key)) as parts:
        if parts.count:
            report.note(f"{parts.rows} rows were predicted before: it is gone on from there")
        with Draft(wish.target) as draft:
            rows = _predicted(recording, environment, folder, wish, parts, draft, report)
            try:
                _check_unchanged(wish.source, data, report)
            except ProjError:
                parts.remove()
                raise
        parts.remove()
    recording.metrics({"predict.seconds": time.monotonic() - began}, 0)
    return rows


def _predicted(
    recording: Recording,
    environment: Environment,
    folder: str,
    wish: Wish,
    parts: Parts,
    draft: str,
    report: Report,
) -> int:
    with Output(recording.directory, quiet=True) as output:
        asked: dict[str, Json] = {
            "worker": os.path.abspath(worker.__file__),
            "model": folder,
            "paths": [*map(os.path.abspath, wish.source.paths)],
            "format": wish.source.form,
            "chunk": wish.chunk,
            "keep": [*wish.keep],
            "params": dict(wish.params),
            "folder": parts.folder,
            "part": parts.count,
            "skip": parts.rows,
            "names": [*parts.names],
            "target": draft,
            "to": wish.to,
        }
        rows = 0
        variables = recording.variables(environment.activation)
        with report.step(f"predicting for {os.path.basename(wish.source.label)}") as step:
            for told in _told(environment.activation.python, asked, variables, output.fd):
                if "failed" in told:
                    problem = str(told["failed"])
                    if wish.source.label == STANDARD:
                        problem = problem.replace(wish.source.path, "standard input")
                    raise ProjError(problem, f"proj logs {recording.name}  says more")
                if "part" in told:
                    parts.note(told["rows"], told["part"], told["names"])
                    step.update(f"{parts.rows} rows")
                rows = told.get("done", rows)
    return rows


def _told(
    python: str, asked: Mapping[str, Json], variables: Mapping[str, str], output: int
) -> Iterator[Mapping[str, Any]]:
    """What the process tells, a line each. ProjError when it dies without a word; it never outlives the caller."""
    ours, theirs = os.pipe()
    argv = [python, os.path.abspath(batch.__file__), str(theirs)]
    with open(ours, encoding="utf-8") as lines:
        try:
            process = subprocess.Popen(
                argv, env=dict(variables), stdin=subprocess.PIPE, stdout=output, stderr=output,
                pass_fds=(theirs,), start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(theirs)
        try:
            assert process.stdin is not None  # noqa: S101
            with process.stdin as stdin:
                stdin.write(json.dumps(asked).encode())
            last: Mapping[str, Any] = {}
            for line in lines:
                last = json.loads(line)
                yield last
            code = process.wait()
            if not {"done", "failed"} & set(last):
                how = f"was ended by signal {-code}" if code < 0 else f"exited with {code}"
                raise ProjError(f"the process with the model {how}")
        finally:
            process.kill()
            process.wait()


def _keep(recording: Recording, wish: Wish, key: str, rows: int) -> str:
    """The output's digest; a copy of it is kept as an artifact of the run."""
    found = hashing.digest(wish.target)
    if problems := artifacts.keep(recording.writer, {_kept_as(wish): wish.target}, {}):
        raise ProjError(f"the predictions cannot be kept: {problems[0]}")
    recording.writer.append(events.output(wish.label, found.digest, found.size))
    recording.metrics({"predict.rows": float(rows)}, 0)
    recording.writer.tag(KEY, key)
    return found.digest


def _kept_as(wish: Wish) -> str:
    return f"predictions.{wish.to}"
