"""`proj diff`: how two runs differ, in all dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.errors import InputError

if TYPE_CHECKING:
    from runner.reproduction.verdict.difference import Difference, Dimension

__all__ = ["COMMAND", "lines"]

PAINT = {"+": "32", "-": "31", "@": "36"}  # beginnings of lines in a patch -> colour


def command(refs: tuple[str, ...], stat: bool, location: str, as_json: bool) -> int:
    """Show how the second run differs from the first: code as a patch, packages, parameters, inputs, machine, metrics.

    What usually explains a result comes first, the results come last.
    """
    from runner.reproduction.verdict.difference import between
    from runner.running.recorded import of

    if len(refs) != 2:
        raise InputError("it takes two runs to tell a difference", "proj diff last~1 last")
    with reference.open_store(location, quiet=True) as store:
        old, new = (of(store, reference.find(store, ref)) for ref in refs)
        found = between(old, new)
    return output.result(as_json, found.facts(), lines(found, stat, output.colours()))


def lines(found: Difference, stat: bool, colours: bool) -> Iterator[str]:
    yield f"{found.old_name} ({found.old[:12]}) -> {found.new_name} ({found.new[:12]})"
    for each in found.dimensions:
        yield ""
        yield output.paint(each.name, "1", colours)
        yield from _dimension(each, stat, colours)
    if found.same:
        yield ""
        yield f"the same: {', '.join(found.same)}"


def _dimension(found: Dimension, stat: bool, colours: bool) -> Iterator[str]:
    width = max((len(change.name) for change in found.changes), default=0)
    for name, old, new in found.changes:
        yield f"  {name:<{width}}  {_value(old)} -> {_value(new)}{_distance(old, new)}"
    if found.note:
        yield f"  {found.note}"
    for line in found.patch.splitlines():
        if stat:
            if line.startswith("diff --git "):
                yield f"  {line.rpartition(' b/')[2]}"
        else:
            yield output.paint(line, PAINT.get(line[:1], ""), colours)


def _value(value: object) -> str:
    if value is None:
        return "absent"
    text = repr(value) if isinstance(value, float) else str(value)
    return text[:19] + "..." if text.startswith(("sha256:", "tree-sha256:")) and len(text) > 22 else text


def _distance(old: object, new: object) -> str:
    if isinstance(old, float) and isinstance(new, float) and old == old and new == new:
        return f"  ({new - old:+.4g}{f', {(new - old) / abs(old):+.2%}' if old else ''})"
    return ""


COMMAND = Command(command, (
    reference.RUNS,
    Option("stat", ("--stat",), "Name the files that differ, without the patch.", "flag"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
