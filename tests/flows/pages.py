"""Runs of random names and values by a real client, which says as JSON what they are: SEED COUNT."""

import json
import math
import random
import sys

from mlflow.tracking import MlflowClient

SIGNS = "abcXYZ 0189 <b>&\"'`{{}}%#?;|\\/é漢🙂\u202e"
CHANCE = random.Random(int(sys.argv[1]))


def text(most=20):
    return "".join(CHANCE.choice(SIGNS) for _ in range(CHANCE.randrange(1, most))).strip() or "x"


def number():
    kind = CHANCE.randrange(12)
    if kind < 3:
        return (math.nan, math.inf, -math.inf)[kind]
    if kind < 6:
        return (1.7e308, -1e-300, 0.0)[kind - 3]
    return CHANCE.uniform(-1, 1) * 10 ** CHANCE.randrange(-6, 7)


made = []
client = MlflowClient()
for place in range(int(sys.argv[2])):
    points = [number() for _ in range(CHANCE.randrange(1, 8))]
    params = {f"p{at}": text(60) for at in range(CHANCE.randrange(4))}
    status = CHANCE.choice(("FINISHED", "FINISHED", "FAILED", "KILLED"))
    parent = CHANCE.choice(made)["run_id"] if made and CHANCE.random() < 0.2 else ""
    tags = {"mlflow.parentRunId": parent} if parent else {}
    run = client.create_run("0", tags={**tags, "mlflow.runName": f"{text()}-{place}", "note": text(80)})
    run_id = run.info.run_id
    for key, value in params.items():
        client.log_param(run_id, key, value)
    for step, value in enumerate(points):
        client.log_metric(run_id, "val/loss 1", value, step=step)
    if CHANCE.random() < 0.3:
        client.log_text(run_id, text(200), f"out/{place}.txt")
    client.set_terminated(run_id, status)
    named = client.get_run(run_id)
    made.append({
        "run_id": run_id, "name": named.data.tags["mlflow.runName"], "status": status, "params": params,
        "points": [str(value) for value in points], "parent": parent,
    })  # fmt: skip
json.dump(made, sys.stdout)
