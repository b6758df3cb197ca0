"""Mistakes on the command line are told in the one style of all errors."""

from __future__ import annotations

import pytest

from tests.cli.records import Program


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("runs --foo", "no such option: --foo", "proj runs -h"),
        ("run . -P", "requires an argument", "proj run -h"),
        ("show a b c", "unexpected extra argument", "proj show -h"),
        ("env nothing", "nothing", "proj env -h"),
        ("rnu", "there is no command 'rnu'. Did you mean 'run'?", "proj -h"),
        ("runs -n x", "'x' is not a valid int", "proj runs -h"),
        ("--foo", "no such option: --foo", "proj -h"),
    ],
)
def test_a_mistake_has_one_style(program: Program, line: str, message: str, hint: str) -> None:
    done = program(*line.split())
    assert done.code == 2
    first, second = done.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert second == f"  hint: {hint}  shows the usage"
    assert done.out == ""


def test_help_and_version_are_no_mistakes(program: Program) -> None:
    assert program("--version").out.startswith("proj ")
    assert program("runs", "-h").code == 0
    assert "Commands:" in program("-h").out
    group = program("env")
    assert "Commands:" in group.out + group.err
    assert "error" not in group.err
