"""PROJ_STORE or --store with the address of a server: runs are recorded here first, so that is where commands look."""

from __future__ import annotations

import os

import pytest

from runner.tracking.store import Store
from tests.cli.records import Program

URL = "http://ada:s3cret@team.example:5000"


@pytest.fixture
def run_id(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("PROJ_STORE", raising=False)
    with Store(os.path.join(os.environ["PROJ_HOME"], "store")).create_run("0", name="mine") as writer:
        return writer.run_id


@pytest.mark.parametrize(
    "command", ["runs", "show {}", "export", "tag {} a=1", "artifacts ls {}", "sync --list"]
)
def test_with_the_variable_the_runs_made_here_are_found(
    program: Program, run_id: str, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("PROJ_STORE", URL)
    done = program(*command.format(run_id).split())
    assert done.code == 0, done.err
    assert "PROJ_STORE is a server" in done.err
    assert "s3cret" not in done.out + done.err
    assert not os.path.exists("http:")
    if command == "runs":
        assert "mine" in done.out


@pytest.mark.parametrize("command", ["runs", "show last", "export", "rm last", "sync last", "compare a b"])
def test_with_the_option_it_is_said_what_to_do(program: Program, run_id: str, command: str) -> None:
    done = program(*command.split(), "--store", URL)
    assert done.code == 2
    assert "http://team.example:5000 is a server" in done.err
    assert "proj import http://team.example:5000" in done.err
    assert "s3cret" not in done.err
