"""MLflow's grammar of filters and orders, and more; what is wrong is shown with a caret under it.

    filter      conditions joined by AND, and these by OR; AND binds more closely, as in SQL
    condition   a clause, or a filter in parentheses
    clause      [entity.]key operator value
    order     [entity.]key [ASC | DESC]

The grammar is the same for runs, experiments, models and versions: a Grammar says which keys each has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from runner.errors import InputError
from runner.typed import NamedTuple

__all__ = [
    "EXPERIMENTS",
    "RUNS",
    "Clause",
    "Either",
    "Filter",
    "Grammar",
    "Order",
    "UnknownKey",
    "Value",
    "meets",
    "parse_filter",
    "parse_order",
    "test",
]

Value: TypeAlias = "str | int | float | tuple[str, ...] | tuple[float, ...] | None"

LISTS = ("IN", "NOT IN")
NUMERIC = ("=", "!=", ">", ">=", "<", "<=", *LISTS)
TEXT = ("=", "!=", "LIKE", "ILIKE", *LISTS)
NULLABLE = (*TEXT, "IS NULL", "IS NOT NULL")
WORDS: tuple[tuple[str, ...], ...] = (
    *(("IS", "NOT", "NULL"), ("IS", "NULL"), ("NOT", "IN")),
    *(("IN",), ("LIKE",), ("ILIKE",)),
)
HINT = "such as  metrics.rmse < 0.8 and params.model = 'ridge' and tags.team LIKE 'a%'"


class Clause(NamedTuple):
    entity: str  # metric, param, tag, attribute, dataset
    key: str
    operator: str
    value: Value = None


class Either(NamedTuple):
    """At least one of the filters is met."""

    filters: tuple[tuple[Clause | Either, ...], ...]


Filter: TypeAlias = "tuple[Clause | Either, ...]"  # all of them are met
DEPTH = 50  # of parentheses
DIGITS = 400  # of a number


class Order(NamedTuple):
    entity: str
    key: str
    ascending: bool = True


class Grammar(NamedTuple):
    entities: Mapping[str, str]  # as written -> metric, param, tag, attribute, dataset
    texts: tuple[str, ...]  # attributes that are text
    numbers: tuple[str, ...]  # attributes that are numbers
    aliases: Mapping[str, str] = {}  # of attributes
    operators: tuple[str, ...] = TEXT  # of attributes that are text


ALL = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attr", "attribute", "attributes", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
RUNS = Grammar(
    ALL,
    texts=(
        *("run_id", "run_name", "user_id", "status", "artifact_uri"),
        *("experiment_id", "project", "entry_point", "parent", "kind"),  # ours
        *("reason", "verdict", "cache_key"),
    ),
    numbers=("start_time", "end_time", "duration"),  # s
    aliases={
        **dict.fromkeys(("created", "Created"), "start_time"),
        **dict.fromkeys(("run name", "Run name", "Run Name", "name"), "run_name"),
        "user": "user_id",
    },
)
EXPERIMENTS = Grammar(
    {name: entity for name, entity in ALL.items() if entity in ("tag", "attribute")},
    texts=("name", "experiment_id"),
    numbers=("creation_time", "last_update_time"),
)
DATASET_KEYS = ("name", "digest", "context")

TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    |(?P<compare><=|>=|!=|<>|==|=|<|>)
    |(?P<text>'(?:[^']|'')*')
    |(?P<name>(?:[^\s'"`=<>!(),;]|"[^"]*"|`[^`]*`)+)
    |(?P<punctuation>[(),;!])
    |(?P<open>['"`].*)""",
    re.VERBOSE | re.DOTALL,
)
KEY = re.compile(r"""("[^"]*"|`[^`]*`|[^.]*)(?:\.(.*))?""", re.DOTALL)


class Token(NamedTuple):
    kind: str  # number, compare, text, name, punctuation, end
    text: str
    place: int


def parse_filter(text: str, grammar: Grammar = RUNS) -> Filter:
    """InputError for a wrong one. An empty filter has no clause."""
    return _Reader(text, grammar).whole()


def meets(wanted: Sequence[Clause | Either], met: Callable[[Clause], bool]) -> bool:
    """Whether a filter is met by what `met` says of its clauses."""
    return all(
        any(meets(each, met) for each in part.filters) if isinstance(part, Either) else met(part)
        for part in wanted
    )


def parse_order(texts: Sequence[str], grammar: Grammar = RUNS) -> tuple[Order, ...]:
    """InputError for a wrong one, or when the same key comes twice."""
    found: list[Order] = []
    for text in texts:
        order = _Reader(text, grammar).order()
        if any(order[:2] == other[:2] for other in found):
            raise InputError(f"the order names {text!r} twice")
        found.append(order)
    return tuple(found)


class UnknownKey(InputError):
    """A key that is no attribute: `rmse` where `metrics.rmse` is meant."""

    def __init__(self, key: str, text: str, place: int, message: str) -> None:
        super().__init__(f"{message}\n{_marked(text, place)}", HINT)
        self.key = key


def fail(text: str, place: int, message: str) -> NoReturn:
    """InputError with the line of `text` around `place` and a caret under it."""
    raise InputError(f"{message}\n{_marked(text, place)}", HINT)


def _marked(text: str, place: int) -> str:
    shown = "".join(" " if char in "\n\t\r" else char for char in text)
    first = max(0, place - 60)
    window = shown[first : first + 100]
    return f"  {window}\n  {' ' * (place - first)}^"


class _Reader:
    def __init__(self, text: str, grammar: Grammar) -> None:
        self.text = text
        self.grammar = grammar
        self.tokens = self._tokens()
        self.next = 0

    def _tokens(self) -> list[Token]:
        found, place = [], 0
        while place < len(self.text):
            match = TOKEN.match(self.text, place)
            kind = match.lastgroup if match else None
            if match is None or kind is None or kind == "open":
                fail(
                    self.text,
                    place,
                    "this quote is not closed" if kind == "open" else "this is not understood",
                )
            if kind != "space":
                found.append(Token(kind, match.group(), place))
            place = match.end()
        return [*found, Token("end", "", len(self.text))]

    def take(self) -> Token:
        token = self.tokens[self.next]
        self.next = min(self.next + 1, len(self.tokens) - 1)
        return token

    def peek(self) -> Token:
        return self.tokens[self.next]

    def word(self, *words: str) -> bool:
        """Takes these words if they come next."""
        following = self.tokens[self.next : self.next + len(words)]
        if [token.text.upper() for token in following if token.kind == "name"] != list(words):
            return False
        self.next += len(words)
        return True

    def fail(self, token: Token, message: str) -> NoReturn:
        fail(self.text, token.place, message)

    def whole(self) -> Filter:
        if self.peek().kind == "end":
            return ()
        found = self._filter(0)
        if self.peek().kind != "end":
            self.fail(self.peek(), "expected AND, OR, or the end")
        return found

    def _filter(self, depth: int) -> Filter:
        filters = [self._conjunction(depth)]
        while self.word("OR"):
            filters.append(self._conjunction(depth))
        return filters[0] if len(filters) == 1 else (Either(tuple(filters)),)

    def _conjunction(self, depth: int) -> Filter:
        found = [*self._condition(depth)]
        while self.word("AND"):
            if self.peek().kind == "end":  # MLflow takes one at the end
                break
            found += self._condition(depth)
        return tuple(found)

    def _condition(self, depth: int) -> Filter:
        opening = self.peek()
        if opening.text != "(":
            return (self._clause(),)
        if depth == DEPTH:
            self.fail(opening, f"there are more than {DEPTH} parentheses in each other")
        self.take()
        found = self._filter(depth + 1)
        if self.take().text != ")":
            self.fail(opening, "this parenthesis is not closed")
        return found

    def order(self) -> Order:
        token, entity, key = self._key()
        if entity == "dataset":
            self.fail(token, "runs cannot be put in the order of datasets")
        ascending = not self.word("DESC")
        if ascending:
            self.word("ASC")
        if self.peek().kind != "end":
            self.fail(self.peek(), "expected ASC, DESC or the end")
        return Order(entity, key, ascending)

    def _key(self) -> tuple[Token, str, str]:
        token = self.take()
        if token.kind != "name":
            self.fail(token, "expected a key, such as metrics.rmse, params.model, tags.team or status")
        if token.text.upper() in ("NOT", "AND", "OR"):
            self.fail(token, f"expected a key, not {token.text}")
        match = KEY.fullmatch(token.text)
        first, rest = match.groups() if match else (token.text, None)
        written = "attribute" if rest is None else _unquote(first)
        entity = self.grammar.entities.get(written)
        if entity is None:
            known = ", ".join(dict.fromkeys(self.grammar.entities.values()))
            self.fail(token, f"there is no entity {written!r}; there are {known}")
        key = _unquote(first if rest is None else rest)
        if not key:
            self.fail(token, "the key is missing")
        if entity == "attribute":
            key = self.grammar.aliases.get(key, key)
            names = (*self.grammar.texts, *self.grammar.numbers)
            if key not in names:
                known = f"there is no attribute {key!r}; there are {', '.join(names)}"
                raise UnknownKey(key, self.text, token.place, known)
        if entity == "dataset" and key not in DATASET_KEYS:
            self.fail(token, f"there is no dataset key {key!r}; there are {', '.join(DATASET_KEYS)}")
        return token, entity, key

    def _clause(self) -> Clause:
        _, entity, key = self._key()
        token, operator = self._operator()
        numeric = entity == "metric" or (entity == "attribute" and key in self.grammar.numbers)
        if numeric:
            allowed: tuple[str, ...] = NUMERIC
        elif entity in ("param", "tag"):
            allowed = NULLABLE
        else:
            allowed = self.grammar.operators
        if operator not in allowed:
            self.fail(token, f"{operator} does not go with {entity} {key!r}; use one of {'  '.join(allowed)}")
        if operator.startswith("IS"):
            return Clause(entity, key, operator)
        if operator.endswith("IN"):
            values = self._list(self._number, "(1, 2)") if numeric else self._list(self._string, "('a', 'b')")
            return Clause(entity, key, operator, values)
        return Clause(entity, key, operator, self._number(key) if numeric else self._string(key))

    def _operator(self) -> tuple[Token, str]:
        token = self.peek()
        if token.kind == "compare":
            self.take()
            if token.text in ("==", "<>"):
                self.fail(token, f"{token.text} is written {'=' if token.text == '==' else '!='}")
            return token, token.text
        for words in WORDS:
            if self.word(*words):
                return token, " ".join(words)
        return self.fail(
            token, "expected an operator: = != < <= > >= LIKE ILIKE IN NOT IN IS NULL IS NOT NULL"
        )

    def _number(self, key: str) -> float:
        token = self.take()
        if token.kind != "number":
            self.fail(token, f"expected a number to compare {key} with, without quotes")
        if len(token.text) > DIGITS:
            self.fail(token, f"a number has at most {DIGITS} digits")
        return float(token.text) if token.text.strip("+-0123456789") else int(token.text)

    def _string(self, key: str) -> str:
        token = self.take()
        if token.kind == "text":
            return token.text[1:-1].replace("''", "'")
        if token.kind == "name" and len(token.text) >= 2 and token.text[0] == token.text[-1] == '"':
            return token.text[1:-1]
        quoted = token.text if token.kind in ("number", "name") else "value"
        return self.fail(token, f"expected a text in quotes to compare {key} with, such as '{quoted}'")

    def _list(self, one: Callable[[str], str | float], example: str) -> tuple[Any, ...]:
        token = self.take()
        if token.text != "(":
            self.fail(token, f"expected a list, such as {example}")
        found = [one("it")]
        while (token := self.take()).text == ",":
            if self.peek().text == ")":  # ('a',)
                continue
            found.append(one("it"))
        if token.text != ")":
            self.fail(token, "expected , or )")
        return tuple(found)


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] in '"`' and text[-1] == text[0]:
        return text[1:-1]
    return text


def test(clause: Clause, value: str | float | None) -> bool:
    """Whether a value meets a clause: for collections that are small enough to be looked through."""
    operator, wanted = clause.operator, clause.value
    if operator in ("IS NULL", "IS NOT NULL"):
        return (value is None) == (operator == "IS NULL")
    if value is None:
        return False
    if operator in ("LIKE", "ILIKE"):
        return _like(str(wanted), str(value), re.DOTALL | (re.IGNORECASE if operator == "ILIKE" else 0))
    return COMPARE[operator](value, wanted)


def _like(pattern: str, text: str, flags: int) -> bool:
    """Each part between two % where it first comes: one expression for all would go back without end."""
    first, *parts = (
        "".join("." if char == "_" else re.escape(char) for char in part) for part in pattern.split("%")
    )
    found = re.compile(first, flags).match(text)
    if found is None or not parts:
        return found is not None and found.end() == len(text)
    place = found.end()
    for part in filter(None, parts[:-1]):
        found = re.compile(part, flags).search(text, place)
        if found is None:
            return False
        place = found.end()
    start = len(text) - len(pattern.rpartition("%")[2])
    return start >= place and re.compile(parts[-1], flags).match(text, start) is not None


COMPARE: dict[str, Callable[..., bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "IN": lambda a, b: a in b,
    "NOT IN": lambda a, b: a not in b,
}
