"""What is known of a run, in groups of names and values."""

from __future__ import annotations

from typing import Any, NamedTuple

from runner.text import units
from runner.tracking.events import Facts
from runner.tracking.fold import Run
from runner.web.render import number

__all__ = ["NOTE", "Fact", "ended", "groups"]

NOTE = "mlflow.note.content"
HIDDEN = (NOTE, "mlflow.runName", "mlflow.parentRunId", "mlflow.source.name", "mlflow.source.type")


class Fact(NamedTuple):
    name: str
    value: str
    link: str = ""


def ended(run: Run) -> str:
    """Why, in a few words."""
    end = run.end
    why = str(end.get("reason", ""))
    why = f"exit code {end.get('exit_code', 0)}" if why == "exit" else why
    parts = [why, str(end.get("signal", "")), str(end.get("message", ""))]
    return ", ".join(part for part in parts if part)


def groups(run: Run) -> list[tuple[str, list[Fact]]]:
    """Those without a fact are empty."""
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


def _facts(section: Facts) -> list[Fact]:
    return [Fact(str(key), str(value)) for key, value in section.items() if value not in (None, "", [], {})]


def _file(facts: Facts) -> Fact:
    size = facts.get("size")
    parts = [units.size(size) if isinstance(size, int) else "", str(facts.get("digest", ""))]
    return Fact(str(facts.get("path") or facts.get("uri", "")), "  ".join(filter(None, parts)))


def _machine(section: Facts) -> list[Fact]:
    gpus = section.get("gpus")
    names = (
        [each.get("name", "") for each in gpus if isinstance(each, dict)] if isinstance(gpus, list) else []
    )
    shown = {**section, "gpus": ", ".join(map(str, names))}
    if isinstance(section.get("memory"), int):
        shown["memory"] = units.size(section["memory"])
    return _facts(shown)


def _resources(section: Facts) -> list[Fact]:
    shown: dict[str, Any] = dict(section)
    if isinstance(shown.get("peak_memory"), int):
        shown["peak_memory"] = units.size(shown["peak_memory"])
    for name in ("cpu_time", "duration"):
        if isinstance(shown.get(name), int | float):
            shown[name] = units.duration(shown[name])
    return [Fact(key.replace("_", " "), str(value)) for key, value in shown.items() if value is not None]


def _link(facts: Facts) -> Fact:
    run_id = str(facts.get("run_id", ""))
    name = str(facts.get("relation", ""))
    return Fact(name, run_id[:12], run_id) if run_id else Fact(name, str(facts.get("model_id", "")))
