"""All JSON has one format for times: UTC, as RFC 3339 writes it. Lengths of time are seconds."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.cli.records import Program, make_run
from tests.helpers import make_tree, proj

FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NAMED = re.compile(r"time$|timestamp$|^created$|^used$|^expires$")


def leaves(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, name)
    else:
        yield name, value


@pytest.mark.parametrize(
    "line",
    [
        "show first", "runs", "experiments ls", "compare first second", "diff first second", "doctor", "env ls", "gc --dry-run",
        "logs last", "server token list", "reproduce last -q", "rerun last -q", "run p -e main.sh -q", "export first",
    ],
)  # fmt: skip
def test_times_in_json(program: Program, line: str) -> None:
    make_run("first", metrics={"rmse": [1.0]}, experiment="other")
    make_run("second", metrics={"rmse": [2.0]})
    assert proj("server", "token", "create", "--name", "me").code == 0
    make_tree("p", {"main.sh": "echo hello\n"})
    assert proj("run", "p", "-e", "main.sh", "-q").code == 0
    done = proj(*line.split(), "--json")
    assert done.out, done.err
    found = dict.fromkeys(leaves([json.loads(done.out)]))
    now = time.time()
    for name, value in found:
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert not now - 1e7 < value < now + 1e9, (name, value)
            assert not 1000 * (now - 1e7) < value < 1000 * (now + 1e9), (name, value)
        elif isinstance(value, str) and NAMED.search(name):
            assert FORM.fullmatch(value), (name, value)
