"""Images that a run wrote again and again, step by step: a name, and a picture for each step."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["series"]

# As MLflow's log_image(key=..., step=...) names them: images/KEY%step%STEP%timestamp%MS%ID.png
LOGGED = re.compile(r"(.*)%step%(\d{1,15})%timestamp%\d+%[0-9a-f-]+(\.\w+)$")
COUNTED = re.compile(r"(.*?)(\d{1,15})(\D*)$")  # epoch-0012.png


def series(paths: Iterable[str]) -> dict[str, dict[int, str]]:
    """Name -> step -> path. In a name # stands for the step; what has one step only goes by its path, as step 0.

    Of several at one step the last in the order of names counts; MLflow's small copies (.webp) are left out.
    """
    found: dict[str, dict[int, str]] = {}
    plain: list[str] = []
    every = sorted(paths)
    logged = {match[1] for path in every if (match := LOGGED.match(path)) and match[3] != ".webp"}
    for path in every:
        folder, slash, name = path.rpartition("/")
        if match := LOGGED.match(path):
            if match[3] != ".webp" or match[1] not in logged:
                found.setdefault(match[1], {})[int(match[2])] = path
        elif match := COUNTED.match(name):
            found.setdefault(f"{folder}{slash}{match[1]}#{match[3]}", {})[int(match[2])] = path
        else:
            plain.append(path)
    result = {path: {0: path} for path in plain}
    for name, steps in found.items():
        only = next(iter(steps.values()))
        result[name if len(steps) > 1 or LOGGED.match(only) else only] = (
            steps if len(steps) > 1 else {0: only}
        )
    return dict(sorted(result.items()))
