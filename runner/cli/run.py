"""`proj run`: parse, call run.run, say how it went. Every flag of `mlflow run` has the same spelling here."""

from __future__ import annotations

import os
import sys
from typing import Any

from runner.cli.options import Option
from runner.host.interrupts import Interrupts
from runner.running.plan import Outcome, Plan, Request
from runner.running.run import run

__all__ = ["OPTIONS", "command", "say"]

PROJECT, ENVIRONMENT, RECORD, EXECUTION, OUTPUT = "Project", "Environment", "Record", "Execution", "Output"
COMPLETE = "runner.cli.complete:"

OPTIONS = (
    Option("uri", ("uri",), "Folder, git URL (URL@ref#subfolder) or archive with the project.", default=".", metavar="[URI]"),
    Option("entry_point", ("-e", "--entry-point"), "Entry point, or a script (.py, .sh, .R) of the project.", default="main", metavar="NAME", panel=PROJECT, complete=COMPLETE + "entry_points"),
    Option("version", ("-v", "--version"), "Branch, tag or commit.", metavar="VERSION", panel=PROJECT),
    Option("parameters", ("-P", "--param-list"), "A parameter of the entry point; others are passed as --name value.", "many", metavar="NAME=VALUE", panel=PROJECT, complete=COMPLETE + "parameters"),
    Option("params_file", ("--params-file",), "YAML or JSON file with parameters; -P wins over it.", "many", metavar="FILE", panel=PROJECT),
    Option("help_params", ("--help-params",), "Show the parameters of the entry point and exit.", "flag", False, panel=PROJECT),
    Option("env_manager", ("--env-manager",), "local, virtualenv, uv, conda or docker; by default what the project asks for.", metavar="KIND", panel=ENVIRONMENT, complete=COMPLETE + "environment_kinds"),
    Option("env", ("--env",), "Run in this existing virtualenv or conda prefix.", metavar="PATH", panel=ENVIRONMENT),
    Option("python", ("--python",), "Python version to use instead of the project's.", metavar="VERSION", panel=ENVIRONMENT),
    Option("strict_python", ("--strict-python",), "Fail when the exact Python version is not installed.", "flag", False, panel=ENVIRONMENT),
    Option("allow_python_download", ("--allow-python-download",), "Let uv download a missing Python.", "flag", False, panel=ENVIRONMENT),
    Option("groups", ("--group",), "Dependency group of pyproject.toml.", "many", metavar="NAME", panel=ENVIRONMENT),
    Option("extras", ("--extra",), "Extra of pyproject.toml.", "many", metavar="NAME", panel=ENVIRONMENT),
    Option("refresh", ("--refresh",), "Resolve the packages anew instead of using the kept lock.", "flag", False, panel=ENVIRONMENT),
    Option("offline", ("--offline",), "Use only what is on this machine.", "flag", False, panel=ENVIRONMENT),
    Option("isolated", ("--isolated",), "Clear PYTHON*, PIP_*, CONDA_* and GIT_* variables and the user site.", "flag", False, panel=ENVIRONMENT),
    Option("docker_args", ("-A", "--docker-args"), "A `docker run` flag: -A gpus=all, -A t.", "many", metavar="NAME=VALUE", panel=ENVIRONMENT),
    Option("build_image", ("--build-image",), "Build an image with the project's files on top of the docker image.", "flag", False, panel=ENVIRONMENT),
    Option("experiment_name", ("--experiment-name",), "Experiment of the run; made when there is none.", metavar="NAME", panel=RECORD, complete=COMPLETE + "experiments"),
    Option("experiment_id", ("--experiment-id",), "Experiment of the run, by id.", metavar="ID", panel=RECORD),
    Option("run_name", ("--run-name",), "Name of the run.", metavar="NAME", panel=RECORD),
    Option("run_id", ("--run-id",), "Continue this run instead of making a new one.", metavar="RUN", panel=RECORD),
    Option("tags", ("-t", "--tag"), "A tag of the run.", "many", metavar="NAME=VALUE", panel=RECORD),
    Option("store", ("--store",), "Where runs are recorded.", metavar="PATH", panel=RECORD),
    Option("require_clean", ("--require-clean",), "Refuse to run code with uncommitted changes.", "flag", False, panel=RECORD),
    Option("seed", ("--seed",), "Pin sources of chance: PYTHONHASHSEED, PROJ_SEED for the program to read, threads.", metavar="N", panel=EXECUTION),
    Option("cached", ("--cached",), "Take the outputs of a finished run with the same code, packages, parameters and inputs.", "flag", False, panel=EXECUTION),
    Option("explain", ("--explain",), "With --cached: say what forbids to take them.", "flag", False, panel=EXECUTION),
    Option("sample_resources", ("--sample-resources",), "Record CPU, memory and GPU over time as metrics.", "flag", False, panel=RECORD),
    Option("backend", ("-b", "--backend"), "Where the command is started.", default="local", metavar="KIND", panel=EXECUTION),
    Option("backend_config", ("-c", "--backend-config"), "JSON file or text with options of the backend.", metavar="FILE", panel=EXECUTION),
    Option("storage_dir", ("--storage-dir",), "Where files named by URIs are downloaded for parameters of type path.", metavar="PATH", panel=EXECUTION),
    Option("timeout", ("--timeout",), "End the run after this time: 90, 30m, 2h, 1d.", metavar="TIME", panel=EXECUTION),
    Option("grace", ("--grace",), "Time between asking the command to end and killing it.", default="10", metavar="TIME", panel=EXECUTION),
    Option("dry_run", ("--dry-run",), "Show what would be run, and run nothing.", "flag", False, panel=EXECUTION),
    Option("json", ("--json",), "Print the result (or the plan) as JSON on stdout; the command's output goes to stderr.", "flag", False, panel=OUTPUT),
    Option("quiet", ("-q", "--quiet"), "Print nothing but the command's output.", "flag", False, panel=OUTPUT),
    Option("verbose", ("--verbose",), "Show how long each phase took.", "flag", False, panel=OUTPUT),
)  # fmt: skip


def command(values: dict[str, Any]) -> int:
    """Run a project from a folder, a git URL or an archive, and record it.

    The command's output is shown as it comes and kept in the record; `proj run` exits with the command's own code.
    What follows `--` is passed on to the command as it is.
    """
    from runner.cli.terminal import Terminal

    shown = {name: values.pop(name) for name in ("json", "quiet", "verbose", "help_params")}
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    request = Request(**fields)
    report = Terminal(quiet=shown["quiet"], verbose=shown["verbose"])
    if request.run_id:
        request = request._replace(run_id=_continued(request))
    if shown["help_params"]:
        from runner.cli.info import show_parameters

        return show_parameters(request.uri, request.version, request.entry_point, shown["json"], report)
    real_stdout = -1
    if shown["json"] and not request.dry_run:
        sys.stdout.flush()
        real_stdout = os.dup(1)
        os.dup2(2, 1)  # the command writes to our fd 1
    try:
        with Interrupts():
            outcome = run(request, report)
    finally:
        if real_stdout >= 0:
            os.dup2(real_stdout, 1)
            os.close(real_stdout)
    if isinstance(outcome, Plan):
        return _show_plan(outcome, shown["json"])
    if shown["json"]:
        from runner.cli.output import emit_json

        emit_json(outcome._asdict())
    report.phases(outcome.phases)
    say(outcome, report)
    return outcome.exit_code


def _continued(request: Request) -> str:
    """The id of the run that --run-id means; one whose supervisor is gone is over."""
    from runner import paths
    from runner.running.reconcile import current
    from runner.tracking.store import Store

    with Store(paths.store_here(request.store)) as store:
        return current(store, store.resolve(request.run_id)).run_id


def say(outcome: Outcome, report: Any) -> None:
    how, colour = {"FINISHED": ("finished", "32"), "FAILED": ("failed", "31"), "KILLED": ("was ended", "33")}[
        outcome.status
    ]
    how = report.paint(how, colour)
    if outcome.status != "FINISHED":
        why = outcome.signal or (f"exit code {outcome.exit_code}" if outcome.reason == "exit" else "")
        how += f" ({', '.join(part for part in (outcome.reason if outcome.reason != 'exit' else '', why, outcome.message) if part)})"
    elif outcome.message:  # it went well, but its output was not kept, or a process of it was ended
        report.warn(outcome.message)
    report.line(f"run {outcome.name} {how} after {outcome.duration:.1f} s; proj show {outcome.short_id}")


def _show_plan(plan: Plan, as_json: bool) -> int:
    from runner.cli.output import emit_json, emit_lines
    from runner.text.credentials import cleaned

    facts = cleaned(plan.facts())
    if as_json:
        emit_json(facts)
    else:
        width = max(len(name) for name in facts)
        emit_lines(f"{name:<{width}}  {value}" for name, value in _flat(facts))
    return 0


def _flat(facts: dict[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += [
                (name if first == 0 else "", f"{key}={item}")
                for first, (key, item) in enumerate(value.items())
            ]
        elif value not in ("", None, [], ()):
            rows.append((name, str(value)))
    return rows
