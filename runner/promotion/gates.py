"""The gates that a machine can judge: a validation run, a better metric, a rebuild, what is documented."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from runner.errors import InputError, ProjError, StoreError
from runner.promotion.rebuild import rebuild
from runner.running.plan import Outcome, Request
from runner.running.run import run as run_project
from runner.tracking.index.grammar import Clause, meets, test
from runner.tracking.registry import RegisteredModel, Version, sources
from runner.tracking.registry.policy import INPUT_EXAMPLE, Need, Texts, conditions, undocumented
from runner.tracking.store import Store
from runner.values import Json, JsonMapping, Report

__all__ = ["Judged", "judge"]


class Judged(NamedTuple):
    verdict: str  # pass or fail
    detail: str
    facts: Mapping[str, Json] = {}  # run_id, against


class Case(NamedTuple):
    store: Store
    model: RegisteredModel
    version: Version
    by: str
    report: Report


def judge(need: Need, case: Case) -> Judged:
    """A gate that cannot be judged fails, and says why."""
    try:
        return GATES[need.kind](need.options, case)
    except ProjError as error:
        return Judged("fail", error.message)


def _run(options: JsonMapping, case: Case) -> Judged:
    """A run of its own, which is recorded and linked."""
    path = sources.file_of(case.store, case.version)
    words = {"model": path, "name": case.model.name, "version": str(case.version.number)}
    given = {str(key): _filled(str(value), words) for key, value in (options.get("parameters") or {}).items()}
    label = f"{case.model.name}/{case.version.number}"
    request = Request(
        uri=str(options.get("project", ".")),
        version=str(options.get("version", "")),
        entry_point=str(options.get("entry_point", "main")),
        parameters=tuple(f"{key}={value}" for key, value in given.items()),
        tags=(f"proj.gate={label}",),
        store=case.store.root,
    )
    outcome = run_project(request, case.report)
    if not isinstance(outcome, Outcome):
        raise InputError("the gate was not run")
    with case.store.open_run(outcome.run_id) as writer:
        link: Mapping[str, Json] = {
            "type": "link", "relation": "gates", "name": case.model.name, "version": case.version.number
        }  # fmt: skip
        writer.append(link)
    run = case.store.read(outcome.run_id)
    if run.status != "FINISHED":
        return Judged("fail", f"the run {run.name} {run.status.lower()}", {"run_id": run.run_id})
    clauses = conditions(str(options["pass"]))
    values = {key: point.value for key, point in run.metrics.items()}
    passed = meets(clauses, lambda clause: test(clause, _value(clause, values, run.params)))
    shown = ", ".join(f"{key}={value:g}" for key, value in values.items())
    return Judged("pass" if passed else "fail", f"{options['pass']}: {shown}", {"run_id": run.run_id})


def _value(clause: Clause, metrics: Mapping[str, float], params: Mapping[str, Json]) -> str | float | None:
    if clause.entity == "metric":
        return metrics.get(clause.key)
    found = params.get(clause.key)
    return None if found is None else str(found)


def _filled(text: str, words: Mapping[str, str]) -> str:
    for key, value in words.items():
        text = text.replace(f"{{{key}}}", value)
    return text


def _better(options: JsonMapping, case: Case) -> Judged:
    """Than the version to which the alias leads now."""
    alias, key = str(options["alias"]), str(options["metric"])
    current = case.model.aliased(alias)
    if current is None:
        return Judged("pass", f"{alias} leads nowhere yet")
    if current.version_id == case.version.version_id:
        return Judged("pass", f"{alias} leads to it", {"against": current.version_id})
    ours, theirs = (_metric(case, version, key) for version in (case.version, current))
    margin = float(options.get("by", 0))
    gain = theirs - ours if options.get("lower") else ours - theirs
    detail = f"{key} {ours:g}, that of {case.model.name}/{current.number} {theirs:g}; {margin:g} needed"
    return Judged("pass" if gain >= margin else "fail", detail, {"against": current.version_id})


def _metric(case: Case, version: Version, key: str) -> float:
    label = f"{case.model.name}/{version.number}"
    try:
        run = case.store.read(version.run_id)
    except StoreError:
        raise InputError(f"the run of {label} is not in this store") from None
    if key not in run.metrics:
        raise InputError(f"the run of {label} has no metric {key!r}")
    return run.metrics[key].value


def _rebuild(options: JsonMapping, case: Case) -> Judged:
    given = str(options["tolerance"]) if "tolerance" in options else ""
    found = rebuild(
        case.store, case.model.name, case.version, (given,) if given else (), case.by, case.report
    )
    passed = found.verdict == "identical" or (found.verdict == "within-tolerance" and bool(given))
    return Judged("pass" if passed else "fail", found.verdict, {"run_id": (found.runs or ("",))[0]})


def _signature(options: JsonMapping, case: Case) -> Judged:  # noqa: ARG001
    """The MLmodel file says what the model takes and gives."""
    from runner.models.folder import mlmodel

    signature = mlmodel(sources.file_of(case.store, case.version)).get("signature")
    whole = isinstance(signature, dict) and signature.get("inputs") and signature.get("outputs")
    return Judged("pass", "") if whole else Judged("fail", "the model has no signature of inputs and outputs")


def _documented(options: JsonMapping, case: Case) -> Judged:
    from runner.models.folder import mlmodel

    model, version, fields = case.model, case.version, [str(each) for each in options["fields"]]
    missing = undocumented(fields, version, Texts(model.description, model.tags))
    described = mlmodel(sources.file_of(case.store, version)) if INPUT_EXAMPLE in fields else {}
    if INPUT_EXAMPLE in fields and not described.get("saved_input_example_info"):
        missing.append(INPUT_EXAMPLE)
    return Judged("fail", f"not documented: {', '.join(missing)}") if missing else Judged("pass", "")


GATES: Mapping[str, Callable[[JsonMapping, Case], Judged]] = {
    "run": _run,
    "better-than": _better,
    "rebuild": _rebuild,
    "model-signature": _signature,
    "documented": _documented,
}
