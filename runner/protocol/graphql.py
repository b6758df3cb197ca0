"""The GraphQL queries of MLflow's pages: an experiment, a run, a search for runs. 64-bit numbers are strings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from runner.errors import InputError
from runner.protocol.answer import ApiError, Response, invalid, reply
from runner.protocol.entities import experiment as shown_experiment
from runner.protocol.entities import run as shown_run
from runner.protocol.experiments import VIEWS
from runner.protocol.experiments import find as find_experiment
from runner.protocol.route import Asked
from runner.protocol.search import refused

__all__ = ["answer"]

TOKEN = re.compile(
    r'[\s,]+|#[^\n]*|("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?)|(\.\.\.|[{}()\[\]:!$@=])|([A-Za-z_]\w*)'
)
LONG = frozenset(
    ("startTime", "endTime", "creationTime", "lastUpdateTime", "timestamp", "step", "fileSize", "timestampMs")
)
DEEPEST = 30


class Field(NamedTuple):
    name: str
    alias: str
    arguments: Mapping[str, Any]
    inner: tuple[Field, ...]


def answer(asked: Asked) -> Response:
    query, variables = asked.raw.get("query"), asked.raw.get("variables") or {}
    if not isinstance(query, str) or not isinstance(variables, dict):
        raise invalid("Missing value for required parameter 'query'.")
    fields = _Reader(query, variables).operation()
    data: dict[str, Any] = {}
    for field in fields:
        resolve = ROOTS.get(field.name)
        if resolve is None:
            message = f"Cannot query field '{field.name}' on type 'Query'."
            return reply({"data": None, "errors": [{"message": message}]})
        given = field.arguments.get("input")
        try:
            value = resolve(asked, given if isinstance(given, dict) else dict(field.arguments))
        except ApiError as error:
            value = {"apiError": {"code": error.code, "message": error.message, "helpUrl": None}}
        data[field.alias] = _select(value, field.inner)
    return reply({"data": data, "errors": None})


def _select(value: Any, fields: tuple[Field, ...]) -> Any:
    if isinstance(value, list):
        return [_select(each, fields) for each in value]
    if not isinstance(value, dict) or not fields:
        return value
    return {field.alias: _select(value.get(field.name), field.inner) for field in fields}


def _camel(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {
            (key := re.sub(r"_(\w)", lambda found: found[1].upper(), each)): _camel(inner, key)
            for each, inner in value.items()
        }
    if isinstance(value, list):
        return [_camel(each, name) for each in value]
    return str(value) if name in LONG and isinstance(value, int) else value


# ---- what can be asked


def _experiment(asked: Asked, given: Mapping[str, Any]) -> Any:
    found = find_experiment(asked, str(given.get("experimentId", "")))
    return {"experiment": _camel(shown_experiment(found)), "apiError": None}


def _run(asked: Asked, given: Mapping[str, Any]) -> Any:
    run = asked.runs.get(str(given.get("runId") or given.get("runUuid") or "")).run()
    shown = _camel(shown_run(run, asked.root))
    experiment = _camel(shown_experiment(find_experiment(asked, run.experiment_id)))
    return {"run": {**shown, "experiment": experiment, "modelVersions": []}, "apiError": None}


def _runs(asked: Asked, given: Mapping[str, Any]) -> Any:
    try:
        page = asked.store.search(
            str(given.get("filter") or ""),
            [str(each) for each in given.get("experimentIds") or ()],
            [str(each) for each in given.get("orderBy") or ()],
            max(1, min(int(given.get("maxResults") or 1000), 50_000)),
            str(given.get("pageToken") or ""),
            VIEWS.get(str(given.get("runViewType")), "active"),
        )
    except InputError as error:
        raise refused(error) from None
    except ValueError:
        raise invalid("Invalid value for parameter 'maxResults' supplied.") from None
    runs = [
        {
            **_camel(shown_run(run, asked.root)),
            "experiment": {"experimentId": run.experiment_id},
            "modelVersions": [],
        }
        for run in page.runs
    ]
    return {"runs": runs, "nextPageToken": page.next_page_token or None, "apiError": None}


def _test(_asked: Asked, given: Mapping[str, Any]) -> Any:
    return {"output": given.get("inputString")}


ROOTS: dict[str, Callable[[Asked, Mapping[str, Any]], Any]] = {
    "mlflowGetExperiment": _experiment,
    "mlflowGetRun": _run,
    "mlflowSearchRuns": _runs,
    "test": _test,
}


# ---- the language


class _Reader:
    """Queries with variables, aliases, directives (which are ignored) and fragments."""

    def __init__(self, text: str, variables: Mapping[str, Any]) -> None:
        self._variables = variables
        self._tokens: list[str] = []
        place = 0
        while place < len(text):
            match = TOKEN.match(text, place)
            if match is None:
                raise invalid(f"The query is not understood at {text[place : place + 20]!r}.")
            if token := next((group for group in match.groups() if group), ""):
                self._tokens.append(token)
            place = match.end()
        self._tokens.append("")
        self._next = 0
        self._fragments: dict[str, int] = {
            self._tokens[at + 1]: at for at, word in enumerate(self._tokens[:-1]) if word == "fragment"
        }

    def _peek(self) -> str:
        return self._tokens[self._next]

    def _take(self, expected: str = "") -> str:
        token = self._peek()
        if (expected and token != expected) or not token:
            raise invalid(
                f"The query is not understood: {token or 'its end'} where {expected or 'more'} was expected."
            )
        self._next += 1
        return token

    def operation(self) -> tuple[Field, ...]:
        if self._peek() == "mutation" or self._peek() == "subscription":
            raise invalid("Only queries can be asked.")
        while self._peek() not in ("{", ""):
            if self._take() == "(":  # declared variables, or arguments of a directive
                self._skip()
        return self._selection(0)

    def _skip(self) -> None:
        depth = 1
        while depth:
            token = self._take()
            depth += (token == "(") - (token == ")")  # noqa: S105

    def _selection(self, depth: int) -> tuple[Field, ...]:
        if depth > DEEPEST:
            raise invalid("The query is too deep.")
        self._take("{")
        found: list[Field] = []
        while self._peek() != "}":
            if self._peek() == "...":
                found += self._spread(depth)
                continue
            name = alias = self._take()
            if self._peek() == ":":
                self._take()
                name = self._take()
            arguments = self._arguments() if self._peek() == "(" else {}
            self._directives()
            inner = self._selection(depth + 1) if self._peek() == "{" else ()
            found.append(Field(name, alias, arguments, inner))
        self._take("}")
        return tuple(found)

    def _spread(self, depth: int) -> tuple[Field, ...]:
        self._take("...")
        if self._peek() == "on":
            self._take()
            self._take()
        elif self._peek() != "{":
            name = self._take()
            at = self._fragments.get(name)
            if at is None or depth > DEEPEST:
                raise invalid(f"There is no fragment {name!r}.")
            back, self._next = self._next, at
            while self._peek() not in ("{", ""):
                self._take()
            found = self._selection(depth + 1)
            self._next = back
            return found
        self._directives()
        return self._selection(depth + 1)

    def _directives(self) -> None:
        while self._peek() == "@":
            self._take()
            self._take()
            if self._peek() == "(":
                self._arguments()

    def _arguments(self) -> dict[str, Any]:
        self._take("(")
        found: dict[str, Any] = {}
        while self._peek() != ")":
            name = self._take()
            self._take(":")
            found[name] = self._value(0)
        self._take(")")
        return found

    def _value(self, depth: int) -> Any:
        token = self._take()
        if depth > DEEPEST:
            raise invalid("The query is too deep.")
        if token == "$":  # noqa: S105
            return self._variables.get(self._take())
        if token == "[":  # noqa: S105
            items = []
            while self._peek() != "]":
                items.append(self._value(depth + 1))
            self._take("]")
            return items
        if token == "{":  # noqa: S105
            fields = {}
            while self._peek() != "}":
                name = self._take()
                self._take(":")
                fields[name] = self._value(depth + 1)
            self._take("}")
            return fields
        if token[0] in '"-0123456789' or token in ("true", "false", "null"):
            try:
                return json.loads(token)
            except ValueError:
                raise invalid(f"The query is not understood at {token[:20]!r}.") from None
        return token  # an enum
