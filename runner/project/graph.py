"""The entry points of a project as steps: which needs which, and what cannot be meant. Pure.

Edges are what `needs` says, and an input that is another step's output, in a file where some entry point has `needs`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from runner.parameters.types import scheme
from runner.text.globs import matcher, reversed_range
from runner.typed import NamedTuple
from runner.values import EntryPoint

__all__ = ["Mistake", "apart", "faults", "has_steps", "is_made", "meet", "needed", "order", "widened"]


class Mistake(NamedTuple):
    step: str
    key: str  # needs, inputs, outputs, code
    text: str  # the item of it
    message: str
    hint: str = ""


def has_steps(points: Iterable[EntryPoint]) -> bool:
    return any(point.needs for point in points)


def widened(pattern: str, point: EntryPoint) -> str:
    """With `*` for the values of parameters."""
    names = "|".join(re.escape(parameter.name) for parameter in point.parameters)
    return re.sub(rf"\{{(?:{names})\}}", "*", pattern) if names else pattern


def meet(one: str, other: str) -> bool:
    """Whether a path may be meant by both patterns, or lie in what one of them means."""
    return matcher([one])(other.rstrip("/")) or matcher([other])(one.rstrip("/"))


def apart(points: Sequence[EntryPoint]) -> list[str]:
    """Patterns of the inputs and outputs of all steps, which are data and no code; none of a file without steps."""
    if not has_steps(points):
        return []
    return sorted(
        {
            widened(each, point)
            for point in points
            for each in (*point.inputs, *point.outputs)
            if _is_path(each)
        }
    )


def needed(points: Sequence[EntryPoint]) -> dict[str, tuple[str, ...]]:
    """Name -> the entry points that have to be run before: those of `needs` first, each once."""
    known = {point.name: point for point in points}
    if not has_steps(points):
        return dict.fromkeys(known, ())
    outputs = [
        (point.name, widened(each, point)) for point in points for each in point.outputs if _is_path(each)
    ]
    found = {}
    for point in points:
        inputs = [widened(each, point) for each in point.inputs if _is_path(each)]
        makers = [name for name, output in outputs if any(meet(output, each) for each in inputs)]
        names = (*(name for name in point.needs if name in known), *makers)
        found[point.name] = tuple(
            dict.fromkeys(name for name in names if name != point.name or name in point.needs)
        )
    return found


def is_made(pattern: str, points: Sequence[EntryPoint]) -> bool:
    """Whether an output of a step may be what an input means."""
    return any(meet(widened(each, point), pattern) for point in points for each in point.outputs)


def order(needs: Mapping[str, Sequence[str]], wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """All that `wanted` need and they themselves, each after what it needs; and the first circle, or []."""
    done: dict[str, bool] = {}  # False: on the way
    found: list[str] = []
    for start in wanted:
        way = [(start, iter(needs[start]))] if start not in done else []
        done.setdefault(start, False)
        while way:
            name, rest = way[-1]
            following = next(rest, None)
            if following is None:
                way.pop()
                done[name] = True
                found.append(name)
            elif following not in done:
                done[following] = False
                way.append((following, iter(needs[following])))
            elif not done[following]:
                names = [each for each, _ in way]
                return found, [*names[names.index(following) :], following]
    return found, []


def faults(points: Sequence[EntryPoint]) -> Iterator[Mistake]:
    known = {point.name for point in points}
    for point in points:
        yield from _empty_ranges(point)
        for name in point.needs:
            if name not in known:
                from difflib import get_close_matches

                close = get_close_matches(name, known, 1, 0.6)
                hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}"
                yield Mistake(
                    point.name, "needs", name, f"{point.name} needs {name}, which is no entry point", hint
                )
    if not has_steps(points):
        return
    needs = needed(points)
    _, circle = order(needs, needs)
    if circle:
        point = next(each for each in points if each.name == circle[0])
        key, text = ("needs", circle[1]) if circle[1] in point.needs else ("inputs", "")
        yield Mistake(point.name, key, text, f"steps need each other: {' -> '.join(circle)}")
    yield from _made_twice(points)


def _empty_ranges(point: EntryPoint) -> Iterator[Mistake]:
    for key, patterns in (("inputs", point.inputs), ("outputs", point.outputs), ("code", point.code)):
        for each in filter(_is_path, patterns):
            if found := reversed_range(widened(each, point)):
                text = f"[{found}] in {each} stands for nothing: {found[0]} comes after {found[-1]}"
                yield Mistake(point.name, key, each, text, f"write [{found[-1]}-{found[0]}]")


def _made_twice(points: Sequence[EntryPoint]) -> Iterator[Mistake]:
    made: list[tuple[EntryPoint, str]] = []
    for point in points:
        for each in filter(_is_path, point.outputs):
            lacking = [name for name, values in point.matrix if len(values) > 1 and f"{{{name}}}" not in each]
            if lacking:
                text = f"each step of {point.name} writes {each}"
                hint = f"put {{{lacking[0]}}} into it, so that each has its own"
                yield Mistake(point.name, "outputs", each, text, hint)
            for other, pattern in made:
                if other.name != point.name and meet(widened(each, point), widened(pattern, other)):
                    text = f"{point.name} and {other.name} both write {each}"
                    yield Mistake(point.name, "outputs", each, text, "each file has one step that makes it")
                    break
        made += [(point, each) for each in point.outputs if _is_path(each)]


def _is_path(text: str) -> bool:
    return len(scheme(text)) < 2
