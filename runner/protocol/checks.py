"""Which names and values MLflow accepts, with its own words for what it refuses."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Sequence
from typing import Any

from runner.protocol.answer import invalid
from runner.values import JsonMapping

__all__ = [
    "batch",
    "elsewhere",
    "experiment_name",
    "key",
    "length",
    "metric",
    "param",
    "tag",
    "wrong",
]

KEY = 250
PARAM = 6000  # longer values are cut
TAG = 8000  # longer values are cut
EXPERIMENT_TAG = 20_000
EXPERIMENT_NAME = 500
METRICS_A_BATCH = 1000
OTHERS_A_BATCH = 100

_KEY = re.compile(r"[/\w.\- :]*\Z")
_EXPERIMENT_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,63}\Z")
_CHARACTERS = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:)"
    " and slashes (/)."
)
_good: set[str] = set()  # keys that passed: the same few come again and again


def wrong(path: str, value: object, reason: str = "") -> Exception:
    """In MLflow's words; to be raised."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return invalid(
        f"Invalid value {text} for parameter '{path}' supplied" + (f": {reason}" if reason else ".")
    )


def key(name: str | None, path: str, what: str) -> str:
    """A key of a metric, parameter or tag; `what` as the message about its length calls it."""
    if name in _good:
        return str(name)
    if not name:
        if name is None:
            raise wrong(path, "", "A key name must be provided.")
        raise wrong(path, name, elsewhere(name))
    if not _KEY.match(name):
        raise wrong(path, name, _CHARACTERS)
    plain = posixpath.normpath(name)
    if plain != name or plain == "." or plain.startswith(("..", "/")):
        raise wrong(path, name, elsewhere(name))
    length(what, KEY, name)
    if len(_good) > 10_000:
        _good.clear()
    _good.add(name)
    return name


def elsewhere(name: str) -> str:
    return (
        "Names may be treated as files in certain cases, and must not resolve to other names when treated"
        f" as such. This name would resolve to {posixpath.normpath(name)!r}"
    )


def length(what: str, limit: int, value: str) -> None:
    """`limit`: characters. ApiError for more."""
    if len(value) > limit:
        raise invalid(f"'{what}' exceeds the maximum length of {limit} characters")


def metric(name: str | None, timestamp: int, path: str = "") -> str:
    """The name of a metric that can be logged; `timestamp`: ms since 1970. ApiError for others."""
    prefix = f"{path}." if path else ""
    good = key(name, f"{prefix}name", "Metric name")
    if timestamp < 0:
        reason = f"metric '{good}'. Timestamp must be a nonnegative long (64-bit integer) "
        raise wrong(f"{prefix}timestamp", timestamp, reason)
    return good


def param(name: str | None, value: str, path: str = "") -> tuple[str, str]:
    return key(name, f"{path}.key" if path else "key", "Param key"), value[:PARAM]


def tag(name: str | None, value: str, path: str = "") -> tuple[str, str]:
    return key(name, f"{path}.key" if path else "key", f"{path}.key" if path else "key"), value[:TAG]


def batch(metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]) -> None:
    """ApiError for more than MLflow takes in one request."""
    total = len(metrics) + len(params) + len(tags)
    for name, limit, count in (
        ("metrics", METRICS_A_BATCH, len(metrics)),
        ("params", OTHERS_A_BATCH, len(params)),
        ("tags", OTHERS_A_BATCH, len(tags)),
        ("metrics, params, and tags", METRICS_A_BATCH, total),
    ):
        if count > limit:
            raise invalid(
                f"A batch logging request can contain at most {limit} {name}. Got {count} {name}."
                f" Please split up {name} across multiple requests and try again."
            )


def unique_params(params: Sequence[JsonMapping]) -> None:
    """ApiError, in MLflow's words, for a key that comes twice."""
    seen: set[Any] = set()
    twice = []
    for each in params:
        if each.get("key") in seen:
            twice.append(each.get("key"))
        seen.add(each.get("key"))
    if twice:
        raise invalid(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure the request contains"
            " only one param value per param key."
        )


def experiment_id(given: str) -> str:
    """The id. ApiError for what cannot be one."""
    if not _EXPERIMENT_ID.match(given):
        raise invalid(f"Invalid experiment ID: '{given}'")
    if not given.isascii() or not given.isdigit():
        raise invalid(f"Invalid experiment ID '{given}'. Experiment ID must be a valid integer.")
    return given


def experiment_name(name: str) -> None:
    """ApiError for one that is empty or too long."""
    if not name:
        raise invalid(f"Invalid experiment name: '{name}'")
    length("name", EXPERIMENT_NAME, name)


def experiment_tag(name: str, value: str) -> None:
    """ApiError for a key or value that MLflow would refuse."""
    key(name, "key", "key")
    length("value", EXPERIMENT_TAG, value)
