"""Many who ask for much, and take their time, leave the server as quick and as small as it was."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Sequence

import pytest

from runner.protocol import loop
from tests.servers import Client, Start

SEARCH = b'{"experiment_ids":["0"],"max_results":50000}'


def request(port: int, method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def opened(port: int, count: int, asked: Sequence[bytes]) -> list[socket.socket]:
    """Connections that ask, and read nothing."""
    links = []
    for number in range(count):
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(("127.0.0.1", port))
        link.sendall(asked[number % len(asked)])
        links.append(link)
    return links


def memory(pid: int) -> int:
    """MB at most so far."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) // 1024 for line in file if line.startswith("VmHWM"))


@pytest.mark.slow
def test_readers_that_take_their_time(start: Start) -> None:
    """Each of 300 answers is 3 MB; and 64 clients fetch a large file as quickly as it comes."""
    server = start()
    client = server.client()
    for _ in range(30):
        client.new_run(tags=[{"key": f"k{n}", "value": "v" * 1000} for n in range(100)])
    run_id = client.new_run()
    client.put(f"0/{run_id}/artifacts/large", b"x" * 30_000_000)
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/large"
    file, found = (
        request(server.port, "GET", path),
        request(server.port, "POST", "/api/2.0/mlflow/runs/search", SEARCH),
    )
    slow = opened(server.port, 300, [found, file, b"", file[:-3]])
    ended = threading.Event()

    def fetch() -> None:
        own = Client(server.port, "", timeout=60)
        while not ended.is_set():
            assert len(own.call("GET", path).body) == 30_000_000
        own.link.close()

    quick = [threading.Thread(target=fetch) for _ in range(16)]
    for each in quick:
        each.start()
    waits = []
    for _ in range(100):
        began = time.monotonic()
        assert client.call("GET", "/health").status == 200
        waits.append(time.monotonic() - began)
        time.sleep(0.01)
    ended.set()
    for each in quick:
        each.join()
    for link in slow:
        link.close()
    waits.sort()
    print(f"/health: median {waits[50]:.4f} s, longest {waits[-1]:.3f} s; {memory(server.process.pid)} MB")
    assert memory(server.process.pid) < 250
    assert waits[50] < 0.5
    assert waits[-1] < 2  # this machine runs the attack, too


def test_many_connections_come_and_go_at_once(start: Start) -> None:
    server = start()
    links = opened(server.port, 2000, [b"", b"GET /health HTTP/1.1\r\n"])
    client = server.client()
    assert client.call("GET", "/health").status == 200
    for link in links:
        link.close()
    began = time.monotonic()
    assert client.call("GET", "/health").status == 200
    assert time.monotonic() - began < 10


def test_events_are_taken_up_a_few_at_a_time() -> None:
    """Each in its turn, those that are always ready too."""
    selector = loop.FewAtOnce()
    pipes = [os.pipe() for _ in range(100)]
    for reader, writer in pipes:
        selector.register(reader, 1, reader)
        os.write(writer, b"x")
    seen: list[int] = []
    for _ in range(4):
        found = selector.select(0)
        assert len(found) <= loop.AT_ONCE
        seen += [key.data for key, _ in found]
    assert sorted(set(seen)) == sorted(reader for reader, _ in pipes)
    for reader, writer in pipes:
        selector.unregister(reader)
        os.close(reader)
        os.close(writer)
    assert selector.select(0) == []
    selector.close()
