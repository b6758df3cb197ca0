"""conda environments, solved and installed without conda; locked to addresses with hashes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

from runner.environments import cache
from runner.values import Activation

if TYPE_CHECKING:
    from runner.environments.keys import EnvironmentKey

NAMES: tuple[str, ...] = ("conda",)
ABOUT = "a conda environment"
FILES: tuple[str, ...] = ("conda.yaml", "environment.yml", "environment.yaml", "conda.yml")
READS: tuple[str, ...] = ()
HINT = "add a conda.yaml and `conda_env: conda.yaml`, or use --env-manager virtualenv"
LOCK_NAME = "conda.lock"
LOCKS_PYTHON = True


class Facts(TypedDict):
    python: str  # version; "" when there is none
    variables: dict[str, str]
    folders: list[str]  # put before PATH by the activation of packages
    installed: list[str]


def key() -> EnvironmentKey:
    from runner.environments.keys import of_file

    return of_file("conda_env", "conda", "File with a conda environment.", "conda.yaml")


def has(directory: str, file: str) -> bool:  # noqa: ARG001
    return True


def problem(prefix: str, facts: Facts) -> str:
    if facts["python"] and not os.path.exists(os.path.join(prefix, "bin", "python")):
        return "its interpreter is not there any more"
    try:
        return cache.changed(installed(prefix), facts["installed"])
    except OSError:
        return "its folder is not there any more"


def installed(prefix: str) -> list[str]:
    """Packages of conda, and what pip put beside them."""
    names = [name for name in os.listdir(os.path.join(prefix, "conda-meta")) if name.endswith(".json")]
    for site in sites(prefix):
        names += [name for name in os.listdir(site) if name.endswith((".dist-info", ".pth", ".egg-link"))]
    return sorted(names)


def sites(prefix: str) -> list[str]:
    """The folders of Python packages in a prefix: one, or none where there is no Python."""
    library = os.path.join(prefix, "lib")
    versions = (
        [name for name in os.listdir(library) if name.startswith("python3")] if os.path.isdir(library) else []
    )
    real = [name for name in versions if not os.path.islink(os.path.join(library, name))]
    found = [os.path.join(library, name, "site-packages") for name in real]
    return [site for site in found if os.path.isdir(site)]


def activate(prefix: str, facts: Facts, use: None) -> Activation:  # noqa: ARG001
    variables = {
        "CONDA_PREFIX": prefix,
        "CONDA_DEFAULT_ENV": prefix,
        "CONDA_SHLVL": "1",
        "PYTHONHOME": None,
        "PYTHONNOUSERSITE": "1",
        "VIRTUAL_ENV": None,
        **facts["variables"],
    }
    folders = (*facts["folders"], os.path.join(prefix, "bin"))
    python = os.path.join(prefix, "bin", "python") if facts["python"] else ""
    return Activation("conda", folders, variables, prefix, python)
