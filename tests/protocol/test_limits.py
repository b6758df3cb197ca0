"""Slow clients, huge heads and bodies: each costs little, and is ended in time."""

from __future__ import annotations

import json
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from runner.protocol.application import application
from runner.protocol.gate import Entry, Gate, Head, Limits
from runner.protocol.live import LiveRuns
from runner.protocol.scope import Role
from runner.protocol.serving import Server
from runner.tracking.store import Store
from tests.helpers import until
from tests.servers import FILES, Client, Start

TE = b"Transfer-Encoding: chunked\r\n"


class Open(Gate):
    """Everybody may do everything."""

    def __init__(self, store: Store) -> None:
        self.runs = LiveRuns(store)
        self.statuses: list[int] = []
        self.faults: list[BaseException] = []
        self.connections = 0

    def enter(self, head: Head) -> Entry:
        return Entry(self.runs, Role("admin"))

    def done(self, head: Head | None, entry: Entry | None, status: int, sent: int) -> None:
        self.statuses.append(status)

    def failed(self, problem: BaseException) -> None:
        self.faults.append(problem)

    def tick(self, connections: int) -> None:
        self.connections = connections


class Served:
    def __init__(self, folder: str, limits: Limits) -> None:
        self.store = Store(folder)
        self.gate = Open(self.store)
        self.server = Server(application(self.gate, limits), self.gate, limits, grace=1)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(listener.getsockname()[1])
        self.server.listen(listener)
        self.server.start()
        self.clients: list[Client] = []

    def link(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def client(self) -> Client:
        self.clients.append(Client(self.port, ""))
        return self.clients[-1]


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: object) -> Iterator[Serve]:
    running: list[Served] = []

    def begin(**limits: Any) -> Served:
        running.append(Served(os.path.join(str(tmp_path), "store"), Limits(**limits)))
        return running[-1]

    yield begin
    for each in running:
        for client in each.clients:
            client.link.close()
        each.server.stop()
        each.server.wait(20)
        assert each.gate.faults == []


def ended_after(link: socket.socket, send: Callable[[], object] = lambda: None) -> float:
    """s until the server ended the connection, while we go on to `send` now and then; AssertionError when it does not."""
    began = time.monotonic()
    link.settimeout(0.1)
    while time.monotonic() - began < 20:
        try:
            send()
            if not link.recv(65536):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    else:
        raise AssertionError("the server did not end it")
    return time.monotonic() - began


def test_slow_heads_and_bodies(serve: Serve) -> None:
    """However little comes, it must come in time; byte by byte is no excuse."""
    served = serve(patience=0.5, idle=60)
    run_id = served.client().new_run()
    upload = f"PUT {FILES}/0/{run_id}/artifacts/a HTTP/1.1\r\nHost: a\r\n".encode()
    create = (
        b"POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    )
    slow = (
        (b"GET /hea", b"l"),
        (b"GET / HTTP/1.1\r\n", b"A: b\r\n"),
        (create + b"Content-Length: 9999\r\n\r\n", b""),
        (create + b"Content-Length: 9999\r\n\r\n", b"x"),
        (create + TE + b"\r\n", b"1\r\nx\r\n"),
        (upload + b"Content-Length: 9999\r\n\r\n", b"x"),
        (create + TE + b"\r\n2\r\n{}\r\n0\r\n", b"A: b\r\n"),
    )

    def come(begin: bytes, drop: bytes) -> float:
        with served.link() as link:
            link.sendall(begin)
            return ended_after(link, lambda: link.sendall(drop))

    with ThreadPoolExecutor(len(slow)) as clients:
        for each, took in zip(slow, clients.map(come, *zip(*slow, strict=True)), strict=True):
            assert took > 0.4, each
    until(lambda: os.listdir(os.path.join(served.store.run_directory(run_id), "artifacts")) == [])
    assert served.client().call("GET", "/health").status == 200


def test_a_body_that_comes_steadily_may_take_its_time(serve: Serve) -> None:
    served = serve(patience=1.5)
    run_id = served.client().new_run()

    def pieces() -> Iterator[bytes]:
        for _ in range(10):
            yield b"x" * 1000
            time.sleep(0.25)

    assert served.client().put(f"0/{run_id}/artifacts/a", pieces()).status == 200


def test_silent_connections(serve: Serve) -> None:
    served = serve(idle=1, patience=60)
    with served.link() as fresh, served.link() as used:
        used.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 200 " in used.recv(4096)
        assert ended_after(used) > 0.5
        ended_after(fresh)


def test_a_client_that_does_not_read(serve: Serve) -> None:
    served = serve(patience=1)
    client = served.client()
    run_id = client.new_run()
    assert client.put(f"0/{run_id}/artifacts/big", b"x" * 30_000_000).status == 200
    with served.link() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        link.sendall(f"GET {FILES}/0/{run_id}/artifacts/big HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        until(lambda: served.gate.connections > 1)
        until(lambda: served.gate.connections <= 1)
        link.settimeout(5)
        received = 0
        try:
            while piece := link.recv(1 << 20):
                received += len(piece)
        except ConnectionResetError:
            pass
        assert received < 30_000_000


def test_a_client_that_goes_in_the_middle(serve: Serve) -> None:
    """Of sending: nothing is left. Of reading: the rest is not read for nobody, and the file is closed."""
    served = serve()
    client = served.client()
    run_id = client.new_run()
    assert client.put(f"0/{run_id}/artifacts/big", b"x" * 30_000_000).status == 200
    for _ in range(5):
        with served.link() as link:
            link.sendall(f"GET {FILES}/0/{run_id}/artifacts/big HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert link.recv(1000)
        with served.link() as link:
            head = (
                f"PUT {FILES}/0/{run_id}/artifacts/cut HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n"
            )
            link.sendall(head.encode() + b"x" * 50_000)
    folder = os.path.join(served.store.run_directory(run_id), "artifacts")

    def left() -> list[str]:
        files = [
            os.readlink(f"/proc/self/fd/{each}")
            for each in os.listdir("/proc/self/fd")
            if os.path.islink(f"/proc/self/fd/{each}")
        ]
        return [each for each in files if each.startswith(folder)]

    until(lambda: (left(), os.listdir(folder)) == ([], ["big"]))


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 100_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 20_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 100_000, 431),
        (b"\r\n" * 100_000, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000000\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 70000000\r\n\r\n", 413),
    ],
)
def test_heads_without_end(serve: Serve, head: bytes, status: int) -> None:
    served = serve()
    with served.link() as link:
        try:
            link.sendall(head)
        except OSError:
            pass
        answer = link.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"100 Continue" not in answer
    assert served.gate.statuses == [status]


def test_a_body_of_unknown_length_stops_at_the_limit(serve: Serve) -> None:
    served = serve(body=1_000_000)
    with served.link() as link:
        link.sendall(b"POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: a\r\n" + TE + b"\r\n")
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        for _ in range(40):
            link.sendall(piece)
        assert link.recv(4096).startswith(b"HTTP/1.1 413 ")
        ended_after(link, lambda: link.sendall(piece))


def test_what_is_expected_is_asked_for(serve: Serve) -> None:
    served = serve()
    body = json.dumps({"name": "one"}).encode()
    with served.link() as link:
        link.sendall(
            b"POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        assert link.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        link.sendall(body)
        assert link.makefile("rb").read().startswith(b"HTTP/1.1 200 ")


def test_a_refusal_is_read_by_a_client_that_sends(serve: Serve) -> None:
    """Who sends a large body that nobody wants learns why: no reset comes before the answer."""
    served = serve(upload=1_000_000)
    run_id = served.client().new_run()
    for length in (b"Content-Length: 20000000\r\n\r\n", TE + b"\r\n1312d00\r\n"):
        with served.link() as link:
            link.sendall(f"PUT {FILES}/0/{run_id}/artifacts/a HTTP/1.1\r\nHost: a\r\n".encode() + length)
            for _ in range(20):
                link.sendall(b"x" * 1_000_000)
            assert link.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_the_end_does_not_wait_for_who_waits(serve: Serve) -> None:
    served = serve()
    with served.link() as silent, served.link() as half:
        client = served.client()
        assert client.call("GET", "/health").status == 200
        half.sendall(b"GET /hea")
        time.sleep(0.1)
        began = time.monotonic()
        served.server.stop()
        served.server.wait(20)
        assert time.monotonic() - began < 10
        assert silent.recv(10) == b""
        with pytest.raises(OSError, match="refused"):
            served.link()


def test_silent_connections_do_not_keep_others_out(start: Start) -> None:
    """Not even where there are fewer file descriptors than clients."""
    server = start()
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (40, 40))
    links = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(60)]
    try:
        assert server.client().call("GET", "/health").status == 200
    finally:
        for link in links:
            link.close()


def memory(pid: int, what: str) -> int:
    """MB"""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(what)) // 1024


@pytest.mark.parametrize("size", [300, pytest.param(2048, marks=pytest.mark.slow)])
@pytest.mark.timeout(300)
def test_files_are_streamed(start: Start, size: int) -> None:
    """MB both ways, told by length and by chunks, through a server that stays small."""
    server = start()
    client = server.client()
    run_id = client.new_run()
    block = os.urandom(1 << 20)
    chunked = client.put(f"0/{run_id}/artifacts/one", (block for _ in range(size)))
    assert chunked.status == 200
    link = client.link
    link.putrequest("GET", f"{FILES}/0/{run_id}/artifacts/one")
    link.endheaders()
    answer = link.getresponse()
    received = 0
    while piece := answer.read(1 << 20):
        received += len(piece)
    assert received == size << 20
    link.putrequest("PUT", f"{FILES}/0/{run_id}/artifacts/one")
    link.putheader("Content-Length", str(size << 20))
    link.endheaders()
    for _ in range(size):
        link.send(block)
    assert link.getresponse().read() == b"{}"
    peak = memory(server.process.pid, "VmHWM")
    print(f"peak memory: {peak} MB")
    assert peak < 100


def test_many_clients_that_send_and_wait_cost_little(start: Start) -> None:
    """200 that hold a large head, and 200 that send requests ahead without reading the answers."""
    server = start()
    assert server.client().call("GET", "/health").status == 200
    before = memory(server.process.pid, "VmRSS")
    links = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(400)]

    def send(each: socket.socket, data: bytes) -> None:
        try:
            each.sendall(data)
        except OSError:
            pass

    ahead = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 60
    work = [
        threading.Thread(
            target=send, args=(link, ahead if place % 2 else b"GET / HTTP/1.1\r\nA: " + b"b" * 30_000)
        )
        for place, link in enumerate(links)
    ]
    for each in work:
        each.start()
    for each in work:
        each.join()
    assert server.client().call("GET", "/health").status == 200
    assert memory(server.process.pid, "VmRSS") - before < 100
    for link in links:
        link.close()
