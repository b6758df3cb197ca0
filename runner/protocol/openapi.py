"""The description of the protocol (OpenAPI 3.1), made from the table of endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from runner import __version__
from runner.protocol.answer import reply
from runner.protocol.fields import EnumKind
from runner.protocol.route import Route
from runner.protocol.table import endpoints
from runner.values import JsonMapping, JsonObject

__all__ = ["described"]

SCALARS: Mapping[str, JsonObject] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    # as in protobuf's JSON, numbers may be strings
    "double": {"anyOf": [{"type": "number"}, {"type": "string"}]},
    "int32": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^-?\d+$"}]},
    "int64": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^-?\d+$"}]},
}
ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
}


@cache
def described() -> bytes:
    """As JSON; made once."""
    return reply(_description()).body


def _description() -> JsonObject:
    paths: dict[str, JsonObject] = {}
    for path, route in endpoints():
        plain = re.sub(r"\{(\w+)\*\}", r"{\1}", path)
        paths.setdefault(plain, {})[route.method.lower()] = _operation(path, route)
    for name, text in (("/health", "OK"), ("/version", "The version of the protocol")):
        paths[name] = {"get": {"responses": {"200": {"description": text, "content": {"text/plain": {}}}}}}
    uploads = paths["/api/2.0/mlflow-artifacts/artifacts/{path}"]
    uploads["put"] = {
        **uploads["get"],
        "requestBody": {"content": {"application/octet-stream": {}}},
        "responses": _responses(),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "MLflow REST protocol, as `proj server` speaks it", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def _operation(path: str, route: Route) -> JsonObject:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\*?\}", path)
    ]
    operation: JsonObject = {"responses": _responses()}
    required = [name for name, checks in route.checks.items() if "required" in checks]
    if route.method == "GET":
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": _schema(kind)}
            for name, kind in route.message.items()
        ]
        if "/artifacts/{path*}" in path:
            content = {"description": "The file", "content": {"*/*": {}}}
            operation["responses"] = {
                **_responses(),
                "200": content,
                "206": content,
                "416": {"description": "No such range"},
            }
    elif route.message or route.method in ("POST", "PATCH"):
        schema = _object(route.message)
        if required:
            schema["required"] = required
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if parameters:
        operation["parameters"] = parameters
    return operation


def _responses() -> JsonObject:
    refused = {"content": {"application/json": {"schema": ERROR}}}
    return {
        "200": {"description": "Done", "content": {"application/json": {"schema": {"type": "object"}}}},
        "400": {"description": "Not understood, or not allowed", **refused},
        "401": {"description": "A token is needed", **refused},
        "403": {"description": "The token does not allow it", **refused},
        "404": {"description": "Not there", **refused},
        "413": {"description": "Too large", **refused},
        "429": {"description": "Too often", **refused},
    }


def _schema(kind: Any) -> JsonObject:
    if isinstance(kind, str):
        return dict(SCALARS[kind])
    if isinstance(kind, EnumKind):
        return {"enum": list(kind.names)}
    if isinstance(kind, list):
        return {"type": "array", "items": _schema(kind[0])}
    return _object(kind)


def _object(message: JsonMapping) -> JsonObject:
    return {"type": "object", "properties": {name: _schema(kind) for name, kind in message.items()}}
