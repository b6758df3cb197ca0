"""Models on disk, as MLflow writes them: the files that are read without it."""

from __future__ import annotations

import json
import pickle
from typing import Any

from tests.helpers import make_tree

COLUMNS = [
    {"type": "double", "name": "a", "required": True},
    {"type": "long", "name": "b", "required": False},
]


def mlmodel(**more: Any) -> str:
    """The text of an MLmodel file; JSON is YAML, too."""
    stated = {
        "flavors": {
            "python_function": {
                "loader_module": "mlflow.sklearn",
                "python_version": "3.11.7",
                "env": {"virtualenv": "python_env.yaml"},
            },
            "sklearn": {"sklearn_version": "1.9.1", "serialization_format": "cloudpickle"},
        },
        "mlflow_version": "3.17.2",
        "model_uuid": "1" * 32,
        "signature": {"inputs": json.dumps(COLUMNS), "outputs": json.dumps(COLUMNS[:1]), "params": None},
        "utc_time_created": "2026-01-02 03:04:05.678",
        **more,
    }
    return json.dumps(stated)


def make_model(folder: object, files: dict[str, str | bytes] | None = None, **more: Any) -> str:
    return make_tree(
        folder,
        {
            "MLmodel": mlmodel(**more),
            "requirements.txt": "mlflow==3.17.2\nscikit-learn==1.9.1\n",
            "model.pkl": pickle.dumps([1]),
            **(files or {}),
        },
    )
