"""The table of runs in a real browser: its address is all that it is, whatever one did to come there."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.browser import Tabs
from tests.cli.records import make_run, moment
from tests.web.mass import fill

COMMAND = "p.command code"


def rows(page: Any) -> list[str]:
    """The names in the table, in its order."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('tbody.body th a[href^=\"runs/\"]')].map((each) => each.textContent)"
    )
    return found


def picture(page: Any) -> bytes:
    page.evaluate("document.activeElement?.blur()")
    page.mouse.move(0, 0)
    found: bytes = page.screenshot(animations="disabled", caret="hide")
    return found


def wait_for(page: Any, condition: str) -> None:
    """`condition` in JavaScript: the policy of the pages forbids wait_for_function."""
    end = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(30)


def idle(page: Any) -> None:
    wait_for(page, "!document.querySelector('main[aria-busy]')")
    page.wait_for_timeout(50)


@pytest.fixture
def mass(tabs: Tabs) -> list[str]:
    with Store(paths.store()) as store:
        found = fill(store, 450, metrics=6, params=5)
        store.index.refresh()
    return found


@pytest.mark.slow
def test_twelve_steps_their_address_elsewhere_and_back_again(tabs: Tabs, mass: list[str]) -> None:
    """In a fresh profile the address shows the same page; each step back shows what was there before it."""
    page = tabs.open("/ui/")

    def search(text: str) -> None:
        page.get_by_label("Filter").fill(text)
        page.get_by_role("button", name="Search").click()

    def column(name: str) -> None:
        page.get_by_text("Columns", exact=False).first.click()
        page.get_by_label("Find a column").fill(name)
        page.get_by_role("button", name="Show these").click()

    def sort(name: str) -> None:
        page.get_by_role("columnheader", name=name, exact=False).get_by_role("link").first.click()

    def tick(place: int) -> None:
        page.locator("tbody.body input[type=checkbox]").nth(place).click()

    steps = [
        lambda: search("metrics.rmse < 1.45"),
        lambda: sort("rmse"),
        lambda: sort("rmse"),
        lambda: column("params.seed, tags.team"),
        lambda: tick(1),
        lambda: tick(3),
        lambda: (
            page.locator("#view").select_option("all") and page.get_by_role("button", name="Search").click()
        ),
        lambda: search("metrics.rmse < 1.45 and tags.team = 'red'"),
        lambda: tick(2),
        lambda: page.get_by_role("link", name="Tree").click(),
        lambda: page.locator("a.toggle").first.click(),
        lambda: sort("started"),
    ]
    seen = []
    for step in steps:
        seen.append((page.url, rows(page)))
        before = page.url
        step()
        wait_for(page, f"location.href !== {before!r}")
        idle(page)
    last = (page.url, rows(page))
    assert len(last[1]) > 20
    other = tabs.open()
    other.goto(page.url)
    assert rows(other) == last[1]
    assert other.locator("main").inner_text() == page.locator("main").inner_text()
    for attempt in range(4):  # a run is "2 min ago" in one of them and "3 min ago" in the other
        other.reload()
        page.reload()
        if picture(other) == picture(page):
            break
        assert attempt < 3
    other.close()
    for where, what in reversed(seen):
        page.go_back()
        wait_for(page, f"location.href === {where!r}")
        idle(page)
        assert rows(page) == what
    for _ in steps:
        page.go_forward()
    wait_for(page, f"location.href === {last[0]!r}")
    idle(page)
    assert rows(page) == last[1]


@pytest.mark.slow
def test_the_command_lists_the_same_runs(tabs: Tabs, mass: list[str]) -> None:
    page = tabs.open("/ui/")
    make_run("gone")
    Store(paths.store()).delete_run(Store(paths.store()).resolve("gone"))
    for address in (
        "/ui/",
        "/ui/?q=params.model+=+'ridge'&order=metrics.rmse+DESC",
        "/ui/?q=verdict+=+'different'+or+reason+=+'oom'&order=duration+ASC&tree=1&view=all",
        "/ui/?view=deleted",
    ):
        page.goto(address)
        words = page.locator(COMMAND).inner_text()
        done = subprocess.run(
            f"{sys.executable} -m runner {words.removeprefix('proj ')} --csv --columns run_id",
            shell=True, capture_output=True, text=True, check=True,
        )  # fmt: skip
        listed = [row["run_id"] for row in csv.DictReader(io.StringIO(done.stdout))]
        shown: list[str] = []
        while True:
            shown += page.evaluate(
                "[...document.querySelectorAll('tbody.body input[name=run]')].map((each) => each.value)"
            )
            after = page.locator("a[rel=next]")
            if not after.count():
                break
            page.goto(page.url.split("?")[0] + after.get_attribute("href").removeprefix("./"))
        assert shown == listed, address


def test_any_row_is_reached_by_scrolling(tabs: Tabs, mass: list[str]) -> None:
    page = tabs.open("/ui/?order=start_time+ASC")
    names = [run.name for run in Store(paths.store()).search(order_by=["start_time ASC"], limit=1000).runs]
    assert rows(page) == names[:50]
    table = page.locator("run-table")
    table.evaluate("(each) => (each.scrollTop = each.scrollHeight)")
    page.get_by_role("link", name=names[-1], exact=True).wait_for()
    table.evaluate("(each) => (each.scrollTop = each.scrollHeight / 2)")
    page.get_by_role("link", name=names[225], exact=True).wait_for()
    page.wait_for_timeout(600)
    (start,) = parse_qs(urlsplit(page.url).query)["start"]
    assert 200 < int(start) < 230
    shown = rows(page)
    assert shown == names[names.index(shown[0]) :][: len(shown)]  # in order, each once
    page.reload()
    assert names[int(start)] in rows(page)
    table.evaluate("(each) => (each.scrollTop = 0)")
    page.get_by_role("link", name=names[0], exact=True).wait_for()


def test_rows_follow_what_happens(tabs: Tabs) -> None:
    store = Store(paths.store())
    quiet = [make_run(f"old-{number}") for number in range(30)]
    writer = store.create_run("0", name="live-one", project="demo", entry_point="main", start_time=moment())
    store.index.refresh()
    page = tabs.open("/ui/")
    assert rows(page)[0] == "live-one"
    page.locator("tbody.body input").nth(2).check()
    sizes: list[int] = []
    page.on("response", lambda found: "/rows?" in found.url and sizes.append(len(found.body() or b"")))
    page.evaluate("document.querySelector('tbody.body tr:nth-child(5)').marked = true")
    writer.metric("loss", 0.25, 1)
    make_run("new-one")
    page.get_by_role("link", name="new-one").wait_for(timeout=6000)
    assert rows(page)[:3] == ["new-one", "live-one", "old-29"]
    assert page.locator("#count").inner_text() == "32 runs"
    writer.end("FAILED", reason="oom", exit_code=137)
    writer.close()
    page.locator(f"#r-{writer.run_id}").get_by_text("oom").wait_for(timeout=6000)
    assert page.locator("tbody.body input:checked").count() == 1
    assert page.evaluate(
        "[...document.querySelectorAll('tbody.body tr')].some((each) => each.marked)"
    )  # it stayed
    page.wait_for_timeout(100)
    assert sizes
    assert max(sizes) < 20_000  # not the whole table
    assert len(quiet) == 30


@pytest.mark.slow
def test_names_are_offered_among_twelve_thousand(tabs: Tabs) -> None:
    with Store(paths.store()).create_run("0", name="wide") as writer:
        writer.metrics((f"layer{number:05d}/weight norm", number, 1, 1) for number in range(12_000))
        writer.end("FINISHED")
    make_run("narrow", metrics={"loss": [1.0]})
    page = tabs.open("/ui/")
    field = page.get_by_label("Filter")
    field.press_sequentially("layer11999")
    page.locator(".offered li", has_text="layer11999").wait_for()
    field.press("ArrowDown")
    field.press("Enter")
    assert field.input_value() == "metrics.`layer11999/weight norm` "
    field.press_sequentially("> 1")
    field.press("Enter")
    idle(page)
    wait_for(page, "location.search.includes('layer11999')")
    assert rows(page) == ["wide"]
    page.get_by_text("Columns", exact=False).first.click()
    page.get_by_label("Find a column").press_sequentially("layer00042")
    page.locator(".offered li").first.click()
    page.get_by_role("button", name="Show these").click()
    page.get_by_role("columnheader", name="layer00042/weight norm").wait_for()
    assert page.locator("tbody.body td.number").last.inner_text() == "42"


def test_a_path_by_keys_alone(tabs: Tabs, mass: list[str]) -> None:
    """Filter, select, compare, why: no pointer."""
    page = tabs.open("/ui/")
    keys = page.keyboard
    keys.press("?")
    page.get_by_role("dialog").wait_for()
    assert "compare the runs that are ticked" in page.get_by_role("dialog").inner_text()
    keys.press("Escape")
    keys.press("/")
    keys.type("params.model = 'ridge'")
    keys.press("Enter")
    wait_for(page, "location.search.includes('ridge')")
    idle(page)
    keys.press("Escape")
    for _ in range(2):
        keys.press("j")
        keys.press("x")
    assert page.locator("tbody.body input:checked").count() == 2
    keys.press("c")
    page.wait_for_url(re.compile("/compare"))
    page.go_back()
    assert page.locator("tbody.body input:checked").count() == 2
    keys.press("w")
    page.wait_for_url(re.compile("run=.*run="))
    page.get_by_role("heading", name=re.compile("differ|why", re.IGNORECASE)).first.wait_for()
    keys.press("g")
    keys.press("o")
    page.get_by_role("heading", name="Overview").wait_for()


def test_a_baseline_and_groups(tabs: Tabs) -> None:
    for number, (model, loss) in enumerate((("a", 1.0), ("a", 3.0), ("b", 10.0))):
        make_run(f"r{number}", params={"model": model}, metrics={"loss": [loss]})
    page = tabs.open("/ui/?order=metrics.loss+ASC")
    page.get_by_label("Choose r0").check()
    page.get_by_role("button", name="Baseline").click()
    page.locator("tr.base").first.wait_for()
    assert page.locator("tbody.pinned").inner_text().split()[0] == "r0"
    found = page.locator("tbody.body .delta").all_inner_texts()
    assert "+200%" in found
    assert "+900%" in found
    page.locator("summary", has_text="Group").click()
    page.get_by_label("Group by").fill("params.model")
    page.get_by_role("button", name="Group").click()
    page.get_by_role("link", name="a", exact=True).wait_for()
    cells = page.locator("tbody tr").first.inner_text().split("\t")
    assert cells[:3] == ["a", "2", "2.0 ± 1.4"]
    page.get_by_role("link", name="b", exact=True).click()
    wait_for(page, "!location.search.includes('group')")
    idle(page)
    assert rows(page) == ["r2"]


@pytest.mark.slow
def test_large_records_come_in_smaller_pages(tabs: Tabs) -> None:
    """A page ends before what is on it would be too much; scrolled to, all are there, each once."""
    with Store(paths.store()) as store:
        for number in range(40):
            with store.create_run("0", name=f"w{number:02d}") as writer:
                writer.metrics((f"layer{key:05d}/norm", key * number, 1, 1) for key in range(9_000))
                writer.end("FINISHED")
        store.index.refresh()
    page = tabs.open("/ui/?order=run_name+ASC")
    assert 0 < len(rows(page)) < 40
    table = page.locator("run-table")
    for place in ("each.scrollHeight", "0"):
        for _ in range(4):
            table.evaluate(f"(each) => (each.scrollTop = {place})")
            page.wait_for_timeout(300)
    wait_for(page, "document.querySelectorAll('tbody.body tr').length === 40")
    page.wait_for_timeout(2500)  # it was looked at anew meanwhile
    assert rows(page) == [f"w{number:02d}" for number in range(40)]


def test_steps_stay_below_their_run_while_rows_come_and_go(tabs: Tabs) -> None:
    store = Store(paths.store())
    parent = make_run("parent")
    children = [make_run(f"step-{number}", parent=parent) for number in range(3)]
    for number in range(250):
        make_run(f"other-{number:03d}")
    store.index.refresh()
    page = tabs.open(f"/ui/?tree=1&open={parent}&order=start_time+ASC")
    page.get_by_role(
        "link", name="other-000"
    ).wait_for()  # while the index is made, the page shows the newest
    assert rows(page)[:5] == ["parent", "step-0", "step-1", "step-2", "other-000"]
    assert page.locator("#count").inner_text() == "251 runs"
    table = page.locator("run-table")
    table.evaluate("(each) => (each.scrollTop = each.scrollHeight)")
    page.get_by_role("link", name="other-249").wait_for()
    table.evaluate("(each) => (each.scrollTop = 0)")
    with store.open_run(children[1]) as writer:
        writer.end("FAILED", reason="oom", exit_code=137)
    page.locator(f"#r-{children[1]}").get_by_text("oom").wait_for(timeout=9000)
    shown = rows(page)
    assert (
        shown
        == ["parent", "step-0", "step-1", "step-2", *(f"other-{n:03d}" for n in range(250))][: len(shown)]
    )
