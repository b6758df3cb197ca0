"""`proj serve` and `mlflow models serve`, side by side: the same model, the same environment, interleaved, medians.

    python benchmarks/serve.py --mlflow PATH/TO/mlflow [--repeats 3] [--requests 200] [--check]

A logistic regression and a forest of 100 trees, each with 10 doubles; requests are `dataframe_split`. CPU is that of the
server's processes, user and system. `--check` fails when a ratio of the logistic regression is worse than it may be.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

RATIOS = {  # ours / MLflow's, at most
    "start, CPU (s)": 0.75, "memory, PSS (MiB)": 0.65, "1 row, CPU (ms)": 1 / 4, "1,000 rows, CPU (ms)": 1 / 4.5,
    "16 connections, time (ms)": 1 / 25,
}  # fmt: skip
TICK = os.sysconf("SC_CLK_TCK")
SAVE = """
import sys
import mlflow.sklearn, numpy as np, pandas as pd
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
frame = pd.DataFrame(np.random.default_rng(0).normal(size=(2000, 10)), columns=["c%d" % at for at in range(10)])
wanted = (frame.sum(axis=1) > 0).astype(int)
for name, model in (("regression", LogisticRegression()), ("forest", RandomForestClassifier(100))):
    model.fit(frame, wanted)
    mlflow.sklearn.save_model(
        model, sys.argv[1] + "/" + name, signature=infer_signature(frame, model.predict(frame)),
        input_example=frame[:2], serialization_format="cloudpickle",
    )
"""


class Side(NamedTuple):
    name: str
    argv: tuple[str, ...]  # {model}, {port}


class Running(NamedTuple):
    pid: int
    port: int

    def processes(self) -> list[int]:
        found, waiting = [], [self.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for thread in os.listdir(f"/proc/{pid}/task"):  # each has its own children
                with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:
                    waiting += map(int, file.read().split())
        return found

    def cpu(self) -> float:
        """s of all its processes, and of their children that have ended."""
        total = 0.0
        for pid in self.processes():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
                total += sum(map(int, file.read().rpartition(") ")[2].split()[11:15])) / TICK
        return total

    def memory(self) -> float:
        """MiB, of which shared pages count in part."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        return total / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mlflow", required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    environment = os.path.dirname(os.path.dirname(os.path.abspath(given.mlflow)))
    serve = ("serve", "{model}", "-p", "{port}", "--env", environment)
    own = (sys.executable, "-m", "runner", *serve)
    theirs = (given.mlflow, "models", "serve", "-m", "{model}", "-p", "{port}", "--env-manager", "local")
    sides = [Side("MLflow", theirs), Side("proj", own), Side("proj --batch 64", (*own, "--batch", "64"))]
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [os.path.join(environment, "bin/python"), "-c", SAVE, folder], check=True, capture_output=True
        )
        os.environ["PATH"] = (
            f"{environment}/bin{os.pathsep}{os.environ['PATH']}"  # MLflow calls uvicorn by its name
        )
        os.environ |= {"PROJ_HOME": os.path.join(folder, "home"), "MLFLOW_DISABLE_TELEMETRY": "true"}
        for model in ("regression", "forest"):
            found: dict[str, dict[str, list[float]]] = {side.name: {} for side in sides}
            for _ in range(given.repeats):
                for side in sides:
                    with running(side, os.path.join(folder, model)) as server:
                        for key, value in measured(server, given.requests).items():
                            found[side.name].setdefault(key, []).append(value)
            wrong += shown(model, found)
    if wrong and given.check:
        print("worse than it may be:", ", ".join(wrong))
    return 1 if wrong and given.check else 0


def shown(model: str, found: dict[str, dict[str, list[float]]]) -> list[str]:
    """Prints a table; the names of the ratios that are too great."""
    wrong = []
    print(f"\n{model:28}" + "".join(f"{name:>18}" for name in found) + "   ratio   at most")
    for key, most in RATIOS.items():
        values = {name: statistics.median(each[key]) for name, each in found.items()}
        ours = values["proj --batch 64" if "connections" in key else "proj"]
        ratio = ours / values["MLflow"]
        print(
            f"{key:28}" + "".join(f"{value:18.2f}" for value in values.values()) + f"{ratio:8.3f} {most:8.3f}"
        )
        if model == "regression" and ratio > most:
            wrong.append(key)
    return wrong


def measured(server: Running, requests: int) -> dict[str, float]:
    found = {"start, CPU (s)": server.cpu()}
    link = connection(server)
    for key, rows, count in (("1 row, CPU (ms)", 1, requests), ("1,000 rows, CPU (ms)", 1000, requests // 4)):
        body = asked(rows)
        for _ in range(5):
            ask(link, body)
        began = server.cpu()
        for _ in range(count):
            ask(link, body)
        found[key] = 1000 * (server.cpu() - began) / count
    link.close()
    began = time.monotonic()
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: several(server, requests // 4), range(16)))
    found["16 connections, time (ms)"] = 1000 * (time.monotonic() - began) / (16 * (requests // 4))
    found["memory, PSS (MiB)"] = server.memory()
    return found


def several(server: Running, count: int) -> None:
    link, body = connection(server), asked(1)
    for _ in range(count):
        ask(link, body)
    link.close()


def asked(rows: int) -> bytes:
    data = [[(row * 10 + column) / 7 % 3 - 1 for column in range(10)] for row in range(rows)]
    return json.dumps({"dataframe_split": {"columns": [f"c{at}" for at in range(10)], "data": data}}).encode()


def connection(server: Running) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)


def ask(link: http.client.HTTPConnection, body: bytes) -> None:
    link.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    answer = link.getresponse()
    data = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {data[:300]!r}")


@contextlib.contextmanager
def running(side: Side, model: str) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    argv = [each.format(model=model, port=port) for each in side.argv]
    process = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    server = Running(process.pid, port)
    try:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                link = connection(server)
                link.request("GET", "/ping")
                if link.getresponse().status == 200:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{side.name} does not serve: {' '.join(argv)}")
            time.sleep(0.2)
        yield server
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(20)


if __name__ == "__main__":
    sys.exit(main())
