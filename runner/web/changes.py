"""What came to a run since a page last asked: points of metrics from an offset of its log on, and whether it has ended.

What is sent does not grow with the history. A page that fell far behind is told to fetch all again.
"""

from __future__ import annotations

import json
import math
import os

from starlette.requests import Request
from starlette.responses import Response

from runner.host.files import open_handle
from runner.tracking.events import ODD, points_of
from runner.tracking.log import read_all
from runner.tracking.store import Store
from runner.web.found import the_run
from runner.web.render import HEADERS, MARKS

__all__ = ["position", "show"]

FAR = 1 << 20  # bytes of a log that are sent on
ODD_NUMBERS = {math.inf: "Infinity", -math.inf: "-Infinity"}


def position(store: Store, run_id: str) -> int:
    """Bytes of the run's own log. What was written from elsewhere (segments) is seen when the page is loaded again."""
    try:
        return os.stat(os.path.join(store.run_directory(run_id), "events.jsonl")).st_size
    except OSError:
        return 0


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    run = the_run(request)
    given = request.query_params.get("after", "")
    after = int(given) if given.isdecimal() and len(given) < 19 else 0
    size = position(store, run.run_id)
    points: dict[str, list[tuple[int, int, object]]] = {}
    again = not 0 <= size - after <= FAR
    if again:
        after = size
    elif size > after:
        handle = open_handle(os.path.join(store.run_directory(run.run_id), "events.jsonl"))
        try:
            for events, reached in read_all(handle, after):
                for event in events:
                    if event["type"] in ("metric", "metrics"):
                        try:
                            for name, point in points_of(event):
                                points.setdefault(name, []).append(
                                    (point.step, point.timestamp, _plain(point.value))
                                )
                        except ODD:
                            continue
                after = reached
        finally:
            os.close(handle)
    shape, word, kind = MARKS.get(run.status, ("?", run.status, ""))
    body = {
        "after": after,
        "again": again,
        "ended": bool(run.end),
        "points": points,
        "status": [shape, word, kind],
    }
    return Response(json.dumps(body), headers=HEADERS, media_type="application/json")


def _plain(value: float) -> object:
    return value if math.isfinite(value) else ODD_NUMBERS.get(value, "NaN")
