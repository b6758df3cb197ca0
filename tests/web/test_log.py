"""A log of a million lines and one with a line of 10 MB: jumped in, searched, linked to and followed."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import time
import tracemalloc
from bisect import bisect_right
from pathlib import Path
from typing import Any

import pytest

from runner import paths
from runner.tracking.lines import LONGEST, PIECE, Lines, Streams
from runner.tracking.store import Store
from runner.web.ansi import spans
from runner.web.log import last_lines
from tests.browser import Tabs
from tests.cli.records import make_run
from tests.helpers import make_tree
from tests.web.conftest import Browser


def written(text: str | bytes, name: str = "a", times: str = "", **about: Any) -> tuple[str, str]:
    """A run that wrote this; its id and its log."""
    run_id = make_run(name, **about)
    folder = Store(paths.store()).run_directory(run_id)
    make_tree(folder, {"output.log": text, **({"output.times": times} if times else {})})
    return run_id, os.path.join(folder, "output.log")


def lines(browser: Browser, run_id: str, query: str) -> Any:
    page = browser.get(f"/ui/runs/{run_id}/log.json?{query}")
    assert page.status == 200, page.text
    return json.loads(page.text)


@pytest.mark.parametrize("end", ["\n", ""])
def test_each_line_is_found_by_its_number(tmp_path: Any, end: str) -> None:
    chance = random.Random(3)
    wanted = ["x" * chance.choice([0, 3, 80, 4000, 300_000 if n % 500 == 0 else 1]) for n in range(20_000)]
    wanted = [f"{n} {text}" for n, text in enumerate(wanted, 1)]
    make_tree(tmp_path, {"output.log": "\n".join(wanted) + end})
    for _ in range(2):  # read, and read from what was kept
        log = Lines(str(tmp_path), str(tmp_path / "kept"))
        assert log.total == 20_000
        for number in (1, 2, 499, 500, 501, 502, 19_999, 20_000, *chance.sample(range(1, 20_000), 50)):
            (row,) = log.rows(number, 1)
            assert row.number == number
            assert row.text.decode() == wanted[number - 1][: 2 * LONGEST]
            assert row.size == len(wanted[number - 1])
        assert [row.number for row in log.rows(19_990, 100)] == list(range(19_990, 20_001))
    assert os.listdir(tmp_path / "kept")


def test_marks_are_read_as_they_are_needed(tmp_path: Any) -> None:
    """Of any number of them the one is found that counts; what is no mark is passed over."""
    chance = random.Random(5)
    marks, offset = [], 0
    for number in range(30_000):
        marks.append((offset, 1_700_000_000_000 + number, chance.choice((1, 2))))
        offset += chance.randrange(1, 2000)
    text = "".join(f"{place} {time} {stream}\n" for place, time, stream in marks)
    odd = "9" * 5000 + " 1 1\n-1 2 3\n\xff\n"
    for whole in (text, text[: len(text) // 2] + odd.join(("\n", text[len(text) // 2 :].partition("\n")[2]))):
        make_tree(tmp_path, {"output.times": whole.encode("latin-1")})
        streams = Streams(str(tmp_path))
        for place in [0, 1, marks[-1][0], offset + 5, *(chance.randrange(offset) for _ in range(300))]:
            at = bisect_right(marks, (place, 1 << 62, 9)) - 1
            found = streams.at(place)
            assert found in (marks[at][1:], marks[max(at - 1, 0)][1:]), place
            assert whole is not text or found == marks[at][1:]
        streams.close()
    assert Streams(str(tmp_path / "nothing")).at(7) == (0, 1)


def test_what_was_kept_follows_the_log_and_leaves_another_one(tmp_path: Any) -> None:
    make_tree(tmp_path, {"output.log": "a\n" * 3_000_000})
    assert Lines(str(tmp_path), str(tmp_path / "kept")).total == 3_000_000
    with open(tmp_path / "output.log", "a") as file:
        file.write("more\nand")
    grown = Lines(str(tmp_path), str(tmp_path / "kept"))
    assert [row.text for row in grown.rows(3_000_000, 9)] == [b"a", b"more", b"and"]
    make_tree(tmp_path, {"output.log": "bb\n" * 3_000_000})
    assert Lines(str(tmp_path), str(tmp_path / "kept")).rows(2_999_999, 1)[0].text == b"bb"


def test_what_has_no_newline_is_searched_by_pieces(tmp_path: Any) -> None:
    text = b"x" * (PIECE - 2) + b"wanted" + b"y" * 50_000_000
    make_tree(tmp_path, {"output.log": text + b"\n" + text})
    found = Lines(str(tmp_path), str(tmp_path / "kept"))
    tracemalloc.start()
    assert list(found.matching(b"wanted")) == [(1, 0), (2, len(text) + 1)]
    assert not list(found.matching(b"wantedx"))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 * PIECE


def test_a_million_lines_and_one_of_10_mb(browser: Browser) -> None:
    text = "".join(f"epoch {n} loss {n % 997 / 997:.4f}\n" for n in range(1, 500_001))
    text += "y" * 10_000_000 + "\n" + text
    run_id, path = written(text)
    grep = subprocess.run(["grep", "-c", "loss 0.5", path], capture_output=True, text=True, check=True)
    before = time.monotonic()
    found = lines(browser, run_id, "find=loss+0.5&from=600000&count=0")
    assert found["total"] == 1_000_001
    assert found["hits"] == int(grep.stdout)
    assert found["where"] >= 600_000
    lines(browser, run_id, "from=1")
    before = time.monotonic()
    last = lines(browser, run_id, "from=999999&count=3")["lines"]
    assert time.monotonic() - before < 2  # 3 ms, on a machine that is not busy
    assert [line[0] for line in last] == [999_999, 1_000_000, 1_000_001]
    (long,) = lines(browser, run_id, "from=500001&count=1")["lines"]
    assert len(long[3][0][1]) == LONGEST
    assert long[4] == "10 MB"
    assert browser.get(f"/ui/runs/{run_id}/log?from=500001").text.count("<li ") == 1000


def test_a_terminal_shows_the_same() -> None:
    assert spans("a\x1b[1;31mred\x1b[0m b") == [("", "a"), ("bold fg1", "red"), ("", " b")]
    assert spans("\x1b[38;5;196mx\x1b[48;2;0;200;0my\x1b[39;49mz") == [
        ("fg9", "x"),
        ("fg9 bg2", "y"),
        ("", "z"),
    ]
    assert spans("\x1b[2K\x1b[1A\x1b]0;title\x07\x1b(Bplain\x1b") == [("", "plain")]
    assert spans("\x1b[38;5m\x1b[999;;mx\x1b[") == [("", "x")]


def test_progress_bars_and_streams(browser: Browser) -> None:
    text = "out\n" + "".join(f"{n}%\r" for n in range(101)) + "\nerror <b>\nout again\n"
    bar = text.index("error")
    run_id, _ = written(text, times=f"0 1700000000000 1\n{bar} 1700000001000 2\n{bar + 10} 1700000002000 1\n")
    found = lines(browser, run_id, "from=1")["lines"]
    assert ["".join(part for _, part in line[3]) for line in found] == [
        "out",
        "100%",
        "error <b>",
        "out again",
    ]
    assert [line[2] for line in found] == [False, False, True, False]
    assert found[2][1] == "2023-11-14T22:13:21.000Z"
    assert [line[0] for line in lines(browser, run_id, "stream=2")["lines"]] == [3]
    page = browser.get(f"/ui/runs/{run_id}/log?stream=2").text
    assert page.count("<li ") == 1
    assert "1 of stderr" in page


@pytest.mark.slow
def test_a_long_log_scrolls_and_is_linked_to(tabs: Tabs) -> None:
    run_id, _ = written("".join(f"line {n}\n" for n in range(1, 1_000_001)))
    page = tabs.open(f"/ui/runs/{run_id}/log#L654321")
    page.get_by_text("line 654321", exact=True).wait_for()
    page.locator("#log").press("End")
    page.get_by_text("line 1000000", exact=True).wait_for()
    page.locator("#log").press("Home")
    page.get_by_text("line 1", exact=True).wait_for()
    page.mouse.wheel(0, 100)
    page.get_by_role("link", name="3", exact=True).click()
    assert page.url.endswith("#L3")
    page.get_by_label("Find").fill("line 7777")
    page.get_by_role("button", name="Find").click()
    page.get_by_text("111 with this text").wait_for()
    page.get_by_text("line 7777", exact=True).wait_for()
    page.get_by_role("button", name="Next").click()
    page.get_by_text("line 77770", exact=True).wait_for()
    assert page.locator("#log li").count() < 200
    again = tabs.open(page.url.removeprefix(tabs.base))
    again.get_by_text("line 77770", exact=True).wait_for()


def test_a_run_that_is_on_is_followed_until_it_ends(tabs: Tabs) -> None:
    run_id, path = written("first\n", status="RUNNING")
    page = tabs.open(f"/ui/runs/{run_id}/log")
    page.get_by_text("first").wait_for()
    sizes = []
    page.on("response", lambda answer: "log.json" in answer.url and sizes.append(len(answer.body())))
    for n in range(3):
        with open(path, "a") as file:
            file.write("".join(f"step {n} {m}\n" for m in range(1000)) + f"half {n}")
        page.get_by_text(f"half {n}").wait_for(timeout=10_000)
        with open(path, "a") as file:
            file.write(" whole\n")
        page.get_by_text(f"half {n} whole").wait_for(timeout=10_000)
    assert max(sizes) < 40_000  # of a request: it has 200 lines, however long the log is
    with Store(paths.store()).open_run(run_id) as writer:
        writer.end("FINISHED", exit_code=0)
    page.wait_for_timeout(2500)
    asked = len(tabs.requests)
    page.wait_for_timeout(2500)
    assert len(tabs.requests) == asked
    assert re.search(r"[\d,]+ lines", page.locator("#count").inner_text())


def test_a_link_in_place_of_a_log_shows_nothing_of_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET\n")
    (tmp_path / "output.log").symlink_to(tmp_path / "secret")
    assert last_lines(str(tmp_path), 10) == []
