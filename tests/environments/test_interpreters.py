"""Which Python a request leads to, on a machine whose interpreters the test has put there."""

from __future__ import annotations

import os
import sys

import pytest

from runner.environments.python import interpreters
from runner.environments.python.interpreters import choose, matches, own
from runner.errors import EnvironmentFailure, InputError
from tests.helpers import make_tree

# stands for an interpreter: answers the question for its version
STAND_IN = "#!/bin/sh\necho CPython\necho {version}\necho {path}\n"


@pytest.fixture(autouse=True)
def machine(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """pyenv with 3.8.18 and 3.9.4, 3.9.18; uv with 3.12.1; PATH with 3.7; nothing else but our own."""
    root = str(tmp_path)
    for version in ("3.8.18", "3.9.4", "3.9.18"):
        put(f"{root}/pyenv/versions/{version}/bin/python{version[:3]}", version)
    put(f"{root}/uv/cpython-3.12.1-linux-x86_64-gnu/bin/python3.12", "3.12.1")
    put(f"{root}/bin/python3.7", "3.7.16")
    make_tree(
        f"{root}/pyenv/shims", {"python3.6*": "#!/bin/sh\nexit 127\n", "python*": "#!/bin/sh\nexit 127\n"}
    )
    monkeypatch.setenv("PYENV_ROOT", f"{root}/pyenv")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", f"{root}/uv")
    monkeypatch.setenv("PATH", f"{root}/pyenv/shims:{root}/bin:/bin")
    monkeypatch.setattr(interpreters, "_system", lambda: iter(()))
    monkeypatch.setattr(interpreters, "_conda", lambda: iter(()))
    return root


def put(path: str, version: str) -> None:
    make_tree(
        os.path.dirname(path), {f"{os.path.basename(path)}*": STAND_IN.format(version=version, path=path)}
    )


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ("3.8", "3.8.18"),
        ("3.9", "3.9.18"),
        ("3.9.4", "3.9.4"),
        ("=3.9.4", "3.9.4"),
        ("3.9.*", "3.9.18"),
        ("==3.9", "3.9.18"),
        ("python3.9", "3.9.18"),
        ("3.12", "3.12.1"),
        ("3.7", "3.7.16"),
        (">=3.7,<3.9", "3.8.18"),
        ("<3.9,!=3.8.*", "3.7.16"),
        ("~=3.8.1", "3.8.18"),
        ("<=3.9", "3.9.18"),
    ],
)
def test_requests(asked: str, version: str) -> None:
    found, warning = choose(asked, "python_env.yaml:1")
    assert (found.version, warning) == (version, "")


def test_our_own_is_taken_when_nothing_else_is_asked() -> None:
    for asked in ("", "*", f">={sys.version_info[0]}.{sys.version_info[1]}", ">=3.6"):
        assert choose(asked, "x")[0] == own()
    assert os.path.exists(own().path)


def test_another_patch_is_taken_with_a_warning() -> None:
    found, warning = choose("3.9.7", "python_env.yaml:1")
    assert found.version == "3.9.18"
    assert warning == "Python 3.9.7 (python_env.yaml:1) is not installed; using 3.9.18"
    with pytest.raises(EnvironmentFailure):
        choose("3.9.7", "python_env.yaml:1", strict=True)


def test_complaint_7387_a_missing_python_names_what_is_there_and_what_to_type(machine: str) -> None:
    with pytest.raises(EnvironmentFailure) as caught:
        choose("3.5", "python_env.yaml:1")
    message, hint = caught.value.message, caught.value.hint
    assert message.startswith("the project asks for Python 3.5 (python_env.yaml:1), and it is not installed;")
    for version in ("3.7.16", "3.8.18", "3.9.4", "3.9.18", "3.12.1", own().version):
        assert version in message
    assert f"{machine}/pyenv/versions" in message
    assert "uv python install 3.5" in hint
    assert "--allow-python-download" in hint
    assert "--python" in hint


def test_shims_are_never_started(machine: str) -> None:
    assert not any("/shims/" in each.path for each in interpreters.found())


def test_a_pre_release_is_the_last_choice(machine: str) -> None:
    put(f"{machine}/pyenv/versions/3.9.19rc1/bin/python3.9", "3.9.19rc1")
    assert choose("3.9", "x")[0].version == "3.9.18"


def test_a_path_is_taken_as_it_is(machine: str) -> None:
    path = f"{machine}/pyenv/versions/3.9.4/bin/python3.9"
    assert choose(path, "--python")[0].version == "3.9.4"
    with pytest.raises(InputError, match="not a Python that runs"):
        choose(f"{machine}/nothing", "--python")


@pytest.mark.parametrize("asked", ["three", "3.x", "python", ">3 or so", "3;4"])
def test_what_is_not_a_version_is_said(asked: str) -> None:
    with pytest.raises(InputError, match="not a version"):
        choose(asked, "python_env.yaml:1")


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("3.11.7", "3", True),
        ("3.11.7", "3.1", False),
        ("3.1.7", "3.11", False),
        ("3.10.0", ">=3.10", True),
        ("3.10.0", ">3.10", False),
        ("3.11.0", ">3.10", True),
        ("3.10.5", "<=3.10", True),
        ("3.10.5", "!=3.10.5", False),
        ("3.10.5", "!=3.10.*", False),
        ("3.10.5", "~=3.9", True),
        ("4.0.0", "~=3.9", False),
        ("3.10.5", "~=3.10.6", False),
        ("3.10.5", ">= 3.8, < 3.11", True),
    ],
)
def test_matches(version: str, wanted: str, fits: bool) -> None:
    assert matches(version, wanted) == fits
