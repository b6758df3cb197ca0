"""What the shell offers on TAB, asked as bash asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cli.records import make_run
from tests.helpers import make_tree

MLPROJECT = """\
name: demo
entry_points:
  main:
    parameters:
      lr: {type: float, default: 0.1}
      model: {type: string, choices: [ridge, lasso]}
      fast: {type: bool, default: false}
    command: "true"
  maintain: {command: "true"}
  other: {command: "true"}
"""


def offered(line: str) -> list[str]:
    words = line.split(" ")
    variables = {"_PROJ_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "runner"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("proj sho", ["show"]),
        ("proj run . -e mai", ["main", "maintain"]),
        ("proj run -e o", ["other"]),
        ("proj run . -P ", ["lr=", "model=", "fast="]),
        ("proj run . -P model=", ["model=ridge", "model=lasso"]),
        ("proj run . -P fast=t", ["fast=true"]),
        ("proj run . --env-manager c", ["conda"]),
        ("proj run . --experiment-name ex", ["exp"]),
        ("proj show la", ["last"]),
        ("proj show first", ["first-run"]),
        ("proj show best:m", ["best:metrics.rmse"]),
        ("proj compare first-run sec", ["second-run"]),
        ("proj log metric a=1 --run sec", ["second-run"]),
        ("proj runs --status fin", ["finished"]),
        ("proj runs --status FIN", ["FINISHED"]),
        ("proj experiments r", ["rename", "rm", "restore"]),
        ("proj artifacts get first", ["first-run"]),
        ("proj run https://nowhere.invalid/x.git -e m", []),
        ("proj run nowhere -e m", []),
    ],
)
def test_offers(line: str, expected: list[str]) -> None:
    make_tree(os.getcwd(), {"MLproject": MLPROJECT})
    make_run("first-run", metrics={"rmse": [1.0]}, experiment="exp")
    make_run("second-run")
    assert offered(line) == expected


def test_nothing_is_offered_that_a_shell_would_do_something_with() -> None:
    """bash puts it into the line as it is."""
    for name in (
        "$(touch x)",
        "`id`",
        "a;b",
        "a|b",
        "a&b",
        "a>b",
        "a'b",
        'a"b',
        "a\\b",
        "a*b",
        "a\nb",
        "--yes",
        "~root",
        "!x",
        "a#b",
        "{a,b}",
    ):
        make_run(name)
    make_run("größe-1.5")
    assert offered("proj show ") == ["last", "größe-1.5", "best:metrics."]
    assert offered("proj show a") == []
