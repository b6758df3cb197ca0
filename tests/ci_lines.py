"""The lines of a generated project's CI files, and how they are run: in a virtualenv, with the proj of this checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from runner import paths
from runner.tracking.store import Store
from tests.helpers import make_tree, proj

__all__ = ["READERS", "ROOT", "ci_python", "commit", "made", "run_lines"]

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INDEXES = ("PIP_", "UV_")
# before a test of environments says where its own packages are: what installs proj itself is not among them
FETCHING = {name: value for name, value in os.environ.items() if name.startswith(INDEXES)}
VARIABLE = re.compile(r"\$\{?(CI_\w+)\}?")


def github(folder: str) -> tuple[dict[str, str], list[str]]:
    """Variables, and the lines of every `run:`."""
    with open(os.path.join(folder, ".github/workflows/proj.yml"), encoding="utf-8") as file:
        workflow = yaml.safe_load(file)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    return workflow["env"], [step["run"] for step in steps if "run" in step]


def gitlab(folder: str) -> tuple[dict[str, str], list[str]]:
    with open(os.path.join(folder, ".gitlab-ci.yml"), encoding="utf-8") as file:
        (job,) = yaml.safe_load(file).values()
    given = {"CI_PROJECT_DIR": os.path.abspath(folder)}
    variables = {
        name: VARIABLE.sub(lambda found: given[found[1]], str(value))
        for name, value in job["variables"].items()
    }
    return variables, job["script"]


READERS = {"github": github, "gitlab": gitlab}


@pytest.fixture(scope="session")
def ci_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bin folder of a virtualenv with pip and nothing else, as after actions/setup-python; with a `sudo`."""
    folder = str(tmp_path_factory.mktemp("ci"))
    subprocess.run(
        [sys.executable, "-m", "uv", "venv", "-q", "--seed", f"{folder}/venv"], check=True, timeout=120
    )
    make_tree(f"{folder}/venv/bin", {"sudo": '#!/bin/sh\nexec "$@"\n'})
    os.chmod(f"{folder}/venv/bin/sudo", 0o755)
    return f"{folder}/venv/bin"


def made(template: str, folder: str, *words: str) -> str:
    """A project in a repository of its own, as CI checks it out."""
    done = proj("new", template, folder, "--defaults", *words)
    assert done.code == 0, done.err
    subprocess.run(["git", "-C", folder, "init", "-q", "-b", "main"], check=True)
    return commit(folder)


def commit(folder: str) -> str:
    for words in (["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "change"]):
        subprocess.run(["git", "-C", folder, *words], check=True)
    return folder


def environment(python: str, variables: dict[str, str], folder: str) -> dict[str, str]:
    kept = {
        name: os.environ[name]
        for name in os.environ
        if not name.startswith(("PROJ_", "PYTHON", "VIRTUAL_ENV", *INDEXES))
    }
    return {
        **kept,
        **FETCHING,
        **variables,
        "PROJ_SOURCE": ROOT,
        # of this machine, so that what the tests fetched is not fetched again
        "PROJ_CACHE": paths.cache(),
        "PATH": f"{python}:{os.environ['PATH']}",
        "CI": "true",
        "HOME": folder,
        # the engine of this machine, where a job has one beside it
        **({"DOCKER_HOST": os.environ["DOCKER_HOST"]} if os.environ.get("DOCKER_HOST") else {}),
    }


def usable(template: str, lines: list[str]) -> list[str]:
    """Without packages of the system that are there: who runs the tests need not be its administrator."""
    there = template != "r" or shutil.which("Rscript")
    return [line for line in lines if not (there and "apt-get" in line)]


def run_lines(template: str, folder: str, provider: str, python: str) -> None:
    """Each one passes, and a run is kept."""
    variables, lines = READERS[provider](folder)
    variables |= {"PROJ_STORE": os.path.abspath("store")}
    environ = environment(python, variables, os.getcwd())
    for line in usable(template, lines):
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", line], cwd=folder, env=environ, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stdout[-3000:], done.stderr[-3000:])
    assert Store(variables["PROJ_STORE"]).search("status = 'FINISHED'").runs
