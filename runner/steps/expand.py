"""The steps of a pipeline: each entry point that is needed, once for each combination of its matrix. Pure."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from runner.errors import InputError
from runner.parameters.types import scheme
from runner.project import graph
from runner.text.globs import is_pattern, matcher
from runner.values import EntryPoint, Json

__all__ = ["Files", "Step", "expand", "is_pipeline"]


class Files(NamedTuple):
    """Patterns of paths, with the values of parameters in them."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


class Step(NamedTuple):
    name: str  # train[ridge,1]
    entry_point: str
    values: Mapping[str, Json]  # of the matrix
    needs: tuple[str, ...]  # names of steps
    files: Files = Files()


def is_pipeline(points: Sequence[EntryPoint], target: str) -> bool:
    """Whether more than one run has to be made for an entry point."""
    return any(point.name == target and bool(point.matrix) for point in points) or bool(
        graph.needed(points).get(target)
    )


def expand(
    points: Sequence[EntryPoint],
    target: str,
    given: Mapping[str, Json],
    files: Callable[[str, Mapping[str, Json]], Files],
) -> tuple[Step, ...]:
    """All steps that `target` needs, and its own, each after what it needs.

    `given`: typed values by name, which take the place of those in a matrix. `files`: of an entry point with these
    values. InputError for a circle, and for two steps that write one path.
    """
    known, needs = {point.name: point for point in points}, graph.needed(points)
    names, circle = graph.order(needs, [target])
    if circle:
        raise InputError(f"steps need each other: {' -> '.join(circle)}")
    made = _Made()
    steps: dict[str, list[Step]] = {}
    for name in names:
        steps[name] = []
        for values in _combinations(known[name], given):
            found = files(name, values)
            makers = set(made.makers(found.inputs))
            before = [
                step.name
                for other in needs[name]
                for step in steps[other]
                if step.name in makers or (other in known[name].needs and _fits(step.values, values))
            ]
            steps[name].append(Step(_named(name, values), name, values, tuple(before), found))
        for step in steps[name]:
            made.add(step)
    return tuple(step for each in steps.values() for step in each)


def _combinations(point: EntryPoint, given: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    names = [name for name, _ in point.matrix]
    values = [[given[name]] if name in given else each for name, each in point.matrix]
    for each in itertools.product(*values):
        yield dict(zip(names, each, strict=True))


def _named(name: str, values: Mapping[str, Json]) -> str:
    return f"{name}[{','.join(map(str, values.values()))}]" if values else name


def _fits(one: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    """Whether two steps agree in the values that both have: train[1] is before test[1], not before test[2]."""
    return all(other[name] == value for name, value in one.items() if name in other)


class _Made:
    """Who makes which path."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}  # path -> step
        self._inside: dict[str, dict[str, None]] = {}  # folder -> steps that make something in it
        self._patterns: list[tuple[str, Callable[[str], bool], str]] = []

    def add(self, step: Step) -> None:
        for each in map(_normal, filter(_is_path, step.files.outputs)):
            others = [name for name in self.makers([each]) if name != step.name]
            if others:
                raise InputError(
                    f"{others[0]} and {step.name} both write {each}",
                    "each file has one step that makes it; a parameter in its name tells two apart",
                )
            if is_pattern(each):
                self._patterns.append((each, matcher([each]), step.name))
            else:
                self._paths[each] = step.name
                for folder in _above(each):
                    self._inside.setdefault(folder, {})[step.name] = None

    def makers(self, patterns: Iterable[str]) -> Iterator[str]:
        """The steps that make what a path or a pattern means, something in it, or the folder that it lies in."""
        for each in map(_normal, filter(_is_path, patterns)):
            if is_pattern(each):
                means = matcher([each])
                yield from (
                    step for path, step in self._paths.items() if means(path) or matcher([path])(each)
                )
                yield from (step for other, _, step in self._patterns if graph.meet(other, each))
                continue
            yield from (self._paths[path] for path in (each, *_above(each)) if path in self._paths)
            yield from self._inside.get(each, ())
            yield from (
                step for other, is_made, step in self._patterns if is_made(each) or matcher([each])(other)
            )


def _normal(path: str) -> str:
    return os.path.normpath(path)


def _above(path: str) -> Iterator[str]:
    while path := os.path.dirname(path.rstrip("/")):
        if path == "/":
            return
        yield path


def _is_path(text: str) -> bool:
    return len(scheme(text)) < 2
