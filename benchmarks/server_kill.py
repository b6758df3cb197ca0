"""Kills `proj server` at random moments under load, and looks whether everything that it acknowledged is there.

    python benchmarks/server_kill.py [--rounds 1000] [--clients 8] [--workers 1]

Each client logs points, parameters and tags to a run of its own and remembers what was acknowledged. After every
kill, the store is read by a new process of the server and by the index. Prints how much was checked; exits with 1
when something is missing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

API = "/api/2.0/mlflow/"


class Client(threading.Thread):
    """Logs until the connection is cut."""

    def __init__(self, port: int, number: int) -> None:
        super().__init__()
        self.link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.number = number
        self.run_id = ""
        self.steps: set[int] = set()
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}

    def post(self, path: str, body: dict[str, Any]) -> Any:
        self.link.request("POST", API + path, json.dumps(body), {"Content-Type": "application/json"})
        answer = self.link.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"refused: {text!r}")
        return json.loads(text)

    def run(self) -> None:
        try:
            self.run_id = self.post("runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"][
                "run_id"
            ]
            for step in range(1_000_000):
                point = {"key": "m", "value": step, "timestamp": 1, "step": step}
                if step % 10 == 3:
                    points = [{**point, "step": step * 1000 + n} for n in range(200)]
                    self.post("runs/log-batch", {"run_id": self.run_id, "metrics": points})
                    self.steps.update(each["step"] for each in points)
                elif step % 10 == 5:
                    name = f"p{step}"
                    self.post("runs/log-parameter", {"run_id": self.run_id, "key": name, "value": "v"})
                    self.params[name] = "v"
                elif step % 10 == 7:
                    self.post("runs/set-tag", {"run_id": self.run_id, "key": "t", "value": str(step)})
                    self.tags["t"] = str(step)
                else:
                    self.post("runs/log-metric", {"run_id": self.run_id, **point})
                    self.steps.add(step)
        except (OSError, ValueError, http.client.HTTPException):
            pass
        finally:
            self.link.close()


def start(folder: str, workers: int) -> tuple[subprocess.Popen[str], int]:
    argv = [os.path.join(os.path.dirname(sys.executable), "proj"), "server", "--port", "0", "--store", folder]
    server = subprocess.Popen(
        [*argv, "--workers", str(workers)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert server.stderr is not None
    while line := server.stderr.readline():
        if "MLFLOW_TRACKING_URI=" in line:
            return server, int(line.strip().rpartition(":")[2])
    sys.exit("the server did not start")


def await_acknowledgement(clients: list[Client]) -> None:
    """A server that is killed before it has answered anybody proves nothing."""
    deadline = time.monotonic() + 30
    while not any(client.steps for client in clients):
        if time.monotonic() > deadline:
            sys.exit("the server acknowledged nothing")
        time.sleep(0.001)


def missing(folder: str, clients: list[Client]) -> list[str]:
    from runner.tracking.store import Store

    found = []
    with Store(folder) as store:
        listed = {run.run_id: run for run in store.search(limit=10_000).runs}
        for client in clients:
            if not client.run_id:
                continue
            run = store.read(client.run_id)
            if listed.get(client.run_id) != run:
                found.append(f"{client.run_id}: the index is not what the log says")
            steps = {point.step for point in store.history(client.run_id, "m", limit=10_000_000).points}
            if lost := client.steps - steps:
                found.append(f"{client.run_id}: {len(lost)} points of {len(client.steps)}")
            if client.params.items() - run.params.items():
                found.append(f"{client.run_id}: parameters")
            if int(run.tags.get("t", -1)) < int(client.tags.get("t", -1)):
                found.append(f"{client.run_id}: a tag")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    dice, checked, problems = random.Random(7), 0, 0
    for number in range(options.rounds):
        folder = tempfile.mkdtemp(prefix="proj-kill-")
        server, port = start(folder, options.workers)
        clients = [Client(port, each) for each in range(options.clients)]
        for client in clients:
            client.start()
        await_acknowledgement(clients)
        time.sleep(dice.uniform(0.02, 0.4))
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        for client in clients:
            client.join()
        checked += sum(len(client.steps) + len(client.params) for client in clients)
        for problem in missing(folder, clients):
            problems += 1
            print(f"round {number}: {problem}")
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{options.rounds} kills, {checked} acknowledged writes looked for, {problems} problems")
    sys.exit(1 if problems or not checked else 0)


if __name__ == "__main__":
    main()
