"""Runs side by side: as points and lines, their images, their logs."""

from __future__ import annotations

import base64
import re
import statistics
from urllib.parse import urlencode

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.browser import Tabs
from tests.cli.records import make_run
from tests.helpers import make_tree
from tests.web.conftest import Browser

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def some(count: int = 12) -> list[str]:
    return [
        make_run(f"run-{n}", params={"lr": n / 10, "model": ["ridge", "lasso"][n % 2], "same": 1}, metrics={"loss": [float(n * n)]})
        for n in range(count)
    ]  # fmt: skip


def address(ids: list[str], view: str, **chosen: object) -> str:
    return "/ui/compare?" + urlencode({"run": ids, "view": view, **chosen}, doseq=True)


def test_a_box_has_its_quartiles(browser: Browser) -> None:
    page = browser.get(address(some(), "box", by="params.model", sy="metrics.loss"))
    rows = dict(
        re.findall(r'<th scope="row">(lasso|ridge)</th>((?:<td class="number">[^<]*</td>)+)', page.text)
    )
    for name, first in (("ridge", 0), ("lasso", 1)):
        values = [float(n * n) for n in range(first, 12, 2)]
        quartiles = statistics.quantiles(values, n=4, method="inclusive")
        found = [float(each) for each in re.findall(r">([\d.]+)<", rows[name])]
        assert found == pytest.approx([min(values), *quartiles, max(values)], rel=1e-5)


def test_each_run_is_a_point_that_leads_to_it(browser: Browser) -> None:
    ids = [*some(), make_run("without", params={"lr": 5})]
    page = browser.get(address(ids, "scatter", sx="params.lr", sy="metrics.loss"))
    dots = re.findall(
        r'<a href="[^"]*runs/(\w+)" class="c\d+" aria-label="[^"]*"><circle class="dot" cx="([\d.]+)" cy="([\d.]+)"',
        page.text,
    )
    assert [each[0] for each in dots] == ids[:12]
    xs, ys = ([float(each[at]) for each in dots] for at in (1, 2))
    assert xs == sorted(xs)
    assert ys == sorted(ys, reverse=True)
    assert "Without a value: without" in page.text
    assert browser.get(address(ids[:12], "scatter", sx="params.same")).status == 400
    assert browser.get(address(ids, "pie")).status == 400
    assert browser.get(address(ids[:1] * 2, "scatter")).status == 200  # nothing differs


def test_brushes_are_in_the_address_and_hold_without_a_script(browser: Browser, tabs: Tabs) -> None:
    ids = some()
    page = tabs.open(address(ids, "parallel"))
    rect = page.locator('.column[data-name="params.lr"] .brush').bounding_box()
    x = rect["x"] + rect["width"] / 2
    page.mouse.move(x, rect["y"] + 1)
    page.mouse.down()
    page.mouse.move(x, rect["y"] + rect["height"] * 0.5)
    page.mouse.up()
    page.get_by_text("6 of 12 runs").wait_for()
    assert "brush=" in page.url
    assert page.locator(".thread.off").count() == 6
    still = browser.get(page.url.removeprefix(tabs.base)).text
    assert "6 of 12 runs" in still
    assert len(re.findall(r'class="thread c\d+ off"', still)) == 6
    page.get_by_role("link", name="Only these").click()
    page.get_by_role("heading", name="6 runs").wait_for()
    page.go_back()
    page.get_by_role("heading", name="12 runs").wait_for()
    assert browser.get(address(ids, "parallel", brush="x")).status == 400


@pytest.mark.parametrize("huge", [10**309, 1.7e308])
def test_no_number_is_too_large(browser: Browser, huge: float) -> None:
    ids = [
        make_run(f"run-{n}", params={"n": n or huge, "g": n % 2}, metrics={"loss": [1.7e308 * (n - 1)]})
        for n in range(3)
    ]
    for view in ("lines", "parallel", "scatter", "box", "table"):
        assert browser.get(address(ids, view, by="params.g", sy="params.n", sx="metrics.loss")).status == 200
    for chosen in ({"group": "params.g"}, {"logy": 1}, {"x": "time", "smooth": 50}):
        picture = browser.get(
            "/ui/chart.svg?" + urlencode({"run": ids, "metric": "loss", **chosen}, doseq=True)
        )
        assert picture.status == 200, chosen


def test_what_was_logged_again_and_again_at_step_0_is_a_line(browser: Browser) -> None:
    ids = [make_run(f"run-{n}", metrics={"once": [1.0]}) for n in range(2)]
    with Store(paths.store()).open_run(ids[1]) as writer:
        writer.metrics(("again", value, 1_700_000_000_000 + value, 0) for value in range(3))
    page = browser.get(address(ids, "lines")).text
    assert re.findall(r'<figure[^>]* data-metric="([^"]*)"', page) == ["again"]


def test_images_and_logs_stand_side_by_side(browser: Browser, tabs: Tabs) -> None:
    ids = some(3)
    for run_id in ids[:2]:
        folder = Store(paths.store()).run_directory(run_id)
        make_tree(folder, {"artifacts/plots/a&b.png": DOT, "output.log": f"line <b> of {run_id}\n"})
    page = browser.get(address(ids, "images")).text
    assert len(re.findall(r"<img [^>]*src=", page)) == 2
    assert page.count("It has no such image") == 1
    logs = browser.get(address(ids, "logs")).text
    assert all(f"line &lt;b&gt; of {run_id}" in logs for run_id in ids[:2])
    tab = tabs.open(address(ids, "images"))
    tab.get_by_role("button", name="A over B").click()
    over = tab.locator(".over img").nth(1)
    tab.get_by_label("The edge").fill("20")
    assert "80%" in over.evaluate("(image) => image.style.clipPath")
    assert over.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 1


def test_images_of_many_steps_are_gone_through_by_a_slider(browser: Browser, tabs: Tabs) -> None:
    ids = some(3)
    named = "images/sample%step%{}%timestamp%17{}%0a-1{}.{}"
    first = {named.format(step, step, step, kind): DOT for step in (0, 50, 100) for kind in ("png", "webp")}
    second = {named.format(step, step, step, "png"): DOT for step in (50, 75)}
    for run_id, images in zip(ids, (first, {**second, "e&1.png": DOT, "e&2.png": DOT}), strict=False):
        make_tree(
            Store(paths.store()).run_directory(run_id),
            {f"artifacts/{name}": data for name, data in images.items()},
        )
    path = address(ids, "images")
    page = browser.get(path).text
    assert re.findall(r"<option[^>]*>([^<]+)</option>", page) == ["images/sample", "e&amp;#.png"]

    def shown(text: str) -> list[str]:
        return re.findall(r'<img [^>]*src="[^"]*step%25(\d+)%25[^"]*"', text)

    assert shown(page) == ["100", "75"]
    assert shown(browser.get(f"{path}&step=60").text) == ["50", "50"]  # the nearest one that there is
    first_step = browser.get(f"{path}&step=0").text
    assert shown(first_step) == ["0"]
    assert "It has none yet at this step" in first_step
    tab = tabs.open(path)
    slider = tab.get_by_label("Step")
    slider.press("ArrowLeft")
    assert tab.locator("#step").inner_text() == "75"
    assert "step=75" in tab.url
    sources = tab.locator(".images img").evaluate_all("(images) => images.map((each) => each.src)")
    assert shown("".join(f'<img src="{each}">' for each in sources)) == ["50", "75"]
    assert tab.locator(".images img").first.evaluate("(image) => image.decode().then(() => 1)") == 1
    slider.fill("2")
    assert tab.locator("#step").inner_text() == "0"
    assert tab.locator(".images figure:visible p:visible").count() == 2
    tab.go_back()
    assert tab.locator("#step").inner_text() == "75"
