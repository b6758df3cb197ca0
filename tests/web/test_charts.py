"""Charts: what is drawn is what was logged, at each zoom, on each axis, in a browser and without one."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import math
import os
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from runner import paths
from runner.errors import StoreError
from runner.protocol.sending import DisconnectedError
from runner.tracking.log import read_all
from runner.tracking.store import Store
from runner.web import colours, series
from runner.web.render import streamed
from runner.web.scale import Axis, smooth
from tests.browser import Tabs
from tests.cli.records import make_run
from tests.helpers import make_tree
from tests.web.conftest import Browser

START = 1_700_000_000_000


def logged(name: str, values: list[float], metric: str = "loss", **about: Any) -> str:
    """One point a step and a second."""
    run_id = make_run(name, **about)
    with Store(paths.store()).open_run(run_id) as writer:
        writer.metrics((metric, value, START + 1000 * step, step) for step, value in enumerate(values))
    return run_id


def data(browser: Browser, *run_ids: str, metric: str = "loss", **chosen: object) -> list[dict[str, Any]]:
    page = browser.get(
        "/ui/chart.json?" + urlencode({"run": run_ids, "metric": metric, **chosen}, doseq=True)
    )
    assert page.status == 200, page.text
    found: list[dict[str, Any]] = json.loads(page.text)["lines"]
    return found


# ---- what is sent


def test_a_log_is_read_once_for_all_charts_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = logged("elk", [float(n % 7) for n in range(3000)])
    store = Store(paths.store())
    with store.open_run(run_id) as writer:
        writer.end("FINISHED")
    reads = []

    def read(*arguments: Any) -> Any:
        reads.append(arguments)
        return read_all(*arguments)

    monkeypatch.setattr("runner.tracking.curves.read_all", read)
    run = store.read(run_id)
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: series.opened(store, run).count("loss"), range(8)))
    assert counts == [3000] * 8
    assert len(reads) == 1


@pytest.mark.slow  # of reading: tests/tracking/test_curves.py
def test_a_spike_among_100_000_points_is_there_at_every_zoom(browser: Browser) -> None:
    values = [random.random() for _ in range(100_000)]
    values[77_777] = 50.0
    run_id = logged("a", values)
    for x, unit, start in (("step", 1, 0), ("time", 1000, START), ("relative", 1, None)):
        offset = (
            START / 1000 - Store(paths.store()).read(run_id).start_time / 1000 if start is None else start
        )
        for reach in (77_777, 20_000, 300, 3):
            zoom = (
                {}
                if reach == 77_777
                else {"first": offset + (77_777 - reach) * unit, "last": offset + (77_777 + reach) * unit}
            )
            (line,) = data(browser, run_id, x=x, most=200, **zoom)
            assert max(line.get("highs", line["means"])) == 50.0, (x, reach)
            assert len(line["means"]) <= 200
            assert line["width"] == (1 if reach == 3 else line["width"])
    few = data(browser, run_id, *(logged(str(n), [1.0]) for n in range(12)), most=200)
    assert [high for _, _, high in few[0]["spikes"]] == [50.0]  # of many runs no bands are sent


def test_what_is_sent_at_width_1_is_what_the_api_says(browser: Browser) -> None:
    values = [0.1, 1e-7, math.nan, math.inf, -math.inf, 1 / 3, -0.0, 12345678.901234567]
    (line,) = data(browser, logged("a", values))
    assert line["means"] == [0.1, 1e-7, "NaN", "Infinity", "-Infinity", 1 / 3, -0.0, 12345678.901234567]
    assert line["xs"] == list(range(8))
    rows = list(csv.DictReader(io.StringIO(browser.get(f"/ui/chart.csv?run={line['run']}&metric=loss").text)))
    assert [repr(float(row["value"])) for row in rows] == [repr(value) for value in values]


def test_another_metric_is_an_axis(browser: Browser) -> None:
    run_id = logged("a", [float(step**2) for step in range(100)])
    with Store(paths.store()).open_run(run_id) as writer:
        writer.metrics(("epoch", step / 10, START, step) for step in range(0, 100, 10))
    (line,) = data(browser, run_id, x="metrics.epoch", first=2)
    assert line["xs"] == [float(epoch) for epoch in range(2, 10)]
    assert line["means"] == [float((10 * epoch) ** 2) for epoch in range(2, 10)]


def test_the_mean_of_a_group_is_of_all_its_runs(browser: Browser) -> None:
    ids = [logged(str(n), [n + step for step in range(5)], params={"lr": n % 2}) for n in range(4)]
    found = {line["name"]: line for line in data(browser, *ids, group="params.lr") if not line["run"]}
    assert found["0"]["means"] == [1.0, 2.0, 3.0, 4.0, 5.0]  # of 0 and 2
    assert found["1"]["means"] == [2.0, 3.0, 4.0, 5.0, 6.0]
    assert found["0"]["members"] == 2
    assert found["0"]["highs"][0] == pytest.approx(1 + math.sqrt(2))


@pytest.mark.parametrize("wrong", ["x=wall", "first=a", "group=lr", "smooth=200", "smooth=x"])
def test_what_cannot_be_drawn_is_said(browser: Browser, wrong: str) -> None:
    page = browser.get(f"/ui/chart?run={make_run('a', metrics={'loss': [1, 2]})}&metric=loss&{wrong}")
    assert page.status == 400
    assert "Traceback" not in page.text


def test_csv_of_what_cannot_be_read(browser: Browser) -> None:
    """The error is said where nothing was sent yet; else the connection ends, and nobody takes it for all there is."""
    good, bad = (make_run(name, metrics={"m": [float(number) for number in range(5000)]}) for name in "ab")
    store = Store(paths.store())
    segment = os.path.join(store.run_directory(bad), "segments", f"{'0' * 31}1.jsonl")
    make_tree(os.path.dirname(segment), {os.path.basename(segment): '{"type": "segment", "format": 99}\n'})
    page = browser.get(f"/ui/chart.csv?run={bad}&metric=m")
    assert page.status in (400, 404, 503), page.text
    assert "newer version" in page.text
    assert browser.get(f"/ui/chart.csv?run={good}&metric=m").text.count("\n") == 5001

    def pieces() -> Iterator[str]:
        yield "a,b\n"
        raise StoreError("changed meanwhile")

    async def read() -> None:
        async for _ in streamed(pieces(), "x.csv").body_iterator:  # type: ignore[attr-defined]
            pass

    with pytest.raises(DisconnectedError):
        asyncio.run(read())


def test_an_axis_of_the_largest_numbers(browser: Browser) -> None:
    """Neither the middle of two of them nor a mean is beyond what a number can be."""
    ids = [
        make_run(name, metrics={"m": [1.0, 2.0, 3.0], "big": [1.7e308, 1.75e308, -1.7e308]}) for name in "ab"
    ]
    query = "&".join(f"run={each}" for each in ids)
    for kind in ("json", "svg", "csv"):
        page = browser.get(f"/ui/chart.{kind}?{query}&metric=m&x=metrics.big&group=params.none&smooth=50")
        assert page.status == 200, page.text
        assert "inf" not in page.text


def test_a_logarithmic_axis_says_what_it_leaves_out(browser: Browser) -> None:
    run_id = logged("a", [1.0, 10.0, 0.0, -5.0, 100.0, 1000.0])
    picture = browser.get(f"/ui/chart.svg?run={run_id}&metric=loss&logy=1").text
    assert picture.count('<path class="curve"') == 2
    assert re.findall(r'text-anchor="end">([^<]+)<', picture) == ["1", "10", "100", "1000"]


def test_colours_follow_from_ids() -> None:
    ids = [f"{n:032x}" for n in range(10)]
    found = colours.of(ids)
    assert len(set(found)) == 10
    assert colours.of(ids[::-1]) == found[::-1]
    assert len(colours.palette()) == colours.COUNT


# ---- in a browser


def module(page: Any, name: str, code: str, *values: Any) -> Any:
    """What a function of a script gives; `code` sees the module as `m`."""
    folder = page.evaluate("document.querySelector('link[rel=stylesheet]').href.replace(/[^/]*$/, '')")
    return page.evaluate(
        f"async ([at, values]) => {{ const m = await import(at); return {code}; }}", [folder + name, values]
    )


@pytest.mark.slow
def test_axes_and_smoothing_are_the_same_here_and_there(tabs: Tabs) -> None:
    page = tabs.open("/ui/")
    chance = random.Random(5)
    cases = [
        ("", -1.5, 7.25),
        ("", 0.0, 1e-9),
        ("", 3.0, 3.0),
        ("whole", 0, 1),
        ("whole", 5, 123_456),
        ("log", 1e-6, 1e3),
    ]
    cases += [
        ("log", 2.0, 9.0),
        ("time", START, START + 90_000),
        ("time", START, START + 10**10),
        ("", -1e308, 1e308),
    ]
    cases += [
        ("time", START, START * 10**6),
        ("time", 9_200_000_000_000_000_000, 9_200_000_000_000_001_000),
        ("whole", 2**60, 2**60 + 1),
        ("", 0.0, 5e-324),
        ("", 1.79e308, 1.79e308),
        ("log", 1.79e308, 1.79e308),
        ("log", 5e-324, 5e-324),
        ("log", 1e300, math.nextafter(1e300, math.inf)),
    ]
    cases += [
        ("", *sorted(chance.gauss(0, 10 ** chance.randint(-5, 5)) for _ in range(2))) for _ in range(20)
    ]
    for kind, low, high in cases:
        code = "(() => { const a = new m.Axis(...values); return a.ticks().map((t) => [t.at, t.label, a.value(t.at)]); })()"
        there = module(page, "scale.js", code, low, high, 60, 500, kind)
        here = Axis(low, high, 60, 500, kind)
        assert len(there) < 10
        assert [tick[0] for tick in there] == pytest.approx([tick.at for tick in here.ticks()], abs=0.06), (
            kind,
            low,
            high,
        )
        if kind in ("whole", "time"):
            assert [tick[1] for tick in there] == [tick.label for tick in here.ticks()]
        elif kind == "":
            assert [float(tick[1]) for tick in there] == pytest.approx(
                [float(t.label) for t in here.ticks()], abs=1e-12
            )
    values = [chance.gauss(0, 1) for _ in range(200)]
    for amount in (0, 10, 100):
        assert module(page, "smooth.js", "m.smooth(...values)", values, amount) == pytest.approx(
            smooth(values, amount)
        )
    straight = [3 * at - 7 for at in range(100)]
    assert module(page, "smooth.js", "m.smooth(...values)", straight, 70) == pytest.approx(
        straight
    )  # nothing is shifted
    gap = module(page, "smooth.js", "m.smooth([1, 1, NaN, 9, 9], 100).map(String)")
    assert gap == ["1", "1", "NaN", "9", "9"]
    assert module(page, "smooth.js", "[-5, 4.4, 4.6, 99].map((x) => m.nearest([1, 4, 5], x))") == [0, 1, 2, 2]


def drawn(page: Any, metric: str = "loss") -> Any:
    figure = page.locator(f'figure[data-metric="{metric}"][data-state="drawn"]')
    figure.wait_for()
    return figure.locator("canvas")


def test_the_tip_says_what_the_api_says(tabs: Tabs) -> None:
    values = [1 / 3, 0.1, 1e-7, 2.0, math.nan, 5.0]
    page = tabs.open(f"/ui/runs/{logged('elk', values)}")
    canvas = drawn(page)
    canvas.focus()
    said = []
    for _ in range(9):
        page.keyboard.press("ArrowRight")
        said.append(page.locator(".tip").inner_text())
    page.keyboard.press("ArrowLeft")
    assert any("elk NaN" in each for each in said)
    assert "elk 5" in said[-1]
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 62 + 1, box["y"] + 100)
    assert "elk 0.3333333333333333" in page.locator(".tip").inner_text()


def test_a_zoom_is_in_the_address_and_taken_back(tabs: Tabs) -> None:
    run_id = logged("elk", [random.random() for _ in range(10_000)])
    with Store(paths.store()).open_run(run_id) as writer:
        writer.metrics(("other", float(step), START + step, step) for step in range(10_000))
    page = tabs.open(f"/ui/runs/{run_id}")
    box = drawn(page).bounding_box()
    drawn(page, "other")
    page.mouse.move(box["x"] + 150, box["y"] + 90)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 90)
    with page.expect_response(
        lambda answer: "chart.json" in answer.url and "first=" in answer.url and "other" in answer.url
    ):
        page.mouse.up()
    assert "first=" in page.url
    zoomed = page.url
    page.get_by_label("log y").check()
    page.wait_for_url("**logy=1**")
    page.go_back()
    page.wait_for_url(zoomed)
    assert not page.get_by_label("log y").is_checked()
    page.get_by_role("link", name="Whole range").click()
    assert "first=" not in page.url
    again = tabs.open(zoomed)
    drawn(again)
    assert again.get_by_role("link", name="Whole range").is_visible()


def test_a_hidden_run_changes_no_mean_and_no_axis(tabs: Tabs) -> None:
    ids = [logged(f"run-{n}", [n + step for step in range(5)], params={"lr": n % 2}) for n in range(4)]
    page = tabs.open("/ui/compare?" + urlencode({"run": ids, "group": "params.lr"}, doseq=True))
    canvas = drawn(page)

    def tip() -> str:
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + 62 + 1, box["y"] + 100)
        text = page.locator(".tip").inner_text()
        page.mouse.move(0, 0)
        return str(text)

    before = tip()
    assert "1 ± 1.41421 of 2" in before
    page.locator(".legend button").first.click()
    assert "hide=" in page.url
    assert tip() == before


@pytest.mark.slow
def test_a_spike_is_painted(tabs: Tabs) -> None:
    """At the whole range and close to it: ink stands in the upper half of the canvas."""
    values = [0.1 * random.random() for _ in range(100_000)]
    values[50_000] = 50.0
    run_id = logged("elk", values)
    for zoom in ("", "?first=40000&last=60000", "?first=49900&last=50100", "?first=49997&last=50003"):
        page = tabs.open(f"/ui/runs/{run_id}{zoom}")
        canvas = drawn(page)
        middle = canvas.evaluate(
            """(c) => { const ratio = c.width / c.clientWidth; const x = 62 + (c.clientWidth - 74) / 2;
            const data = c.getContext("2d").getImageData((x - 8) * ratio, 20 * ratio, 16 * ratio, 60 * ratio).data;
            const inks = new Set(); for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 30) inks.add(data[i] + "," + data[i + 1]); return inks.size; }"""
        )
        page.close()
        empty_grid = 2
        assert middle > empty_grid, zoom
