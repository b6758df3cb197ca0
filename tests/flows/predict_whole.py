"""Models and inputs, and what MLflow predicts for each as a whole: predict_whole.py FOLDER -> FOLDER/expected.json.

The models tell what reached them: of each row the type and the value of each column.
"""

import json
import os
import sys

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow.models import ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

top = sys.argv[1]
ROWS = 40


class Told(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        kinds = [str(kind) for kind in model_input.dtypes]
        rows = [
            " ".join(
                f"{name}:{kind}:{value!r}"
                for name, kind, value in zip(model_input.columns, kinds, row, strict=True)
            )
            for row in zip(*(model_input[name].tolist() for name in model_input.columns), strict=True)
        ]
        return pd.DataFrame({"told": rows, "scale": (params or {}).get("scale", 0.0)})


class Sums(mlflow.pyfunc.PythonModel):
    """Marks each call beside its folder; ends its process once, when it is told to."""

    def predict(self, context, model_input):
        with open(os.path.join(top, "calls"), "a") as file:
            file.write(f"{len(model_input)}\n")
        if os.path.exists(os.path.join(top, "dies")) and (model_input["a"] == 25.0).any():
            os.kill(os.getpid(), 9)
        return (model_input["a"] * 2).to_numpy()


class Short(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return np.zeros(3)


class Wide(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return np.array([[value, -value] for value in model_input["a"]])


frame = pd.DataFrame(
    {
        "a": [float(number) if number != 30 else float("nan") for number in range(ROWS)],
        "b": [number * 3 for number in range(ROWS)],
        "c": [f'text {number}, "é"\nline' if number % 7 else "" for number in range(ROWS)],
        "d": [number % 2 == 0 for number in range(ROWS)],
        "late": [number if number < 35 else None for number in range(ROWS)],  # whole numbers, then nothing
        "mixed": ["1" if number < 38 else "x" for number in range(ROWS)],
        "none": [None] * ROWS,
    }
)
for name in ("a.csv", "a.parquet", "a.jsonl"):
    path = os.path.join(top, name)
    if name.endswith("csv"):
        frame.to_csv(path, index=False)
    elif name.endswith("parquet"):
        table = pa.Table.from_pandas(frame.astype({"late": "Int64"}), preserve_index=False)
        pq.write_table(
            table.replace_schema_metadata(None), path, row_group_size=9
        )  # as others than pandas write it
    else:
        with open(path, "w") as file:
            for row in json.loads(frame.to_json(orient="records")):
                file.write(json.dumps(row) + "\n")

columns = [
    ColSpec("double", "a"), ColSpec("long", "b"), ColSpec("string", "c"), ColSpec("boolean", "d"),
    ColSpec("double", "late", required=False), ColSpec("string", "mixed"),
]  # fmt: skip
params = ParamSchema([ParamSpec("scale", "double", 1.0), ParamSpec("word", "string", "x")])
MODELS = {
    "typed": (Told(), ModelSignature(Schema(columns), params=params)),
    "free": (Told(), None),
    "sums": (Sums(), ModelSignature(Schema([ColSpec("double", "a")]))),
    "short": (Short(), None),
    "wide": (Wide(), None),
}
expected = {}
for name, (model, signature) in MODELS.items():
    folder = os.path.join(top, name)
    mlflow.pyfunc.save_model(folder, python_model=model, signature=signature)
    if name not in ("typed", "free"):
        continue
    loaded = mlflow.pyfunc.load_model(folder)
    schema = loaded.metadata.get_input_schema()
    with open(os.path.join(top, "a.jsonl")) as file:
        rows = [json.loads(line) for line in file]
    whole = {
        "csv": scoring_server.parse_csv_input(os.path.join(top, "a.csv"), schema),
        "parquet": pd.read_parquet(os.path.join(top, "a.parquet")),
        "jsonl": scoring_server.infer_and_parse_data({"dataframe_records": rows}, schema),
    }
    for form, given in whole.items():
        expected[f"{name} {form}"] = loaded.predict(given)["told"].tolist()
with open(os.path.join(top, "expected.json"), "w") as file:
    json.dump(expected, file)
