"""Every command of the program, with the module that holds it."""

from __future__ import annotations

__all__ = ["COMMANDS"]

# name -> (module, one line of help). A module has `app`, a typer.Typer holding one command or several, or
# OPTIONS and `command`, or GROUP of several such, read without Typer (see cli/options.py). Imported when called.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("runner.cli.run", "Run a project from a folder, a git URL or an archive, and record it."),
    "check": ("runner.cli.check", "Validate and lint a project."),
    "info": ("runner.cli.info", "Show a project's entry points, parameters and environment."),
    "env": ("runner.cli.env", "List, size up, lock and remove environments."),
    "runs": ("runner.cli.runs", "List runs, found and ordered by MLflow's search grammar."),
    "show": ("runner.cli.show", "Show everything about a run."),
    "logs": ("runner.cli.logs", "Print what a run wrote."),
    "log": ("runner.cli.log", "Write metrics, parameters, tags and files into the record of a run."),
    "cancel": ("runner.cli.cancel", "End a run."),
    "reproduce": ("runner.cli.reproduce", "Make a recorded run again and compare the results."),
    "rerun": ("runner.cli.rerun", "Run a recorded run's code again, with changes."),
    "diff": (
        "runner.cli.diff",
        "Show how two runs differ: code, packages, parameters, inputs, machine, metrics.",
    ),
    "bundle": ("runner.cli.bundle", "Pack a run with all that is needed to make it again."),
    "compare": ("runner.cli.compare", "Show where runs differ."),
    "artifacts": ("runner.cli.artifacts", "List and fetch the files of a run."),
    "tag": ("runner.cli.tag", "Set and remove tags of a run."),
    "rename": ("runner.cli.rename", "Give a run another name."),
    "note": ("runner.cli.note", "Write a note on a run."),
    "rm": ("runner.cli.rm", "Delete runs; they can be restored."),
    "restore": ("runner.cli.restore", "Bring a deleted run back, or write the code of a run to a folder."),
    "gc": ("runner.cli.gc", "Remove deleted runs for good."),
    "export": ("runner.cli.export", "Write runs to a CSV, JSON or Parquet file."),
    "experiments": ("runner.cli.experiments", "List, make, rename and delete experiments."),
    "doctor": ("runner.cli.doctor", "Check what runs need on this machine, and the store."),
    "new": ("runner.cli.new", "Make a new project from a template."),
    "init": ("runner.cli.init", "Write an MLproject file for an existing folder."),
    "update": ("runner.cli.update", "Bring the newest version of its template into a project."),
    "import": (
        "runner.cli.transfer",
        "Take runs over from an MLflow server, its database or an mlruns folder.",
    ),
    "sync": ("runner.cli.sync", "Send runs to a tracking server, and finish what could not be sent."),
    "server": ("runner.cli.server", "Serve a store to MLflow clients."),
}
