"""The packages that scripts import and no environment file names."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterable

from runner.environments.python.wanted import text_of
from runner.scaffold.scripts.syntax import Module

__all__ = ["PACKAGES", "imported", "is_own", "unnamed"]

# modules that are called otherwise than the package that has them
PACKAGES = {
    "PIL": "pillow", "attr": "attrs", "bs4": "beautifulsoup4", "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil", "dotenv": "python-dotenv", "faiss": "faiss-cpu", "fitz": "pymupdf",
    "git": "gitpython", "hydra": "hydra-core", "jwt": "pyjwt", "magic": "python-magic",
    "osgeo": "gdal", "pkg_resources": "setuptools", "pytorch_lightning": "pytorch-lightning", "serial": "pyserial",
    "skimage": "scikit-image", "sklearn": "scikit-learn", "umap": "umap-learn", "yaml": "pyyaml",
    "zmq": "pyzmq",
    "google": "",  # many have it
}  # fmt: skip


BROUGHT = {"omegaconf": "hydra-core", "traitlets": "ipykernel"}  # by packages that are used with them


def imported(module: Module, directory: str) -> set[str]:
    """Top-level modules that are neither Python's own nor of the folder; those tried with `except ImportError` too."""
    names = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return {name for name in names if name not in sys.stdlib_module_names and not is_own(name, directory)}


def is_own(name: str, directory: str) -> bool:
    places = [directory, os.path.join(directory, "src")]
    return any(os.path.isfile(f"{p}/{name}.py") or os.path.isdir(f"{p}/{name}") for p in places)


def unnamed(modules: Iterable[str], directory: str, files: Iterable[str]) -> list[str]:
    """Packages that none of the environment files has a word of."""
    text = ""
    for name in files:
        try:
            text += text_of(os.path.join(directory, name))
        except OSError:
            continue
    words = {re.sub(r"[-_.]+", "-", word).lower() for word in re.findall(r"[\w.-]+", text)}
    found = set()
    for module in modules:
        package = PACKAGES.get(module, module)
        names = (package, module, BROUGHT.get(package, package))
        known = {re.sub(r"[-_.]+", "-", each).lower() for each in names}
        # opencv-python, faiss-gpu: another build of the same
        if (
            package
            and not known & words
            and not any(word.startswith(package.split("-")[0] + "-") for word in words)
        ):
            found.add(package)
    return sorted(found, key=str.lower)
