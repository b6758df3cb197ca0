"""A missing Python, installed by uv from a list and an archive of the test's own: no network."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import tarfile

import pytest

from runner.environments.python import interpreters
from runner.errors import EnvironmentFailure
from tests.environments.test_virtualenv import output, prepare, project_with

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
WANTED = f"{MINOR}.99"  # of which there will never be a real one
LEFT_OUT = (
    "test",
    "tests",
    "site-packages",
    "dist-packages",
    "idlelib",
    "tkinter",
    "__pycache__",
    "ensurepip",
)


def archive(path: str) -> str:
    """This interpreter, laid out as uv expects a downloaded one; returns its digest."""

    def kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        name = os.path.basename(entry.name)
        return None if name in LEFT_OUT or name.startswith("config-") else entry

    base = os.path.realpath(sys.base_prefix)
    program = os.path.realpath(os.path.join(base, "bin", f"python{MINOR}"))
    with tarfile.open(path, "w:gz", compresslevel=1) as file:
        file.add(program, f"python/bin/python{MINOR}")
        file.add(os.path.join(base, "lib", f"python{MINOR}"), f"python/lib/python{MINOR}", filter=kept)
    with open(path, "rb") as opened:
        return hashlib.sha256(opened.read()).hexdigest()


@pytest.fixture
def downloads(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = str(tmp_path)
    path = f"{folder}/python.tar.gz"
    major, minor = MINOR.split(".")
    entry = {
        "name": "cpython",
        "arch": {"family": platform.machine(), "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": int(major),
        "minor": int(minor),
        "patch": 99,
        "prerelease": "",
        "url": f"file://{path}",
        "sha256": archive(path),
        "variant": None,
        "build": None,
    }
    listed = f"{folder}/downloads.json"
    with open(listed, "w", encoding="utf-8") as file:
        json.dump({f"cpython-{WANTED}-linux-{platform.machine()}-gnu": entry}, file)
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", listed)
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", f"{folder}/pythons")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the archive is laid out for Linux")
def test_a_missing_python_is_installed_when_that_is_allowed(tmp_path: object, downloads: str) -> None:
    project = project_with(f"{tmp_path}/p", "tiny")
    asked = {"python": WANTED, "strict_python": True}
    with pytest.raises(EnvironmentFailure) as caught:
        prepare(project, "python_env.yaml", **asked)
    assert WANTED in caught.value.message
    assert "--allow-python-download" in caught.value.hint
    with pytest.raises(EnvironmentFailure, match=WANTED):
        prepare(project, "python_env.yaml", allow_python_download=True, offline=True, **asked)
    assert not os.path.exists(f"{downloads}/pythons")
    environment = prepare(project, "python_env.yaml", allow_python_download=True, **asked)
    assert environment.details["python"] == WANTED
    assert str(environment.details["interpreter"]).startswith(f"{downloads}/pythons")
    assert output(environment, "import sys, tiny; print(sys.base_prefix)").startswith(f"{downloads}/pythons")
    assert interpreters.choose(WANTED, "--python", strict=True)[0].place == "uv"


def test_a_python_that_cannot_be_downloaded(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = f"{tmp_path}/downloads.json"
    with open(listed, "w", encoding="utf-8") as file:
        json.dump({}, file)
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", listed)
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", f"{tmp_path}/pythons")
    project = project_with(f"{tmp_path}/p", "tiny")
    with pytest.raises(EnvironmentFailure, match=f"Python {WANTED} cannot be downloaded"):
        prepare(project, "python_env.yaml", python=WANTED, strict_python=True, allow_python_download=True)
