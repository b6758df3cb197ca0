"""registered-models/search and model-versions/search: MLflow's grammar over what is kept in memory of the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from runner.protocol import bounds
from runner.protocol.answer import Response, invalid, reply
from runner.protocol.history import offset_of, token_of
from runner.protocol.registered import PROMPT, shown, shown_version, told
from runner.protocol.route import Asked, Route, checks
from runner.tracking import registry
from runner.tracking.index.grammar import ALL, Clause, Filter, Grammar, Order, meets, test
from runner.tracking.registry import RegisteredModel, Version
from runner.values import JsonMapping, JsonObject

__all__ = ["ROUTES"]

_ENTITIES = {name: entity for name, entity in ALL.items() if entity in ("tag", "attribute")}
_TIMES = {"timestamp": "last_updated_timestamp"}
MODELS = Grammar(_ENTITIES, ("name",), ("creation_timestamp", "last_updated_timestamp"), _TIMES)
VERSIONS = Grammar(
    _ENTITIES,
    ("name", "run_id", "source_path", "model_id", "stage"),
    ("version_number", "creation_timestamp", "last_updated_timestamp"),
    {**_TIMES, "source": "source_path"},
)
FIELDS = {
    "version_number": "number",
    "source_path": "source",
    "creation_timestamp": "creation_time",
    "last_updated_timestamp": "last_update_time",
}


@told
def search_models(asked: Asked) -> Response:
    found = ((each, each) for each in registry.listing(asked.store.root))
    rows = _selected(asked, found, MODELS, ["name ASC"])
    return _page(asked, "registered_models", rows, lambda model, _: shown(model), 100, 1000)


@told
def search_versions(asked: Asked) -> Response:
    usual = ["last_updated_timestamp DESC", "name ASC", "version_number DESC"]
    clauses = bounds.clauses(asked.values.get("filter", ""), VERSIONS)
    rows = _selected(asked, _versions(_models(asked, clauses)), VERSIONS, usual)
    return _page(asked, "model_versions", rows, shown_version, 10_000, 200_000)


def _models(asked: Asked, clauses: Filter) -> Iterable[RegisteredModel]:
    """Of the one that the filter names, where it names one."""
    for clause in clauses:
        if isinstance(clause, Clause) and clause[:3] == ("attribute", "name", "="):
            found = registry.find(asked.store.root, str(clause.value))
            return [found] if found is not None else []
    return registry.listing(asked.store.root)


def _versions(models: Iterable[RegisteredModel]) -> Iterator[tuple[RegisteredModel, Version]]:
    for model in models:
        for version in model.versions.values():
            yield model, version


def _selected(asked: Asked, rows: Iterable[Any], grammar: Grammar, usual: list[str]) -> list[Any]:
    clauses = bounds.clauses(asked.values.get("filter", ""), grammar)
    given = list(bounds.orders(asked.values.get("order_by") or usual, grammar))
    orders = given + [each for each in bounds.orders(_ties(grammar), grammar) if not _has(given, each)]
    prompts = _asks_for_prompts(clauses)
    found = [
        row
        for row in bounds.in_time(rows)
        if (prompts or not _is_prompt(row)) and meets(clauses, partial(_passes, row))
    ]
    for each in reversed(orders):
        found.sort(key=partial(_rank, each), reverse=not each.ascending)
    return found


def _ties(grammar: Grammar) -> list[str]:
    return ["name ASC", *(["version_number DESC"] if "version_number" in grammar.numbers else [])]


def _has(orders: list[Order], wanted: Order) -> bool:
    return any(each[:2] == wanted[:2] for each in orders)


def _rank(order: Order, row: tuple[RegisteredModel, Any]) -> Any:
    value = _field(row, order)
    return value if value is not None else "" if order.entity == "tag" else 0


def _asks_for_prompts(clauses: Filter) -> bool:
    return any(
        isinstance(each, Clause)
        and each[:2] == ("tag", PROMPT)
        and (each.operator, str(each.value).lower()) in (("=", "true"), ("!=", "false"))
        for each in clauses
    )


def _is_prompt(row: tuple[RegisteredModel, Any]) -> bool:
    return str(row[1].tags.get(PROMPT, "")).lower() == "true"


def _passes(row: tuple[RegisteredModel, Any], clause: Clause) -> bool:
    """What is no prompt has no tag that says so."""
    value = _field(row, clause)
    if value is None and clause[:2] == ("tag", PROMPT):
        value = "false"
    return test(clause, value)


def _field(row: tuple[RegisteredModel, Any], asked_for: Clause | Order) -> Any:
    model, item = row
    if asked_for.entity == "tag":
        return item.tags.get(asked_for.key)
    if asked_for.key == "name":
        return model.name
    return getattr(item, FIELDS.get(asked_for.key, asked_for.key))


def _page(
    asked: Asked,
    name: str,
    rows: list[Any],
    show: Callable[[RegisteredModel, Any], JsonObject],
    usual: int,
    most: int,
) -> Response:
    limit = int(asked.values.get("max_results", usual))
    if limit < 1:
        raise invalid(f"Invalid value for max_results. It must be a positive integer, but got {limit}")
    if limit > most:
        raise invalid(
            f"Invalid value for request parameter max_results. It must be at most {most}, but got value {limit}"
        )
    first = offset_of(asked.values.get("page_token", ""))
    answer: JsonObject = {}
    if page := rows[first : first + limit]:
        answer[name] = [show(*row) for row in page]
    if first + limit < len(rows):
        answer["next_page_token"] = token_of(first + limit)
    return reply(answer)


_SEARCH: JsonMapping = {
    "filter": "string", "max_results": "int64", "order_by": ["string"], "page_token": "string"
}  # fmt: skip
_SEARCHED = checks("filter string", "max_results int", "order_by array", "page_token string")

ROUTES = (
    Route("GET", "registered-models/search", search_models, _SEARCH, _SEARCHED, slow=True),
    Route("POST", "registered-models/search", search_models, _SEARCH, _SEARCHED, slow=True),  # the R client
    Route("GET", "registered-models/list", search_models, _SEARCH, _SEARCHED, slow=True),  # clients before 2
    Route("GET", "model-versions/search", search_versions, _SEARCH, _SEARCHED, slow=True),
    Route("POST", "model-versions/search", search_versions, _SEARCH, _SEARCHED, slow=True),
)
