"""`proj info`: the entry points of a project, their parameters, the environment, and the lines to type."""

from __future__ import annotations

from collections.abc import Iterator

from runner import sources
from runner.cli import output
from runner.cli.options import Command
from runner.cli.reference import JSON, PROJECT, VERSION
from runner.cli.terminal import Terminal
from runner.parameters.types import number
from runner.project import describe, reading
from runner.project.entry_point import entry_point as find_entry_point
from runner.text.credentials import without
from runner.text.terminal import printable
from runner.values import EntryPoint, EnvironmentSpec, Parameter, Project, Report

__all__ = ["COMMAND", "show_parameters"]


def command(uri: str, version: str, as_json: bool) -> int:
    """Show a project's entry points with their parameters, its environment, and the lines to type."""
    checkout = sources.fetch(uri, version, Terminal())
    try:
        project = reading.load(checkout.directory)
        facts = describe.project_facts(project, without(uri), version)
        lines = list(_lines(project, without(uri), version))
    finally:
        sources.release(checkout)
    return output.result(as_json, facts, lines)


def show_parameters(uri: str, version: str, name: str, as_json: bool, report: Report) -> int:
    """`proj run URI -e NAME --help-params`."""
    checkout = sources.fetch(uri, version, report)
    try:
        point = find_entry_point(reading.load(checkout.directory), name)
    finally:
        sources.release(checkout)
    lines = list(_about(point, without(uri), version))
    if point.parameters:
        names = ["parameter", "type", "default", "description"]
        lines += ["", *output.table(names, map(_row, point.parameters))]
    return output.result(as_json, describe.entry_point_facts(point, without(uri), version), lines)


def _lines(project: Project, uri: str, version: str) -> Iterator[str]:
    yield f"project      {project.name} ({project.file or 'no MLproject file'})"
    for place, spec in enumerate(project.environments or [EnvironmentSpec("system")]):
        build = spec.options.get("build", {}).get("context", "")
        what = spec.file or spec.options.get("image") or build
        yield f"{'   or' if place else 'environment':<12} {spec.kind} {what}".rstrip()
    points = describe.entry_points(project)
    if not points:
        yield "entry points none: a script can be run with  proj run . -e script.py"
    for point in points:
        yield ""
        yield from _about(point, uri, version)
        yield from _aligned([_row(each) for each in point.parameters])


def _about(point: EntryPoint, uri: str, version: str) -> Iterator[str]:
    yield point.name + (f": {' '.join(point.description.split())}" if point.description else "")
    yield f"  {describe.command_line(point, uri, version)}"
    if point.needs:
        yield f"  needs {', '.join(point.needs)}"
    if point.matrix:
        yield "  for each " + ", ".join(
            f"{name} of {'|'.join(map(str, values))}" for name, values in point.matrix
        )
    if point.when:
        yield f"  when {point.when}"


def _row(parameter: Parameter) -> tuple[str, str, str, str]:
    """Name, type with its range, default, description."""
    low, high = (None if bound is None else number(bound) for bound in (parameter.min, parameter.max))
    limits = f"{low}..{high}" if low and high else f">= {low}" if low else f"<= {high}" if high else ""
    kind = "|".join(map(str, parameter.choices)) or parameter.type or "any"
    default = "required" if parameter.required else "optional"
    if parameter.has_default:
        value = "***" if parameter.secret else parameter.default
        default = f"= {value}" if value != "" else "= ''"
    secret = ", secret" if parameter.secret else ""
    return (
        parameter.name,
        f"{kind} {limits}".rstrip(),
        default + secret,
        " ".join(parameter.description.split()),
    )


def _aligned(rows: list[tuple[str, str, str, str]]) -> Iterator[str]:
    rows = [(printable(a), printable(b), printable(c), printable(d)) for a, b, c, d in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "    " + "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()


COMMAND = Command(command, (PROJECT, VERSION, JSON))
