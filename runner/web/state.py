"""What a table of runs shows, as its address says it: nothing else is remembered anywhere."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from runner.errors import InputError
from runner.protocol import bounds
from runner.tables import columns
from runner.tracking.index.grammar import Clause, Order, parse_order
from runner.tracking.index.query import Query
from runner.tracking.log import kept

__all__ = ["VIEWS", "State", "state_of"]

VIEWS = ("active", "deleted", "all")
CHOSEN = 200  # runs in an address, at most
COLUMNS = 200
GROUPED = 3
FAR = 10_000_000  # rows
ROOT = Clause("attribute", "parent", "=", "")  # of no other run


class State(NamedTuple):
    q: str = ""
    order: str = ""
    view: str = "active"
    column: tuple[str, ...] = ()  # (): those that tell the runs apart
    group: tuple[str, ...] = ()
    base: str = ""  # id of the run that the others are compared with
    sel: tuple[str, ...] = ()  # ids of the runs that are ticked
    tree: str = (
        ""  # "1": only runs that are in no other one, with those in them below them when they are opened
    )
    open: tuple[str, ...] = ()  # ids of these
    start: int = 0  # number of the first row, from 0

    def link(self, **changes: Any) -> str:
        """The address of the same table with some of it changed; it begins again unless `start` is given."""
        text = urlencode(list(self._replace(**{"start": 0, **changes}).fields()))
        return f"./?{text}" if text else "./"

    def fields(self, *without: str) -> Iterator[tuple[str, str]]:
        """Names and values of a query; what is as always is left out."""
        for name, value, usual in zip(self._fields, self, self._field_defaults.values(), strict=True):
            if name in without or value == usual:
                continue
            for each in value if isinstance(value, tuple) else (value,):
                yield name, str(each)

    def toggled(self, name: str, value: str) -> str:
        """The address with `value` in a list where it was not, and without it where it was."""
        there: tuple[str, ...] = getattr(self, name)
        rest = tuple(each for each in there if each != value)
        return self.link(start=self.start, **{name: rest if len(rest) < len(there) else (*there, value)})

    def query(self) -> Query:
        """InputError or ApiError for a filter or an order that is wrong, or too large."""
        found = bounds.clauses(kept(self.q))
        orders = bounds.orders([kept(self.order)] if self.order else [])
        return Query((*found, ROOT) if self.tree else found, orders, None, self.view)

    def groups(self) -> tuple[Order, ...]:
        """InputError for what runs cannot be grouped by."""
        found = []
        for name in self.group:
            key = columns.order_key(name)
            order = parse_order([kept(key or name)])[0]
            if order.entity in ("metric", "dataset") or order.key in ("start_time", "end_time", "duration"):
                raise InputError(
                    f"runs cannot be grouped by {name!r}", "params.X, tags.X, status, project, user"
                )
            found.append(order)
        return tuple(found)

    def command(self, total: int, shown: Sequence[str]) -> str:
        """What lists the same in a terminal, in the same order. `shown`: columns that somebody chose."""
        words = ["proj", "runs", "--all"]
        words += [f"--{self.view}"] if self.view != "all" else []
        text = self.q
        if self.tree:
            text = f"({text}) and parent = ''" if text else "parent = ''"
        words += [text] if text else []
        words += ["--order-by", self.order] if self.order else []
        words += ["--columns", ",".join(("name", *shown))] if shown else []
        words += ["-n", str(total)] if total > 50 else []
        return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """For a shell: a filter has single quotes in it, which double ones leave as they are."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!\n') else shlex.quote(word)


def state_of(params: QueryParams) -> State:
    """InputError for what is none; a filter, an order and names of groups are looked at later."""
    view = params.get("view", "active")
    if view not in VIEWS:
        raise InputError(f"there is no view {view!r}", f"there are {', '.join(VIEWS)}")
    start = params.get("start", "0")
    if not start.isdecimal() or int(start[:9]) > FAR or len(start) > 8:
        raise InputError(f"there is no row {start[:100]!r}", "rows are counted from 0")
    written = [name.strip() for text in params.getlist("columns") for name in text.split(",") if name.strip()]
    wanted = tuple(dict.fromkeys(name for name in (*params.getlist("column"), *written) if name))
    if len(wanted) > COLUMNS:
        raise InputError(f"a table has at most {COLUMNS} columns")
    group = tuple(dict.fromkeys(name.strip() for name in params.getlist("group") if name.strip()))
    if len(group) > GROUPED:
        raise InputError(f"runs are grouped by {GROUPED} names at most")
    return State(
        params.get("q", "").strip(), params.get("order", ""), view, wanted, group, params.get("base", ""),
        tuple(dict.fromkeys(params.getlist("sel")))[:CHOSEN], "1" if params.get("tree") else "",
        tuple(dict.fromkeys(params.getlist("open")))[:CHOSEN], int(start),
    )  # fmt: skip
