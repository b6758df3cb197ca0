"""Runs side by side: their curves over each other, what differs, and each run as a point, its images and its log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from runner.errors import InputError, ProjError
from runner.text import units
from runner.tracking.artifacts import listing
from runner.tracking.fold import Run
from runner.web import charts, colours, pictures, series, steps
from runner.web.found import MOST, the_runs
from runner.web.log import last_lines
from runner.web.previews import IMAGES, ending
from runner.web.render import number, page

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

    from runner.tracking.store import Store

__all__ = ["Row", "differing", "show"]

CELLS = 200_000  # of the table; what is more the command lists that the page names
CHARTS = 30
VIEWS = ("lines", "parallel", "scatter", "box", "table", "images", "logs")
OWN = ("view", "sx", "sy", "by", "image", "step", "brush")  # of an address, besides what charts have
TAIL = 200  # lines of a log beside others
IMAGES_LOOKED_AT = 200


class Row(NamedTuple):
    group: str
    key: str
    values: tuple[str, ...]
    differs: bool


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    given = request.query_params
    refs = given.getlist("run")
    if not 2 <= len(refs) <= MOST:
        raise InputError(f"2 to {MOST} runs can be compared", "tick them in the table of runs")
    view = given.get("view") or "lines"
    if view not in VIEWS:
        raise InputError(f"there is no view {view!r}", f"there are {', '.join(VIEWS)}")
    runs = the_runs(request)
    ids = [run.run_id for run in runs]
    state = {
        **charts.state(given, ids),
        **{key: given.get(key, "") for key in OWN},
        "brush": given.getlist("brush"),
    }
    everything = bool(given.get("all"))
    rows: list[Row] = []
    if view in ("lines", "table"):
        shown = (row for row in _rows(runs) if row.differs or everything)
        rows = list(islice(shown, CELLS // len(runs)))
    return page(
        request, "compare.html", runs=runs, ids=ids, rows=rows, everything=everything, view=view, views=VIEWS,
        colours=colours.of(ids), state=state, command="proj compare " + " ".join(each[:12] for each in ids),
        **(_lines(request, store, runs) if view == "lines" else _picture(store, runs, view, given)),
    )  # fmt: skip


def _lines(request: Request, store: Store, runs: Sequence[Run]) -> dict[str, Any]:
    metrics = series.metrics_of(runs)
    return {
        "charts": _drawn(store, metrics, runs)[:CHARTS], "metrics": metrics,
        "params": series.params_of(runs), "look": charts.look(request.query_params),
    }  # fmt: skip


def _picture(store: Store, runs: Sequence[Run], view: str, given: QueryParams) -> dict[str, Any]:
    classes = colours.of([run.run_id for run in runs])
    if view == "images":
        step = given.get("step", "")
        return _images(store, runs, given.get("image", ""), step if step.isdecimal() else "")
    if view == "logs":
        return {"logs": [last_lines(store.run_directory(run.run_id), TAIL) for run in runs[:6]]}
    if view == "table":
        return {}
    names = pictures.fields(runs)
    numbers = [name for name in names if pictures.numeric(runs, name)]
    y = _one_of(
        given.get("sy", ""), numbers, next((name for name in numbers if name.startswith("metrics.")), "")
    )
    found: dict[str, object] = {"fields": names, "numbers": numbers, "y": y}
    if not names or not y:
        return {**found, "picture": None, "parallel": None}
    if view == "scatter":
        x = _one_of(given.get("sx", ""), names, names[0])
        return {**found, "x": x, "picture": pictures.scatter(runs, classes, x, y)}
    if view == "box":
        by = _one_of(given.get("by", ""), names, names[0])
        return {**found, "by": by, "picture": pictures.boxes(runs, classes, by, y)}
    return {**found, "parallel": pictures.parallel(runs, classes, names, _brushes(given.getlist("brush")))}


def _one_of(wanted: str, names: Sequence[str], usual: str) -> str:
    if wanted and wanted not in names:
        raise InputError(f"{wanted!r} is the same in all these runs, or no number", ", ".join(names[:20]))
    return wanted or usual


def _brushes(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Each `from:to:NAME`, shares of the axis from the top."""
    found = {}
    for text in texts:
        low, _, rest = text.partition(":")
        high, _, name = rest.partition(":")
        try:
            found[name] = (float(low), float(high))
        except ValueError:
            raise InputError(f"{text!r} is no part of an axis", "0.1:0.5:params.lr") from None
    return found


def _images(store: Store, runs: Sequence[Run], wanted: str, given: str) -> dict[str, object]:
    """Images that several runs have under one name; those that all have come first. At the `given` step, of each run
    the image that was the latest by then.
    """
    of_runs = [steps.series(_of_run(store, run)) for run in runs]
    having: dict[str, int] = {}
    for found in of_runs:
        for name in found:
            having[name] = having.get(name, 0) + 1
    names = sorted(having, key=lambda name: (-having[name], name))
    image = wanted if wanted in having else names[0] if names else ""
    at = names.index(image) if image else 0
    each = [found.get(image, {}) for found in of_runs]
    known = sorted({step for found in each for step in found})
    step = min(known, key=lambda one: abs(one - int(given))) if given and known else max(known, default=0)
    return {
        "names": names, "image": image, "known": known, "step": step, "of_steps": each,
        "having": [_until(found, step) for found in each],
        "before": names[at - 1] if at else "", "after": names[at + 1] if at + 1 < len(names) else "",
    }  # fmt: skip


def _until(found: Mapping[int, str], step: int) -> str:
    """ "" when there is none yet."""
    return found[max(there)] if (there := [each for each in found if each <= step]) else ""


def _of_run(store: Store, run: Run) -> list[str]:
    found = [path for path in run.artifacts if ending(path) in IMAGES]
    folders = [""]
    while folders and len(found) < IMAGES_LOOKED_AT:
        try:
            entries = listing(store, run.run_id, folders.pop())
        except (ProjError, OSError):
            continue
        folders += [each.path for each in entries if each.is_dir]
        found += [each.path for each in entries if not each.is_dir and ending(each.path) in IMAGES]
    return list(dict.fromkeys(found))[:IMAGES_LOOKED_AT]


def _drawn(store: Store, names: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Without metrics that were logged once, at the beginning: each of these is a number and no line."""
    found = {name for run in runs for name, metric in run.metrics.items() if metric.step != 0}
    for run in runs:
        left = run.metrics.keys() - found
        if left:  # several points at step 0 are drawn
            curves = series.opened(store, run)
            found |= {name for name in left if curves.count(name) > 1}
            curves.close()
    return [name for name in names if name in found]


def differing(runs: Sequence[Run]) -> list[Row]:
    return [row for row in _rows(runs) if row.differs]


def _rows(runs: Sequence[Run]) -> Iterator[Row]:
    groups: list[tuple[str, Callable[[Run], Mapping[str, Any]]]] = [
        ("run", _run),
        ("parameters", lambda run: run.params),
        ("metrics", lambda run: {key: metric.value for key, metric in run.metrics.items()}),
        ("inputs", _inputs),
        ("tags", lambda run: {key: value for key, value in run.tags.items() if not key.startswith("mlflow.")}),
    ]  # fmt: skip
    for group, of in groups:
        facts = [of(run) for run in runs]
        for key in dict.fromkeys(key for each in facts for key in each):
            values = [each.get(key) for each in facts]
            shown = tuple("" if value is None else number(value) for value in values)
            yield Row(group, key, shown, len({repr(value) for value in values}) > 1)


def _run(run: Run) -> dict[str, object]:
    code = run.sections.get("code", {})
    return {
        "status": run.status,
        "took": units.duration(run.duration),
        "project": run.project,
        "entry point": run.entry_point,
        "commit": str(code.get("commit", ""))[:12],
        "snapshot": str(code.get("tree", ""))[:12],
    }


def _inputs(run: Run) -> dict[str, str]:
    return {str(each.get("path") or each.get("uri")): str(each.get("digest", ""))[:19] for each in run.inputs}
