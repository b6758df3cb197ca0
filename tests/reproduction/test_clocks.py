"""Times without separators, and the times of files in a clean room."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
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
CHANGES = [
    1_667_120_400,
    1_668_931_200,
    1_699_174_800,
    1_678_615_200,
    1_680_357_600,
]  # clocks put back and forward


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Pacific/Auckland"])
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(10**9, 2 * 10**9) | st.sampled_from(CHANGES), st.integers(0, 1000), st.sampled_from(LAYOUTS)
)
def test_a_time_of_the_run_is_told(zone: str, began: int, after: int, layout: str) -> None:
    for clock in (time.localtime, time.gmtime):
        text = time.strftime(layout, clock(began + after))
        assert clocks.told(text, began, began + after)
        assert clocks.told(text, began + after, began + after + 100)


WINDOWS = {
    "a minute": ("2023-06-14 12:00:00", 60), "midnight": ("2023-06-14 23:50:00", 1200), "month end": ("2023-06-29 22:00:00", 3 * 86400),
    "February": ("2023-02-27 12:00:00", 3 * 86400), "year end": ("2023-12-31 23:50:00", 1200), "half a day": ("2023-06-14 06:15:00", 41400),
    "over a night": ("2023-06-14 18:15:00", 41400), "weeks": ("2023-06-14 06:15:00", 20 * 86400), "no end": ("2023-06-14 06:15:00", -(10**9)),
}  # fmt: skip


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("width", [4, 6, 7, 8, 10])
def test_few_numbers_are_told_as_times(zone: str, window: str, width: int) -> None:
    start, length = WINDOWS[window]
    began = time.mktime(time.strptime(start, "%Y-%m-%d %H:%M:%S"))
    step = max(1, 10**width // 501)
    texts = [f"{number:0{width}}" for number in range(0, 10**width, step)]
    assert sum(clocks.told(text, began, began + length) for text in texts) <= len(texts) / 50
    assert not any(clocks.told("9" * width, began, began + length, full=full) for full in (True, False))
    found = sum(clocks.told(text, began, began + length, full=True) for text in texts)
    assert found <= (0 if width < clocks.FULL else 1)


@pytest.mark.parametrize("text", ["12", "9" * 8, "9" * 30, "", "1a35", "20010101000000", "364000000", "0999"])
def test_what_is_no_time_of_the_run_is_not(text: str) -> None:
    assert not clocks.told(text, 1_700_000_000, 1_700_000_060)  # 2023-11-14 22:13 UTC


@pytest.mark.parametrize(("layout", "most"), [("%H%M", 1100), ("%H%M%S", 1900), ("%d%H", 60_000)])
@pytest.mark.parametrize("zone", ["UTC"], indirect=True)
def test_a_time_of_day_says_nothing_of_a_long_run(zone: str, layout: str, most: int) -> None:
    began = 1_700_000_000
    text = time.strftime(layout, time.localtime(began + 60))
    assert clocks.told(text, began, began + most)
    assert not clocks.told(text, began, began + 2 * most)


def runs_at(*moments: int) -> list[Circumstances]:
    return [Circumstances(began=at * 1000, ended=at * 1000 + 300) for at in moments]


RUNS = runs_at(1_700_000_000, 1_700_090_000, 1_700_090_002)  # the repetitions fall into one minute
NAMES = ["run_%y%m%d%H%M", "m%H%M.ckpt", "m%H%M%S.ckpt"]
STAMPS = ["%j%H%M", "%Y%m%d.%H%M%S", "%Y%m%d", "%Y%m%d%H%M%S"]


def written(layout: str, kind: type, runs: list[Circumstances]) -> list[Any]:
    texts = [time.strftime(layout, time.localtime(each.began // 1000)) for each in runs]
    return [kind(text) for text in texts]


@pytest.mark.parametrize(("layout", "kind"), [
    *itertools.product(NAMES, [str, Text]), *itertools.product(STAMPS, [str, Text, Number]), ("%Y%m%d", int),
])  # fmt: skip
def test_what_is_told_to_the_minute_is_explained_by_its_run(zone: str, layout: str, kind: type) -> None:
    runs = RUNS[:2] + RUNS[1:2]  # the repetitions agree
    values = written(layout, kind, runs)
    assert closeness.compare(values, runs, SPREAD).same
    wrong = kind(re.sub("[0-9]", "9", time.strftime(layout)))
    assert not closeness.compare([wrong, *values[1:]], runs, SPREAD).same


@pytest.mark.parametrize("layout", ["%H%M", "%H%M%S", "%H%M.%S", "0.%H%M", "-%H%M", "%H.%M", "%H%M%S.123"])
@pytest.mark.parametrize("kind", [str, Text, Number, float])
def test_a_number_is_no_time_of_day(zone: str, layout: str, kind: type) -> None:
    runs = RUNS[:2] + RUNS[1:2]
    assert not closeness.compare(written(layout, kind, runs), runs, SPREAD).same


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    "values", [(987.654, 612.345), (2350.0, 10.0), (0.9871, 0.6123), (9999.0, 9998.0), (235959.5, 15.5)]
)
def test_metrics_on_which_repetitions_agree_are_not_excused_by_a_time(
    zone: str, window: str, values: tuple[float, float]
) -> None:
    start, length = WINDOWS[window]
    began = int(time.mktime(time.strptime(start, "%Y-%m-%d %H:%M:%S"))) * 1000
    runs = [
        Circumstances(began=began + day * 86_400_000, ended=began + day * 86_400_000 + length * 1000)
        for day in (0, 1, 1)
    ]
    old, new = values
    for kind in (float, lambda value: Number(repr(value)), lambda value: Text(f"loss {value}"), repr, int):
        if kind(old) != kind(new):
            assert not closeness.compare([kind(old), kind(new), kind(new)], runs, SPREAD).same


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
