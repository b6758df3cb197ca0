"""Pages that travel: one file with its styles and charts in it, no script, readable without a network in ten years."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from time import gmtime, strftime
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from runner import __version__
from runner.environments.packages import packages
from runner.errors import InputError, ProjError
from runner.reproduction.bundle import recipe
from runner.running.reconcile import concluded
from runner.running.recorded import Recorded
from runner.tracking.fold import Run
from runner.tracking.store import Store
from runner.web import charts, colours, markdown, run_details, series
from runner.web.assets import FOLDER
from runner.web.compare import differing
from runner.web.log import Line, last_lines
from runner.web.proof import Proof, proofs
from runner.web.render import text

__all__ = ["of_bundle", "of_runs"]

RUNS = 200
CHARTS = 60
BUCKETS = 400  # of a line
TAIL = 60  # lines of a log
FILES = 500  # links to members of a bundle
SHEETS = ("app.css", "chart.css", "run.css")


class Told(NamedTuple):
    """What is said of one run."""

    run: Run
    ended: str
    note: Markup
    groups: list[tuple[str, list[run_details.Fact]]]
    proofs: list[Proof]
    log: list[Line]


def of_runs(store: Store, runs: Sequence[Run], experiments: Mapping[str, str]) -> bytes:
    """InputError for none, or too many. `experiments`: names by id."""
    if not 1 <= len(runs) <= RUNS:
        hint = "proj export --html RUN ... -o page.html, or --filter"
        raise InputError(f"a page has 1 to {RUNS} runs, these are {len(runs)}", hint)
    runs = [concluded(run) for run in runs]
    told = [_told(store, run) for run in runs]
    title = runs[0].name or runs[0].run_id[:12] if len(runs) == 1 else f"{len(runs)} runs"
    return _page(
        store, runs, told, title=title, experiments=experiments, rows=differing(runs) if len(runs) > 1 else [],
        made=strftime("%Y-%m-%d %H:%M UTC", gmtime()), bundle=None, links=(), code=(), lacking=(), recipe="",
    )  # fmt: skip


def of_bundle(recorded: Recorded, members: Sequence[str], lacking: Sequence[str]) -> bytes:
    """For the archive that has these members; links lead to them."""
    store = Store(recorded.store)
    run = recorded.run
    told = _told(store, run)._replace(
        proofs=[]
    )  # what comes later is no part of it: packed again, it is the same
    known = packages(recorded.packages)
    told.groups.append(("Packages", [run_details.Fact(name, version) for name, version in known.items()]))
    lines = "\n".join(recipe.commands(recorded, set(members)))
    try:
        experiment = store.experiment(run.experiment_id).name
    except ProjError:
        experiment = run.experiment_id
    return _page(
        store, [run], [told], title=run.name or run.run_id[:12], experiments={run.experiment_id: experiment}, rows=[],
        made="", bundle=True, links=_links(members, "run/artifacts/"), code=_links(members, "code/"), lacking=lacking,
        recipe=lines,
    )  # fmt: skip


def _told(store: Store, run: Run) -> Told:
    text = run.tags.get(run_details.NOTE, "")
    groups = [(title, rows) for title, rows in run_details.groups(run) if rows]
    return Told(
        run, run_details.ended(run), markdown.html(text) if text else Markup(""), groups,
        [proof for proof, _ in proofs(run)], last_lines(store.run_directory(run.run_id), TAIL),
    )  # fmt: skip


def _page(store: Store, runs: Sequence[Run], told: Sequence[Told], **values: object) -> bytes:
    drawn = []
    for name in series.metrics_of(runs)[:CHARTS]:
        lines = series.lines(store, runs, series.Asked(name, most=BUCKETS))
        if any(len(line.xs) > 1 for line in lines):
            drawn.append(charts.chart(name, lines))
    return text(
        "report.html", top="#", style=_style(), runs=runs, told=told, charts=drawn,
        colours=colours.of([run.run_id for run in runs]), version=__version__, **values,
    )  # fmt: skip


def _style() -> Markup:
    found = []
    for name in SHEETS:
        with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
            found.append(file.read())
    return Markup("\n".join(found))  # noqa: S704 - our own sheets


def _links(members: Sequence[str], prefix: str) -> list[tuple[str, str]]:
    """Name and address, relative to the page."""
    return [(each.removeprefix(prefix), quote(each)) for each in members if each.startswith(prefix)][:FILES]
