"""What runs code when a model is loaded: told by the bytes of its files, not only by what it says of itself."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

from runner.values import JsonMapping

__all__ = ["Risk", "risks"]

PICKLED = re.compile(rb"\x80[\x02-\x05]")  # PROTO, with the protocol's number
NAMES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill")  # compressed ones, too
LARGEST = 4_000_000  # bytes, of a description in an archive
MANY = 100  # files that are named


class Risk(NamedTuple):
    file: str  # from the model's folder; "" for what MLmodel says
    kind: str  # pickle, code, loader, lambda, types
    reason: str


def risks(folder: str, flavors: JsonMapping) -> tuple[Risk, ...]:
    """Empty: nothing was found, and what is loaded are numbers and texts (as far as the libraries keep to that)."""
    found = [*_stated(flavors)]
    for path, name in _files(folder):
        if len(found) >= MANY:
            break
        found += [each] if (each := _of_file(path, name)) else []
    return tuple(found)


def _stated(flavors: JsonMapping) -> Iterator[Risk]:
    python = flavors.get("python_function")
    python = python if isinstance(python, dict) else {}
    loader = str(python.get("loader_module") or "")
    if loader and not loader.startswith("mlflow."):
        yield Risk("", "loader", f"the module {loader} loads it")
    for name, stated in flavors.items():
        types = stated.get("skops_trusted_types") if isinstance(stated, dict) else None
        if types and isinstance(types, list):
            yield Risk("", "types", f"{name} is told to make objects of {', '.join(map(str, types))}")


def _files(folder: str) -> Iterator[tuple[str, str]]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            yield path, os.path.relpath(path, folder)


def _of_file(path: str, name: str) -> Risk | None:
    lower = name.lower()
    if lower.endswith((".py", ".pyc", ".so")):
        return Risk(name, "code", "Python code that is imported")
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError:
        return None
    if PICKLED.match(start) or lower.endswith(NAMES):
        return Risk(name, "pickle", "a pickle: it may run anything while it is loaded")
    return _in_archive(path, name) if start[:2] == b"PK" else None


def _in_archive(path: str, name: str) -> Risk | None:
    """PyTorch's archives hold a pickle; Keras' describe layers, of which a Lambda is code."""
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.endswith(NAMES):
                    return Risk(name, "pickle", "holds a pickle: it may run anything while it is loaded")
                described = info.filename == "config.json" and info.file_size < LARGEST
                if described and b'"Lambda"' in archive.read(info):
                    return Risk(name, "lambda", "a layer of Keras that is Python code (Lambda)")
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError):
        return None
    return None
