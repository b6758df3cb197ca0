"""What the folder of a model says of it: its MLmodel file, and its requirements."""

from __future__ import annotations

import os

from runner.host import files
from runner.values import JsonMapping

__all__ = ["mlmodel", "requirements"]


def mlmodel(folder: str) -> JsonMapping:
    """Empty where there is none that can be read."""
    import yaml

    try:
        found: object = yaml.safe_load(files.read(os.path.join(folder, "MLmodel"), 1 << 20))
    except (OSError, yaml.YAMLError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def requirements(folder: str) -> list[str]:
    """The lines of requirements.txt, sorted, without comments; at most 1 MiB is read."""
    try:
        text = files.read(os.path.join(folder, "requirements.txt"), 1 << 20).decode("utf-8", "replace")
    except OSError:
        return []
    return sorted(line.strip() for line in text.splitlines() if line.strip() and line[0] != "#")
