"""What a run takes over from the record of an earlier one, instead of finding it out for itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from runner.running.plan import Request

__all__ = ["REPLAY", "options_of", "replayed", "seed_variables"]

# Fields of a Request that decide how the command runs, and are not told by another part of the record.
OPTIONS = (
    "env_manager",
    "env",
    "python",
    "strict_python",
    "groups",
    "extras",
    "isolated",
    "docker_args",
    "build_image",
    "backend",
    "timeout",
    "grace",
    "extra",
    "seed",
)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


REPLAY = "PROJ_REPLAY"  # variable: a file with the locks of runs that the command is going to start


def replayed(entry_point: str, kind: str, file: str) -> Mapping[str, Any]:
    """`lock`, `wheels` and `offline` for a step of a run that is made again; {} when it has to see for itself."""
    path = os.environ.get(REPLAY)
    if not path:
        return {}
    import json

    try:
        with open(path, encoding="utf-8") as opened:
            steps = json.load(opened)
    except (OSError, ValueError):
        return {}
    return next(
        (
            step
            for step in steps
            if [step["entry_point"], step["kind"], step["file"]] == [entry_point, kind, file]
        ),
        {},
    )


def options_of(request: Request) -> dict[str, Any]:
    """For the record: the OPTIONS that are not as by default."""
    defaults = request._field_defaults
    given = {name: getattr(request, name) for name in OPTIONS}
    found = {name: value for name, value in given.items() if value != defaults[name]}
    if "docker_args" in found:
        found["docker_args"] = [_without_value(text) for text in found["docker_args"]]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _without_value(text: str) -> str:
    """`e=TOKEN=abc` -> `e=TOKEN`: docker takes the value from the caller, and the record has no secret."""
    name, sign, value = text.partition("=")
    return f"{name}={value.partition('=')[0]}" if sign and name in ("e", "env") else text


def seed_variables(seed: str, present: Mapping[str, str], cores: int) -> dict[str, str]:
    """What `--seed` pins: the hash seed, a seed for the program to read, the number of threads, and GPU libraries."""
    if not seed:
        return {}
    pinned = {"PYTHONHASHSEED": seed, "PROJ_SEED": seed}
    pinned |= {name: present.get(name) or str(cores) for name in THREADS}
    pinned |= {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "TF_DETERMINISTIC_OPS": "1"}
    return pinned
