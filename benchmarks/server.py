"""`proj server` and `mlflow server --workers 1`, side by side: same machine, same raw client, SQLite both.

    python benchmarks/server.py --mlflow PATH/TO/mlflow [--runs 10000] [--points 100000] [--seconds 2]

The client keeps its connections and sends requests that are already encoded, so that the servers are measured and
not the client. Prints rates or times of both, and the ratio in favour of `proj`.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

API = "/api/2.0/mlflow/"


class Server(NamedTuple):
    name: str
    process: subprocess.Popen[bytes]
    port: int
    started: float  # s until it answered


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(name: str, argv: list[str], port: int, folder: str) -> Server:
    began = time.perf_counter()
    process = subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            if Link(port).call("GET", "/health")[0] == 200:
                return Server(name, process, port, time.perf_counter() - began)
        except OSError:
            time.sleep(0.002)
            if process.poll() is not None:
                sys.exit(f"{name} did not start: {' '.join(argv)}")


def stop(server: Server) -> None:
    server.process.terminate()
    server.process.wait(30)


def memory(server: Server) -> float:
    """MB, of the server's processes together (their share of what they share)."""
    total = 0.0
    pids = [server.process.pid]
    while pids:
        pid = pids.pop()
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                pids += [int(each) for each in file.read().split()]
        except OSError:
            continue
    return total


class Link:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host = f"127.0.0.1:{port}"

    def request(self, method: str, path: str, body: Any = None) -> bytes:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nUser-Agent: bench\r\nAccept: */*\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        self.socket.sendall(self.request(method, path, body))
        return self.answer()

    def answer(self) -> tuple[int, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(1 << 20)
            if not piece:
                raise OSError("the connection was closed")
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        fields = head.lower()
        parts, have = [rest], len(rest)
        if b"content-length:" in fields:
            size = int(fields.split(b"content-length:")[1].split(b"\r\n")[0])
            while have < size:
                parts.append(self.socket.recv(1 << 20))
                have += len(parts[-1])
        else:
            while not parts[-1].endswith(b"0\r\n\r\n"):
                parts.append(self.socket.recv(1 << 20))
        return int(head.split()[1]), b"".join(parts)

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.call(method, path, body)
        assert status == 200, answer
        return json.loads(answer or b"{}")

    def new_run(self, experiment: str = "0") -> str:
        body = {"experiment_id": experiment, "start_time": 1_700_000_000_000}
        return str(self.ok("POST", API + "runs/create", body)["run"]["info"]["run_id"])


def metric(run_id: str, step: int) -> dict[str, Any]:
    return {
        "run_id": run_id, "run_uuid": run_id, "key": "loss", "value": 0.5 + step, "timestamp": 1_700_000_000_000,
        "step": step,
    }  # fmt: skip


def rate(seconds: float, work: Callable[[int], object]) -> float:
    """Calls a second."""
    work(0)
    began = time.perf_counter()
    count = 0
    while time.perf_counter() - began < seconds:
        count += 1
        work(count)
    return count / (time.perf_counter() - began)


def parallel_rate(port: int, connections: int, seconds: float) -> float:
    """log-metric on several connections, each with one request on the way."""
    links = [Link(port) for _ in range(connections)]
    requests = [link.request("POST", API + "runs/log-metric", metric(link.new_run(), 0)) for link in links]
    waiting = [b""] * connections
    poll = select.poll()
    places = {link.socket.fileno(): place for place, link in enumerate(links)}
    for link, request in zip(links, requests, strict=True):
        poll.register(link.socket, select.POLLIN)
        link.socket.sendall(request)
    began = time.perf_counter()
    count = 0
    while time.perf_counter() - began < seconds:
        for fd, _ in poll.poll():
            place = places[fd]
            waiting[place] += links[place].socket.recv(65536)
            head, end, body = waiting[place].partition(b"\r\n\r\n")
            if not end or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
                continue
            assert b" 200 " in head[:20], head
            waiting[place] = b""
            links[place].socket.sendall(requests[place])
            count += 1
    return count / (time.perf_counter() - began)


def median_time(repeats: int, work: Callable[[], object]) -> float:
    """s"""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def fill_mlflow(database: str, runs: int) -> None:
    """Runs with 5 metrics, 5 parameters and 3 tags, written as its own server would."""
    link = sqlite3.connect(database, timeout=60)
    for number in range(runs):
        run_id = uuid.uuid4().hex
        link.execute(
            "insert into runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
            " source_version, lifecycle_stage, artifact_uri, experiment_id)"
            " values (?, ?, 'UNKNOWN', '', '', 'u', 'FINISHED', ?, '', 'active', '', 0)",
            (run_id, f"run-{number}", 1_700_000_000_000 + number),
        )
        for key in range(5):
            value = (number * 7919 % 1000) / 1000 + key
            for table in ("metrics", "latest_metrics"):
                link.execute(
                    f"insert into {table} (key, value, timestamp, run_uuid, step, is_nan) values (?, ?, 1, ?, 0, 0)",
                    (f"m{key}", value, run_id),
                )
            link.execute(
                "insert into params (key, value, run_uuid) values (?, ?, ?)", (f"p{key}", "v", run_id)
            )
        for key in range(3):
            link.execute("insert into tags (key, value, run_uuid) values (?, ?, ?)", (f"t{key}", "v", run_id))
    link.commit()
    link.close()


def fill_proj(port: int, runs: int) -> None:
    link = Link(port)
    for number in range(runs):
        run_id = link.new_run()
        value = (number * 7919 % 1000) / 1000
        link.ok(
            "POST",
            API + "runs/log-batch",
            {
                "run_id": run_id,
                "metrics": [
                    {"key": f"m{key}", "value": value + key, "timestamp": 1, "step": 0} for key in range(5)
                ],
                "params": [{"key": f"p{key}", "value": "v"} for key in range(5)],
                "tags": [{"key": f"t{key}", "value": "v"} for key in range(3)],
            },
        )
        link.ok("POST", API + "runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": 5})


def log_batches(link: Link, run_id: str, points: int) -> float:
    """Logs the points in batches of 1,000; seconds."""
    batches = [
        link.request(
            "POST",
            API + "runs/log-batch",
            {
                "run_id": run_id,
                "metrics": [
                    {"key": "loss", "value": n * 0.5, "timestamp": 1_700_000_000_000 + n, "step": n}
                    for n in range(first, first + 1000)
                ],
            },
        )
        for first in range(0, points, 1000)
    ]
    began = time.perf_counter()
    for batch in batches:
        link.socket.sendall(batch)
        assert link.answer()[0] == 200
    return time.perf_counter() - began


def history(link: Link, run_id: str, points: int) -> None:
    """Reads all of it, page by page."""
    token, found = "", 0
    while True:
        query = f"run_id={run_id}&metric_key=loss&max_results=25000&page_token={token}"
        page = link.ok("GET", f"{API}metrics/get-history?{query}")
        found += len(page["metrics"])
        token = page.get("next_page_token", "")
        if not token:
            break
    assert found == points, found


def measure(server: Server, options: argparse.Namespace, folder: str) -> dict[str, float]:
    """Rates (calls or points a second) and times (s)."""
    link, found = Link(server.port), {"start, s": server.started}
    time.sleep(1)
    found["idle memory, MB"] = memory(server)
    run_id, seconds = link.new_run(), options.seconds

    def cycle(step: int) -> None:
        each = link.new_run()
        link.ok("POST", API + "runs/log-metric", metric(each, step))
        link.ok("POST", API + "runs/update", {"run_id": each, "status": "FINISHED", "end_time": 5})

    found["create+log+end, /s"] = rate(seconds, cycle)
    found["new runs, /s"] = rate(seconds, lambda _: link.new_run())
    found["log-metric, 1 connection, /s"] = rate(
        seconds, lambda step: link.ok("POST", API + "runs/log-metric", metric(run_id, step))
    )
    found["log-metric, 8 connections, /s"] = parallel_rate(server.port, 8, seconds)
    batch_run, points = link.new_run(), max(options.points // 1000, 1) * 1000
    found["log-batch of 1000, points/s"] = points / log_batches(link, batch_run, points)
    found[f"history of {options.points} points, s"] = median_time(3, lambda: history(link, batch_run, points))
    fill_mlflow(os.path.join(folder, "mlflow.db"), options.runs) if server.name == "mlflow" else fill_proj(
        server.port, options.runs
    )
    body = {
        "experiment_ids": ["0"], "filter": "metrics.m1 > 1.5 and params.p1 = 'v'", "order_by": ["metrics.m2 DESC"],
        "max_results": 100,
    }  # fmt: skip
    link.ok("POST", API + "runs/search", body)
    found[f"search over {options.runs} runs, s"] = median_time(
        5, lambda: link.ok("POST", API + "runs/search", body)
    )
    data = os.urandom(1 << 20) * 100
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/big.bin"
    found["upload, MB/s"] = 100 / median_time(3, lambda: link.call("PUT", path, data))
    found["download, MB/s"] = 100 / median_time(3, lambda: link.call("GET", path))
    found["memory at the end, MB"] = memory(server)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--mlflow", default="", help="the mlflow program to compare with")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="proj-bench-")
    results: dict[str, dict[str, float]] = {}
    try:
        proj = os.path.join(os.path.dirname(sys.executable), "proj")
        port = free_port()
        argv = [proj, "server", "--port", str(port), "--store", os.path.join(folder, "store")]
        server = start("proj", [*argv, "--workers", str(options.workers)], port, folder)
        results["proj"] = measure(server, options, folder)
        stop(server)
        if options.mlflow:
            port = free_port()
            argv = [options.mlflow, "server", "--port", str(port), "--workers", "1", "--backend-store-uri"]
            argv += [
                f"sqlite:///{folder}/mlflow.db",
                "--artifacts-destination",
                os.path.join(folder, "artifacts"),
            ]
            stop(start("mlflow", argv, port, folder))  # makes its database
            port = free_port()
            argv[argv.index("--port") + 1] = str(port)
            server = start("mlflow", argv, port, folder)
            results["mlflow"] = measure(server, options, folder)
            stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{'':36}{'proj':>12}{'mlflow':>12}{'ratio':>9}")
    for name, ours in results["proj"].items():
        theirs = results.get("mlflow", {}).get(name)
        better = "" if not theirs else f"{(ours / theirs if name.endswith('/s') else theirs / ours):8.1f}x"
        print(f"{name:36}{ours:12.4g}{theirs if theirs is not None else float('nan'):12.4g}{better:>9}")


if __name__ == "__main__":
    main()
