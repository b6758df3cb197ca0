"""Small real projects for reproducing, and how tests read verdicts."""

from __future__ import annotations

import json
import os
from typing import Any

from runner import paths
from runner.tracking.fold import Run
from runner.tracking.store import Store
from tests.helpers import proj

# The REST call that an MLflow client makes, without the client. By hand: urllib takes longer to load than a run.
LOG = """\
import json, os, socket

def log(key, value, step=0):
    call("log-metric", {"key": key, "value": value, "step": step, "timestamp": step})

def call(method, body):
    body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], **body})
    host, _, port = os.environ["MLFLOW_TRACKING_URI"].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall((
            f"POST /api/2.0/mlflow/runs/{method} HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n"
            f"Authorization: Bearer {os.environ.get('MLFLOW_TRACKING_TOKEN', '')}\\r\\n"
            f"Content-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}"
        ).encode())
        answer = connection.makefile("rb").read()
    assert b" 200 " in answer.split(b"\\r\\n")[0], answer
"""
MLPROJECT = """\
name: demo
entry_points:
  main:
    parameters:
      lr: {type: float, default: 0.1}
    command: "python3 train.py {lr}"
    outputs: [model.json]
"""
TRAIN = """\
import json, random, sys
from log import log
random.seed(7)
lr = float(sys.argv[1])
weights = []
for step in range(5):
    weights.append(random.random() * lr)
    log("loss", 1 - sum(weights), step)
json.dump(weights, open("model.json", "w"))
print("trained with", lr)
"""
DETERMINISTIC = {"MLproject": MLPROJECT, "train.py": TRAIN, "log.py": LOG}
# never twice the same, and always as far apart: a counter outside the project decides
NOISE = """\
    count = int(open(sys.argv[2]).read() or 0) if step == 0 else count
    open(sys.argv[2], "w").write(str(count + 1))
    weights.append(lr * step + (count % 2 * 2 - 1) * 0.001 * (1 + count / 100))
"""


def unseeded(counter: str) -> dict[str, str]:
    train = TRAIN.replace("    weights.append(random.random() * lr)\n", NOISE)
    project = MLPROJECT.replace("train.py {lr}", f"train.py {{lr}} {counter}")
    return {"MLproject": project, "train.py": train, "log.py": LOG}


def store() -> Store:
    return Store(paths.store())


def ran(*arguments: str, code: int = 0, **variables: str) -> Run:
    """Runs a project and returns its record."""
    done = proj("run", *arguments, "--json", **variables)
    assert done.code == code, done.err
    return store().read(json.loads(done.out)["run_id"])


def reproduced(run: Run | str, *arguments: str, **variables: str) -> dict[str, Any]:
    """The verdict, as `--json` tells it."""
    ref = run if isinstance(run, str) else run.run_id
    done = proj("reproduce", ref, "--json", *arguments, **variables)
    assert done.out, done.err
    verdict: dict[str, Any] = json.loads(done.out)
    assert done.code == verdict["exit_code"]
    return {**verdict, "err": done.err}


def result(verdict: dict[str, Any], name: str) -> str:
    (found,) = [each for each in verdict["compared"] if each["name"] == name]
    return str(found["result"])


def artifact(run_id: str, name: str) -> str:
    return os.path.join(store().run_directory(run_id), "artifacts", name)
