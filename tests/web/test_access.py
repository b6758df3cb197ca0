"""Nobody is kept out of the pages: axe finds nothing, at any width, in any colours, and a script is never needed."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.browser import Tabs
from tests.cli.records import make_run
from tests.helpers import make_tree
from tests.servers import Start
from tests.web.mass import fill
from tests.web.test_team_pages import token

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def violations(page: Any) -> list[str]:
    """What axe finds. It is put in by the debugger: the policy of the pages lets no script in that is not theirs."""
    import axe_playwright_python

    path = os.path.join(os.path.dirname(axe_playwright_python.__file__), "axe.min.js")
    with open(path, encoding="utf-8") as file:
        source = file.read()
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": source})
    run = (
        f"axe.run({{runOnly: {LEVELS}, resultTypes: ['violations']}}).then((found) => JSON.stringify("
        "found.violations.map((each) => [each.id, each.help, each.nodes.slice(0, 3).map((node) => node.html.slice(0, 200))])))"
    )
    answer = session.send(
        "Runtime.evaluate", {"expression": run, "awaitPromise": True, "returnByValue": True}
    )
    session.detach()
    import json

    return [
        f"{page.url} {identity}: {text} {nodes}"
        for identity, text, nodes in json.loads(answer["result"]["value"])
    ]


def pages(ids: list[str]) -> list[str]:
    pair = f"run={ids[0]}&run={ids[1]}"
    return [
        "/ui/", f"/ui/?order=metrics.rmse+DESC&sel={ids[-1]}&base={ids[-2]}&tree=1", "/ui/?group=params.model",
        "/ui/?q=metrics.rmse+%3E+100", "/ui/overview", "/ui/experiments/0", "/ui/projects?name=vision",
        f"/ui/runs/{ids[0]}", f"/ui/runs/{ids[0]}/log", f"/ui/runs/{ids[0]}/files", f"/ui/compare?{pair}",
        *(f"/ui/runs/{ids[0]}/{name}" for name in ("code", "environment", "lineage", "proof", "files/a.py", "files/t.csv")),
        *(f"/ui/compare?{pair}&view={view}" for view in ("parallel", "scatter", "box", "table", "images", "logs")),
        f"/ui/why?{pair}", f"/ui/chart?{pair}&metric=rmse",
    ]  # fmt: skip


@pytest.fixture
def ids(tabs: Tabs) -> list[str]:
    with Store(paths.store()) as store:
        found = fill(store, 30, metrics=4, params=5, points=3)
        store.tag_experiment(
            "0", "mlflow.note.content", "# Plan\n\n* [one](./)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
        )
        store.index.refresh()
        make_tree(
            store.run_directory(found[0]),
            {
                "output.log": "one\ntwo\n",
                "artifacts/a.txt": "text",
                "artifacts/a.py": "# one\ndef f(x):\n    return 'a', 1\n",
                "artifacts/t.csv": "a,b\n1,2\n",
            },
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 320, "height": 640}}, {"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"},
        {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
    ],
    ids=["320px", "light", "dark", "forced", "200%"],
)  # fmt: skip
def test_axe_finds_nothing(tabs: Tabs, ids: list[str], options: dict[str, Any]) -> None:
    page = tabs.open(**options)
    found = []
    for path in pages(ids):
        page.goto(path)
        found += violations(page)
        # what is wide scrolls in a frame of its own, not the page
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.goto("/ui/")
    page.get_by_text("Columns", exact=False).first.click()
    found += violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    found += violations(page)
    assert not found, "\n".join(found)


@pytest.mark.slow
def test_no_script_is_needed(tabs: Tabs, ids: list[str]) -> None:
    page = tabs.open("/ui/", java_script_enabled=False)
    page.get_by_label("Filter").fill("params.model = 'ridge'")
    page.get_by_role("button", name="Search").click()
    assert page.locator("tbody.body tr").count() == 6
    page.get_by_role("link", name="rmse").click()
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("rmse")
    for box in page.locator("tbody.body input").all()[:2]:
        box.check()
    page.locator("summary", has_text="Tag").click()
    page.get_by_label("Tag", exact=True).fill("team=blue-green")
    page.get_by_role("button", name="Set").click()
    assert "2 runs tagged" in page.locator("#count").inner_text()
    assert "ridge" in page.get_by_label("Filter").input_value()  # one is where one was
    for box in page.locator("tbody.body input").all()[:2]:
        box.check()
    page.get_by_role("button", name="Why").click()
    assert re.search(r"(compare|why)\?run=\w+&run=\w+", page.url)
    page.go_back()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with open(download.value.path(), encoding="utf-8") as file:
        assert file.read().count("\n") == 7
    page.goto("/ui/?q=tags.team+=+'blue-green'")
    assert page.locator("tbody.body tr").count() == 2
    page.locator("tbody.body th a").first.click()
    assert page.locator("main h1").count() == 1
    for number in range(120):
        make_run(f"more-{number}")
    page.goto("/ui/")
    page.get_by_role("link", name="Next").click()
    page.get_by_role("link", name="Next").click()
    assert page.locator("tbody.body th").first.inner_text() == "more-19"
    page.get_by_role("link", name="Previous").click()
    assert page.locator("tbody.body tr").count() == 50


def test_one_signs_in_reads_a_verdict_and_gets_a_file_without_a_script(chromium: Any, start: Start) -> None:
    server = start()
    with Store(server.store) as store:
        run_id = fill(store, 6, metrics=2, params=3)[5]  # every fifth one was made again
        make_tree(store.run_directory(run_id), {"artifacts/out/a.txt": "what it made"})
    text = token(server.store, "writer")
    time.sleep(1.2)  # each process of the server looks for tokens once a second
    tabs = Tabs(chromium, server.port)
    page = tabs.open("/ui/", java_script_enabled=False)
    page.get_by_label("Token").fill(text)
    page.get_by_role("button").first.click()
    page.get_by_label("Filter").fill("verdict = 'identical'")
    page.get_by_role("button", name="Search").click()
    assert page.locator("tbody.body tr").count() == 2
    page.locator(f"tbody.body a[href*='{run_id}']").click()
    assert "identical" in page.get_by_role("region", name="Reproduced").inner_text()
    page.get_by_role("link", name="Proof").click()
    assert "identical" in page.locator("main").inner_text()
    page.get_by_role("link", name="Files").click()
    page.get_by_role("link", name="out/").click()
    page.get_by_role("link", name="a.txt").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    with open(download.value.path(), encoding="utf-8") as file:
        assert file.read() == "what it made"
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_label("Token").count() == 1
    tabs.problems = [each for each in tabs.problems if "401" not in each]
    tabs.close()


def test_the_theme_is_kept_and_nothing_else_is(tabs: Tabs, ids: list[str]) -> None:
    page = tabs.open("/ui/")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.keyboard.press("t")
    page.keyboard.press("t")
    assert page.evaluate(colour) != light
    page.goto("/ui/overview")
    assert page.evaluate(colour) != light
    assert page.evaluate("JSON.stringify(localStorage)") == '{"theme":"dark"}'
    assert page.evaluate("JSON.stringify(sessionStorage)") == "{}"
