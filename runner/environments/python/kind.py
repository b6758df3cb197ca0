"""Python environments: locked with hashes, made and filled by uv, used by setting variables."""

from __future__ import annotations

import os

from runner.environments import cache
from runner.host.files import open_text
from runner.typed import TYPE_CHECKING
from runner.values import Activation

if TYPE_CHECKING:
    from typing import TypedDict

    from runner.environments.keys import EnvironmentKey

    class Facts(TypedDict):
        python: str  # version
        interpreter: str  # absolute
        site: str  # site-packages, relative
        installed: list[str]


NAMES: tuple[str, ...] = ("virtualenv", "uv")
ABOUT = "a virtualenv of its own"
FILES: tuple[str, ...] = (
    *("python_env.yaml", "pylock.toml", "uv.lock", "requirements.txt", "poetry.lock", "Pipfile.lock"),
    "pyproject.toml",
)
READS: tuple[str, ...] = ("conda",)  # the pip part
HINT = ""
LOCK_NAME = "environment.lock"
LOCKS_PYTHON = False


def key() -> EnvironmentKey:
    from runner.environments.keys import of_file

    text = "Python and its packages: a python_env.yaml, requirements.txt, pyproject.toml or pylock.toml."
    return of_file("python_env", "virtualenv", text, "python_env.yaml", "requirements.txt")


def has(directory: str, file: str) -> bool:
    if file == "uv.lock":
        return os.path.isfile(os.path.join(directory, "pyproject.toml"))
    return file != "pyproject.toml" or _states_a_project(directory)


def _states_a_project(directory: str) -> bool:
    """Many a pyproject.toml only configures tools; one that says who builds it may leave the rest to setuptools."""
    try:
        with open_text(os.path.join(directory, "pyproject.toml"), "replace") as file:
            tables = {line.split("#")[0].strip() for line in file}
    except OSError:
        return False
    older = any(os.path.isfile(os.path.join(directory, name)) for name in ("setup.py", "setup.cfg"))
    return bool(tables & {"[project]", "[tool.poetry]"}) or ("[build-system]" in tables and older)


def problem(prefix: str, facts: Facts) -> str:
    if not os.path.exists(os.path.join(prefix, "bin", "python")):
        gone = "its folder" if not os.path.isdir(prefix) else f"its interpreter {facts['interpreter']}"
        return f"{gone} is not there any more"
    try:
        return cache.changed(installed(os.path.join(prefix, facts["site"])), facts["installed"])
    except OSError:
        return "its packages are not there any more"


def installed(site: str) -> list[str]:
    """Name and version of each distribution, and what runs at start: 15 us for ten packages."""
    return sorted(name for name in os.listdir(site) if name.endswith((".dist-info", ".pth", ".egg-link")))


def activate(prefix: str, facts: Facts, use: None) -> Activation:  # noqa: ARG001
    folder = os.path.join(prefix, "bin")
    variables = {
        "VIRTUAL_ENV": prefix,
        "PYTHONHOME": None,
        "PYTHONNOUSERSITE": "1",
        # uv compiles nothing: with it, importing a large package costs seconds in every run, for ever
        "PYTHONDONTWRITEBYTECODE": None,
    }
    return Activation("virtualenv", (folder,), variables, prefix, os.path.join(folder, "python"))
