"""The worker's quick way against MLflow's own: compare_fast.py WORKER PAYLOADS COUNT -> JSON of what was found.

The model tells what reached it: types, columns, index and values.
"""

import importlib.util
import json
import logging
import random
import sys
import tempfile

import mlflow.sklearn
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from sklearn.base import BaseEstimator


def imported(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


worker, made = imported("worker", sys.argv[1]), imported("payloads", sys.argv[2])
logging.disable(logging.CRITICAL)


class Told(BaseEstimator):
    def fit(self, x, y=None):
        return self

    def predict(self, x):
        about = [type(x).__name__, str(x.columns.dtype), str(x.index), [str(each) for each in x.columns]]
        return [
            about,
            *([str(x.dtypes.iloc[at]), *map(repr, x.iloc[:, at].tolist())] for at in range(x.shape[1])),
        ]


SIGNATURES = (
    ["double"] * 3, ["double", "long", "string", "boolean", "integer", "float"], ["float"] * 3, ["long"] * 2, ["string"] * 2,
)  # fmt: skip
PLAIN = {
    "double": made.NUMBERS, "float": made.NUMBERS, "boolean": [True, False], "string": ["a", "", "é", "2024-01-01"],
    "long": [1, 2, -5, 2**53 + 1, 2**63 - 1, 2**63, 1.0], "integer": [1, -2, 2**31, 2**40],
}  # fmt: skip


def plain(chance, types, names):
    """Bodies of the right columns, of which most are quick."""
    rows = [[chance.choice(PLAIN[kind]) for kind in types] for _ in range(chance.choice([1, 2, 3, 10]))]
    if chance.random() < 0.5:
        return {"dataframe_split": {"columns": names, "data": rows}}
    return {"dataframe_records": [dict(zip(names, row, strict=False)) for row in rows]}


count = quick = 0
different = []
for types in SIGNATURES:
    names = [f"c{at}" for at in range(len(types))]
    folder = f"{tempfile.mkdtemp()}/model"
    signature = ModelSignature(
        Schema([ColSpec(kind, name) for kind, name in zip(types, names, strict=False)])
    )
    mlflow.sklearn.save_model(
        Told(), folder, signature=signature, serialization_format="cloudpickle", pip_requirements=["mlflow"]
    )
    model, server = worker.load(folder)
    own, fast = worker.Direct(model, server), worker.Fast(model, server)
    chance = random.Random(7)
    bodies = [each for each in made.FIXED if each.kind == worker.JSON]
    for _ in range(int(sys.argv[3]) // len(SIGNATURES)):
        asked = plain(chance, types, names) if chance.random() < 0.6 else made._asked(chance, names)
        bodies.append(made.Payload(json.dumps(asked).encode()))
    for each in bodies:
        count += 1
        found = fast(each.body, each.kind)
        if found is not None:
            quick += 1
            if found != worker.safely(own, worker.Item(0, each.kind, each.body)):
                different.append(each.body.decode())
print(json.dumps({"count": count, "quick": quick, "different": different[:5]}))
