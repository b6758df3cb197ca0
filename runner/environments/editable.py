"""Packages that are installed editable: their code lies in a folder of somebody's, and no lock knows what it is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

__all__ = ["editable"]


def editable(interpreter: str, lock: str) -> list[str]:
    """Names of those that a lock states (`-e PATH`), or that the environment of an interpreter has; sorted.

    By `direct_url.json` (PEP 610), and by `.egg-link` of `setup.py develop`.
    """
    found = {line[3:].strip() for line in lock.splitlines() if line.startswith("-e ")}
    for site in _sites(interpreter) if interpreter else ():
        try:
            names = os.listdir(site)
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info") and _says_so(os.path.join(site, name, "direct_url.json")):
                found.add(name.partition("-")[0])
            elif name.endswith(".egg-link"):
                found.add(name.removesuffix(".egg-link"))
    return sorted(found)


def _says_so(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return bool(json.load(file).get("dir_info", {}).get("editable"))
    except (OSError, ValueError, AttributeError):
        return False


def _sites(interpreter: str) -> Iterator[str]:
    own = os.path.dirname(os.path.dirname(interpreter))
    if not os.path.exists(os.path.join(own, "pyvenv.cfg")):
        own = os.path.dirname(os.path.dirname(os.path.realpath(interpreter)))
    library = os.path.join(own, "lib")
    try:
        versions = [name for name in os.listdir(library) if name.startswith("python3")]
    except OSError:
        return
    for version in versions:
        for kind in ("site-packages", "dist-packages"):
            yield os.path.join(library, version, kind)
