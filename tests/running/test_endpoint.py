"""The endpoint of a run: what it costs, whom it lets in, what they may touch, and how it ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from runner.running import endpoint as endpoints
from runner.tracking.store import Store
from tests.servers import Client, World


def test_binding_loads_nothing_heavy() -> None:
    program = (
        "import sys; from runner.running import endpoint; endpoint.bind().close();"
        "print(sorted(set(sys.modules) & {'socket', 'json', 'http', 'threading', 'selectors', 'ssl'}))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {os.getcwd()!r}); " + program],
        capture_output=True, text=True, check=False, cwd=os.path.dirname(os.path.dirname(endpoints.__file__)) + "/..",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_binding_is_quick() -> None:
    took = []
    for _ in range(20):
        began = time.perf_counter()
        endpoints.bind().close()
        took.append(time.perf_counter() - began)
    assert min(took) < 0.005


def test_a_wrong_token(world: World) -> None:
    stranger = Client(world.endpoint.port, "wrong")
    for answer in (
        stranger.post("runs/set-tag", {"run_id": world.run_id, "key": "a", "value": "b"}),
        stranger.get("runs/get", run_id=world.run_id),
        stranger.put(f"0/{world.run_id}/artifacts/x", b"x" * 100_000),
        stranger.post("runs/search", {}, Authorization=""),
        stranger.post("runs/search", {}, Authorization="Basic %%%"),
    ):
        assert (answer.status, answer.json["error_code"]) == (401, "UNAUTHENTICATED")
    stranger.link.close()
    assert world.store.read(world.run_id).tags == {"mlflow.runName": "main"}


def test_the_token_as_a_password(world: World) -> None:
    import base64

    basic = base64.b64encode(f"me:{world.endpoint.token}".encode()).decode()
    assert world.client.post("runs/search", {}, Authorization=f"Basic {basic}").status == 200


def test_a_browser_is_refused(world: World) -> None:
    assert world.client.post("runs/search", {}, Host="evil.example").status == 403
    assert world.client.post("runs/search", {}, Origin="http://evil.example").status == 403
    assert (
        world.client.post("runs/search", {}, Origin=f"http://127.0.0.1:{world.endpoint.port}").status == 200
    )


def test_what_a_run_may_touch(world: World) -> None:
    client, store = world.client, world.store
    other = store.create_run("0", name="other")
    stranger = store.create_run("0", name="child of another", parent=other.run_id)
    child = store.create_run("0", name="child", parent=world.run_id)
    grandchild = store.create_run("0", name="grandchild", parent=child.run_id)
    for writer, allowed in ((other, False), (stranger, False), (child, True), (grandchild, True)):
        for path, body in (
            ("runs/set-tag", {"key": "a", "value": "b"}),
            ("runs/log-metric", {"key": "a", "value": 1, "timestamp": 1}),
            ("runs/log-batch", {"tags": [{"key": "c", "value": "d"}]}),
            ("runs/update", {"status": "FAILED"}),
            ("runs/delete", {}),
        ):
            answer = client.post(path, {"run_id": writer.run_id, **body})
            assert answer.status == (200 if allowed else 403), (path, answer)
        assert client.put(f"0/{writer.run_id}/artifacts/x", b"x").status == (400 if allowed else 403)
        assert client.get("runs/get", run_id=writer.run_id).status == 200
    assert store.read(other.run_id).tags == {"mlflow.runName": "other"}
    assert client.put("anything/else", b"x").status == 403


def test_clients_that_forget_to_end_their_runs(world: World) -> None:
    made = world.client.new_run(tags=[{"key": "mlflow.parentRunId", "value": world.run_id}])
    ended = world.client.new_run()
    world.client.ok("runs/update", {"run_id": ended, "status": "FINISHED", "end_time": 5})
    world.endpoint.close()
    run = world.store.read(made)
    assert (run.status, run.end["reason"]) == ("KILLED", "lost")
    assert world.store.read(ended).status == "FINISHED"
    assert world.store.read(world.run_id).status == "RUNNING"


def test_variables(world: World) -> None:
    plain = world.endpoint.variables("r", "0", environ={})
    assert set(plain) == {
        "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "PROJ_RUN_ID",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT",
    }  # fmt: skip
    odd = world.endpoint.variables(
        "r", "0", "bridge", {"HTTP_PROXY": "http://p", "no_proxy": "x", "MLFLOW_TRACKING_USERNAME": "me"}
    )
    assert odd["MLFLOW_TRACKING_URI"] == f"http://bridge:{world.endpoint.port}"
    assert (odd["NO_PROXY"], odd["no_proxy"], odd["MLFLOW_TRACKING_USERNAME"]) == ("bridge", "x,bridge", "")


def raw(world: World, data: bytes, wait: float = 5) -> bytes:
    with socket.create_connection(("127.0.0.1", world.endpoint.port), timeout=wait) as link:
        link.sendall(data)
        found = b""
        while piece := link.recv(65536):
            found += piece
        return found


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"BREW / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\nbad header\r\n\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\nA : b\r\n\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (
            (
                b"POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: localhost\r\n"
                b"Transfer-Encoding: chunked\r\nAuthorization: Bearer TOKEN\r\n\r\nzz\r\n"
            ),
            b"400",
        ),
        (
            b"POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n",
            b"413",
        ),
        (b"GET /health HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", b"431"),
    ],
)
def test_requests_that_are_none(world: World, data: bytes, status: bytes) -> None:
    answer = raw(world, data.replace(b"TOKEN", world.endpoint.token.encode()))
    assert answer.split(b" ", 2)[1] == status, answer
    assert b'"error_code"' in answer
    assert b"connection: close" in answer.lower()
    assert world.client.call("GET", "/health").status == 200


def test_requests_in_one_piece_are_answered_in_order(world: World) -> None:
    token = world.endpoint.token.encode()
    one = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    search = (
        b"POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token
        + b"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )  # fmt: skip
    last = b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = raw(world, one + search + one + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert answer.endswith(b"3.17.2")


def test_a_request_that_comes_byte_by_byte(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.endpoint.port), timeout=5) as link:
        for byte in b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n":
            link.sendall(bytes([byte]))
        assert link.makefile("rb").read().endswith(b"OK")


def test_many_idle_connections(world: World) -> None:
    """More than there may be: the oldest make room, and who works goes on working."""
    links = [socket.create_connection(("127.0.0.1", world.endpoint.port)) for _ in range(700)]
    try:
        for link in links[:200]:
            link.sendall(b"GET /hea")
        fresh = Client(world.endpoint.port, world.endpoint.token)
        assert fresh.call("GET", "/health").status == 200
        fresh.link.close()
    finally:
        for link in links:
            link.close()


def test_a_large_body_without_permission_is_not_read(world: World) -> None:
    began = time.perf_counter()
    head = b"PUT /api/2.0/mlflow-artifacts/artifacts/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500000000\r\n\r\n"
    assert b" 401 " in raw(world, head)
    assert time.perf_counter() - began < 10


def test_runs_of_one_process_share_a_port(world: World, tmp_path: object) -> None:
    """The token says which run is meant, whoever came first; each ends for itself, the last closes the port."""
    other_store = Store(os.path.join(str(tmp_path), "other"))
    writers = [world.store.create_run("0", name="second"), other_store.create_run("0", name="third")]
    ends = [endpoints.bind() for _ in writers]
    for end, writer, store in zip(ends, writers, (world.store, other_store), strict=True):
        assert end.port == world.endpoint.port
        end.variables(writer.run_id, "0", store_root=store.root)  # served already: nobody will call accept
    clients = [Client(end.port, end.token) for end in ends]
    for client, writer in zip(clients, writers, strict=True):
        client.ok("runs/set-tag", {"run_id": writer.run_id, "key": "mine", "value": "yes"})
        foreign = client.post("runs/set-tag", {"run_id": world.run_id, "key": "mine", "value": "no"})
        assert foreign.status == (403 if client is clients[0] else 404)
    made = clients[0].new_run()
    ends[0].close()
    assert world.store.read(made).status == "KILLED"
    assert clients[0].get("runs/get", run_id=writers[0].run_id).status == 401
    assert world.client.get("runs/get", run_id=world.run_id).status == 200
    world.endpoint.close()
    assert clients[1].get("runs/get", run_id=writers[1].run_id).status == 200
    ends[1].close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", world.endpoint.port))
    assert "http" not in [thread.name for thread in threading.enumerate()]
    for client in clients:
        client.link.close()
    for writer in writers:
        writer.close()


def test_runs_that_start_and_end_at_once(tmp_path: object) -> None:
    """In many threads of one process, so that the last goes while another comes."""
    store = Store(os.path.join(str(tmp_path), "store"))
    done: list[str] = []

    def run(number: int) -> None:
        for _ in range(5):
            writer = store.create_run("0", name=f"r{number}")
            end = endpoints.bind()
            end.variables(writer.run_id, "0", store_root=store.root)
            end.accept(store.root, writer.run_id)
            client = Client(end.port, end.token)
            client.ok("runs/set-tag", {"run_id": writer.run_id, "key": "n", "value": str(number)})
            client.link.close()
            end.close()
            writer.close()
            done.append(store.read(writer.run_id).tags["n"])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(str(number) for number in range(8) for _ in range(5))
    assert "http" not in [thread.name for thread in threading.enumerate()]


def test_a_path_instead_of_a_port(world: World, tmp_path: object) -> None:
    path = os.path.join(str(tmp_path), "socket")
    end = endpoints.bind(path)
    assert (end.port, os.stat(path).st_mode & 0o777) == (0, 0o600)
    end.accept(world.store.root, world.run_id)
    client = Client(0, end.token)
    client.link.sock = socket.socket(socket.AF_UNIX)
    client.link.sock.connect(path)
    client.ok("runs/set-tag", {"run_id": world.run_id, "key": "by", "value": "path"})
    client.link.close()
    end.close()
    assert world.store.read(world.run_id).tags["by"] == "path"
    with socket.socket(socket.AF_UNIX) as link, pytest.raises(OSError, match="refused"):
        link.connect(path)


def test_the_supervisor_does_not_wait_for_the_code() -> None:
    """Loading it takes a quarter of a second, in which output goes on; and it can be loaded before."""
    program = """
import sys, tempfile, time, _socket
from runner.running import endpoint
from runner.tracking.store import Store
store = Store(tempfile.mkdtemp())
run_id = store.create_run("0").run_id
for ahead in (False, True):
    end = endpoint.bind()
    end.variables(run_id, "0")
    if ahead:
        endpoint.warm()
    link = _socket.socket()
    link.connect(("127.0.0.1", end.port))
    link.send(b"GET /health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
    began, own = time.perf_counter(), time.thread_time()
    end.accept(store.root, run_id)
    took = time.thread_time() - own
    answer = b""
    while piece := link.recv(9999):
        answer += piece
    print(took < 0.1, answer.endswith(b"OK"), time.perf_counter() - began < 20, end.faults)
    end.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True True True []\n" * 2, "")
