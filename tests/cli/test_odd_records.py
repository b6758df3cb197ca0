"""Records that another version, another program or somebody else wrote: whatever stands in them, every command reads them."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest

from runner import paths
from runner.tracking.log import encode
from runner.tracking.shapes import SHAPES, shaped
from runner.tracking.store import Store
from tests.cli.records import Program, make_run
from tests.helpers import some

VALUES: tuple[Any, ...] = (
    None, True, -1, 10**400, float("nan"), 1e308, "", "x" * 5000, "\ud800", "\033]0;x\007\nrun FORGED", [], {}, [[]], {"a": None}, [None], ["x", 1],
    "../../../etc/passwd", [{"path": "/etc/passwd"}], {"../x": "/etc"}, "0" * 32,
)  # fmt: skip
COMMANDS = (
    ("show", "{}"), ("show", "{}", "--json"), ("compare", "{}", "other", "--all"), ("compare", "other", "{}", "--all", "--json"),
    ("diff", "{}", "other"), ("diff", "other", "{}", "--json"), ("runs", "-a"), ("runs", "--json"), ("export", "--format", "jsonl"), ("doctor",),
    ("artifacts", "ls", "{}"), ("artifacts", "get", "{}", "-o", "got"), ("logs", "{}"), ("bundle", "{}", "-o", "b.zip", "--no-packages"), ("rerun", "{}"),
    ("reproduce", "{}"), ("restore", "{}", "code"), ("cancel", "{}", "--wait", "0"), ("gc", "--dry-run"), ("tag", "{}", "a=b"),
)  # fmt: skip


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def write(*events: dict[str, Any]) -> str:
    run_id = make_run("odd")
    path = os.path.join(Store(paths.store()).run_directory(run_id), "events.jsonl")
    with open(path, "rb") as file:
        lines = file.read().splitlines(keepends=True)
    odd = [json.dumps({"time": 1, **each}).encode() + b"\n" for each in events]
    with open(path, "wb") as file:
        file.writelines([*lines[:-1], *odd, lines[-1]])
    return run_id


def read_by_all(program: Program, run_id: str, what: object) -> None:
    make_run("other", sections={"code": {"tree": "a" * 40}, "environment": {"kind": "system"}})
    for command in COMMANDS:
        done = program(*(run_id if word == "{}" else word for word in command))
        assert "bug in proj" not in done.err, (what, command, done.err)
        assert done.code in (0, 1, 2, 125), (what, command, done)
        assert not os.path.exists("/etc/x")


@pytest.mark.parametrize("value", some(VALUES, 8), ids=lambda value: repr(value)[:20])
def test_a_record_in_which_everything_is_odd(value: Any, program: Program) -> None:
    path = {
        "input": {"path": "i"},
        "output": {"path": "o"},
        "artifact": {"path": "a"},
        "end": {"status": "FAILED"},
    }
    events = [
        {"type": kind, **dict.fromkeys(known, value), **path.get(kind, {})} for kind, known in SHAPES.items()
    ]
    read_by_all(program, write(*events), value)


def test_a_record_in_which_one_thing_is_odd(program: Program) -> None:
    chance = random.Random(1)
    for _ in range(12):
        kind = chance.choice(sorted(SHAPES))
        key = chance.choice(sorted(SHAPES[kind]))
        value = chance.choice(VALUES)
        event = {"type": kind, "path": "p", "status": "FAILED", key: value}
        read_by_all(program, write(event), event)


def test_what_fits_stays_and_what_does_not_is_told() -> None:
    told: list[object] = []
    event = {
        "type": "code",
        "tree": "a",
        "dirty": None,
        "left_out": [{"path": "x", "size": 1}, 7],
        "folders": ["x"],
    }
    assert shaped(event, told.append) == {"type": "code", "tree": "a", "dirty": None, "folders": ["x"]}
    assert told == [event]
    for sound in (
        {"type": "tag", "key": 7},
        {"type": "resources", "cpu_time": 0.5},
        {"type": "of the future", "tree": 1},
    ):
        assert shaped(sound, told.append) is sound
    assert len(told) == 1
    assert encode(event)
