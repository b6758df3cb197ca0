"""How long /health of `proj server` takes, and how much memory the server, while clients ask for the worst there is.

    python benchmarks/greedy.py [--proj PATH/TO/proj] [--seconds 20] [--connections 9000] [--points 1000000] [--only NAME ...]

The servers go before all else on the machine where that is allowed (root), for an attacker would be on another one. A second server, which nobody attacks, is asked at the same moments: what it takes is the machine's own
delay ("idle"). Each attack is printed with the median, the 99th percentile and the longest of both in ms, and the
largest memory of the server so far in MB; "new" is the longest where the connection had to be made first.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

API = "/api/2.0/mlflow/"
READERS = 8
PAUSE = 0.004  # s between two looks at /health
TAGS = 100  # of a run, of 1000 characters each


class Server(NamedTuple):
    process: subprocess.Popen[str]
    port: int
    token: str


class Asked(NamedTuple):
    """What the attackers know."""

    port: int
    token: str
    run_id: str  # with a long history
    file: str  # path of a large artifact
    connections: int
    seconds: float


# ---- a server and what is in it


@contextlib.contextmanager
def served(proj: Sequence[str], folder: str) -> Iterator[Server]:
    """With a token of a reader."""
    environ = {**os.environ, "PROJ_HOME": folder, "PROJ_STORE": f"{folder}/store"}
    made = subprocess.run([*proj, "server", "token", "create", "--role", "reader"],
                          env=environ, check=True, capture_output=True, text=True)  # fmt: skip
    token = made.stdout.strip()
    process = subprocess.Popen(
        [*proj, "server", "--port", "0"], env=environ, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    line = ""
    while "MLFLOW_TRACKING_URI=" not in line:
        line = process.stderr.readline()
        assert line, "the server has ended"
    threading.Thread(target=process.stderr.read, daemon=True).start()
    try:
        yield Server(process, int(line.strip().rpartition(":")[2]), token)
    finally:
        process.terminate()
        process.wait(30)


def fill(folder: str, runs: int, points: int) -> tuple[str, str]:
    """A run with a long history and a large artifact, and many with much in them: id of the run, path of the artifact."""
    from runner.tracking import events
    from runner.tracking.store import Store

    with Store(f"{folder}/store") as store:
        with store.create_run("0", name="long") as writer:
            for first in range(0, points, 1000):
                writer.append(
                    events.metrics(
                        [("m", n * 0.37, 1_700_000_000_000 + n, n) for n in range(first, first + 1000)]
                    )
                )
            for first in range(0, points // 5, 1000):
                writer.append(
                    events.metrics(
                        [("small", n * 0.37, 1_700_000_000_000 + n, n) for n in range(first, first + 1000)]
                    )
                )
            place = os.path.join(writer.directory, "artifacts")
            os.makedirs(place, exist_ok=True)
            with open(f"{place}/large", "wb") as file:
                for _ in range(200):
                    file.write(os.urandom(1 << 20))
            run_id = writer.run_id
        for number in range(runs):
            with store.create_run("0", name=f"run {number}") as writer:
                writer.append(
                    *(events.tag(f"k{n}", f"{number * n % 97}" + "v" * 1000) for n in range(TAGS)),
                    *(events.param(f"p{n}", f"{number * n % 89}" + "w" * 200) for n in range(TAGS)),
                    events.metrics([(f"m{n}", number * n % 83, 1, 1) for n in range(TAGS)]),
                )  # fmt: skip
        store.search("")
    return run_id, f"0/{run_id}/artifacts/large"


# ---- one request


def encoded(asked: Asked, method: str, path: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{asked.port}\r\nAuthorization: Bearer {asked.token}\r\n"
    )
    if method == "POST":
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def exchange(link: socket.socket, request: bytes, room: bytearray) -> None:
    """Sends it and takes the answer, without looking at what it is."""
    link.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        piece = link.recv(65536)
        if not piece:
            raise OSError("closed")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    left = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) - len(rest)
    while left > 0:
        count = link.recv_into(room, min(left, len(room)))
        if not count:
            raise OSError("closed")
        left -= count


def repeat(asked: Asked, requests: Sequence[bytes], first: int) -> None:
    """One greedy client, until its time is over."""
    end, room, place = time.monotonic() + asked.seconds, bytearray(1 << 18), first
    link = None
    while time.monotonic() < end:
        try:
            link = link or socket.create_connection(("127.0.0.1", asked.port), timeout=asked.seconds + 30)
            exchange(link, requests[place % len(requests)], room)
        except OSError:
            link = None
            time.sleep(0.01)
        place += 1


def crowd(asked: Asked, requests: Sequence[bytes], clients: int = READERS) -> None:
    threads = [
        threading.Thread(target=repeat, args=(asked, requests, n), daemon=True) for n in range(clients)
    ]
    for thread in threads:
        thread.start()
    time.sleep(asked.seconds)


# ---- attacks


def searches(asked: Asked) -> None:
    """As much as is allowed of clauses, keys and results."""
    keys = ", ".join(f"'{n}'" for n in range(2000))
    filters = (
        "",
        " AND ".join(f"tags.k{n} LIKE '%{'v%' * 45}x%'" for n in range(100)).replace("AND", "OR"),
        " OR ".join(f"params.p{n} != 'a'" for n in range(100)),
        f"params.p1 NOT IN ({keys}) AND tags.k1 NOT IN ({keys})",
        " AND ".join(f"metrics.m{n} >= 0" for n in range(100)),
    )
    orders = [f"tags.k{n}" for n in range(10)] + [f"metrics.m{n} DESC" for n in range(10)]
    bodies = [
        json.dumps({"experiment_ids": ["0"] * 5000, "filter": text, "order_by": order, "max_results": 50_000})
        for text in filters
        for order in (orders, [])
    ]
    bodies.append(json.dumps({"filter": f"name LIKE '{'%a_' * 40}'", "max_results": 50_000}))
    crowd(asked, [encoded(asked, "POST", API + "runs/search", body.encode()) for body in bodies])


def histories(asked: Asked) -> None:
    path = f"{API}metrics/get-history?run_id={asked.run_id}"
    queries = (f"{path}&metric_key=m&max_results=250000", f"{path}&metric_key=small", f"{path}&metric_key=m&max_results=25000",
               f"{API}runs/get?run_id={asked.run_id}", f"/ajax-api/2.0/mlflow/metrics/get-history-bulk?run_id={asked.run_id}&metric_key=m",
               f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids={asked.run_id}&metric_key=m")  # fmt: skip
    crowd(asked, [encoded(asked, "GET", query) for query in queries])


def bodies(asked: Asked) -> None:
    point = b'{"key":"m","value":1,"timestamp":1,"step":1},'
    largest = 7_900_000
    texts = (
        b'{"run_id":"%s","metrics":[' % asked.run_id.encode()
        + point * (largest // len(point))
        + point[:-1]
        + b"]}",
        b'{"run_id":"%s","metrics":[' % asked.run_id.encode() + point * 8_000 + point[:-1] + b"]}",
        b'{"metrics": [' + b"[]," * 2_600_000 + b"[]]}",
        b'{"a": [' + b",".join([b"1" * 390] * 20_000) + b"]}",
        b'{"filter": "' + b"\\u0041" * 1_300_000 + b'"}',
        b'{"filter": "' + b"a" * largest + "😀".encode() + b'"}',
        b'{"a": [' + b'"",' * 2_600_000 + b'""]}',
        b"[" * largest,
        b'{"a":"' + b'\\"' * (largest // 2) + b'"}',
        json.dumps({f"k{n}": {"a": n} for n in range(24_000)}).encode(),
    )
    crowd(asked, [encoded(asked, "POST", API + "runs/log-batch", text) for text in texts])


def pages(asked: Asked) -> None:
    """What a browser sees, as the reader of the team that signed in."""
    paths = ("/ajax-api/2.0/mlflow/experiments/search?max_results=50000", "/openapi.json", f"{API}artifacts/list?run_id={asked.run_id}",
             "/metrics", f"{API}registered-models/search?max_results=1000")  # fmt: skip
    crowd(asked, [encoded(asked, "GET", path) for path in paths])


def downloads(asked: Asked) -> None:
    """128 at once, of a large file."""
    crowd(asked, [encoded(asked, "GET", f"/api/2.0/mlflow-artifacts/artifacts/{asked.file}")], 128)


def idle(asked: Asked) -> None:
    """Connections that say nothing, or half of a head."""
    keep(asked, [b"", encoded(asked, "GET", "/health")[:-3]], asked.connections, 0)


def slow(asked: Asked) -> None:
    """Readers that take little of a long answer, and writers that send a body byte by byte."""
    body = json.dumps({"experiment_ids": ["0"], "max_results": 50_000}).encode()
    history = f"{API}metrics/get-history?run_id={asked.run_id}&metric_key=small"
    keep(asked, [encoded(asked, "POST", API + "runs/search", body), encoded(asked, "GET", history),
                 encoded(asked, "GET", f"/api/2.0/mlflow-artifacts/artifacts/{asked.file}"),
                 encoded(asked, "POST", API + "runs/log-batch", b" " * 7_900_000)[:-7_000_000]], 600, 2000)  # fmt: skip


def keep(asked: Asked, requests: Sequence[bytes], count: int, taken: int) -> None:
    """Opens so many connections as quickly as it can, sends, and takes `taken` bytes a second of each."""
    end = time.monotonic() + asked.seconds
    links = []
    for number in range(count):
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.settimeout(5)
        try:
            link.connect(("127.0.0.1", asked.port))
            link.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                link.send(requests[number % len(requests)])
            links.append(link)
        except OSError:
            link.close()
        if time.monotonic() > end:
            break
    while time.monotonic() < end:
        for link in links if taken else ():
            with contextlib.suppress(OSError):
                link.recv(taken)
        time.sleep(1)
    for link in links:
        link.close()


def everything(asked: Asked) -> None:
    each = asked._replace(connections=asked.connections // 2)
    names = ("searches", "histories", "bodies", "downloads", "idle", "slow")
    threads = [threading.Thread(target=ATTACKS[name], args=(each,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    time.sleep(asked.seconds)


ATTACKS: dict[str, Callable[[Asked], None]] = {
    "searches": searches, "histories": histories, "bodies": bodies, "pages": pages, "downloads": downloads,
    "idle": idle, "slow": slow, "everything": everything,
}  # fmt: skip


# ---- what is measured


def favoured(pid: int = 0) -> None:
    """Before whatever else this machine does, the attackers too, who would be elsewhere."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, -15)


def pulse(port: int, pid: int) -> None:
    """Asks /health until standard input ends, then prints the times in ms. A process of its own: only the server may be late."""
    favoured()
    request = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    link = connected(port)
    kept: list[tuple[float, float]] = []
    new: list[tuple[float, float]] = []
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        while not selector.select(PAUSE):
            before = waited(pid)
            anew = len(kept) % 10 == 9 and len(new) < len(kept) // 9
            began = time.perf_counter()
            if anew:
                link.close()
                link = connected(port)
            link.sendall(request)
            answer = link.recv(4096)
            spent = time.perf_counter() - began
            late = sum(count - before.get(task, 0) for task, count in waited(pid).items()) / 1e9
            (new if anew else kept).append((spent * 1000, max(0.0, spent - late) * 1000))
            if not answer.startswith(b"HTTP/1.1 200"):
                link = connected(port)
    print(json.dumps((kept, new)))


def waited(pid: int) -> dict[str, int]:
    """ns in which each thread of the server, or of this process, was ready to run and no processor was free for it."""
    found = {}
    for one in (pid, os.getpid()):
        for task in os.listdir(f"/proc/{one}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{one}/task/{task}/schedstat") as file:
                found[task] = int(file.read().split()[1])
    return found


def connected(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port), timeout=20)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def memory(pid: int) -> int:
    """MB that the server and its helpers have taken at most."""
    total, pids = 0, [pid]
    while pids:
        one = pids.pop()
        with contextlib.suppress(OSError), open(f"/proc/{one}/status") as file:
            total += next((int(line.split()[1]) // 1024 for line in file if line.startswith("VmHWM")), 0)
        with contextlib.suppress(OSError), open(f"/proc/{one}/task/{one}/children") as file:
            pids += map(int, file.read().split())
    return total


def row(times: Sequence[list[list[float]]], which: int) -> str:
    kept, new = (sorted(each[which] for each in some) for some in times)
    return f"{kept[len(kept) // 2]:7.2f} {kept[int(len(kept) * 0.99)]:7.1f} {kept[-1]:7.1f} {max(new, default=0):7.1f}"


def measured(name: str, asked: Asked, attacked: Server, control: Server) -> None:
    me = [sys.executable, os.path.abspath(__file__)]
    pulses = [subprocess.Popen([*me, "--pulse", str(each.port), "--pid", str(each.process.pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
              for each in (attacked, control)]  # fmt: skip
    attack = subprocess.Popen([*me, "--attack", name], stdin=subprocess.PIPE, text=True)
    assert attack.stdin is not None
    attack.stdin.write(json.dumps(asked))
    attack.stdin.close()
    attack.wait()
    found = [json.loads(each.communicate("\n")[0]) for each in pulses]
    print(
        f"{name:12} {row(found[0], 1)}   {row(found[0], 0)}   {row(found[1], 0)}   {memory(attacked.process.pid):5}",
        flush=True,
    )
    time.sleep(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proj", default="")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=9000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--pulse", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--pid", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--attack", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.pulse:
        pulse(options.pulse, options.pid)
        return
    if options.attack:
        ATTACKS[options.attack](Asked(*json.load(sys.stdin)))
        os._exit(0)
    proj = [options.proj] if options.proj else [sys.executable, "-m", "runner"]
    folder = tempfile.mkdtemp()
    try:
        run_id, file = fill(f"{folder}/attacked", options.runs, options.points)
        with served(proj, f"{folder}/attacked") as attacked, served(proj, f"{folder}/idle") as control:
            asked = Asked(attacked.port, attacked.token, run_id, file, options.connections, options.seconds)
            print("             /health, ms                     with waits for a processor, ms    idle server, ms                 memory\n"
                  "            " + "     50%     99%     max     new  " * 3 + "    MB")  # fmt: skip
            for name in options.only or ATTACKS:
                measured(name, asked, attacked, control)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
