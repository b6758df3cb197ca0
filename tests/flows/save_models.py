"""Saves models of the installed MLflow: save_models.py FOLDER. Python functions only, which every release can."""

import os
import sys

import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

top = sys.argv[1]


class Told(mlflow.pyfunc.PythonModel):
    """Answers with what reached it: types and values of each column."""

    def predict(self, context, model_input, params=None):
        if isinstance(model_input, pd.DataFrame):
            return pd.DataFrame(
                {
                    str(name): [f"{model_input.dtypes.iloc[at]}"] * len(model_input)
                    for at, name in enumerate(model_input)
                }
            )
        if isinstance(model_input, dict):
            return {name: [str(value.dtype), list(value.shape)] for name, value in model_input.items()}
        return np.asarray(model_input) * 2


class Sum(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return model_input.sum(axis=1).to_numpy()


class Fails(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        raise ValueError("a fault of the model")


def columns(*types):
    return ModelSignature(Schema([ColSpec(kind, f"c{number}") for number, kind in enumerate(types)]))


DOUBLES = columns("double", "double", "double")
MODELS = {
    "doubles": (Sum(), DOUBLES),
    "mixed": (Told(), columns("double", "long", "string", "boolean", "datetime", "integer", "float")),
    "tensor": (Told(), ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 3))]))),
    "tensors": (
        Told(),
        ModelSignature(
            Schema([TensorSpec(np.dtype("int64"), (-1, 2), "a"), TensorSpec(np.dtype("float32"), (-1,), "b")])
        ),
    ),
    "free": (Told(), None),
    "fails": (Fails(), DOUBLES),
}
for name, (model, signature) in MODELS.items():
    mlflow.pyfunc.save_model(os.path.join(top, name), python_model=model, signature=signature)
