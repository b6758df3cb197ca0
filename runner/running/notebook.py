"""Runs a notebook: papermill in an environment of our own, its kernel is the Python that the project has.

So a project needs ipykernel only, and two projects that need different versions of everything else share one papermill.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from runner import environments, paths
from runner.environments.choice import conventional
from runner.errors import InputError, ProjError
from runner.host import files, process
from runner.parameters.types import convert
from runner.values import EnvironmentOptions, EnvironmentSpec, Json, Parameter, Report

__all__ = ["Executed", "check", "execute", "program", "typed"]

REQUIREMENTS = "papermill>=2.6,<3\nnbconvert>=7,<8\nnbformat>=5,<6\n"
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "notebook_program.py")
ASK = "import ipykernel, sys; print(sys.version.split()[0])"


class Executed(NamedTuple):
    code: int  # of papermill: 1 where a cell failed; the notebook shows which
    notebook: str  # the executed one; "" when there is none
    page: str  # the same as HTML; ""


def execute(notebook: str, parameters: Mapping[str, Json], folder: str, report: Report) -> Executed:
    """`folder`: where the executed notebook is written, under the name that it has. It runs in our working folder."""
    python = check(os.environ.get("PATH", os.defpath), os.getcwd())
    own = program(report)
    output = os.path.join(folder, os.path.basename(notebook))
    page = os.path.splitext(output)[0] + ".html"
    kernels = os.path.join(folder, "kernels")
    _kernel(os.path.join(kernels, "kernels", "project"), python)
    asked = {"input": notebook, "output": output, "page": page, "parameters": parameters}
    path = os.pathsep.join(filter(None, (kernels, os.environ.get("JUPYTER_PATH", ""))))
    variables = {**process.environment(), "JUPYTER_PATH": path}
    variables.pop("PYTHONPATH", None)  # the project's, for its kernel
    try:
        # it writes to our streams, and gets our signals as a member of our group
        code = subprocess.call([own, "-I", "-W", "ignore", PROGRAM, json.dumps(asked)], env=variables)
    finally:
        shutil.rmtree(kernels, ignore_errors=True)
    return Executed(code, *(each if os.path.isfile(each) else "" for each in (output, page)))


def typed(text: str, kind: str) -> Json:
    """A value as the cell `parameters` has it: `kind` is the type of its default, "" for one that YAML tells."""
    if kind:
        try:
            return convert(Parameter("", kind), text)
        except ValueError as error:
            raise InputError(f"{text!r} is not {error}") from None
    import yaml

    try:
        value: Json = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, (bool, int, float, str, list, dict)) else text


def check(path: str, folder: str) -> str:
    """The Python on `path` that is the kernel; a ProjError that says what to add to the project where it cannot be."""
    python = process.find("python", path) or process.find("python3", path)
    done = process.run([python, "-c", ASK]) if python else None
    if done is None or done.code:
        stated = [spec.file for spec in conventional(folder) if spec.file]
        where = f"to {stated[0]}" if stated else "to a requirements.txt"
        raise ProjError(
            f"the project's Python ({python or 'none'}) has no ipykernel, by which notebooks are run",
            f"add the line ipykernel {where}",
        )
    return python


def program(report: Report, offline: bool = False) -> str:
    """The Python that has papermill: an environment like those of projects, locked once and shared by all."""
    folder = paths.cache("tools", "notebook")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "papermill.txt")
    try:
        there = files.read(path).decode("utf-8", "replace")
    except OSError:
        there = ""
    if there != REQUIREMENTS:
        files.write(path, REQUIREMENTS)
    spec = EnvironmentSpec("virtualenv", "papermill.txt")
    return environments.prepare(spec, folder, EnvironmentOptions(offline=offline), report).activation.python


def _kernel(folder: str, python: str) -> None:
    os.makedirs(folder)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=40"]
    variables = {"PYTHONPATH": os.environ["PYTHONPATH"]} if os.environ.get("PYTHONPATH") else {}
    spec = {"argv": argv, "display_name": "the project's Python", "language": "python", "env": variables}
    with open(os.path.join(folder, "kernel.json"), "w", encoding="utf-8") as file:
        json.dump(spec, file)
