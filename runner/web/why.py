"""Why two runs differ: results first, then what differs in the order of suspicion, with what to type to try each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from runner.errors import InputError
from runner.protocol.bounds import BUDGET
from runner.snapshots import restore
from runner.tracking.fold import Run
from runner.web import colours
from runner.web.found import the_runs
from runner.web.render import number, page

if TYPE_CHECKING:
    from runner.reproduction.verdict.difference import Difference, Dimension
    from runner.tracking.store import Store

__all__ = ["show"]

LINES = 5000  # of a patch
MOST = 1 << 20  # bytes of it
MORE = "... and more, which proj diff shows"
RESULTS = ("status", "metrics", "outputs")
SUSPECTS = ("parameters", "environment", "code", "inputs", "command", "variables", "machine")
CHARTS = 6


class Result(NamedTuple):
    name: str
    old: str
    new: str
    change: str  # in percent


class Suspect(NamedTuple):
    """Something that differs, and may be why."""

    name: str
    summary: str
    dimension: Dimension
    patch: tuple[str, ...]
    command: str  # that tries it


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    refs = request.query_params.getlist("run")
    if len(set(refs)) != 2:
        raise InputError("why is asked of two runs", "tick two of them in the table of runs")
    runs = the_runs(request)
    if len(runs) != 2:
        raise InputError("both names are of one run", "tick two of them in the table of runs")
    found = _between(store, runs)
    known = {each.name: each for each in found.dimensions}
    results = [
        _result(each.name, each.old, each.new)
        for name in RESULTS
        if name in known
        for each in known[name].changes
    ]
    suspects = [_suspect(known[name], runs) for name in SUSPECTS if name in known]
    ids = [run.run_id for run in runs]
    differing = [each.name for each in known["metrics"].changes] if "metrics" in known else []
    return page(
        request, "why.html", old=runs[0], new=runs[1], results=results, suspects=suspects, most=LINES,
        same=found.same, charts=differing[:CHARTS], state={"run": ids, "x": ""}, ids=ids, colours=colours.of(ids),
        command=f"proj diff {ids[0][:12]} {ids[1][:12]}",
    )  # fmt: skip


def _between(store: Store, runs: Sequence[Run]) -> Difference:
    from runner.reproduction.verdict.difference import between
    from runner.running.recorded import of

    return between(of(store, runs[0]), of(store, runs[1]), _patch)


def _patch(store: str, old: str, new: str) -> str:
    text, cut = restore.patch(store, old, new, MOST, BUDGET.seconds)
    return f"{text}{MORE}\n" if cut else text


def _result(name: str, old: object, new: object) -> Result:
    def text(value: object) -> str:
        shown = "absent" if value is None else number(value)
        return shown[:19] if shown.startswith("sha256:") else shown

    change = ""
    if (
        isinstance(old, int | float)
        and isinstance(new, int | float)
        and old
        and abs(new - old) < float("inf")
    ):
        change = f"{(new - old) / abs(old) * 100:+.3g} %"
    return Result(name, text(old), text(new), change)


def _suspect(found: Dimension, runs: Sequence[Run]) -> Suspect:
    patch = tuple(found.patch.splitlines())
    names = [each.name for each in found.changes]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    if found.name == "parameters":
        shown = ", ".join(
            f"{each.name} {_short(each.old)} → {_short(each.new)}" for each in found.changes[:3]
        )
    if patch:
        marks = [line[:1] for line in patch if not line.startswith(("+++", "---"))]
        more = "more than " if patch[-1] == MORE else ""
        shown = f"{more}+{marks.count('+')} −{marks.count('-')} lines"
    return Suspect(found.name, shown, found, patch, _command(found, *runs))


def _short(value: object) -> str:
    return "absent" if value is None else number(value)[:40]


def _command(found: Dimension, old: Run, new: Run) -> str:
    """The old run with this one thing of the new one."""
    first, second = old.run_id[:12], new.run_id[:12]
    if found.name == "parameters":
        given = {each.name: new.param_texts.get(each.name) for each in found.changes}
        words = [
            word for name, text in given.items() if text is not None for word in ("-P", f"{name}={text}")
        ]
        return shlex.join(["proj", "rerun", first, *words]) if words else ""
    if found.name in ("code", "inputs"):
        words = [word for name, text in old.param_texts.items() for word in ("-P", f"{name}={text}")]
        return shlex.join(["proj", "rerun", second, *words])
    if found.name == "environment":
        return f"proj rerun {first} --refresh-env"
    return f"proj reproduce {first}" if found.name in ("machine", "variables") else ""
