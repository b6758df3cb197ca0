"""`proj run`: parse, call run.run, say how it went. Every flag of `mlflow run` has the same spelling here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext

from runner import backends
from runner.cli import output
from runner.cli.options import Command, Option
from runner.cli.terminal import Terminal
from runner.errors import EnvironmentFailure, InputError, ProjError, SourceError, StoreError
from runner.host.interrupts import Interrupts
from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from runner.running.plan import Outcome, Plan, Request
    from runner.steps.pipeline import Prepared
    from runner.values import Checkout, Project, Report

__all__ = ["COMMAND", "facts", "say", "tell_ci"]


def command(
    as_json: bool, quiet: bool, verbose: bool, help_params: bool, detach: bool, notify: tuple[str, ...],
    jobs: str, only: bool, start: str, force: tuple[str, ...], keep_going: bool, **request_fields: object,
) -> int:  # fmt: skip
    """Run a project from a folder, a git URL or an archive, and record it.

    The command's output is shown as it comes and kept in the record; `proj run` exits with the command's own code.
    What follows `--` is passed on to the command as it is.
    An entry point with `needs` or a `matrix` is a pipeline: the steps before it are run first, or taken over.
    """
    steps = _Steps(jobs, start, force, keep_going) if not only else None
    backend = str(request_fields["backend"])
    showing = help_params or request_fields["dry_run"]
    report = Terminal(quiet, verbose)
    if detach and not showing:
        return _detached(as_json, report, notify, request_fields, steps)
    early = not showing and backend in backends.KINDS
    with backends.get(backend).prepared() if early else nullcontext():  # while we are still being loaded
        return _command(as_json, report, help_params, notify, request_fields, steps)


def _detached(
    as_json: bool, report: Terminal, notify: tuple[str, ...], fields: Mapping[str, Any], steps: _Steps | None
) -> int:
    """Prints the id of the run, which goes on by itself."""
    from runner.cli.detach import detached

    run_id, code = detached(lambda begun: _command(False, report, False, notify, fields, steps, begun))
    if not run_id:
        return code
    report.line(
        f"the run goes on; proj logs -f {run_id[:12]}  proj wait {run_id[:12]}  proj cancel {run_id[:12]}"
    )
    return output.result(as_json, {"run_id": run_id, "short_id": run_id[:12]}, [run_id])


def _command(
    as_json: bool, report: Terminal, help_params: bool, notify: tuple[str, ...], fields: Mapping[str, Any],
    steps: _Steps | None = None, begun: Callable[[str], None] | None = None,
) -> int:  # fmt: skip
    from runner.running.plan import Plan, Request  # help does not need them
    from runner.running.run import run

    request = Request(**fields)
    if request.entry_point == "main" and request.uri.endswith((".py", ".sh", ".R", ".r", ".ipynb")):
        from runner.cli.mistakes import script

        if found := script(request.uri):
            request = request._replace(uri=found[0], entry_point=found[1])
    if request.run_id:
        request = request._replace(run_id=_continued(request))
    if help_params:
        from runner.cli.info import show_parameters

        return show_parameters(request.uri, request.version, request.entry_point, as_json, report)
    telling = _Notifying(notify, request, report, begun) if notify else nullcontext(begun)
    with output.own_stdout(as_json and not request.dry_run), Interrupts(), telling as begins:
        try:
            around = steps.around(report, begins) if steps is not None else None
            outcome = run(
                request, report, None, begins, around
            )  # the command writes to our file descriptor 1
        except (SourceError, EnvironmentFailure) as error:
            if request.offline and "offline" not in error.message:
                error.message += " (--offline: only what is on this machine is used)"
            raise
    if isinstance(outcome, Plan):
        if steps is not None and steps.prepared is not None:
            return steps.show(as_json)
        return _show_plan(outcome, as_json)
    if as_json:
        output.emit_json(facts(outcome, request.store))
    report.phases(outcome.phases)
    say(outcome, report)
    _advise(outcome, request.store, report)
    tell_ci(outcome, request.store)
    return outcome.exit_code


class _Steps:
    """Of an entry point that is more than one run. InputError for --jobs that is no number."""

    def __init__(self, jobs: str, start: str, force: tuple[str, ...], keep_going: bool) -> None:
        if not (jobs.isdecimal() and 0 < int(jobs) < 1000):
            raise InputError(f"--jobs {jobs} is not a number from 1 to 999")
        self._jobs, self._start, self._force, self._keep_going = int(jobs), start, force, keep_going
        self.prepared: Prepared | None = None  # of a pipeline that is not to be run

    def around(
        self, report: Report, begun: Callable[[str], None] | None
    ) -> Callable[[Request, Checkout, Project], Outcome | Plan | None] | None:
        """None inside of another run: the drivers of MLflow's multi-step projects go on as they are."""
        if os.environ.get("PROJ_RUN_ID"):
            return None

        def expand(request: Request, checkout: Checkout, project: Project) -> Outcome | Plan | None:
            if not any(point.needs or point.matrix for point in project.entry_points):
                return None
            from runner.steps import pipeline

            prepared = pipeline.prepare(request, checkout, project)
            if prepared is None:
                return None
            if request.dry_run:
                self.prepared = prepared
                return prepared.plans[prepared.steps[-1].name]
            options = pipeline.Options(self._jobs, self._start, self._force, self._keep_going)
            return pipeline.run(prepared, options, report, begun)

        return expand

    def show(self, as_json: bool) -> int:
        assert self.prepared is not None  # noqa: S101 - the caller has looked
        steps, plans = self.prepared.steps, self.prepared.plans
        rows = [(step.name, ", ".join(step.needs), plans[step.name].parameters.shown) for step in steps]
        facts = [
            {"step": name, "needs": [*step.needs], "command": shown}
            for step, (name, _, shown) in zip(steps, rows, strict=True)
        ]
        return output.result(as_json, {"steps": facts}, output.table(("step", "needs", "command"), rows))


class _Notifying:
    """`with _Notifying(...) as begun`: tells of the run that was begun when it has ended, however."""

    def __init__(
        self,
        targets: Sequence[str],
        request: Request,
        report: Terminal,
        begun: Callable[[str], None] | None,
    ) -> None:
        self._targets, self._store, self._report, self._begun = targets, request.store, report, begun
        self._run_id = ""
        self._left = False

    def __enter__(self) -> Callable[[str], None]:
        return self._begins

    def _begins(self, run_id: str) -> None:
        from runner.running.notify import leave

        self._run_id = run_id
        self._left = leave(run_id, self._targets)
        if self._begun is not None:
            self._begun(run_id)

    def __exit__(self, *error: object) -> None:
        if not self._run_id:
            return
        from runner import paths
        from runner.running.notify import facts, notify, take
        from runner.tracking.store import Store

        try:
            told = facts(Store(paths.store_here(self._store)).read(self._run_id))
            for target in take(self._run_id)[0] if self._left else self._targets:
                notify(target, told, self._report)
        except ProjError as problem:
            self._report.warn(f"--notify: {problem.message}")


def _continued(request: Request) -> str:
    """The id of the run that --run-id means; one whose supervisor is gone is over."""
    from runner import paths
    from runner.cli import reference
    from runner.tracking.store import Store

    with Store(paths.store_here(request.store)) as store:
        return reference.find(store, request.run_id).run_id


def _advise(outcome: Outcome, store: str, report: Terminal) -> None:
    """Of a failed run, what its last words call for."""
    if outcome.status != "FAILED" or outcome.reason != "exit":
        return
    from runner import paths
    from runner.cli.lacking import advice
    from runner.tracking.store import Store

    opened = Store(paths.store_here(store))
    try:
        if text := advice(opened.read(outcome.run_id), opened.run_directory(outcome.run_id)):
            report.line(text)
    except StoreError:
        pass  # removed meanwhile


def tell_ci(outcome: Outcome, store: str) -> None:
    """In a job of GitHub Actions: where a failed command says that it went wrong, and the job's summary."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from runner import paths
    from runner.cli.annotations import failed
    from runner.cli.ci import summarize
    from runner.tracking.store import Store

    with Store(paths.store_here(store)) as opened:
        try:
            if outcome.status == "FAILED" and outcome.reason == "exit":
                failed(opened.read(outcome.run_id), opened.run_directory(outcome.run_id))
            summarize(opened, outcome.run_id)
        except StoreError:
            pass  # removed meanwhile


def facts(outcome: Outcome, store: str) -> dict[str, object]:
    """How the run went, for a program; `store`: where it is recorded."""
    from runner import paths
    from runner.text.shown import json_number
    from runner.tracking.store import Store

    metrics: dict[str, object] = {}
    try:
        run = Store(paths.store_here(store)).read(outcome.run_id)
        metrics = {key: json_number(point.value) for key, point in run.metrics.items()}
    except StoreError:  # removed meanwhile
        pass
    return {**outcome._asdict(), "metrics": metrics}


def say(outcome: Outcome, report: Terminal) -> None:
    """The last line of a run: how it ended, after how long, and how it is looked at."""
    ends = {"FINISHED": ("finished", "32"), "FAILED": ("failed", "31"), "KILLED": ("was ended", "33")}
    how = report.paint(*ends[outcome.status])
    if outcome.status != "FINISHED":
        exited = outcome.reason == "exit"
        why = outcome.signal or (f"exit code {outcome.exit_code}" if exited else "")
        how += f" ({', '.join(filter(None, ('' if exited else outcome.reason, why, outcome.message)))})"
    elif outcome.message:  # it went well, but its output was not kept, or a process of it was ended
        report.warn(outcome.message)
    report.line(f"run {outcome.name} {how} after {outcome.duration:.1f} s; proj show {outcome.short_id}")


def _show_plan(plan: Plan, as_json: bool) -> int:
    from runner.text.credentials import cleaned

    facts = cleaned(plan.facts())
    width = max(len(name) for name in facts)
    return output.result(as_json, facts, (f"{name:<{width}}  {value}" for name, value in _flat(facts)))


def _flat(facts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            for place, (key, item) in enumerate(value.items()):
                yield "" if place else name, f"{key}={item}"
        elif value not in ("", None, [], ()):
            yield name, str(value)


COMMAND = Command(command, (
    Option("uri", (), "Folder, git URL (URL@ref#subfolder) or archive with the project; or a script of it.", default=".", metavar="[URI]"),
    Option("entry_point", ("-e", "--entry-point"), "Entry point, or a script or notebook (.py, .sh, .R, .ipynb) of the project.", default="main", metavar="NAME", complete="entry_points"),
    Option("version", ("-v", "--version"), "Branch, tag or commit.", metavar="VERSION"),
    Option("parameters", ("-P", "--param-list"), "A parameter of the entry point; others are passed as --name value.", "many", metavar="NAME=VALUE", complete="parameters"),
    Option("params_file", ("--params-file",), "YAML or JSON file with parameters; -P wins over it.", "many", metavar="FILE"),
    Option("help_params", ("--help-params",), "Show the parameters of the entry point and exit.", "flag"),
    Option("env_manager", ("--env-manager",), "local, or a kind of environment: virtualenv, conda, docker, pixi; by default what the project asks for.", metavar="KIND", complete="environment_kinds"),
    Option("env", ("--env",), "Run in this existing virtualenv or conda prefix.", metavar="PATH"),
    Option("python", ("--python",), "Python version to use instead of the project's.", metavar="VERSION"),
    Option("strict_python", ("--strict-python",), "Fail when the exact Python version is not installed.", "flag"),
    Option("allow_python_download", ("--allow-python-download",), "Let uv download a missing Python.", "flag"),
    Option("groups", ("--group",), "Dependency group of pyproject.toml.", "many", metavar="NAME"),
    Option("extras", ("--extra",), "Extra of pyproject.toml.", "many", metavar="NAME"),
    Option("refresh", ("--refresh",), "Resolve the packages anew instead of using the kept lock.", "flag"),
    Option("offline", ("--offline",), "Use only what is on this machine.", "flag"),
    Option("isolated", ("--isolated",), "Clear PYTHON*, PIP_*, CONDA_* and GIT_* variables and the user site.", "flag"),
    Option("docker_args", ("-A", "--docker-args"), "A `docker run` flag: -A gpus=all, -A t.", "many", metavar="NAME=VALUE"),
    Option("build_image", ("--build-image",), "Build an image with the project's files on top of the docker image.", "flag"),
    Option("experiment_name", ("--experiment-name",), "Experiment of the run; made when there is none.", metavar="NAME", complete="experiments"),
    Option("experiment_id", ("--experiment-id",), "Experiment of the run, by id.", metavar="ID"),
    Option("run_name", ("--run-name",), "Name of the run.", metavar="NAME"),
    Option("run_id", ("--run-id",), "Continue this run instead of making a new one.", metavar="RUN"),
    Option("tags", ("-t", "--tag"), "A tag of the run.", "many", metavar="NAME=VALUE"),
    Option("store", ("--store",), "Where runs are recorded.", metavar="PATH"),
    Option("require_clean", ("--require-clean",), "Refuse to run code with uncommitted changes.", "flag"),
    Option("seed", ("--seed",), "Pin sources of chance: PYTHONHASHSEED, PROJ_SEED for the program to read, threads.", metavar="N"),
    Option("cached", ("--cached",), "Take the outputs of a finished run with the same code, packages, parameters and inputs.", "flag"),
    Option("explain", ("--explain",), "With --cached: say what forbids to take them.", "flag"),
    Option("jobs", ("-j", "--jobs"), "Of a pipeline: steps that are run at the same time.", default="1", metavar="N"),
    Option("only", ("--only",), "Run this entry point alone, and not what it needs.", "flag"),
    Option("start", ("--from",), "Of a pipeline: begin with this step; what is not after it is taken as it is.", default="", metavar="STEP"),
    Option("force", ("--force",), "Of a pipeline: run this step (a name or a pattern) although nothing has changed.", "many", metavar="STEP"),
    Option("keep_going", ("--keep-going",), "Of a pipeline: after a failure, run what does not need it.", "flag"),
    Option("workdir", ("--workdir",), "fresh: run in a folder of its own, with the code and the declared inputs; outputs of a success are put into the project. project: in the project's folder, as by default.", default="", metavar="KIND"),
    Option("sample_resources", ("--sample-resources",), "Record CPU, memory and GPU over time as metrics.", "flag"),
    Option("backend", ("-b", "--backend"), "Where the command is started.", default="local", metavar="KIND"),
    Option("backend_config", ("-c", "--backend-config"), "JSON file or text with options of the backend.", metavar="FILE"),
    Option("storage_dir", ("--storage-dir",), "Where files named by URIs are downloaded for parameters of type path.", metavar="PATH"),
    Option("timeout", ("--timeout",), "End the run after this time: 90, 30m, 2h, 1d.", metavar="TIME"),
    Option("grace", ("--grace",), "Time between asking the command to end and killing it.", default="10", metavar="TIME"),
    Option("detach", ("--detach",), "Return at once with the id of the run, which goes on without this terminal.", "flag"),
    Option("notify", ("--notify",), "At the end, run this command (PROJ_STATUS, ... and JSON on stdin) or POST to this URL.", "many", metavar="COMMAND|URL"),
    Option("dry_run", ("--dry-run",), "Show what would be run, and run nothing.", "flag"),
    Option("as_json", ("--json",), "Print the result (or the plan) as JSON on stdout; the command's output goes to stderr.", "flag"),
    Option("quiet", ("-q", "--quiet"), "Print nothing but the command's output.", "flag"),
    Option("verbose", ("--verbose",), "Show how long each phase took.", "flag"),
), passes_on=True, groups={
    "What is run": ("entry_point", "version", "parameters", "params_file", "help_params", "require_clean", "dry_run"),
    "Environment": (
        "env_manager", "env", "python", "strict_python", "allow_python_download", "groups", "extras", "refresh",
        "offline", "isolated", "docker_args", "build_image",
    ),
    "Record": ("experiment_name", "experiment_id", "run_name", "run_id", "tags", "store"),
    "Steps": ("jobs", "only", "start", "force", "keep_going"),
    "How it is run": (
        "seed", "cached", "explain", "workdir", "sample_resources", "backend", "backend_config", "storage_dir", "timeout", "grace",
        "detach", "notify",
    ),
})  # fmt: skip
