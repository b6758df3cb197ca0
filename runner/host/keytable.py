"""Tables of the keys that a YAML file may have: its reader and its JSON schema (draft 7) are made from them."""

from __future__ import annotations

from typing import NamedTuple

from runner.values import JsonObject

__all__ = ["SCALAR", "TEXT", "TEXTS", "TEXT_OR_NOTHING", "Key", "mapping", "names"]

TEXT = {"type": "string"}
TEXT_OR_NOTHING = {"type": ["string", "null"]}
SCALAR = {"type": ["string", "number", "boolean", "null"]}
TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


class Key(NamedTuple):
    name: str
    description: str
    schema: JsonObject  # JSON schema of its value; "#/definitions/..." refers to another table
    ours: bool = False  # MLflow does not know it


def names(table: tuple[Key, ...]) -> list[str]:
    return [key.name for key in table]


def mapping(table: tuple[Key, ...]) -> JsonObject:
    return {
        "type": "object",
        "properties": {key.name: _property(key) for key in table},
        "additionalProperties": True,
    }


def _property(key: Key) -> JsonObject:
    described = key.description + (" (not known to MLflow)" if key.ours else "")
    if "$ref" in key.schema:  # what stands beside a $ref is ignored
        return {"description": described, "allOf": [key.schema]}
    return {"description": described, **key.schema}
