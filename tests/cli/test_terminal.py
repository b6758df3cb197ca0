"""How slow steps are told where there is no terminal: as lines, and as groups in GitHub Actions."""

from __future__ import annotations

import time

import pytest

from runner.cli import terminal
from runner.cli.terminal import Terminal


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "SLOW", 0.02)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def work(report: Terminal) -> None:
    with report.step("building") as step:
        time.sleep(0.1)
        step.update("numpy")
        step.update("numpy")
        step.update("downloading", 5, 10)
    with report.step("quick"):
        pass


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    work(Terminal())
    assert capsys.readouterr().err == "proj: building ...\nproj: building: done after 0.1 s\n"


def test_groups_in_github_actions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    work(Terminal())
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["::group::building", "numpy", "::endgroup::", "proj: building: done after 0.1 s"]


def test_a_group_is_closed_after_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    def fail() -> None:
        with Terminal().step("building"):
            time.sleep(0.1)
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    assert "::endgroup::\nproj: building: failed" in capsys.readouterr().err


def test_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    work(Terminal(quiet=True))
    assert capsys.readouterr().err == ""
