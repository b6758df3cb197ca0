"""`proj` alone: what can be done here, now."""

from __future__ import annotations

import os
import sys

from runner import paths

__all__ = ["show_here"]


def show_here() -> None:
    """Names the project in this folder with its entry points and last runs, and the lines to type."""
    from runner.cli.terminal import Terminal
    from runner.errors import ProjectError
    from runner.run import load_project
    from runner.sources import fetch

    lines: list[str] = []
    try:
        project = load_project(fetch(".", "", Terminal(quiet=True)))
    except ProjectError as error:
        lines += [
            "The project in this folder has faults:",
            *(f"  {line}" for line in error.message.splitlines()),
        ]
    else:
        if project.file or project.entry_points:
            lines.append(f"Project {project.name}")
            for entry in project.entry_points:
                required = [f"-P {p.name}=..." for p in entry.parameters if p.required and not p.has_default]
                name = "" if entry.name == "main" else f" -e {entry.name}"
                lines.append("  " + " ".join([f"proj run .{name}", *required]))
        elif os.path.exists("main.py"):
            lines += ["A folder with a main.py and no MLproject file.", "  proj run ."]
        else:
            lines += [
                "There is no project in this folder.",
                "  proj run GIT-URL     run one from a repository",
            ]
    if os.path.isdir(os.path.join(paths.store(), "runs")):
        lines += ["", "  proj runs            what has been run"]
    lines += ["", "  proj --help          all commands"]
    sys.stdout.write("\n".join(lines) + "\n")
