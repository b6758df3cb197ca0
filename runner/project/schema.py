"""`python -m runner.project.schema` prints MLproject.schema.json, made from the table of keys."""

from __future__ import annotations

import json
from typing import Any

from runner.host.keytable import mapping
from runner.project import keys

__all__ = ["schema", "text"]


def schema() -> dict[str, Any]:
    """JSON schema, draft 7 (what YAML language servers read). As MLflow, it lets unknown keys pass."""
    parameter = mapping(keys.PARAMETER)
    parameter["anyOf"] = [
        {"type": "object"},
        {"$ref": "#/definitions/type"},
        {"type": ["null", "number", "boolean", "array"]},
    ]
    parameter["type"] = ["object", "string", "null", "number", "boolean", "array"]
    parameter["description"] = "A type, or a mapping with type, default and more."
    parameter["examples"] = ["float", {"type": "float", "default": 0.1, "min": 0}]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "MLproject",
        "description": "A project that `mlflow run` and `proj run` can run.",
        **mapping(keys.PROJECT),
        "type": ["object", "null"],
        "definitions": {
            "entry_point": {**mapping(keys.ENTRY_POINT), "title": "Entry point"},
            "parameter": {**parameter, "title": "Parameter"},
            "retries": {**mapping(keys.RETRIES), "title": "Retries"},
            "type": keys.TYPE,
            **{name: each for key in keys.ENVIRONMENTS.values() for name, each in key.definitions.items()},
        },
    }


def text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(text())
