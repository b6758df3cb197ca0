"""`python -m runner.project.schema` prints MLproject.schema.json, made from the table of keys."""

from __future__ import annotations

import json
from typing import Any

from runner.project import keys

__all__ = ["schema", "text"]


def schema() -> dict[str, Any]:
    """JSON schema, draft 7 (what YAML language servers read). As MLflow, it lets unknown keys pass."""
    parameter = _mapping(keys.PARAMETER)
    parameter["anyOf"] = [
        {"type": "object"},
        {"$ref": "#/definitions/type"},
        {"type": ["null", "number", "boolean", "array"]},
    ]
    parameter["type"] = ["object", "string", "null", "number", "boolean", "array"]
    parameter["description"] = "A type, or a mapping with type, default and more."
    parameter["examples"] = ["float", {"type": "float", "default": 0.1, "min": 0}]
    docker = {**_mapping(keys.DOCKER), "type": ["object", "string", "null"]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "MLproject",
        "description": "A project that `mlflow run` and `proj run` can run.",
        **_mapping(keys.PROJECT),
        "type": ["object", "null"],
        "definitions": {
            "entry_point": {**_mapping(keys.ENTRY_POINT), "title": "Entry point"},
            "parameter": {**parameter, "title": "Parameter"},
            "type": keys.TYPE,
            "docker": {**docker, "title": "Docker environment"},
            "docker_build": {**_mapping(keys.DOCKER_BUILD), "title": "How the image is built"},
        },
    }


def _mapping(table: tuple[keys.Key, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {key.name: _property(key) for key in table},
        "additionalProperties": True,
    }


def _property(key: keys.Key) -> dict[str, Any]:
    described = key.description + (" (not known to MLflow)" if key.ours else "")
    if "$ref" in key.schema:  # what stands beside a $ref is ignored
        return {"description": described, "allOf": [key.schema]}
    return {"description": described, **key.schema}


def text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(text())
