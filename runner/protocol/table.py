"""All endpoints: which function answers a method and a path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from runner.protocol import (
    artifacts,
    decisions,
    experiments,
    inputs,
    metrics,
    model_versions,
    models,
    registered_models,
    registered_search,
    runs,
    search,
    views,
    webhooks,
)
from runner.protocol.answer import ApiError
from runner.protocol.route import Route

__all__ = ["UNMADE", "Match", "endpoints", "match"]

# Versions are not told apart: clients of any version mean the same by these paths.
_PREFIX = re.compile(r"/(?:ajax-)?api/\d\.\d{1,2}/(?:preview/)?(mlflow|mlflow-artifacts)/(.+)\Z", re.DOTALL)
UNMADE = {
    "traces": "traces",
    "unified-traces": "traces",
    "gateway": "the gateway",
    "prompt-optimization": "prompt optimization",
    "datasets": "evaluation datasets",
    "scorers": "scorers",
}


class Match(NamedTuple):
    route: Route
    place: Mapping[str, str]


def _routes() -> dict[str, dict[str, dict[str, Route]]]:
    table: dict[str, dict[str, dict[str, Route]]] = {"mlflow": {}, "mlflow-artifacts": {}}
    modules = (
        *(experiments, runs, metrics, inputs, search, models, artifacts, views),
        *(registered_models, registered_search, model_versions, decisions, webhooks),
    )
    for module in modules:
        for route in module.ROUTES:
            table["mlflow"].setdefault(route.path, {})[route.method] = route
    for route in artifacts.FILES:
        table["mlflow-artifacts"].setdefault(route.path, {})[route.method] = route
    return table


_TABLE = _routes()
_PATTERNS = {
    family: [
        (
            re.compile(
                re.sub(
                    r"\\\{(\w+)(\\\*)?\\\}",
                    lambda found: f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})",
                    re.escape(path),
                )
                + r"\Z",
                re.DOTALL,
            ),
            methods,
        )
        for path, methods in paths.items()
        if "{" in path
    ]
    for family, paths in _TABLE.items()
}


def match(method: str, path: str) -> Match:
    """ApiError when there is no such endpoint."""
    if method == "HEAD":
        method = "GET"
    if path == "/get-artifact" and method == "GET":
        return Match(artifacts.SHOWN, {})
    found = _PREFIX.match(path)
    if found:
        family, rest = found.groups()
        methods = _TABLE[family].get(rest)
        if methods is not None and method in methods:
            return Match(methods[method], {})
        for pattern, others in _PATTERNS[family]:
            place = pattern.match(rest)
            if place:
                if method in others:
                    return Match(others[method], place.groupdict())
                methods = methods or others
        if methods is not None:
            raise ApiError("ENDPOINT_NOT_FOUND", f"{method} is not a method of this endpoint.", 405)
        part = UNMADE.get(rest.partition("/")[0])
        if part:
            raise ApiError(
                "ENDPOINT_NOT_FOUND",
                f"This server does not keep {part}; it keeps runs, logged models and registered models.",
            )
    raise ApiError("ENDPOINT_NOT_FOUND", "There is no such endpoint.")


def endpoints() -> list[tuple[str, Route]]:
    """(full path, route) of every one, for the description of the protocol."""
    return [
        (f"/api/2.0/{family}/{path}", route)
        for family, paths in _TABLE.items()
        for path, methods in paths.items()
        for route in methods.values()
    ]
