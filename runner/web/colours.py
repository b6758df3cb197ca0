"""The colour of a run follows from its id, so it is the same on every page; two in one picture never share one."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from functools import cache

from runner.web.assets import FOLDER

__all__ = ["COUNT", "of", "palette"]

COUNT = 16  # classes c0, c1, ... of chart.css


def of(run_ids: Sequence[str]) -> list[int]:
    """Numbers of classes. While there are enough of them, who comes later in the order of ids gives way."""
    taken: set[int] = set()
    found = {}
    for run_id in sorted(set(run_ids)):
        colour = int(hashlib.sha256(run_id.encode("utf-8", "replace")).hexdigest()[:8], 16) % COUNT
        while colour in taken and len(taken) < COUNT:
            colour = (colour + 1) % COUNT
        taken.add(colour)
        found[run_id] = colour
    return [found[run_id] for run_id in run_ids]


@cache
def palette() -> list[tuple[str, str]]:
    """Of each class the colour on white and on black, for files that stand alone."""
    with open(os.path.join(FOLDER, "chart.css"), encoding="utf-8") as file:
        return re.findall(r"\.c\d+ \{ --own: light-dark\((#\w+), (#\w+)\)", file.read())
