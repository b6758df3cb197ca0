"""Every command of the program, with one line of help. `run` is COMMAND in runner/cli/run.py, and so on."""

from __future__ import annotations

from runner.typed import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from runner.cli.options import Command, Group

__all__ = ["COMMANDS", "grouped", "load"]

COMMANDS = {
    "run": "Run a project from a folder, a git URL or an archive, and record it.",
    "plan": "Show which steps of a pipeline would be run, and which taken over.",
    "why": "Say why a step would be run again.",
    "check": "Validate and lint a project.",
    "info": "Show a project's entry points, parameters and environment.",
    "exec": "Run one command in a project's environment.",
    "shell": "Open a shell in a project's environment.",
    "notebook": "Run a notebook with the Python that is on PATH.",
    "env": "List, size up, lock and remove environments.",
    "here": "Say which project this folder belongs to.",
    "cache": "Show all that is kept on this disk, and make room.",
    "runs": "List runs, found and ordered by MLflow's search grammar.",
    "show": "Show everything about a run.",
    "logs": "Print what a run wrote.",
    "log": "Write metrics, parameters, tags and files into the record of a run.",
    "ps": "Show what runs now.",
    "watch": "Show runs live, until they have ended.",
    "wait": "Wait until runs have ended, and exit with their code.",
    "cancel": "End a run.",
    "reproduce": "Make a recorded run again and compare the results.",
    "rerun": "Run a recorded run's code again, with changes.",
    "diff": "Show how two runs differ: code, packages, parameters, inputs, machine, metrics.",
    "bundle": "Pack a run with all that is needed to make it again.",
    "compare": "Show where runs differ.",
    "artifacts": "List and fetch the files of a run.",
    "tag": "Set and remove tags of a run.",
    "rename": "Give a run another name.",
    "note": "Write a note on a run.",
    "rm": "Delete runs; they can be restored.",
    "restore": "Bring a deleted run back, or write the code of a run to a folder.",
    "gc": "Remove deleted runs for good.",
    "export": "Write runs to a CSV, JSON or Parquet file.",
    "experiments": "List, make, rename and delete experiments.",
    "models": "The model registry: versions, aliases, stages, approvals.",
    "serve": "Serve a model over HTTP, in its own environment.",
    "predict": "Predict for a file, by a model in its own environment.",
    "doctor": "Check what runs need on this machine, and the store.",
    "new": "Make a new project from a template.",
    "init": "Write an MLproject file for an existing folder.",
    "update": "Bring the newest version of its template into a project.",
    "import": "Take runs over from an MLflow server, its database or an mlruns folder.",
    "sync": "Send runs to a tracking server, and finish what could not be sent.",
    "ui": "Open the runs in a browser.",
    "server": "Serve a store to MLflow clients.",
    "ci": "Write what CI shows of a run.",
}

GROUPS = {  # the order of help; a command that is in none comes last
    "Run projects": (
        "run",
        "plan",
        "why",
        "check",
        "info",
        "env",
        "notebook",
        "shell",
        "exec",
        "cancel",
        "ps",
        "watch",
        "wait",
    ),
    "Look at runs": ("here", "ui", "runs", "show", "logs", "compare", "diff", "artifacts", "export", "ci"),
    "Make runs again": ("reproduce", "rerun", "bundle"),
    "Keep order": ("log", "tag", "rename", "note", "rm", "restore", "gc", "experiments"),
    "Models": ("models", "serve", "predict"),
    "Write projects": ("new", "init", "update"),
    "Servers and MLflow": ("server", "sync", "import"),
    "This machine": ("doctor", "cache"),
}


def grouped() -> dict[str, dict[str, str]]:
    """Commands and their lines of help, under headings."""
    found = {
        title: {name: COMMANDS[name] for name in names if name in COMMANDS} for title, names in GROUPS.items()
    }
    known = {name for names in GROUPS.values() for name in names}
    more = {name: text for name, text in COMMANDS.items() if name not in known}
    return {**found, "More": more} if more else found


def load(name: str) -> Command | Group:
    """Imports the module of a command, when it is called."""
    import importlib

    module = importlib.import_module("runner.cli." + {"import": "transfer"}.get(name, name))
    return cast("Command | Group", module.COMMAND)
