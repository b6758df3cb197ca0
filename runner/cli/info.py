"""`proj info`: the entry points of a project, their parameters, the environment, and the lines to type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from runner import sources
from runner.cli.output import emit_json, emit_lines, table
from runner.cli.terminal import Terminal
from runner.parameters.types import number
from runner.project.describe import entry_point_facts, project_facts
from runner.text.credentials import without
from runner.text.terminal import printable
from runner.values import Report

__all__ = ["app", "show_parameters"]

app = typer.Typer(add_completion=False)


@app.command()
def info(
    uri: str = typer.Argument(".", help="Folder, git URL or archive with the project.", metavar="[URI]"),
    version: str = typer.Option("", "-v", "--version", help="Branch, tag or commit.", metavar="VERSION"),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show a project's entry points with their parameters, its environment, and the lines to type."""
    from runner.project import reading

    checkout = sources.fetch(uri, version, Terminal())
    try:
        facts: Any = project_facts(reading.load(checkout.directory), without(uri), version)
    finally:
        sources.release(checkout)
    if as_json:
        emit_json(facts)
    else:
        emit_lines(_lines(facts))


def show_parameters(uri: str, version: str, entry_point: str, as_json: bool, report: Report) -> int:
    """`proj run URI -e NAME --help-params`."""
    from runner.project import reading
    from runner.project.entry_point import entry_point as find_entry_point

    checkout = sources.fetch(uri, version, report)
    try:
        loaded = reading.load(checkout.directory)
        facts: Any = entry_point_facts(find_entry_point(loaded, entry_point), without(uri), version)
    finally:
        sources.release(checkout)
    if as_json:
        emit_json(facts)
        return 0
    emit_lines(_about(facts))
    if facts["parameters"]:
        emit_lines([""])
        table(["parameter", "type", "default", "description"], [_row(each) for each in facts["parameters"]])
    return 0


def _lines(facts: Any) -> Iterator[str]:
    where = f" ({facts['file']})" if facts["file"] else " (no MLproject file)"
    yield f"project      {facts['name']}{where}"
    for position, each in enumerate(facts["environments"]):
        what = (
            each["file"]
            or each["options"].get("image")
            or each["options"].get("build", {}).get("context", "")
        )
        yield f"{'environment' if position == 0 else '   or':<12} {each['kind']} {what}".rstrip()
    if not facts["entry_points"]:
        yield "entry points none: a script can be run with  proj run . -e script.py"
    for point in facts["entry_points"]:
        yield ""
        yield from _about(point)
        yield from _aligned([_row(each) for each in point["parameters"]])


def _about(point: Any) -> Iterator[str]:
    yield point["name"] + (f": {' '.join(point['description'].split())}" if point["description"] else "")
    yield f"  {point['run']}"


def _row(parameter: Any) -> tuple[str, str, str, str]:
    """Name, type with its range, default, description."""
    limits = [
        f"{sign} {number(parameter[name])}"
        for name, sign in (("min", ">="), ("max", "<="))
        if name in parameter
    ]
    kind = "|".join(map(str, parameter["choices"])) if "choices" in parameter else parameter["type"]
    if "default" in parameter:
        default = f"= {parameter['default']}" if parameter["default"] != "" else "= ''"
    else:
        default = "required" if parameter["required"] else "optional"
    if parameter.get("secret"):
        default += ", secret"
    return parameter["name"], " ".join([kind, *limits]), default, " ".join(parameter["description"].split())


def _aligned(rows: list[tuple[str, str, str, str]]) -> Iterator[str]:
    rows = [(printable(a), printable(b), printable(c), printable(d)) for a, b, c, d in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield (
            "    " + "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True))
        ).rstrip()
