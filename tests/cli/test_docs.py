"""Every command line in docs/cli.md works."""

from __future__ import annotations

import os
import re
import shlex

import pytest

import runner
from runner import paths
from runner.tracking import artifacts
from runner.tracking.store import Store
from tests.cli.records import Program, make_run
from tests.helpers import make_tree

DOCS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(runner.__file__))), "docs", "cli.md")


def lines() -> list[str]:
    with open(DOCS, encoding="utf-8") as file:
        blocks = re.findall(r"```sh\n(.*?)```", file.read(), re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.startswith("proj ")]


def test_all_lines_are_found() -> None:
    assert len(lines()) > 25


@pytest.mark.parametrize("line", lines())
def test_line(program: Program, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    make_tree(os.getcwd(), {"out.png": "p", "data.csv": "a\n1\n", "plots/a.png": "p"})
    make_run(
        "two", metrics={"rmse": [0.5], "acc": [0.1]}, experiment="baseline", status="FAILED", project="work"
    )
    make_run("one", metrics={"rmse": [0.4], "acc": [0.1]}, params={"lr": 1}, project="work")
    run_id = make_run("zero", metrics={"rmse": [0.3]}, tags={"old": "1"}, project="work")
    with Store(paths.store()).open_run(run_id) as writer:
        artifacts.put(writer, "plots")
    if " log " in line:
        monkeypatch.setenv("PROJ_RUN_ID", run_id)
    if line.startswith("proj restore"):
        program("rm", "last")
    words = shlex.split(line.split("  #")[0].split(">" if "> runs" in line else "\0")[0])
    words = [word.replace("/tmp/plots", "fetched") for word in words]
    done = program(*words[1:])
    assert done.code == (2 if "cancel" in words else 0), done.err  # it has ended already
    assert "Traceback" not in done.err
