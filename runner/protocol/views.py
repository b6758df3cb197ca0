"""What a UI asks, and the endpoints that tell what kind of server this is."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Any

from runner.protocol.answer import ApiError, Response, invalid, reply, reply_list
from runner.protocol.bounds import BUDGET, POINTS, in_time
from runner.protocol.entities import number
from runner.protocol.fields import MORE
from runner.protocol.history import SORTED, Points, points, turn
from runner.protocol.live import LiveRuns
from runner.protocol.route import Asked, Route, checks
from runner.values import JsonObject

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = ["ROUTES", "VERSION"]

VERSION = "3.17.2"  # of the protocol: clients compare it
MOST_RUNS = 100
MOST_POINTS = 25_000
INTERVAL_POINTS = 2500


def server_info(asked: Asked) -> Response:  # noqa: ARG001
    return reply(
        {
            "store_type": "ProjStore",
            "workspaces_enabled": False,
            "trace_archival_enabled": False,
            "multipart_uploads_enabled": False,
            "multipart_downloads_enabled": False,
            "presigned_upload_run_id_supported": False,
            "presigned_upload_model_id_supported": False,
            "features_enabled": {"gateway": False},
        }
    )


def history_bulk(asked: Asked) -> Response:
    run_ids = asked.values.get("run_id", [])
    if not run_ids:
        raise invalid("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(run_ids) > MOST_RUNS:
        raise invalid(
            f"GetMetricHistoryBulk request cannot specify more than {MOST_RUNS} run_ids."
            f" Received {len(run_ids)} run_ids."
        )
    if "metric_key" not in asked.values:
        raise invalid("GetMetricHistoryBulk request must specify a metric_key.")
    limit = min(int(asked.values.get("max_results", MOST_POINTS)), MOST_POINTS)
    found: list[JsonObject] = []
    with turn:
        for run_id in sorted(run_ids):
            if len(found) < limit:
                found += _shown(asked.runs, run_id, asked.values["metric_key"], None, limit - len(found))
    return reply_list("metrics", found) if found else reply({"metrics": []})


def history_interval(asked: Asked) -> Response:
    """Points of several runs at the same steps, about `max_results` of them, evenly chosen (for the charts of MLflow's
    pages).
    """
    values = asked.values
    run_ids = values.get("run_ids", [])
    if not run_ids:
        raise invalid(f"Missing value for required parameter 'run_ids'.{MORE}")
    if len(run_ids) > MOST_RUNS:
        raise invalid(
            f"GetMetricHistoryBulkInterval request must specify at most {MOST_RUNS} run_ids."
            f" Received {len(run_ids)} run_ids.{MORE}"
        )
    run_ids = list(dict.fromkeys(run_ids))
    limit = values.get("max_results", INTERVAL_POINTS)
    if not 1 <= limit <= INTERVAL_POINTS:
        raise invalid(f"max_results must be between 1 and {INTERVAL_POINTS}.{MORE}")
    first, last = values.get("start_step"), values.get("end_step")
    if (first is None) != (last is None):
        raise invalid("If either start step or end step are specified, both must be specified.")
    if first is not None and first > last:
        raise invalid(
            f"end_step must be greater than start_step. Found start_step={first} and end_step={last}."
        )
    with turn:
        return reply_list("metrics", _sampled(asked.runs, run_ids, values["metric_key"], limit, first, last))


def _sampled(
    runs: LiveRuns, run_ids: list[str], key: str, limit: int, first: int | None, last: int | None
) -> Iterator[JsonObject]:
    every: set[int] = set()
    chosen: set[int] = set()
    for run_id in run_ids:
        chosen.update(_collect(every, _points(runs, run_id, key).steps, first, last))
    # to sort very many at once would hold up all other threads
    steps = sorted(islice(every, 0, None, 1 + len(every) // (20 * INTERVAL_POINTS)))
    if len(steps) > limit:
        gap = len(steps) / limit
        steps = [steps[int(place * gap)] for place in range(limit)] + [steps[-1]]
    chosen.update(steps)
    for run_id in run_ids:
        yield from _shown(runs, run_id, key, chosen, INTERVAL_POINTS + 1 + 2 * MOST_RUNS)


def _points(runs: LiveRuns, run_id: str, key: str) -> Points:
    """None for a run that is not there, as in MLflow."""
    try:
        return points(runs.get(run_id), key)
    except ApiError:
        return Points()


def _collect(every: set[int], steps: array[int], first: int | None, last: int | None) -> tuple[int, ...]:
    """Adds the steps of a run to those of all; its own first and last one, which are shown in any case."""
    ends: tuple[int, ...] = ()
    for place in range(0, len(steps), SORTED):  # so that other threads get their turn
        found: Sequence[int] = steps[place : place + SORTED]
        if first is not None and last is not None:
            found = [step for step in found if first <= step <= last]
        if found:
            ends = min((min(found), *ends)), max((max(found), *ends))
            every.update(found)
            POINTS.check(len(every))
    return ends


def _shown(runs: LiveRuns, run_id: str, key: str, steps: set[int] | None, most: int) -> list[JsonObject]:
    wanted = (point for point in _points(runs, run_id, key) if steps is None or point[1] in steps)
    by_step = steps is not None
    found = nsmallest(most, wanted, lambda point: (point[1], point[0])) if by_step else islice(wanted, most)
    return [
        {"key": key, "value": number(value), "timestamp": timestamp, "step": step, "run_id": run_id}
        for timestamp, step, value in found
    ]


def search_datasets(asked: Asked) -> Response:
    ids = asked.values.get("experiment_ids", [])
    if not ids:
        raise invalid("SearchDatasets request must specify at least one experiment_id.")
    if len(ids) > 20:
        raise invalid(
            "SearchDatasets request cannot specify more than 20 experiment_ids."
            f" Received {len(ids)} experiment_ids."
        )
    found: dict[Any, JsonObject] = {}
    for run in in_time(_latest(asked, ids)):
        for dataset in run.datasets:
            context = (dataset.get("tags") or {}).get("mlflow.data.context")
            entry = {
                "experiment_id": run.experiment_id,
                "name": dataset.get("name", ""),
                "digest": dataset.get("digest", ""),
            }
            if context:
                entry["context"] = context
            found.setdefault(tuple(entry.items()), entry)
    return reply_list("dataset_summaries", found.values())


def _latest(asked: Asked, experiment_ids: list[str]) -> Iterator[Run]:
    """The last runs of these experiments, so many as MLflow looks at."""
    left, token = 10_000, ""
    while left > 0:
        page = asked.store.search("", experiment_ids, (), left, token, budget=BUDGET)
        yield from page.runs
        left, token = left - len(page.runs), page.next_page_token
        if not token:
            return


ROUTES = (
    Route("GET", "server-info", server_info),
    Route(
        "GET",
        "metrics/get-history-bulk",
        history_bulk,
        {"run_id": ["string"], "metric_key": "string", "max_results": "int32"},
        slow=True,
    ),
    Route(
        "GET",
        "metrics/get-history-bulk-interval",
        history_interval,
        {
            "run_ids": ["string"],
            "metric_key": "string",
            "start_step": "int32",
            "end_step": "int32",
            "max_results": "int32",
        },
        checks(
            "run_ids required array strings", "metric_key required string", "start_step int", "end_step int"
        ),
        slow=True,
    ),
    Route("POST", "experiments/search-datasets", search_datasets, {"experiment_ids": ["string"]}, slow=True),
)
