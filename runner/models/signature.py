"""The signature of a model: what it takes and what it gives, as MLmodel states them.

MLmodel holds three texts of JSON: `inputs`, `outputs` and `params` (mlflow/types/schema.py has the format). A column is
`{"name": "a", "type": "double", "required": true}`, with types made of others: `{"type": "array", "items": ...}`,
`{"type": "map", "values": ...}`, `{"type": "object", "properties": {"b": ...}}`; a tensor is
`{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 10]}}`.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from runner.errors import InputError
from runner.values import Json

__all__ = ["NONE", "Field", "Signature", "read"]

DEEPEST = 30  # types within types


class Field(NamedTuple):
    """A column, a tensor or a parameter."""

    name: str  # "" where it has none
    type: str  # double, array(long), map(string), {a: long, b?: string}, tensor(float64, -1x10)
    required: bool = True
    default: Json = None  # of a parameter, which always has one

    def __str__(self) -> str:
        """`name: type`, as people write it."""
        name = f"{self.name}{'' if self.required else '?'}: " if self.name else ""
        return f"{name}{self.type}"


class Signature(NamedTuple):
    inputs: tuple[Field, ...] = ()
    outputs: tuple[Field, ...] = ()
    params: tuple[Field, ...] = ()

    def facts(self) -> dict[str, object]:
        return {name: [each._asdict() for each in getattr(self, name)] for name in self._fields}


NONE = Signature()


def read(stated: Json, where: str) -> Signature:
    """NONE for a model that states none. InputError, which names the file `where`, for one that cannot be read."""
    if stated is None:
        return NONE
    if not isinstance(stated, dict):
        raise InputError(f"{where}: the signature is no mapping")
    return Signature(
        *(tuple(_fields(stated.get(name), f"{where}: signature.{name}")) for name in Signature._fields)
    )


def _fields(text: Json, where: str) -> list[Field]:
    if text is None:
        return []
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except ValueError as error:
        raise InputError(f"{where} is no JSON: {error}") from None
    if isinstance(found, dict):  # one tensor, or an object
        found = [found]
    if not isinstance(found, list):
        raise InputError(f"{where} is no list of columns")
    return [_field(each, where) for each in found]


def _field(stated: Json, where: str) -> Field:
    if not isinstance(stated, dict):
        raise InputError(f"{where}: {str(stated)[:80]} is no column")
    kind = _type(stated, where)
    if "default" in stated and stated.get("shape") is not None:  # a parameter that is a list
        kind = f"array({kind})"
    return Field(
        str(stated.get("name") or ""), kind, bool(stated.get("required", True)), stated.get("default")
    )


def _type(stated: object, where: str, depth: int = 0) -> str:
    if isinstance(stated, str):
        return stated
    if not isinstance(stated, dict) or depth > DEEPEST:
        raise InputError(f"{where}: {str(stated)[:80]} is no type")
    kind = str(stated.get("type", ""))
    if kind == "tensor":
        spec = stated.get("tensor-spec")
        if not isinstance(spec, dict) or not isinstance(spec.get("shape"), list):
            raise InputError(f"{where}: a tensor has a tensor-spec with dtype and shape")
        return f"tensor({spec.get('dtype')}, {'x'.join(map(str, spec['shape']))})"
    if kind == "array":
        return f"array({_type(stated.get('items'), where, depth + 1)})"
    if kind == "map":
        return f"map({_type(stated.get('values'), where, depth + 1)})"
    if kind == "object":
        inner = stated.get("properties")
        named = inner.items() if isinstance(inner, dict) else ()
        parts = (f"{name}{_mark(each)}: {_type(each, where, depth + 1)}" for name, each in named)
        return "{" + ", ".join(parts) + "}"
    if not kind:
        raise InputError(f"{where}: a column without a type")
    return kind


def _mark(stated: object) -> str:
    return "?" if isinstance(stated, dict) and stated.get("required") is False else ""
