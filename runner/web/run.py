"""One run: what it was, how it ended, its curves, what went in and came out, and how often that was proved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runner.errors import InputError, ProjError
from runner.protocol.answer import ApiError
from runner.protocol.gate import head_of
from runner.running.reconcile import concluded
from runner.text import units
from runner.tracking.fold import Run
from runner.web import charts, series
from runner.web.access import form, visitor
from runner.web.render import HEADERS, number, page

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["Fact", "note", "show", "the_run"]

CHARTS = 60  # on one page
CHILDREN = 200
NOTE = "mlflow.note.content"
HIDDEN = (NOTE, "mlflow.runName", "mlflow.parentRunId", "mlflow.source.name", "mlflow.source.type")


class Fact(NamedTuple):
    name: str
    value: str
    link: str = ""


class Proof(NamedTuple):
    """One time that the run was made again."""

    verdict: str
    cause: str
    run_ids: tuple[str, ...]


def the_run(request: Request) -> Run:
    """By its id, or whatever else names a run on the command line. ApiError when there is none."""
    store: Store = request.app.state.site.store
    try:
        return concluded(store.read(store.resolve(request.path_params["run_id"])))
    except InputError as problem:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", problem.message) from None


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    run = the_run(request)
    children = store.search(f"parent = '{run.run_id}'", None, ["start_time ASC"], CHILDREN).runs
    try:
        experiment = store.experiment(run.experiment_id).name
    except ProjError:  # of a store that was copied in part
        experiment = run.experiment_id
    return page(
        request, "run.html", run=run, experiment=experiment, children=list(map(concluded, children)),
        ended=_ended(run), note=run.tags.get(NOTE, ""), charts=_charts(store, run),
        look=charts.look(request.query_params), state=charts.state(request.query_params, [run.run_id]),
        groups=[group for group in _groups(run) if group[1]],
        proofs=[_proof(each) for each in reversed(run.verifications)],
    )  # fmt: skip


def _proof(facts: Mapping[str, Any]) -> Proof:
    run_ids = facts.get("run_ids")
    found = tuple(map(str, run_ids)) if isinstance(run_ids, list) else ()
    return Proof(str(facts.get("verdict", "")), str(facts.get("cause") or ""), found)


def _ended(run: Run) -> str:
    end = run.end
    why = str(end.get("reason", ""))
    why = f"exit code {end.get('exit_code', 0)}" if why == "exit" else why
    parts = [why, str(end.get("signal", "")), str(end.get("message", ""))]
    return ", ".join(part for part in parts if part)


def _charts(store: Store, run: Run) -> list[str]:
    """Metrics that have more than one point."""
    curves = series.opened(store, run)
    names = [name for name in curves.names() if curves.count(name) > 1]
    curves.close()
    return names[:CHARTS]


def _groups(run: Run) -> list[tuple[str, list[Fact]]]:
    sections = run.sections
    code, source = sections.get("code", {}), sections.get("source", {})
    command = sections.get("command", {})
    changes = "" if code.get("dirty") is None else "uncommitted changes" if code["dirty"] else "clean"
    commit = str(code.get("commit") or source.get("commit", ""))
    return [
        ("Parameters", [Fact(key, number(value)) for key, value in run.params.items()]),
        ("Command", _facts({name: command.get(name) for name in ("command", "directory", "stdin")})),
        ("Code", _facts({
            "source": source.get("uri"), "commit": commit, "branch": code.get("branch"), "state": changes,
            "snapshot": code.get("tree"),
        })),
        ("Environment", _facts(sections.get("environment", {}))),
        ("Inputs", [_file(each) for each in run.inputs]),
        ("Datasets", [Fact(str(each.get("name", "")), str(each.get("digest", ""))) for each in run.datasets]),
        ("Outputs", [_file(each) for each in run.outputs]),
        ("Machine", _machine(sections.get("machine", {}))),
        ("Resources", _resources(sections.get("resources", {}))),
        ("Variables", _facts(command.get("variables", {}))),
        ("Tags", [Fact(key, value) for key, value in run.tags.items() if key not in HIDDEN]),
        ("Links", [_link(each) for each in run.links]),
    ]  # fmt: skip


def _facts(section: Mapping[str, Any]) -> list[Fact]:
    return [Fact(str(key), str(value)) for key, value in section.items() if value not in (None, "", [], {})]


def _file(facts: Mapping[str, Any]) -> Fact:
    size = facts.get("size")
    parts = [units.size(size) if isinstance(size, int) else "", str(facts.get("digest", ""))]
    return Fact(str(facts.get("path") or facts.get("uri", "")), "  ".join(filter(None, parts)))


def _machine(section: Mapping[str, Any]) -> list[Fact]:
    gpus = section.get("gpus")
    names = (
        [each.get("name", "") for each in gpus if isinstance(each, dict)] if isinstance(gpus, list) else []
    )
    shown = {**section, "gpus": ", ".join(map(str, names))}
    if isinstance(section.get("memory"), int):
        shown["memory"] = units.size(section["memory"])
    return _facts(shown)


def _resources(section: Mapping[str, Any]) -> list[Fact]:
    shown: dict[str, Any] = dict(section)
    if isinstance(shown.get("peak_memory"), int):
        shown["peak_memory"] = units.size(shown["peak_memory"])
    for name in ("cpu_time", "duration"):
        if isinstance(shown.get(name), int | float):
            shown[name] = units.duration(shown[name])
    return [Fact(key.replace("_", " "), str(value)) for key, value in shown.items() if value is not None]


def _link(facts: Mapping[str, Any]) -> Fact:
    run_id = str(facts.get("run_id", ""))
    name = str(facts.get("relation", ""))
    return Fact(name, run_id[:12], run_id) if run_id else Fact(name, str(facts.get("model_id", "")))


async def note(request: Request) -> Response:
    """Writes the note of a run."""
    from runner.tracking import events

    fields = await form(request)
    store: Store = request.app.state.site.store

    def write() -> str:
        run = the_run(request)
        with store.open_run(run.run_id) as writer:
            writer.append(events.tag(NOTE, fields.get("note", [""])[0].replace("\r\n", "\n")))
        return run.run_id

    run_id = await run_in_threadpool(write)
    keeper = request.app.state.site.doorkeeper
    keeper.changed(visitor(request), head_of(request.scope), "ui/note", run_id)
    return RedirectResponse(f"../{run_id}", 303, HEADERS)
