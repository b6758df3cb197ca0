"""`proj info`: the entry points of a project, their parameters, the environment, and the lines to type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runner import sources
from runner.cli import output
from runner.cli.options import Command
from runner.cli.reference import JSON, PROJECT, VERSION
from runner.cli.terminal import Terminal
from runner.parameters.types import number
from runner.project import reading
from runner.project.describe import entry_point_facts, project_facts
from runner.project.entry_point import entry_point as find_entry_point
from runner.text.credentials import without
from runner.values import Report

__all__ = ["COMMAND", "show_parameters"]


def command(uri: str, version: str, as_json: bool) -> int:
    """Show a project's entry points with their parameters, its environment, and the lines to type."""
    checkout = sources.fetch(uri, version, Terminal())
    try:
        facts: Any = project_facts(reading.load(checkout.directory), without(uri), version)
    finally:
        sources.release(checkout)
    return output.result(as_json, facts, _lines(facts))


def show_parameters(uri: str, version: str, entry_point: str, as_json: bool, report: Report) -> int:
    """`proj run URI -e NAME --help-params`."""
    checkout = sources.fetch(uri, version, report)
    try:
        loaded = reading.load(checkout.directory)
        facts: Any = entry_point_facts(find_entry_point(loaded, entry_point), without(uri), version)
    finally:
        sources.release(checkout)
    rows = [_row(each) for each in facts["parameters"]]
    shown = ["", *output.table(["parameter", "type", "default", "description"], rows)] if rows else []
    return output.result(as_json, facts, [*_about(facts), *shown])


def _lines(facts: Any) -> Iterator[str]:
    where = f" ({facts['file']})" if facts["file"] else " (no MLproject file)"
    yield f"project      {facts['name']}{where}"
    for position, each in enumerate(facts["environments"]):
        options = each["options"]
        what = each["file"] or options.get("image") or options.get("build", {}).get("context", "")
        yield f"{'environment' if position == 0 else '   or':<12} {each['kind']} {what}".rstrip()
    if not facts["entry_points"]:
        yield "entry points none: a script can be run with  proj run . -e script.py"
    for point in facts["entry_points"]:
        yield ""
        yield from _about(point)
        yield from _aligned([_row(each) for each in point["parameters"]])


def _about(point: Any) -> Iterator[str]:
    yield point["name"] + (f": {point['description'].strip()}" if point["description"] else "")
    yield f"  {point['run']}"


def _row(parameter: Any) -> tuple[str, str, str, str]:
    """Name, type with its range, default, description."""
    signs = {"min": ">=", "max": "<="}
    limits = [f"{sign} {number(parameter[name])}" for name, sign in signs.items() if name in parameter]
    kind = "|".join(map(str, parameter["choices"])) if "choices" in parameter else parameter["type"]
    if "default" in parameter:
        default = f"= {parameter['default']}" if parameter["default"] != "" else "= ''"
    else:
        default = "required" if parameter["required"] else "optional"
    if parameter.get("secret"):
        default += ", secret"
    return parameter["name"], " ".join([kind, *limits]), default, " ".join(parameter["description"].split())


def _aligned(rows: list[tuple[str, str, str, str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "    " + "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()


COMMAND = Command(command, (PROJECT, VERSION, JSON))
