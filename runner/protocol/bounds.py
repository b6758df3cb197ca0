"""How much one request may ask for. What is more is refused with 400 and the name of the limit (docs/server.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from runner.errors import InputError
from runner.protocol.answer import ApiError, invalid
from runner.tracking.index.dialect import too_slow
from runner.tracking.index.grammar import RUNS, Clause, Filter, Grammar, Order, parse_filter, parse_order
from runner.tracking.index.query import Budget

__all__ = [
    "BUDGET",
    "CLAUSES",
    "ENTRIES",
    "IDS",
    "POINTS",
    "UNPAGED",
    "Bound",
    "clauses",
    "in_time",
    "load_json",
    "orders",
    "refused",
]


T = TypeVar("T")
NESTED = {dict, list}


class Bound(NamedTuple):
    name: str
    most: int

    def check(self, count: int) -> None:
        """ApiError for more than it allows."""
        if count > self.most:
            raise invalid(f"The request has {count} {self.name}; the limit is {self.most}.")


ELEMENTS = Bound("elements of JSON", 50_000)
DEPTH = Bound("levels of JSON", 16)
DIGITS = 400  # of a number, in a body that is long
LONG = 200_000  # bytes
FILTER = Bound("characters of a filter", 100_000)
CLAUSES = Bound("clauses of a filter", 100)
LISTED = Bound("values in a clause of a filter", 2000)
WILDCARDS = Bound("wildcards (%) in a clause of a filter", 50)
ORDERS = Bound("keys of an order", 20)
IDS = Bound("ids", 5000)
ENTRIES = Bound("files in one folder", 100_000)
FIELDS = Bound("fields of a query", 2000)
POINTS = Bound("points of a metric", 1_000_000)
UNPAGED = Bound("points of a metric without max_results", 250_000)
# s for a search; characters of the records on one page, which ends before the next run would be too much
BUDGET = Budget(10, 8_000_000)


def load_json(body: bytes) -> Any:
    """ValueError for what is no JSON. ApiError, before it is parsed, for what would take long, or much memory."""
    openers = body.count(b"[") + body.count(b"{")
    if openers + body.count(b",") > ELEMENTS.most:
        ELEMENTS.check(_elements(body))
    text = body.decode()  # json would take other encodings, too
    long = len(body) > LONG
    value = json.loads(text, parse_int=_integer, parse_float=_number) if long else json.loads(text)
    if openers > DEPTH.most and type(value) in NESTED:
        _check_depth(value)
    return value


def _elements(body: bytes) -> int:
    """Commas and brackets outside of texts; or, where it is much quicker to tell, half the quotes."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if plain.count(b'"') > 4 * ELEMENTS.most:
        return plain.count(b'"') // 2
    outside = b"".join(plain.split(b'"')[::2])
    return outside.count(b"[") + outside.count(b"{") + outside.count(b",")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH.most + 1):
        inner = list(chain.from_iterable(each.values() if type(each) is dict else each for each in level))
        if NESTED.isdisjoint(map(type, inner)):
            return
        level = [each for each in inner if type(each) in NESTED]
    raise invalid(f"The request has more than {DEPTH.most} {DEPTH.name}.")


def _integer(text: str) -> int:
    return int(_short(text))


def _number(text: str) -> float:
    return float(_short(text))


def _short(text: str) -> str:
    if len(text) > DIGITS:
        raise ValueError
    return text


def clauses(text: str, grammar: Grammar = RUNS) -> Filter:
    """Of a filter. ApiError when it is wrong, or too large."""
    FILTER.check(len(text))
    try:
        found = parse_filter(text, grammar)
    except InputError as error:
        raise refused(error) from None
    every = list(_every(found))
    CLAUSES.check(len(every))
    for clause in every:
        if isinstance(clause.value, tuple):
            LISTED.check(len(clause.value))
        elif "LIKE" in clause.operator:
            WILDCARDS.check(str(clause.value).count("%"))
    return found


def _every(wanted: Filter) -> Iterator[Clause]:
    for part in wanted:
        if isinstance(part, Clause):
            yield part
        else:
            yield from (clause for each in part.filters for clause in _every(each))


def orders(texts: Sequence[str], grammar: Grammar = RUNS) -> tuple[Order, ...]:
    """Of an order. ApiError when it is wrong, or too large."""
    ORDERS.check(len(texts))
    for text in texts:
        FILTER.check(len(text))
    try:
        return parse_order(texts, grammar)
    except InputError as error:
        raise refused(error) from None


def in_time(items: Iterable[T]) -> Iterator[T]:
    """What is looked at one by one. ApiError when that takes longer than a search may."""
    end = time.monotonic() + BUDGET.seconds
    for item in items:
        if time.monotonic() > end:
            raise refused(too_slow(BUDGET.seconds))
        yield item


def refused(error: InputError) -> ApiError:
    """In MLflow's words, where it has some of its own for it."""
    message = f"Invalid page token: {error.message}" if "page token" in error.message else error.message
    return invalid(f"{message}\n{error.hint}" if error.hint else message)
