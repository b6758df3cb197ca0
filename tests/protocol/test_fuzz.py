"""Whatever a client sends: an answer in the protocol's format, never a fault of the server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.protocol.fields import EnumKind
from runner.protocol.route import Route
from runner.protocol.table import endpoints
from tests.helpers import examples
from tests.servers import Start, World

# given by fuzz.sh; 0: always the same requests
SEED = int(os.environ.get("PROJ_FUZZ_SEED", "0"))
ODD: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
        st.sampled_from(["", "0", "NaN", "-1", "1e999", 2**63, -(2**63) - 1, "\ud800", "x" * 300, "../..", "a'b", "\0"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip


def valid(kind: Any, run_id: str, name: str) -> st.SearchStrategy[Any]:
    if name in ("run_id", "run_uuid", "source_run_id"):
        return st.just(run_id)
    if name in ("experiment_id",):
        return st.sampled_from(["0", "1"])
    if name == "filter":
        return st.sampled_from(
            ["", "metrics.m > 0", "tags.`a b` = 'x'", "params.x LIKE '%'", "nonsense", "a = ", "'"]
        )
    if kind == "string":
        return st.text(max_size=10)
    if kind == "bool":
        return st.booleans()
    if kind == "double":
        return st.floats()
    if kind in ("int32", "int64"):
        return st.integers(-5, 2**31 - 1)
    if isinstance(kind, EnumKind):
        return st.sampled_from(kind.names)
    if isinstance(kind, list):
        return st.lists(valid(kind[0], run_id, ""), max_size=3)
    return st.fixed_dictionaries({}, optional={key: valid(of, run_id, key) for key, of in kind.items()})


def fields(route: Route, run_id: str) -> st.SearchStrategy[Any]:
    """Mostly right, with something odd in it."""
    whole = st.fixed_dictionaries(
        {},
        optional={name: st.one_of(valid(kind, run_id, name), ODD) for name, kind in route.message.items()},
    )
    return st.one_of(whole, ODD)


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda each: f"{each[1].method} {each[1].path}")
@settings(
    max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck), derandomize=not SEED
)
@given(data=st.data())
def test_odd_requests(world: World, endpoint: tuple[str, Route], data: st.DataObject) -> None:
    path, route = endpoint
    for variable in ("model_id", "tag_key", "path*"):
        if f"{{{variable}}}" in path:
            text = data.draw(
                st.one_of(st.text(min_size=1, max_size=20), st.just(f"0/{world.run_id}/artifacts/a"))
            )
            text = text.encode("utf-8", "replace").decode().strip() or "x"
            path = path.replace(f"{{{variable}}}", quote(text, safe="/" if variable == "path*" else ""))
    drawn = data.draw(fields(route, world.run_id))
    if route.method == "GET":
        pairs = drawn.items() if isinstance(drawn, dict) else []
        path += "?" + "&".join(
            f"{quote(str(key), errors='replace')}={quote(str(value), errors='replace')}"
            for key, value in pairs
        )
        answer = world.client.call("GET", path)
    else:
        body = json.dumps(drawn).encode()
        answer = world.client.call(route.method, path, body, {"Content-Type": "application/json"})
    assert answer.status < 500, (drawn, answer, world.endpoint.faults)
    if answer.status != 200 and answer.status != 206 and answer.status != 416:
        assert set(answer.json) == {"error_code", "message"}
    elif answer.headers["content-type"] == "application/json" and route.path != "artifacts/{path*}":
        assert isinstance(answer.json, dict)


def test_the_description_is_whole(world: World) -> None:
    found = world.client.call("GET", "/openapi.json").json
    assert found["openapi"] == "3.1.0"
    assert len(found["paths"]) >= 40
    body = found["paths"]["/api/2.0/mlflow/runs/log-metric"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert schema["required"] == ["run_id", "key", "value", "timestamp"]


@pytest.mark.slow
def test_the_description_holds(start: Start, tmp_path: object) -> None:
    """What schemathesis makes of it: no request fails the server, and no answer is one that is not described."""
    server = start()
    server.client().new_run()
    options = {
        "--phases": "coverage,fuzzing",
        "--max-examples": "20",
        "--seed": str(SEED or 1),
        "--generation-database": "none",
        "--checks": "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--request-timeout": "20",
        "--warnings": "off",
    }
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--no-color"]
        + [word for pair in options.items() for word in pair],
        cwd=str(tmp_path),
        capture_output=True,
        text=True,
        timeout=1000 if SEED else 110,  # beside other work
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested, done.stdout[-2000:]
    assert int(tested[1]) >= 40
    assert server.client().call("GET", "/health").status == 200
