"""What the index says of many runs together is what their records say."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from runner.tracking import events
from runner.tracking.fold import Run
from runner.tracking.index import summary
from runner.tracking.index.grammar import parse_filter, parse_order
from runner.tracking.index.query import Query
from runner.tracking.store import Store

pytestmark = pytest.mark.usefixtures("dialect")
ODD = ("loss", "val loss", "Ünïcode", "a.b/c", "%_", "z" * 900, "'; DROP TABLE runs; --")


def fill(store: Store) -> list[Run]:
    rng = random.Random(7)
    ids: list[str] = []
    for number in range(60):
        parent = rng.choice(ids) if ids and number % 4 == 0 else ""
        params = {"model": rng.choice(("a", "b")), **({"x": "p" * 100} if number % 3 else {})}
        with store.create_run(
            "0", name=f"r{number}", parent=parent, params=params, start_time=1000 + number
        ) as writer:
            for key in rng.sample(ODD, 3):
                writer.metric(key, rng.choice((1e9 + rng.random(), 3.0, math.nan, math.inf, 1.7e308)), 1)
            if number % 5:
                writer.end(
                    rng.choice(("FINISHED", "FAILED")),
                    reason=rng.choice(("exit", "oom")),
                    end_time=2000 + number,
                )
            if number % 7 == 0:
                writer.append(events.verification("different" if number % 2 else "identical", "", (), ""))
            if number % 11 == 0:
                writer.append(events.deleted())
        ids.append(writer.run_id)
    return [store.read(run_id) for run_id in ids]


def test_names_groups_children_and_counts(root: str) -> None:
    with Store(root) as store:
        runs = fill(store)
        active = [run for run in runs if run.lifecycle == "active"]
        known = {key for run in runs for key in run.metrics}
        found = store.index.ask(lambda link: list(summary.names(link, "metrics")))
        assert [name[:400] for name in found] == sorted(name[:400] for name in known)
        assert store.index.ask(lambda link: list(summary.names(link, "tags"))) == sorted(
            {key for run in runs for key in run.tags}
        )
        keys = parse_order(["params.x", "status"])
        groups = store.index.ask(lambda link: summary.groups(link, Query(), keys, ODD))
        assert sum(group.size for group in groups) == len(active)
        for group in groups:
            members = [run for run in active if (run.params.get("x"), run.status) == group.values]
            assert len(members) == group.size
            for metric in ODD:
                values = [run.metrics[metric].value for run in members if metric in run.metrics]
                values = [value for value in values if math.isfinite(value)]
                spread = group.spreads.get(metric)
                assert (spread.size if spread else 0) == len(values)
                if spread and max(values) < 1e300:
                    assert spread.mean == pytest.approx(statistics.fmean(values), rel=1e-12)
                    deviation = statistics.stdev(values) if len(values) > 1 else 0
                    assert spread.deviation == pytest.approx(deviation, rel=1e-6, abs=1e-6)
        inside = store.index.ask(lambda link: summary.children(link, [run.run_id for run in runs]))
        for run in runs:
            assert inside.get(run.run_id, 0) == sum(each.parent == run.run_id for each in active)
        for column, of in (("verdict", lambda run: run.verdict), ("status", lambda run: run.status)):
            tally = store.index.ask(lambda link, column=column: summary.tally(link, Query(), column))  # type: ignore[misc]
            for value, (size, latest) in tally.items():
                same = [run for run in active if of(run) == value]
                assert (size, latest) == (len(same), max(run.start_time for run in same))


def test_the_best_over_time_and_the_new_attributes(root: str) -> None:
    with Store(root) as store:
        active = [run for run in fill(store) if run.lifecycle == "active"]
        points = store.index.ask(lambda link: summary.best(link, Query(), "loss"))
        assert points == [
            (run.start_time, run.metrics["loss"].value, run.run_id) for run in active
            if "loss" in run.metrics and math.isfinite(run.metrics["loss"].value)
        ]  # fmt: skip
        for text, meets in (
            ("verdict = 'different'", lambda run: run.verdict == "different"),
            ("verdict != ''", lambda run: run.verdict != ""),
            ("reason = 'oom'", lambda run: run.end.get("reason") == "oom"),
            ("duration >= 1", lambda run: run.duration is not None and run.duration >= 1),
        ):
            ids = {run.run_id for run in store.search(text, limit=100).runs}
            assert ids == {run.run_id for run in active if meets(run)}, text
            assert parse_filter(text)
        by_time = [run.duration for run in store.search("", order_by=["duration DESC"], limit=100).runs]
        there = [each for each in by_time if each is not None]
        assert by_time == sorted(there, reverse=True) + [None] * (len(by_time) - len(there))
