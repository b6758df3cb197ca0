"""`proj models check`: a model is loaded in its environment, scores its example, and gives what it gave before.

What it gave before is that of the first check of the same files in this store: MLflow keeps no output of the example.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from tempfile import TemporaryDirectory
from typing import NamedTuple

from runner import paths
from runner.errors import InputError, StoreError
from runner.host import files
from runner.models import mlmodel, trust
from runner.models.address import Located
from runner.models.environment import Choice, prepare
from runner.models.mlmodel import Model
from runner.models.output import Output
from runner.models.recording import About, Recording
from runner.models.serving.starting import Command
from runner.models.signature import Field
from runner.models.single import Single
from runner.reproduction.verdict.tolerance import Tolerance
from runner.running.recorded import of
from runner.tracking import artifacts
from runner.tracking.fold import Run
from runner.tracking.store import Store
from runner.values import Ended, Json, Report

__all__ = ["Checked", "check"]

ANSWER = "predictions.json"
DIGEST = "proj.model.digest"  # tag: of which files a check was
TYPES: dict[str, tuple[type, ...]] = {
    "double": (int, float, type(None)), "float": (int, float, type(None)), "long": (int,), "integer": (int,),
    "boolean": (bool,), "string": (str,),
}  # fmt: skip
MANY = 5  # differences that are named


class Checked(NamedTuple):
    verdict: str  # ok, first (there is nothing to compare with yet), no-example, wrong (not as it states), different
    run_id: str
    name: str
    mlflow: str
    python: str
    problems: tuple[str, ...] = ()
    against: str = ""  # id of the run whose predictions they were compared with

    @property
    def exit_code(self) -> int:
        return 1 if self.verdict in ("wrong", "different") else 0


def check(
    store: Store,
    model_at: AbstractContextManager[Located],
    choice: Choice,
    about: About,
    tolerance: Tolerance,
    report: Report,
    only_signed: bool = False,
) -> Checked:
    """InputError or StoreError for what is no model, or must not be loaded; ProjError when it cannot be loaded."""
    with model_at as found:
        model = mlmodel.read(found.folder)
        signers = trust.check(store, found, model.digest, only_signed)
        trust.tell_risks(found, model, report)
        with Recording.begin(store, about, found, model, signers) as recording:
            environment = prepare(store, found, model, choice, report)
            recording.environment(environment)
            recording.writer.tag(DIGEST, model.digest)
            trust.check(store, found, model.digest, only_signed)
            variables = recording.variables(environment.activation)
            with Output(recording.directory, quiet=True) as output:
                command = Command(environment.activation.python, found.folder, variables, output.fd)
                with report.step("loading the model"), Single(command) as loaded:
                    made = _example(loaded, model)
            checked = _judged(store, recording, model, made, tolerance)
            checked = checked._replace(mlflow=loaded.facts["mlflow"], python=loaded.facts["python"])
            message = "; ".join((checked.verdict, *checked.problems))
            code = checked.exit_code
            recording.ended = Ended("FAILED" if code else "FINISHED", code, "exit", "", message)
            return checked


class Made(NamedTuple):
    problem: str = ""  # why there are no predictions
    predictions: Json = None


def _example(loaded: Single, model: Model) -> Made | None:
    """What it answers to its example; None where it has none."""
    if model.example is None:
        return None
    answer = loaded.ask(_body(model))
    if answer.status != 200:
        said = answer.body.decode("utf-8", "replace")
        return Made(f"the example is answered with {answer.status}: {said[:500]}")
    value = json.loads(answer.body)
    return Made("", value["predictions"] if isinstance(value, dict) and "predictions" in value else value)


def _body(model: Model) -> bytes:
    """The example as a client would send it; older releases of MLflow kept it in another form."""
    example = model.example
    assert example is not None  # noqa: S101
    data = files.read(os.path.join(model.folder, example.served or example.path))
    if example.served or example.kind != "dataframe":
        return data
    try:
        stated = json.loads(data)
    except ValueError as error:
        raise InputError(f"{example.path} is no JSON: {error}") from None
    return json.dumps(
        {"dataframe_split" if isinstance(stated, dict) else "dataframe_records": stated}
    ).encode()


def _judged(
    store: Store, recording: Recording, model: Model, made: Made | None, tolerance: Tolerance
) -> Checked:
    checked = Checked("no-example", recording.run_id, recording.name, "", "")
    if made is None:
        return checked
    if made.problem:
        return checked._replace(verdict="wrong", problems=(made.problem,))
    _keep(recording, made.predictions)
    if found := _unlike(made.predictions, model.signature.outputs):
        return checked._replace(verdict="wrong", problems=(found,))
    before = _before(store, model)
    if before is None:
        return checked._replace(verdict="first")
    differences = list(_differences(_kept(store, before), made.predictions, tolerance, "predictions"))
    more = (f"and {len(differences) - MANY} more",) if len(differences) > MANY else ()
    return checked._replace(
        verdict="different" if differences else "ok",
        problems=(*differences[:MANY], *more),
        against=before.run_id,
    )


def _keep(recording: Recording, predictions: Json) -> None:
    path = os.path.join(recording.directory, ANSWER)
    files.write(path, json.dumps(predictions))
    artifacts.put(recording.writer, path)
    os.unlink(path)


def _before(store: Store, model: Model) -> Run | None:
    """The first check of the same files that had predictions."""
    wanted = f"tags.`{DIGEST}` = '{model.digest}' and kind = 'check' and status = 'FINISHED'"
    page = store.search(wanted, order_by=("start_time ASC",))
    return next((run for run in page.runs if ANSWER in run.artifacts), None)


def _kept(store: Store, run: Run) -> Json:
    with TemporaryDirectory(dir=paths.temporary()) as folder:
        path = of(store, run).artifact(ANSWER, folder)
        if not path:
            raise StoreError(
                f"the predictions of the check {run.name} are lost", f"proj rm {run.run_id[:12]}"
            )
        value: Json = json.loads(files.read(path))
        return value


def _unlike(predictions: Json, outputs: tuple[Field, ...]) -> str:
    """How they are not what the signature says of the outputs; "" where they are, or it says nothing of them."""
    if not isinstance(predictions, list) or not outputs or not predictions:
        return ""
    row = predictions[0]
    named = [each for each in outputs if each.name]
    if isinstance(row, dict) and named:
        if missing := [each.name for each in named if each.required and each.name not in row]:
            return f"the signature has an output {missing[0]!r}, and the predictions have none"
        values = [(each, row[each.name]) for each in named if each.name in row]
    else:
        values = [(outputs[0], row)] if len(outputs) == 1 else []
    for field, value in values:
        wanted = TYPES.get(field.type)
        wrong = wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted))
        if wrong and field.required:
            return f"the signature has the output {field}, and the prediction is {json.dumps(value)[:80]}"
    return ""


def _differences(old: Json, new: Json, tolerance: Tolerance, where: str) -> Iterator[str]:
    numbers = (int, float)
    if isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{where}: {len(new)} instead of {len(old)}"
            return
        for place, (one, two) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, two, tolerance, f"{where}[{place}]")
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from _differences(old.get(name), new.get(name), tolerance, f"{where}.{name}")
    elif isinstance(old, numbers) and isinstance(new, numbers) and bool not in (type(old), type(new)):
        if not tolerance.allows(float(old), float(new)):
            yield f"{where}: {new!r} instead of {old!r}"
    elif old != new:
        yield f"{where}: {json.dumps(new)[:80]} instead of {json.dumps(old)[:80]}"
