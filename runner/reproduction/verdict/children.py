"""The runs that runs started, side by side: steps of a pipeline, trials of a search, in whatever order they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from runner.reproduction.verdict import wording
from runner.running.recorded import Recorded

__all__ = ["paired", "pairs"]


def paired(old: Recorded, new: Sequence[Recorded]) -> dict[str, list[Recorded | None]]:
    """Name -> the run in `old` and in each of `new`; None where it was not started.

    `train` and `train #2` are the first and the second that the recorded run started. Their partners are those of
    the same entry point and parameters, wherever there are such.
    """
    named: dict[str, Recorded] = {}
    for child in old.children:
        named[_free(child, named)] = child
    found: dict[str, list[Recorded | None]] = {name: [child] for name, child in named.items()}
    for number, each in enumerate(new, 1):
        partners = _partners(named, each.children)
        left = [child for child in each.children if not any(child is one for one in partners.values())]
        extra: dict[str, Recorded] = {}
        for child in left:
            extra[_free(child, {**named, **extra})] = child
        for name in extra:
            found.setdefault(name, [None] * number)
        for name, row in found.items():
            row.append(partners.get(name) or extra.get(name))
    return found


def pairs(old: Recorded, new: Recorded) -> Iterator[tuple[str, Recorded, Recorded]]:
    """(name, run then, run now) of both runs and all below them."""
    yield "", old, new
    for name, (one, two) in paired(old, [new]).items():
        if one is not None and two is not None:
            for inner, first, second in pairs(one, two):
                yield f"{name}: {inner}", first, second


def _free(child: Recorded, taken: dict[str, Recorded]) -> str:
    name = child.run.entry_point or "run"
    number = 1 + sum(other == name or other.startswith(f"{name} #") for other in taken)
    return name if number == 1 else f"{name} #{number}"


def _partners(named: dict[str, Recorded], candidates: Sequence[Recorded]) -> dict[str, Recorded]:
    """From the most exact resemblance to the least; among equals in the order in which they were started."""
    found: dict[str, Recorded] = {}
    waiting = list(candidates)
    for alike in ALIKE:
        keys = [alike(child) for child in waiting]
        for name, child in named.items():
            if name not in found and (key := alike(child)) in keys:
                index = keys.index(key)
                found[name] = waiting.pop(index)
                keys.pop(index)
    return found


def _given(child: Recorded) -> tuple[str, str]:
    """Entry point and parameters, without the folder that they may name."""
    place = wording.of(child)
    texts = sorted((name, wording.plain([text], [place])[0]) for name, text in _texts(child).items())
    return child.run.entry_point, repr(texts)


def _texts(child: Recorded) -> dict[str, str]:
    texts = child.run.param_texts
    return {name: texts.get(name, "") for name in child.params}


def _results(child: Recorded) -> str:
    metrics = sorted((name, repr(metric.value)) for name, metric in child.run.metrics.items())
    return repr(
        (metrics, sorted((name, str(each.get("digest"))) for name, each in child.run.artifacts.items()))
    )


ALIKE: tuple[Callable[[Recorded], Any], ...] = (
    lambda child: (*_given(child), child.run.name),  # a name that the program gave it
    lambda child: (*_given(child), _results(child)),
    _given,
    lambda child: child.run.entry_point,
)
