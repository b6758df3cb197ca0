"""runs/search and experiments/search."""

from __future__ import annotations

from runner.errors import InputError
from runner.protocol import bounds
from runner.protocol import checks as allowed
from runner.protocol.answer import Response, invalid, reply_list
from runner.protocol.bounds import BUDGET, IDS, in_time, refused
from runner.protocol.entities import experiment as shown_experiment
from runner.protocol.entities import run as shown_run
from runner.protocol.experiments import VIEW, VIEWS
from runner.protocol.fields import MORE
from runner.protocol.history import offset_of, token_of
from runner.protocol.route import Asked, Route, checks
from runner.tracking.experiments import Experiment
from runner.tracking.index.grammar import EXPERIMENTS, meets, test

__all__ = ["ROUTES"]

MOST = 50_000


def _limit(asked: Asked) -> int:
    limit = int(asked.values.get("max_results", 1000))
    if limit > MOST:
        raise invalid(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be at most {MOST}{MORE}"
        )
    if limit < 1:
        raise invalid(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer"
        )
    return limit


def search_runs(asked: Asked) -> Response:
    """ApiError for a wrong filter, order or page token, and for a search that takes too long."""
    values = asked.values
    limit = _limit(asked)
    IDS.check(len(values.get("experiment_ids", ())))
    bounds.clauses(values.get("filter", ""))
    bounds.orders(values.get("order_by", ()))
    for experiment_id in values.get("experiment_ids", ()):
        allowed.experiment_id(experiment_id)
    try:
        page = asked.store.search(
            values.get("filter", ""),
            values.get("experiment_ids", []),
            values.get("order_by", []),
            limit,
            values.get("page_token", ""),
            VIEWS[values.get("run_view_type", "ACTIVE_ONLY")],
            budget=BUDGET,
        )
    except InputError as error:
        raise refused(error) from None
    return reply_list("runs", (shown_run(run, asked.root) for run in page.runs), page.next_page_token)


def search_experiments(asked: Asked) -> Response:
    values = asked.values
    limit = _limit(asked)
    first = offset_of(values.get("page_token", ""))
    clauses = bounds.clauses(values.get("filter", ""), EXPERIMENTS)
    orders = bounds.orders(values.get("order_by", ()), EXPERIMENTS)
    found = [
        each
        for each in in_time(asked.store.experiments(VIEWS[values.get("view_type", "ACTIVE_ONLY")]))
        if meets(clauses, lambda clause: test(clause, _field(each, clause.entity, clause.key)))  # noqa: B023
    ]
    found.sort(key=lambda each: int(each.experiment_id))
    if not orders:
        found.sort(key=lambda each: each.creation_time, reverse=True)
    for order in reversed(orders):
        there = [each for each in found if _field(each, order.entity, order.key) is not None]
        missing = [each for each in found if _field(each, order.entity, order.key) is None]
        there.sort(key=lambda each: _field(each, order.entity, order.key), reverse=not order.ascending)  # type: ignore[arg-type,return-value]
        found = there + missing
    last = first + limit
    token = token_of(last) if last < len(found) else ""
    return reply_list("experiments", map(shown_experiment, found[first:last]), token)


def _field(each: Experiment, entity: str, key: str) -> str | int | None:
    if entity == "tag":
        return each.tags.get(key)
    if key == "experiment_id":
        return each.experiment_id
    found: str | int = getattr(each, key)
    return found


_EXPERIMENTS = {
    "max_results": "int64",
    "page_token": "string",
    "filter": "string",
    "order_by": ["string"],
    "view_type": VIEW,
}
_CHECKED = checks("view_type int", "max_results int", "order_by array", "filter string", "page_token string")

ROUTES = (
    Route(
        "POST",
        "runs/search",
        search_runs,
        {
            "experiment_ids": ["string"],
            "filter": "string",
            "run_view_type": VIEW,
            "max_results": "int32",
            "order_by": ["string"],
            "page_token": "string",
        },
        checks("experiment_ids array", "filter string", "max_results int", "order_by array strings"),
        slow=True,
    ),
    Route("POST", "experiments/search", search_experiments, _EXPERIMENTS, _CHECKED, slow=True),
    Route(
        "GET", "experiments/list", search_experiments, _EXPERIMENTS, _CHECKED, slow=True
    ),  # clients before 2
    Route("GET", "experiments/search", search_experiments, _EXPERIMENTS, _CHECKED, slow=True),
)
