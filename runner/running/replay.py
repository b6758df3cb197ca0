"""Locks for the steps of a run that is reproduced: a file that the outer run leaves for `proj run` in its command."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

__all__ = ["REPLAY", "step"]

REPLAY = "PROJ_REPLAY"  # variable: a file with the locks of runs that the command is going to start


def step(entry_point: str, kind: str, file: str) -> Mapping[str, Any]:
    """`lock`, `wheels` and `offline` for a step of a run that is reproduced; {} when it has to see for itself."""
    path = os.environ.get(REPLAY)
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as opened:
            steps = json.load(opened)
    except (OSError, ValueError):
        return {}
    wanted = [entry_point, kind, file]
    return next((each for each in steps if [each["entry_point"], each["kind"], each["file"]] == wanted), {})
