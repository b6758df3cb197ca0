"""The table of runs as plain values: cells, their distance from a baseline, and a key that tells what changed."""

from __future__ import annotations

import math
from binascii import crc32
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runner.tables import columns
from runner.tracking.fold import Run
from runner.web.spark import Spark

__all__ = ["Cell", "Column", "Row", "check", "headings", "label_of", "rows", "usual"]

MOST = 5  # metrics, and as many parameters, in a table whose columns nobody chose
LABELS = {"name": "run", "duration": "took", "verdict": "reproduced", "commit": "code"}
MOVING = ("started", "ended")  # their words change while nothing happens


class Cell(NamedTuple):
    text: str
    kind: str = ""  # number, verdict, status, or "" for a text
    delta: str = ""  # from the baseline


class Row(NamedTuple):
    run: Run
    cells: tuple[Cell, ...]
    key: str  # another one when something of the row is another
    depth: int = 0
    children: int = 0
    is_base: bool = False
    spark: Spark | None = None  # of a run that is on


class Column(NamedTuple):
    name: str
    label: str
    order: str  # by which a click sorts; "": it cannot be sorted
    arrow: str  # ▲ ▼ or ""
    is_number: bool


def check(names: Sequence[str]) -> tuple[str, ...]:
    """InputError for a column that there is not. A name of a metric may have a comma in it."""
    for name in names:
        if "," not in name:
            columns.check([name])
        else:
            columns.check([name.replace(",", " ")])
    return tuple(names)


def usual(runs: Sequence[Run]) -> tuple[str, ...]:
    """When and how, the commonest metrics, and the parameters that are not the same in all of them."""
    names = ["started", "duration", "verdict"]
    names += ["project"] if columns.vary(run.project for run in runs) else []
    names += ["entry_point"] if columns.vary(run.entry_point for run in runs) else []
    return (*names, *columns.telling(runs, MOST), "commit")


def headings(names: Sequence[str], order: str, rows: Sequence[Row] = ()) -> list[Column]:
    """A column of numbers is one whose cells in `rows` are numbers."""
    numeric = {
        names[place]
        for row in rows[:20]
        for place, cell in enumerate(row.cells)
        if cell.kind == "number" and cell.text
    }
    found = []
    for name in names:
        key = columns.order_key(name)
        label = label_of(name)
        up, down = f"{key} ASC", f"{key} DESC"
        arrow = "▲" if order in (up, key) else "▼" if order == down else ""
        wanted = "" if not key else down if arrow == "▲" else up
        found.append(
            Column(
                name, label, wanted if key else "", arrow if key else "", name in numeric or is_number(name)
            )
        )
    return found


def label_of(name: str) -> str:
    """What is said of a column, under the heading of its kind."""
    return name.partition(".")[2] or LABELS.get(name, name.replace("_", " "))


def is_number(name: str) -> bool:
    return name in columns.NUMERIC or name.startswith("metrics.")


def rows(
    runs: Sequence[Run],
    names: Sequence[str],
    experiments: Mapping[str, str],
    children: Mapping[str, int],
    base: Run | None = None,
    depth: int = 0,
    sparks: Mapping[str, Spark] = {},
) -> list[Row]:
    """Each with a short checksum of what is shown of it: a page asks only for rows whose checksum has changed.

    `sparks`: of runs that are on, by their ids.
    """
    found = []
    for run in runs:
        cells = tuple(_cell(run, name, experiments, base) for name in names)
        known = [cell for name, cell in zip(names, cells, strict=True) if name not in MOVING]
        inside = children.get(run.run_id, 0)
        said = (run.run_id, run.name, run.status, run.end, run.lifecycle, known, inside, depth)
        spark = sparks.get(run.run_id)
        is_base = base is not None and base.run_id == run.run_id
        key = f"{crc32(repr((*said, spark)).encode('utf-8', 'replace')):08x}"
        found.append(Row(run, cells, key, depth, inside, is_base, spark))
    return found


def _cell(run: Run, name: str, experiments: Mapping[str, str], base: Run | None) -> Cell:
    if name == "verdict":
        return Cell(run.verdict, "verdict")
    text = columns.shown(run, name, experiments)
    if name == "commit" and run.sections.get("code", {}).get("dirty"):
        text = f"{text} + changes".strip()
    value = columns.value(run, name)
    number = isinstance(value, int | float) and not isinstance(value, bool) and name not in MOVING
    if not (number or is_number(name)):
        return Cell(text)
    other = None if base is None or base.run_id == run.run_id or not number else columns.value(base, name)
    return Cell(text, "number", "" if name == "exit_code" else _delta(value, other))


def _delta(value: float, base: object) -> str:
    """In per cent of the baseline; from 0, and from 1,000 %, as a difference."""
    if not isinstance(base, int | float) or isinstance(base, bool):
        return ""
    try:
        difference = float(value) - float(base)
        if not math.isfinite(difference):
            return ""
        share = difference / abs(base) * 100 if base else math.inf
    except OverflowError:
        return ""
    if difference == 0:
        return "="
    return f"{share:+.3g}%" if abs(share) < 1000 else f"{difference:+.4g}"
