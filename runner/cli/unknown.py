"""Names in a filter, an order or a list of columns that no run has: an empty answer would not tell that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from runner.errors import InputError
from runner.tracking.fold import STATUSES

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.index.grammar import UnknownKey
    from runner.tracking.store import Store

__all__ = ["check", "explained", "notes", "run", "whole"]

LOOKED_AT = 1000  # of the last runs, whose names are known
PLURAL = {"metric": "metrics", "param": "params", "tag": "tags"}


def check(where: str) -> None:
    """InputError for a status that there is not."""
    from runner.cli.mistakes import nearest
    from runner.tracking.index.grammar import parse_filter

    for clause in _clauses(parse_filter(where)):
        if (clause.entity, clause.key) != ("attribute", "status") or clause.operator in ("LIKE", "ILIKE"):
            continue
        for text in clause.value if isinstance(clause.value, tuple) else (clause.value,):
            if isinstance(text, str) and text not in STATUSES:
                near = text.upper() if text.upper() in STATUSES else nearest(text.upper(), STATUSES)
                known = f"there are {', '.join(STATUSES)}"
                raise InputError(
                    f"there is no status {text!r}", f"did you mean '{near}'? {known}" if near else known
                )


def _clauses(parsed: object) -> Iterator[Any]:
    """All that name something, however the filter is put together."""
    if hasattr(parsed, "operator") and hasattr(parsed, "entity"):
        yield parsed
    elif isinstance(parsed, tuple | list):
        for each in parsed:
            yield from _clauses(each)


def notes(
    store: Store, where: str, order_by: Sequence[str], columns: Sequence[str], runs: Sequence[Run]
) -> list[str]:
    """Which metrics, parameters and tags that were named no run has. Looked for only where they made a difference."""
    from runner.tracking.index.grammar import parse_filter, parse_order

    wanted: list[tuple[str, str]] = []
    if not runs:
        wanted += [(each.entity, each.key) for each in _clauses(parse_filter(where))]
    wanted += [(each.entity, each.key) for each in parse_order(order_by)]
    singular = {plural: name for name, plural in PLURAL.items()}
    for name in columns:
        entity, dot, key = name.partition(".")
        if dot:
            wanted.append((singular[entity], key))
    wanted = [
        each for each in dict.fromkeys(wanted) if each[0] in PLURAL and not _has(runs, *each)
    ]  # fmt: skip
    if not wanted:
        return []
    known = store.search(limit=LOOKED_AT, view="all").runs
    return [_note(known, *each) for each in wanted if known and not _has(known, *each)]


def explained(store: Store, error: UnknownKey) -> InputError:
    """With what was probably meant, instead of any example."""
    if near := whole(store, error.key):
        return InputError(error.message, f"did you mean {near}?")
    try:
        store.resolve(error.key)
    except InputError:
        return InputError(error.message, error.hint)
    return InputError(error.message, f"proj show {error.key}  shows this run; a filter is {error.hint}")


def whole(store: Store, key: str) -> str:
    """metrics.rmse for `rmse`, or what is close to it; "" when there is nothing of the kind."""
    from runner.cli.mistakes import nearest

    runs = store.search(limit=LOOKED_AT, view="all").runs
    names = {
        f"{kind}.{name}": name for kind in PLURAL.values() for run in runs for name in getattr(run, kind)
    }
    near = key if key in names.values() else nearest(key, names.values())
    return next((full for full, name in names.items() if name == near), "")


def run(store: Store, ref: str) -> str:
    """The run that was probably meant; "" when nobody can tell."""
    from runner.cli.mistakes import nearest

    if ref.startswith("best:"):
        key = ref.removeprefix("best:").removeprefix("-").removeprefix("metrics.")
        near = metric(store, key) if key else ""
        return f"{ref[: len(ref) - len(key)]}{near}" if near and near != key else ""
    if not re.fullmatch(r"last(~\d+)?", ref) and len(ref) > 2:
        names = [run.name for run in store.search(limit=LOOKED_AT).runs if run.name != ref]
        return nearest(ref, ("last", *names)) or nearest(ref.lower(), ("last", *names))
    return ""


def metric(store: Store, key: str) -> str:
    """The metric that was probably meant: the nearest one, or the only one that has the letters of `key` in it."""
    from runner.cli.mistakes import nearest

    names = dict.fromkeys(
        name for run in store.search(limit=LOOKED_AT, view="all").runs for name in run.metrics
    )
    holding = [name for name in names if key.lower() in name.lower()]
    return nearest(key, names) or (holding[0] if len(holding) == 1 else "")


def _has(runs: Iterable[Run], entity: str, key: str) -> bool:
    return any(key in getattr(run, PLURAL[entity]) for run in runs)


def _note(known: Sequence[Run], entity: str, key: str) -> str:
    from runner.cli.mistakes import nearest

    names = dict.fromkeys(name for run in known for name in getattr(run, PLURAL[entity]))
    near = nearest(key, names)
    meant = f"; did you mean {PLURAL[entity]}.{near}?" if near else ""
    return f"no run has {'a parameter' if entity == 'param' else f'a {entity}'} {key!r}{meant}"
