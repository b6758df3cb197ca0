"""Tiny real packages, written by the tests themselves: no network, no build backend from an index."""

from __future__ import annotations

import base64
import hashlib
import json
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


# Puts files of its folder into a wheel, as wheel.json says: name in the wheel -> file. One that begins with `=` is
# generated from the C sources that there are, as a compiler does; a version of "git" is git's.
PACKER = """
import base64, glob, hashlib, json, os, subprocess, sys, zipfile

def build_wheel(folder, settings=None, metadata=None):
    open("left-behind.txt", "w").close()
    stated = json.load(open("wheel.json"))
    if "fails" in stated:
        sys.exit(stated["fails"])
    version = stated["version"]
    if version == "git":
        version = subprocess.check_output(["git", "describe", "--tags"], text=True).strip()[1:].replace("-", "+", 1).replace("-", ".")
    sources = "".join(open(each).read() for each in sorted(glob.glob("**/*.c", recursive=True)))
    files = {}
    for name, source in stated["files"].items():
        files[name] = source[1:].replace("SOURCES", sources).replace("VERSION", version) if source[0] == "=" else open(source).read()
    info = f"{stated['name']}-{version}.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\\nName: {stated['name']}\\nVersion: {version}\\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    if "scripts" in stated:
        files[f"{info}/entry_points.txt"] = "[console_scripts]\\n" + stated["scripts"]
    rows = [f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text.encode())}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\\n".join([*rows, f"{info}/RECORD,,"]) + "\\n"
    name = f"{stated['name']}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for each, text in files.items():
            archive.writestr(each, text)
    return name

build_editable = build_wheel
"""


def package(wheel: Mapping[str, object], *requires: str, more: str = "") -> dict[str, str]:
    """Files of a project that is a package; `wheel` is what goes into wheel.json, `more` into pyproject.toml."""
    stated = {"name": "pkg", "version": "1.0", **wheel}
    dynamic = stated["version"] == "git"
    version = 'dynamic = ["version"]' if dynamic else f'version = "{stated["version"]}"'
    return {
        "pyproject.toml": (
            f'[project]\nname = "{stated["name"]}"\n{version}\ndependencies = {json.dumps(requires)}\n{more}\n'
            f'[build-system]\nrequires = []\nbuild-backend = "packer"\nbackend-path = ["."]\n'
            + ("# its version is read with dunamai\n" if dynamic else "")
        ),
        "packer.py": PACKER,
        "wheel.json": json.dumps(stated),
    }
