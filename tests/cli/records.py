"""Runs for the tests of commands, written as a run writes them; and the program called in this process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner import paths
from runner.cli.main import main
from runner.tracking.log import now
from runner.tracking.store import Store
from tests.helpers import Result

moments = [0]  # start times: two runs of a test never have the same


def moment() -> int:
    """A start time after those of all runs that were made here, in ms."""
    moments.append(max(moments.pop() + 1, now()))
    return moments[0]


def make_run(
    name: str = "",
    *,
    params: dict[str, Any] | None = None,
    metrics: dict[str, list[float]] | None = None,
    tags: dict[str, str] | None = None,
    status: str = "FINISHED",
    experiment: str = "Default",
    project: str = "demo",
    sections: dict[str, dict[str, Any]] | None = None,
    **start: Any,
) -> str:
    """A run with its metrics' histories, ended unless `status` is RUNNING; returns its id."""
    store = Store(paths.store())
    writer = store.create_run(
        store.ensure_experiment(experiment),
        name=name,
        params=params,
        tags=tags,
        start_time=moment(),
        sections=sections,
        project=project,
        entry_point="main",
        uri="/somewhere/demo",
        **start,
    )
    with writer:
        for key, values in (metrics or {}).items():
            for step, value in enumerate(values):
                writer.metric(key, value, step, 1_700_000_000_000 + step)
        if status != "RUNNING":
            writer.end(status, exit_code=0 if status == "FINISHED" else 1)
    return writer.run_id


class Program:
    """`proj` called in this process: its code, what it wrote, and JSON."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Result:
        self._capsys.readouterr()
        code = main(words)
        shown = self._capsys.readouterr()
        return Result(code, shown.out, shown.err)

    def json(self, *words: str) -> Any:
        done = self(*words, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    def names(self, *words: str) -> list[str]:
        """Of `proj runs`."""
        return [run["name"] for run in self.json("runs", *words)]
