"""How slow steps are told where there is no terminal: as lines, and as groups in GitHub Actions."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

import pytest

from runner.cli import terminal
from runner.cli.terminal import Terminal
from tests.cli.records import make_run
from tests.helpers import make_tree


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "SLOW", 0.1)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def work(report: Terminal) -> None:
    with report.step("building") as step:
        time.sleep(0.4)
        step.update("numpy")
        step.update("numpy")
        step.update("downloading", 5, 10)
    with report.step("quick"):
        pass


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    work(Terminal())
    first, last = capsys.readouterr().err.splitlines()
    assert first == "proj: building ..."
    assert re.fullmatch(r"proj: building: done after \d\.\d s", last)


def test_groups_in_github_actions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    work(Terminal())
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == ["::group::building", "numpy", "::endgroup::"]
    assert [line.partition(" after ")[0] for line in lines[3:]] == ["proj: building: done"]


def test_a_group_is_closed_after_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    def fail() -> None:
        with Terminal().step("building"):
            time.sleep(0.4)
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    assert "::endgroup::\nproj: building: failed" in capsys.readouterr().err


def test_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    work(Terminal(quiet=True))
    assert capsys.readouterr().err == ""


def on_terminal(words: list[str], columns: int, **more: str) -> list[str]:
    """The lines that it draws, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))
    variables = {**os.environ, "TERM": "xterm", **more}
    for name in ("COLUMNS", "LINES"):
        variables.pop(name, None)
    command = [sys.executable, "-m", "runner", *words]
    with subprocess.Popen(command, env=variables, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        found = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            found += piece
        assert process.wait(60) == 0
    os.close(ours)
    text = found.decode() if more.get("NO_COLOR") else re.sub(r"\x1b\[[0-9;]*[mK]", "", found.decode())
    return text.replace("\r", "").splitlines()


@pytest.mark.parametrize("line", ["", "runs", "runs --all", "show last", "compare last~1 last", "run -h", "-h", "cache", "env ls"])  # fmt: skip
def test_what_is_drawn_is_as_wide_as_the_terminal(line: str) -> None:
    make_tree(
        ".",
        {
            "MLproject": "name: demo\nentry_points: {main: {command: 'true', description: "
            + "word " * 20
            + "}}\n"
        },
    )
    for number in range(3):
        make_run(
            f"a-long-name-of-a-run-{number}",
            metrics={"validation_loss": [1.0 / (number + step + 1) for step in range(30)]},
            params={"learning_rate": f"{number}" * 40},
        )
    for columns in (62, 100):
        lines = on_terminal(line.split(), columns)
        assert [each for each in lines if len(each) > columns and "/" not in each] == []
        assert lines
    if line in ("run -h", "runs"):
        assert max(map(len, lines)) > 62


@pytest.mark.parametrize(("columns", "bar"), [(100, 20), (57, 11), (44, 0)])
def test_the_sizes_stay_where_there_is_no_room_for_a_bar(
    columns: int, bar: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((columns, 20)))
    step = terminal._Step(Terminal(), "making the environment")
    step._began = time.monotonic()
    step.update("numpy", 5_000_000, 10_000_000)
    line = step._line()
    assert "5 MB/10 MB" in line
    assert line.count("█") + line.count("·") - 1 == bar
    assert len(line) < columns + len("\r\033[K")


@pytest.mark.parametrize("line", ["", "runs", "show last", "compare last~1 last", "env ls", "doctor"])
def test_without_colours_nothing_is_painted_and_no_escape_shown(line: str) -> None:
    make_tree(".", {"MLproject": "name: demo\nentry_points: {main: {command: 'true'}}\n"})
    for number in range(2):
        make_run(f"run-{number}", metrics={"loss": [1.0 / (number + 1)] * 3})
    text = "\n".join(on_terminal(line.split(), 90, NO_COLOR="1"))
    assert "x1b" not in text
    assert "\x1b" not in text
