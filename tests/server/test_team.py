"""`proj server` as a process: tokens, several workers, kills, TLS, limits, and the real clients."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import stat
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.helpers import make_tree, proj
from tests.servers import Client, Server, Start, run_flow


def token(store: str, *arguments: str) -> str:
    done = proj("server", "token", "create", "--store", store, *arguments)
    assert done.code == 0, done.err
    return done.out.strip()


def text_of(*parts: str) -> str:
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


def metric(run_id: str, step: int) -> dict[str, Any]:
    return {"run_id": run_id, "key": "m", "value": step, "timestamp": 1, "step": step}


def test_others_than_loopback_need_a_token(tmp_path: object) -> None:
    done = proj("server", "--host", "0.0.0.0", "--port", "0", "--store", os.path.join(str(tmp_path), "s"))
    assert done.code == 2
    assert "there is no token yet" in done.err
    assert "proj server token create" in done.err


def test_tokens(start: Start) -> None:
    server = start()
    anyone = server.client()
    run_id = anyone.new_run()  # loopback, and no tokens yet
    tokens = {
        role: token(server.store, "--role", role, "--name", role) for role in ("reader", "writer", "admin")
    }
    old = token(server.store, "--expires", "0m")
    time.sleep(1.1)
    expected = {"reader": (200, 403, 403), "writer": (200, 200, 403), "admin": (200, 200, 200)}
    made = server.client(tokens["writer"]).ok("experiments/create", {"name": "e"})["experiment_id"]
    for role, (read, write, manage) in expected.items():
        client = server.client(tokens[role])
        assert client.get("runs/get", run_id=run_id).status == read
        assert client.post("runs/set-tag", {"run_id": run_id, "key": role, "value": "x"}).status == write
        assert client.post("experiments/delete", {"experiment_id": made}).status == manage
        client.link.close()
    assert anyone.get("runs/get", run_id=run_id).status == 401
    assert server.client(old).get("runs/get", run_id=run_id).status == 401
    assert server.client(tokens["admin"] + "0").get("runs/get", run_id=run_id).status == 401
    assert proj("server", "token", "revoke", "writer", "--store", server.store).code == 0
    time.sleep(1.1)
    assert server.client(tokens["writer"]).get("runs/get", run_id=run_id).status == 401
    (file,) = pathlib.Path(paths.home(), "server").glob("*/tokens.jsonl")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = file.read_text()
    assert not any(text.rpartition("_")[2] in kept for text in tokens.values())
    listed = json.loads(proj("server", "token", "list", "--json", "--store", server.store).out)
    assert [each["role"] for each in listed][:3] == ["reader", "writer", "admin"]
    assert proj("server", "token", "create", "--role", "king", "--store", server.store).code == 2


def test_a_copied_store_brings_no_tokens(tmp_path: object) -> None:
    store, copy = f"{tmp_path}/store", f"{tmp_path}/copy"
    token(store, "--role", "admin")
    os.makedirs(store, exist_ok=True)
    shutil.copytree(store, copy)
    listed = {
        place: json.loads(proj("server", "token", "list", "--json", "--store", place).out)
        for place in (store, copy)
    }
    assert [len(listed[store]), len(listed[copy])] == [1, 0]
    assert not list(pathlib.Path(store).rglob("tokens*"))


def test_tokens_of_an_earlier_version_move_out_of_the_store(tmp_path: object) -> None:
    store = f"{tmp_path}/store"
    made = {
        "type": "token",
        "time": 1,
        "id": "ab",
        "name": "old",
        "role": "reader",
        "digest": "0",
        "expires": 0,
    }
    make_tree(store, {"server/tokens.jsonl": json.dumps(made) + "\n"})
    for _ in range(2):
        listed = json.loads(proj("server", "token", "list", "--json", "--store", store).out)
        assert [each["name"] for each in listed] == ["old"]
        assert not os.path.exists(f"{store}/server/tokens.jsonl")


def message(client: Client, path: str, body: object) -> str:
    answer = client.post(path, body)
    assert answer.status == 400, answer
    return str(answer.json["message"])


def test_experiments(start: Start) -> None:
    client = start().client()
    made = client.ok("experiments/create", {"name": "one", "tags": [{"key": "a", "value": "b"}]})[
        "experiment_id"
    ]
    assert made.isdigit()
    assert "already exists" in message(client, "experiments/create", {"name": "one"})
    for name in ("", None, 5):
        assert client.post("experiments/create", {"name": name}).status == 400
    shown = client.get("experiments/get", experiment_id=made).json["experiment"]
    assert shown["artifact_location"] == f"mlflow-artifacts:/{made}"
    assert shown["tags"] == [{"key": "a", "value": "b"}]
    run_id = client.new_run(experiment_id=made)
    client.ok("experiments/delete", {"experiment_id": made})
    assert client.run(run_id)["info"]["lifecycle_stage"] == "deleted"
    assert (
        client.get("experiments/get-by-name", experiment_name="one").json["experiment"]["lifecycle_stage"]
        == "deleted"
    )
    assert "must be in the 'active' state" in message(client, "runs/create", {"experiment_id": made})
    client.ok("experiments/restore", {"experiment_id": made})
    assert client.run(run_id)["info"]["lifecycle_stage"] == "active"
    client.ok("experiments/update", {"experiment_id": made, "new_name": "two"})
    found = client.ok("experiments/search", {"filter": "name LIKE 't%'", "max_results": 10})["experiments"]
    assert [each["name"] for each in found] == ["two"]
    missing = client.get("experiments/get", experiment_id="12345")
    assert (missing.status, missing.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert client.get("experiments/get-by-name", experiment_name="none").status == 404
    assert client.get("experiments/get", experiment_id="../x").status == 400


def test_wrong_tokens_are_tried_only_so_often(start: Start) -> None:
    server = start()
    token(server.store)
    time.sleep(1.1)
    client = server.client("proj_00000000_wrong")
    statuses = [client.post("runs/search").status for _ in range(30)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


def test_audit_access_log_and_metrics(start: Start, tmp_path: object) -> None:
    log = os.path.join(str(tmp_path), "access.jsonl")
    server = start("--access-log", log)
    client = server.client()
    run_id = client.new_run()
    for step in range(20):
        client.ok("runs/log-metric", metric(run_id, step))
    client.post("runs/log-metric", {})
    shown = client.call("GET", "/metrics").body.decode()
    assert 'proj_requests_total{status="200"} 21' in shown
    assert 'proj_requests_total{status="400"} 1' in shown
    server.process.terminate()
    assert server.process.wait(10) == 0
    audit = [json.loads(line) for line in text_of(server.store, "server", "audit.jsonl").splitlines()]
    counts: Counter[str] = Counter()
    for each in audit:
        assert each["subject"] == run_id
        counts[each["what"]] += each["count"]
    assert counts == {"POST runs/create": 1, "POST runs/log-metric": 20}
    assert len(audit) <= 10  # equal changes of a second together
    lines = [json.loads(line) for line in text_of(log).splitlines()]
    assert [(each["method"], each["status"]) for each in lines[-2:]] == [("POST", 400), ("GET", 200)]


def test_several_workers_agree_on_a_parameter(start: Start) -> None:
    server = start("--workers", "2")
    run_id = server.client().new_run()
    statuses: list[tuple[int, int]] = []

    def log(number: int) -> None:
        client = server.client()
        for key in range(20):
            body = {"run_id": run_id, "key": f"p{key}", "value": str(number)}
            statuses.append((key, client.post("runs/log-parameter", body).status))
        client.link.close()

    threads = [threading.Thread(target=log, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in range(20):
        assert [status for each, status in statuses if each == key].count(200) == 1


def test_a_worker_that_dies_is_replaced(start: Start) -> None:
    server = start("--workers", "2")
    children = text_of(f"/proc/{server.process.pid}/task/{server.process.pid}/children").split()
    assert len(children) == 2
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    for _ in range(50):
        try:
            assert server.client().call("GET", "/health").status == 200
            break
        except OSError:
            time.sleep(0.1)
    else:
        raise AssertionError("no worker came back")


@pytest.mark.parametrize("rounds", [2, pytest.param(30, marks=pytest.mark.slow)])
def test_a_killed_server_has_kept_what_it_acknowledged(start: Start, rounds: int) -> None:
    for round_number in range(rounds):
        server = start()
        acknowledged: dict[str, list[int]] = {}

        def work(server: Server = server, acknowledged: dict[str, list[int]] = acknowledged) -> None:
            client = server.client()
            try:
                run_id = client.new_run()
                steps = acknowledged.setdefault(run_id, [])
                for step in range(100_000):
                    if client.post("runs/log-metric", metric(run_id, step)).status == 200:
                        steps.append(step)
            except (OSError, ValueError, http.client.HTTPException):
                pass

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 20
        while not acknowledged and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.2 + 0.05 * (round_number % 7))
        server.process.kill()
        for thread in threads:
            thread.join()
        store = Store(server.store)
        assert acknowledged
        for run_id, steps in acknowledged.items():
            found = {point.step for point in store.history(run_id, "m", limit=1_000_000).points}
            assert set(steps) <= found


def test_the_end_waits_for_what_was_begun(start: Start) -> None:
    server = start()
    run_id = server.client().new_run()
    data = os.urandom(1000)

    def slowly() -> Iterator[bytes]:
        for byte in range(10):
            yield data[byte * 100 : byte * 100 + 100]
            if byte == 3:
                server.process.terminate()
            time.sleep(0.05)

    answer = server.client().put(f"0/{run_id}/artifacts/slow.bin", slowly())
    assert answer.status == 200
    assert answer.headers["connection"] == "close"
    assert server.process.wait(10) == 0
    with open(os.path.join(server.store, "runs", run_id, "artifacts", "slow.bin"), "rb") as file:
        assert file.read() == data


def test_limits(start: Start) -> None:
    server = start("--max-upload", "1", "--rate", "20")
    client = server.client()
    run_id = client.new_run()
    assert client.put(f"0/{run_id}/artifacts/ok.bin", b"x" * 1_000_000).status == 200
    chunked = client.put(f"0/{run_id}/artifacts/big.bin", iter([b"x" * 600_000] * 2))
    assert chunked.status == 413
    assert sorted(os.listdir(os.path.join(server.store, "runs", run_id, "artifacts"))) == ["ok.bin"]
    client = server.client()
    statuses = {client.get("runs/get", run_id=run_id).status for _ in range(300)}
    assert statuses == {200, 429}


def test_https(start: Start, tmp_path: object) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on PATH")
    key, certificate = (os.path.join(str(tmp_path), name) for name in ("key.pem", "cert.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
         "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    server = start("--certificate", certificate, "--key", key)
    assert server.url.startswith("https://127.0.0.1:")
    context = ssl.create_default_context(cafile=certificate)
    with urllib.request.urlopen(server.url + "/version", context=context) as answer:
        assert answer.read() == b"3.17.2"
    body = b"x" * 3_000_000
    client = server.client()
    client.link = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
    run_id = client.new_run()
    assert client.put(f"0/{run_id}/artifacts/big.bin", body).status == 200
    assert client.file(f"0/{run_id}/artifacts/big.bin").body == body
    with pytest.raises(OSError, match=r"reset|closed|Remote end"):
        server.client().call("GET", "/health")  # without TLS
    assert proj("server", "--certificate", key + "x").code == 2


@pytest.mark.mlflow
@pytest.mark.slow
@pytest.mark.parametrize("client_python", ["3", "2.9", "1.30"], indirect=True)
def test_clients(start: Start, client_python: str) -> None:
    server = start()
    run_id = run_flow(client_python, "basic", {"MLFLOW_TRACKING_URI": server.url}, "one").split()[-1]
    run = Store(server.store).read(run_id)
    assert (run.status, run.kind) == ("FINISHED", "client")


@pytest.mark.mlflow
@pytest.mark.slow
def test_models_with_a_token(start: Start, client_python: str) -> None:
    server = start("--workers", "2")
    text = token(server.store)
    run_flow(client_python, "models", {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_TRACKING_TOKEN": text})
