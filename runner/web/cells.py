"""What a table of runs says of a run, and which columns it has when nobody chose them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from runner.errors import InputError
from runner.text import units
from runner.tracking.fold import Run
from runner.web.render import number

__all__ = ["Cell", "cell", "check", "order_of", "usual"]

MOST = 5  # metrics, and as many parameters, in a table whose columns nobody chose
ATTRIBUTES: dict[str, Callable[[Run], str]] = {
    "started": lambda run: units.ago(run.start_time),
    "took": lambda run: units.duration(run.duration),
    "reproduced": lambda run: str(run.verifications[-1].get("verdict", "")) if run.verifications else "",
    "entry_point": lambda run: run.entry_point,
    "project": lambda run: run.project,
    "user": lambda run: run.user,
    "code": lambda run: (
        str(run.sections.get("code", {}).get("commit", ""))[:8]
        + (" + changes" if run.sections.get("code", {}).get("dirty") else "")
    ),
}
KEYS = {"started": "start_time", "took": ""}  # in the grammar of --order-by; "": there is none
SORTED = ("entry_point", "project", "user")
ENTITIES = ("metrics", "params", "tags")


class Cell(NamedTuple):
    text: str
    is_number: bool = False


def cell(run: Run, name: str) -> Cell:
    entity, _, key = name.partition(".")
    if name in ATTRIBUTES:
        return Cell(ATTRIBUTES[name](run), name == "took")
    if entity == "metrics":
        return Cell(number(run.metrics[key].value), True) if key in run.metrics else Cell("")
    value = (run.params if entity == "params" else run.tags).get(key)
    return Cell("" if value is None else number(value), isinstance(value, int | float))


def order_of(name: str) -> str:
    """By what a column is sorted; "" when it cannot be."""
    if "." in name:
        entity, _, key = name.partition(".")
        return f"{entity}.`{key}`" if "`" not in key else ""
    return KEYS.get(name, name if name in SORTED else "")


def check(names: Sequence[str]) -> list[str]:
    """InputError for a column that there is not."""
    for name in names:
        entity, _, key = name.partition(".")
        if name not in ATTRIBUTES and not (entity in ENTITIES and key):
            known = f"there are {', '.join(ATTRIBUTES)}, metrics.X, params.X, tags.X"
            raise InputError(f"there is no column {name!r}", known)
    return list(names)


def usual(runs: Sequence[Run]) -> list[str]:
    """How and when, the commonest metrics, and the parameters that are not the same in all of them."""
    counts = Counter(key for run in runs for key in run.metrics if not key.startswith("system/"))
    names = ["started", "took"]
    names += ["reproduced"] if any(run.verifications for run in runs) else []
    names += ["project"] if _vary(run.project for run in runs) else []
    names += ["entry_point"] if _vary(run.entry_point for run in runs) else []
    names += [f"metrics.{key}" for key, _ in counts.most_common(MOST)]
    keys = dict.fromkeys(key for run in runs for key in run.params)
    varying = [key for key in keys if _vary(repr(run.params.get(key)) for run in runs)]
    return [*names, *(f"params.{key}" for key in varying[:MOST]), "code"]


def _vary(values: Iterable[str]) -> bool:
    return len(set(values)) > 1
