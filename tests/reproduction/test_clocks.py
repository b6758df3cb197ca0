"""Times without separators, and the times of files in a clean room."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.reproduction import times
from runner.reproduction.verdict import clocks, closeness
from runner.reproduction.verdict.closeness import SPREAD
from runner.reproduction.verdict.leaves import Number, Text
from runner.reproduction.verdict.wording import Circumstances
from tests.helpers import make_tree
from tests.reproduction.worlds import ran, reproduced

LAYOUTS = [
    "%Y%m%d%H%M%S", "%y%m%d%H%M%S", "%j%H%M%S", "%Y%j%H%M%S", "%d%m%Y%H%M%S", "%m%d%H%M%S", "%m%d%Y", "%H%M%S", "%H%M",
    "%Y%m%d%H", "%y%m%d%H%M", "%d%H%M%S",
]  # fmt: skip


@settings(deadline=None)
@given(st.integers(10**9, 2 * 10**9), st.integers(0, 3000), st.sampled_from(LAYOUTS))
def test_a_time_of_the_run_is_told(began: int, after: int, layout: str) -> None:
    for clock in (time.localtime, time.gmtime):
        text = time.strftime(layout, clock(began + after))
        assert clocks.told(text, began, began + after)
        assert clocks.told(text, began + after, began + after + 100)


@pytest.mark.parametrize("text", ["12", "9" * 8, "9" * 30, "", "1a35", "20010101000000", "364000000", "0999"])
def test_what_is_no_time_of_the_run_is_not(text: str) -> None:
    assert not clocks.told(text, 1_700_000_000, 1_700_000_060)  # 2023-11-14 22:13 UTC


def test_a_time_of_day_says_nothing_of_a_run_of_days() -> None:
    began = 1_700_000_000
    text = time.strftime("%H%M%S", time.localtime(began + 60))
    assert clocks.told(text, began, began + 40_000)
    assert not clocks.told(text, began, began + 200_000)


def runs_at(*moments: int) -> list[Circumstances]:
    return [Circumstances(began=at * 1000, ended=at * 1000 + 300) for at in moments]


RUNS = runs_at(1_700_000_000, 1_700_090_000, 1_700_090_002)  # the repetitions fall into one minute


@pytest.mark.parametrize("layout", ["%j%H%M", "run_%y%m%d%H%M", "m%H%M.ckpt", "%Y%m%d.%H%M%S", "%Y%m%d"])
@pytest.mark.parametrize("kind", [str, Text, Number])
def test_what_is_told_to_the_minute_is_explained_by_its_run(layout: str, kind: type) -> None:
    texts = [time.strftime(layout, time.localtime(each.began // 1000)) for each in RUNS]
    if kind is Number and not texts[0].isdigit():
        kind = str
    assert closeness.compare([kind(text) for text in texts], RUNS, SPREAD).same
    wrong = [kind(re.sub("[0-9]", "9", texts[0])), *map(kind, texts[1:])]
    assert not closeness.compare(wrong, RUNS, SPREAD).same or texts[1] != texts[2]


@pytest.mark.parametrize("unit", [60, 3600, 86400])
def test_whole_minutes_hours_and_days_since_the_epoch(unit: int) -> None:
    values = [each.began // 1000 // unit for each in RUNS]
    assert closeness.compare(values, RUNS, SPREAD).same
    assert not closeness.compare([values[0] - 5, *values[1:]], RUNS, SPREAD).same


def test_a_time_does_not_excuse_what_is_beside_it() -> None:
    texts = [f"at {time.strftime('%j%H%M', time.localtime(each.began // 1000))}: 5" for each in RUNS]
    assert closeness.compare([*map(Text, texts)], RUNS, SPREAD).same
    assert not closeness.compare([Text(texts[0].replace("5", "6")), *map(Text, texts[1:])], RUNS, SPREAD).same


def test_files_have_the_times_that_they_had(tmp_path: Path) -> None:
    """Of those that nobody has written since; all others have one and the same."""
    old, new = (Path(make_tree(tmp_path / name, {"a": "1", "d/b": "2", "c": "3"})) for name in ("old", "new"))
    for name, at in (("a", 1_000_000_000), ("d/b", 1_100_000_000), ("c", 1_700_000_000)):
        os.utime(old / name, (at, at))
    (new / "link").symlink_to("a")
    times.put_back(str(old), str(new), 1_600_000_000_000)
    assert [int((new / name).stat().st_mtime) for name in ("a", "d/b")] == [1_000_000_000, 1_100_000_000]
    assert (new / "c").stat().st_mtime_ns == (new / "link").lstat().st_mtime_ns
    assert abs((new / "c").stat().st_mtime - time.time()) < 60


@pytest.mark.parametrize("gone", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_program_that_says_when_its_code_was_written(tmp_path: Path, gone: bool) -> None:
    program = "import os\nopen('out', 'w').write(str(os.path.getmtime(__file__)))\n"
    project = "entry_points: {main: {command: python3 p.py, outputs: [out]}}\n"
    folder = make_tree(tmp_path / "code", {"MLproject": project, "p.py": program})
    os.utime(f"{folder}/p.py", (1_234_567_890, 1_234_567_890.25))
    run = ran(folder)
    if gone:
        os.rename(folder, f"{folder}.gone")
    verdict = reproduced(run)
    expected = ("different", "nondeterminism") if gone else ("identical", "")
    assert (verdict["verdict"], verdict["cause"]) == expected, verdict
