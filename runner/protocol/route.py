"""What an endpoint is: a method and a path, the fields it takes, and the function that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from runner.protocol.answer import Response
from runner.protocol.fields import Check, Checks, Message
from runner.values import JsonMapping

if TYPE_CHECKING:
    from runner.protocol.live import LiveRuns
    from runner.protocol.scope import Scope
    from runner.tracking.store import Store

__all__ = ["Asked", "Check", "Checks", "Handle", "Message", "Route", "checks", "texts"]


class Asked(NamedTuple):
    """One request, for a handler."""

    store: Store
    runs: LiveRuns
    scope: Scope
    values: JsonMapping  # typed fields that were given
    raw: JsonMapping  # as they came
    root: Callable[[str], str]  # where an experiment keeps its artifacts
    place: Mapping[str, str]  # variables of the path


Handle: TypeAlias = Callable[[Asked], Response]


class Route(NamedTuple):
    method: str
    path: str  # below /api/2.0/mlflow/; {name} stands for one part
    handle: Handle
    message: Message = MappingProxyType({})
    checks: Checks = MappingProxyType({})
    slow: bool = False  # may take seconds: answered in a thread
    blocks: bool = False  # reads many files, or waits for another process: in a thread, too


def checks(*texts: str) -> Checks:
    """`"run_id required string"`: a field and its checks, in their order."""
    return {text.split()[0]: tuple(text.split()[1:]) for text in texts}


def texts(*fields: str) -> tuple[Message, Checks]:
    """Message and checks of fields that are all strings: `"name string required"`."""
    checked = checks(*fields)
    return dict.fromkeys(checked, "string"), checked
