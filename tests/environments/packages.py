"""Tiny real packages, written by the tests themselves: no network, no build backend from an index."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence

from tests.helpers import make_tree


def make_wheel(
    folder: object,
    name: str,
    version: str,
    requires: Sequence[str] = (),
    modules: Mapping[str, str] | None = None,
) -> str:
    """A wheel whose module says its version; returns its path."""
    os.makedirs(str(folder), exist_ok=True)
    path = os.path.join(str(folder), f"{name}-{version}-py3-none-any.whl")
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {each}" for each in requires]
    files = {
        **(modules or {f"{name}.py": f"VERSION = {version!r}\n"}),
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{file},sha256={digest},{len(text.encode())}")
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file, (2020, 1, 1, 0, 0, 0)), text)
    return path


BACKEND = """
import base64, hashlib, os, zipfile
NAME, VERSION = {name!r}, {version!r}
HEAD = "Metadata-Version: 2.1\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def build_wheel(folder, settings=None, metadata=None, editable=False):
    open("left-behind.txt", "w").close()  # as many a backend does
    {fault}
    name = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    info = f"{{NAME}}-{{VERSION}}.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        if editable:
            archive.writestr(f"{{NAME}}.pth", os.getcwd())
        else:
            archive.write(f"{{NAME}}.py")
        archive.writestr(f"{{info}}/METADATA", HEAD + f"Name: {{NAME}}\\nVersion: {{VERSION}}\\n")
        archive.writestr(f"{{info}}/WHEEL", WHEEL)
        archive.writestr(f"{{info}}/RECORD", "")
    return name

def build_editable(folder, settings=None, metadata=None):
    return build_wheel(folder, settings, metadata, editable=True)
"""


def make_source(folder: object, name: str, content: str, version: str = "1.0", fault: str = "pass") -> str:
    """A source tree with a build backend of its own, which leaves a file behind where it works."""
    return make_tree(
        folder,
        {
            "pyproject.toml": (
                f'[project]\nname = "{name}"\nversion = "{version}"\n'
                '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            ),
            "backend.py": BACKEND.format(name=name, version=version, fault=fault),
            f"{name}.py": content,
        },
    )
