"""registered-models/search and model-versions/search: MLflow's grammar over what is kept in memory of the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from runner.protocol import bounds
from runner.protocol.answer import Response, invalid, reply
from runner.protocol.history import offset_of, token_of
from runner.protocol.registered import shown, shown_version, told
from runner.protocol.route import Asked, Route, checks
from runner.tracking import registry
from runner.tracking.index.grammar import Clause, Filter, Grammar, Order
from runner.tracking.registry import RegisteredModel, Version
from runner.tracking.registry.search import MODELS, VERSIONS, asks_for_prompts, field, is_prompt, passes
from runner.values import JsonMapping, JsonObject

__all__ = ["ROUTES"]


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
    prompts = asks_for_prompts(clauses)
    found = [
        row for row in bounds.in_time(rows) if (prompts or not is_prompt(row[1])) and passes(clauses, *row)
    ]
    for each in reversed(orders):
        found.sort(key=partial(_rank, each), reverse=not each.ascending)
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
