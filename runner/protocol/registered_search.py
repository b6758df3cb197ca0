"""registered-models/search and model-versions/search: MLflow's grammar over what is kept in memory of the registry."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from runner.protocol import bounds
from runner.protocol.answer import Response, invalid, reply
from runner.protocol.history import offset_of, token_of
from runner.protocol.registered import shown, shown_version, told
from runner.protocol.route import Asked, Route, checks
from runner.tracking import registry
from runner.tracking.index.grammar import Clause, Filter, Grammar, Order
from runner.tracking.registry import RegisteredModel
from runner.tracking.registry.filters import MODELS, VERSIONS, asks_for_prompts, field, is_prompt, passes
from runner.values import JsonMapping, JsonObject

__all__ = ["ROUTES"]

SORTED = 8  # answers that are kept: clients page through them


Row: TypeAlias = "tuple[RegisteredModel, Any]"  # a model and itself, or a version of it
_sorted: dict[
    tuple[str, str], tuple[list[RegisteredModel], list[Row]]
] = {}  # the last answer to one who asks for all


@told
def search_models(asked: Asked) -> Response:
    models = list(registry.listing(asked.store.root))
    rows = _selected(asked, models, lambda model: [(model, model)], MODELS, ["name ASC"])
    return _page(asked, "registered_models", rows, lambda model, _: shown(model), 100, 1000)


@told
def search_versions(asked: Asked) -> Response:
    usual = ["last_updated_timestamp DESC", "name ASC", "version_number DESC"]
    models = _models(asked, bounds.clauses(asked.values.get("filter", ""), VERSIONS))
    rows = _selected(
        asked, models, lambda model: [(model, each) for each in model.versions.values()], VERSIONS, usual
    )
    return _page(asked, "model_versions", rows, shown_version, 10_000, 200_000)


def _models(asked: Asked, clauses: Filter) -> list[RegisteredModel]:
    """Of the one that the filter names, where it names one."""
    for clause in clauses:
        if isinstance(clause, Clause) and clause[:3] == ("attribute", "name", "="):
            found = registry.find(asked.store.root, str(clause.value))
            return [found] if found is not None else []
    return list(registry.listing(asked.store.root))


def _selected(
    asked: Asked,
    models: list[RegisteredModel],
    rows_of: Callable[[RegisteredModel], list[Row]],
    grammar: Grammar,
    usual: list[str],
) -> list[Row]:
    texts = asked.values.get("order_by") or usual
    filtered = asked.values.get("filter", "")
    key = (asked.store.root, f"{grammar.texts}{texts}{filtered}")
    known = _sorted.get(key)
    if known is not None and len(known[0]) == len(models) and all(map(operator.is_, known[0], models)):
        return known[1]
    clauses = bounds.clauses(filtered, grammar)
    given = list(bounds.orders(texts, grammar))
    orders = given + [each for each in bounds.orders(_ties(grammar), grammar) if not _has(given, each)]
    prompts = asks_for_prompts(clauses)
    found = [
        row
        for model in bounds.in_time(models)
        for row in rows_of(model)
        if (prompts or not is_prompt(row[1])) and (not clauses or passes(clauses, *row))
    ]
    for each in reversed(orders):
        found.sort(key=partial(_rank, each), reverse=not each.ascending)
    if len(_sorted) >= SORTED:
        _sorted.clear()
    _sorted[key] = models, found
    return found


def _ties(grammar: Grammar) -> list[str]:
    return ["name ASC", *(["version_number DESC"] if "version_number" in grammar.numbers else [])]


def _has(orders: list[Order], wanted: Order) -> bool:
    return any(each[:2] == wanted[:2] for each in orders)


def _rank(order: Order, row: tuple[RegisteredModel, Any]) -> Any:
    value = field(*row, order)
    return value if value is not None else "" if order.entity == "tag" else 0


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
