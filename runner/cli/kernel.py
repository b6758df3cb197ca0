"""`proj env kernel`: the interpreter of a project's environment, for an editor, and a kernel of it for Jupyter."""

from __future__ import annotations

import json
import os
import re
import sys

from runner.cli import output, reference
from runner.cli.exec import OPTIONS, entered
from runner.cli.options import Command, Option
from runner.errors import InputError, ProjError
from runner.host import files, process
from runner.running.entering import Entered

__all__ = ["COMMAND"]


def command(
    install: bool, directory: str, entry: str, env_manager: str, python: str, offline: bool, quiet: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Print the path of the interpreter of the project in this folder; with --install, make it a kernel of Jupyter.

    The kernel is always in the environment that the project has then: it starts `proj exec`.
    """
    found = entered(directory, entry, env_manager, python, offline, quiet)
    interpreter = found.python
    if not interpreter:
        raise InputError(
            f"the environment of {found.name} has no interpreter on this machine",
            "proj shell  opens a shell in it",
        )
    facts = {"python": interpreter, "project": found.name, "folder": found.directory, "kernel": ""}
    if not install:
        return output.result(as_json, facts, [interpreter])
    if process.run([interpreter, "-c", "import ipykernel"], variables=dict(found.variables)).code:
        raise InputError(
            f"the environment of {found.name} has no ipykernel",
            "add the line  ipykernel  to its requirements, and try again",
        )
    facts["kernel"] = _install(found, entry, env_manager)
    text = f"the kernel {found.name} is in {facts['kernel']}"
    return output.result(as_json, facts, [text])


def _install(found: Entered, entry: str, env_manager: str) -> str:
    """The folder of its kernel.json. Format: https://jupyter-client.readthedocs.io/en/stable/kernels.html"""
    name = "proj-" + (re.sub(r"[^a-z0-9._-]+", "-", found.name.lower()).strip("-") or "project")
    name += f"-{entry}" if entry and re.fullmatch(r"[\w.-]+", entry) else ""
    words = [sys.executable, "-m", "runner", "exec", "-q", "-C", found.directory]
    words += ["-e", entry] if entry else []
    words += ["--env-manager", env_manager] if env_manager else []
    kernel = {
        "argv": [
            *words,
            "--",
            os.path.basename(found.python),
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
        ],
        "display_name": f"{found.name} (proj)",
        "language": "python",
        "metadata": {"debugger": True},
    }
    folder = os.path.join(_jupyter(), "kernels", name)
    try:
        os.makedirs(folder, exist_ok=True)
        files.write(os.path.join(folder, "kernel.json"), json.dumps(kernel, indent=1) + "\n")
    except OSError as error:
        raise ProjError(f"{folder} cannot be written: {error.strerror}") from None
    return folder


def _jupyter() -> str:
    """Jupyter's data folder of this user (jupyter_core.paths.jupyter_data_dir)."""
    if given := os.environ.get("JUPYTER_DATA_DIR"):
        return given
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Jupyter")
    return os.path.join(os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"), "jupyter")


COMMAND = Command(command, (
    Option("install", ("--install",), "Write a kernel for Jupyter.", "flag"),
    *OPTIONS,
    reference.JSON,
))  # fmt: skip
