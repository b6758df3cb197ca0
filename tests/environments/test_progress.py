"""What uv draws on a terminal becomes `n of m packages` and bytes; what it says else stays."""

from __future__ import annotations

import os
import sys

import pytest

from runner.environments.python import uv
from runner.environments.python.progress import Progress, plain
from runner.host import process
from runner.values import Silent

WIDE = " " * 60
BAR = "------------------------------"
FRAMES = (
    "Using Python 3.11.7 environment at: v\r\n"
    "\x1b[2K⠙ numpy==2.4.6\x1b[0m" + WIDE + "\r\x1b[2KResolved 3 packages in 261ms\r\n"
    "⠋ Preparing packages... (0/0)\r\x1b[2K⠙ Preparing packages... (0/3)" + WIDE + f"pandas   {BAR}     0 B/11.78 MiB"
    "\x1b[1A\r\x1b[2K\x1b[1B\r\x1b[2K\x1b[1A⠙ Preparing packages... (1/3)" + WIDE
    + f"pandas   {BAR} 16.00 KiB/2.00 MiB" + WIDE + f"numpy    {BAR} 1.00 MiB/3.00 MiB\r"
    "\x1b[2K⠹ Preparing packages... (2/3)" + WIDE + f"pandas   {BAR} 1.50 MiB/2.00 MiB\r"
    "\x1b[2KPrepared 3 packages in 1.73s\r\n"
    "░░░░░░░░ [0/3] Installing wheels...\r\x1b[2K███░░░░░ [1/3] numpy==2.4.6\r\x1b[2KInstalled 3 packages in 617ms\r\n"
    " + numpy==2.4.6\r\n"
)  # fmt: skip
MIB = 1 << 20


class Told(Silent):
    def __init__(self) -> None:
        self.updates: list[tuple[str, float, float]] = []

    def update(self, text: str, done: float = 0, total: float = 0) -> None:
        self.updates.append((text, done, total))


def test_frames_are_understood() -> None:
    told = Told()
    progress = Progress(told)
    for line in FRAMES.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        progress(line)
    assert told.updates == [
        ("Resolved 3 packages in 261ms", 0, 0),
        ("0 of 0 packages", 0, 0),
        ("0 of 3 packages, pandas", 0, 11.78 * MIB),
        ("1 of 3 packages, pandas numpy", MIB + 16 * 1024, 5 * MIB),
        ("2 of 3 packages, pandas", 4.5 * MIB, 5 * MIB),  # the bar of what is there has gone
        ("Prepared 3 packages in 1.73s", 0, 0),
        ("0 of 3 packages installed", 0, 0),
        ("1 of 3 packages installed, numpy==2.4.6", 0, 0),
    ]


def test_what_is_no_frame_stays() -> None:
    error = "error: No solution found when resolving\r\n  cause: [1/3] of numpy==99 is not there\r\n"
    assert plain(FRAMES + error).splitlines() == [
        "Using Python 3.11.7 environment at: v",
        "Resolved 3 packages in 261ms",
        "Prepared 3 packages in 1.73s",
        "Installed 3 packages in 617ms",
        " + numpy==2.4.6",
        "error: No solution found when resolving",
        "  cause: [1/3] of numpy==99 is not there",
    ]


def test_a_helper_draws_on_a_terminal_of_its_own() -> None:
    """Its output stays apart, its input reaches it, its code is its own; and nothing is left open."""
    line = (
        "import sys, os; assert os.isatty(2) and not os.isatty(1); print(input());"
        "sys.stderr.write('one\\rtwo\\n' + 'x' * 300 + '\\n'); sys.exit(3)"
    )
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    lines: list[str] = []
    done = process.run([sys.executable, "-c", line], input="in\n", on_line=lines.append, drawing=True)
    assert (done.code, done.out) == (3, "in\n")
    assert [each for each in lines if each] == ["one", "two", "x" * 300]
    assert (len(os.listdir("/proc/self/fd")) if before else 0) == before


def test_the_real_uv_draws_for_a_user_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Only where there is one: otherwise it is asked as before."""
    environment = f"{tmp_path}/v"
    uv.call(["venv", "-q", "--no-project", environment], "no venv", cwd="/", extra={})
    words = ["pip", "list", "--python", f"{environment}/bin/python"]
    real, seen = process.run, list[bool]()
    monkeypatch.setattr(
        process, "run", lambda argv, **given: (seen.append(given["drawing"]), real(argv, **given))[1]
    )
    for terminal in (True, False):
        monkeypatch.setattr(os, "isatty", lambda fd, terminal=terminal: terminal and fd == 2)
        assert uv.attempt(words, cwd="/", extra={}, step=Silent()).code == 0
    assert seen == [True, False]
