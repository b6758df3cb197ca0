"""The way of a run: source, project, parameters, record, environment, command, end.

The only module that imports all layers below. `run` reads like docs say it works; what a step needs is in the
layer that it calls.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from runner import backends, environments, paths, sources
from runner.errors import InputError, ProjError
from runner.host import memo
from runner.host.interrupts import Interrupts
from runner.parameters.resolve import assignments, load_file, resolve
from runner.project.plain import from_plain, to_plain
from runner.running.origin import replayed
from runner.running.plan import Outcome, Plan, Request
from runner.running.recording import Recorder
from runner.snapshots import snapshot
from runner.tracking.store import Store
from runner.values import (
    Checkout,
    Ended,
    Environment,
    Job,
    Json,
    Project,
    Report,
)

__all__ = ["load_project", "make_plan", "run"]


Instead = Callable[["Plan", Recorder, Report], "Ended | None"]


class Phases:
    """Seconds spent in each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.began = self._last = time.perf_counter()

    def end(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0) + now - self._last
        self._last = now


def run(request: Request, report: Report, instead: Instead | None = None) -> Outcome | Plan:
    """Runs a project and returns how it went; with `dry_run`, what would be done.

    A ProjError before the record is started leaves nothing behind; a later one ends the run as FAILED first.
    """
    with Interrupts():
        return fetch_and_execute(request, report, instead)


def fetch_and_execute(request: Request, report: Report, instead: Instead | None) -> Outcome | Plan:
    phases = Phases()
    checkout = sources.fetch(request.uri, request.version, report)
    try:
        phases.end("source")
        state = snapshot.begin(checkout)
        plan = make_plan(request, checkout)
        for text in plan.project.warnings:
            report.warn(text)
        phases.end("plan")
        if request.dry_run:
            return plan
        return execute(plan, state, phases, report, instead)
    finally:
        sources.release(checkout)


def make_plan(request: Request, checkout: Checkout) -> Plan:
    """Wrong input ends here, before anything slow."""
    project = load_project(checkout)
    from runner.project.entry_point import entry_point as find_entry_point

    entry = find_entry_point(project, request.entry_point)
    given: dict[str, Json] = {}
    for path in request.params_file:
        given.update(load_file(path))
    given.update(assignments(list(request.parameters)))
    stated = request.storage_dir or os.environ.get("MLFLOW_TMP_DIR", "")  # as for `mlflow run`
    storage = os.path.abspath(stated) if stated else paths.cache("downloads")
    parameters = resolve(
        entry, given, directory=os.getcwd(), storage=storage, project=checkout.directory, extra=request.extra
    )
    request = request._replace(env_manager=request.env_manager or inherited_manager(request))
    specification = environments.choose(project, entry, request.env_manager)
    if request.seed and not (request.seed.isdecimal() and int(request.seed) < 2**32):
        raise InputError(f"--seed {request.seed} is not a number from 0 to {2**32 - 1}")
    options = backend_options(request)
    trouble = backends.get(request.backend).problem(options)
    if trouble:
        raise InputError(trouble)
    return Plan(request, checkout, project, entry, parameters, specification, options)


def load_project(checkout: Checkout) -> Project:
    """The project of a checkout, remembered as long as the files that say it do not change."""
    version = checkout.commit or checkout.version  # of an archive: its hash
    subject = f"{checkout.repository}@{version}#{checkout.subdirectory}" if checkout.temporary else ""
    kept = memo.recall("project", subject or checkout.directory)
    if kept is not None:
        return from_plain(kept)._replace(directory=checkout.directory)
    from runner.project import files, reading

    loaded = reading.load(checkout.directory)
    watched = [] if subject else files.files(checkout.directory)
    memo.keep("project", subject or checkout.directory, watched, to_plain(loaded))
    return loaded


def execute(
    plan: Plan, state: Any, phases: Phases, report: Report, instead: Instead | None = None
) -> Outcome:
    """From here on every failure is recorded. `instead` may end the run before its command starts."""
    with Interrupts() as interrupts:
        return execute_recorded(plan, state, phases, report, interrupts, instead)


def execute_recorded(
    plan: Plan,
    state: Any,
    phases: Phases,
    report: Report,
    interrupts: Interrupts,
    instead: Instead | None,
) -> Outcome:
    recorder = Recorder.start(plan, Store(paths.store_here(plan.request.store)))
    ended = Ended("FAILED", 125, "error")
    try:
        phases.end("record")
        recorder.code(state, report)
        if plan.parameters.downloads:
            from runner.data.download import fetch_all

            fetch_all(plan.parameters.downloads, paths.store_here(plan.request.store), report)
        recorder.inputs(report)
        phases.end("snapshot")
        environment = prepare(plan, report)
        recorder.environment(environment)
        phases.end("environment")
        ended = (instead and instead(plan, recorder, report)) or start_and_wait(
            plan, recorder, environment, phases, report
        )
        recorder.outputs(report)
    except ProjError as error:
        ended = Ended("FAILED", error.exit_code, "error", "", error.message)
        raise
    except KeyboardInterrupt as interrupt:
        ended = recorder.interrupted(interrupt)
        raise
    except BaseException as error:
        ended = Ended("FAILED", 125, "error", "", f"{type(error).__name__}: {error}")
        raise
    finally:
        interrupts.shield()
        recorder.end(ended, report)
        phases.end("end")
    return recorder.outcome(ended, time.perf_counter() - phases.began, phases.seconds)


def prepare(plan: Plan, report: Report) -> Environment:
    request, code, origin, stated = plan.request, plan.checkout, plan.origin, plan.specification
    step = {} if origin.lock else replayed(plan.entry_point.name, stated.kind, stated.file)
    named = f"{code.repository}@{code.commit}#{code.subdirectory}"
    options = {
        "checkout": named if code.temporary and code.commit else "",
        "refresh": request.refresh,
        "offline": request.offline or step.get("offline", False),
        "strict_python": request.strict_python,
        "allow_python_download": request.allow_python_download,
        "python": request.python,
        "groups": request.groups,
        "extras": request.extras,
        "isolated": request.isolated,
        "env_path": request.env,
        "docker_args": request.docker_args,
        "project_name": plan.project.name,
        "build_image": request.build_image,
        "kept_lock": origin.lock or step.get("lock", ""),
        "wheels": origin.wheels or step.get("wheels", ""),
    }
    return environments.prepare(plan.specification, plan.checkout.directory, options, report)


def start_and_wait(
    plan: Plan, recorder: Recorder, environment: Environment, phases: Phases, report: Report
) -> Ended:
    job = Job(
        run_id=recorder.run_id,
        command=plan.parameters.command,
        directory=plan.checkout.directory,
        variables=recorder.variables(environment),
        activation=environment.activation,
        record=recorder.directory,
        options={**plan.backend_options, "title": f"proj: {recorder.name}" if report.live else ""},
    )
    recorder.command(job)
    backend = backends.get(plan.request.backend)
    handle = backend.submit(job, report)
    phases.end("start")
    try:
        ended = backend.wait(handle, job, recorder)
    except KeyboardInterrupt:  # before the supervisor could catch it
        backend.cancel(handle, 1.0)
        raise
    phases.end("command")
    return ended


def inherited_manager(request: Request) -> str:
    """A `proj run` inside a run uses the environment choice of the outer one (asked for there by --env-manager)."""
    return "" if request.env else os.environ.get("PROJ_ENV_MANAGER", "")


def backend_options(request: Request) -> dict[str, Any]:
    """`--backend-config` (JSON file or text) with --timeout and --grace, these in seconds."""
    import json

    options: dict[str, Any] = {}
    text = request.backend_config
    if text:
        try:
            if not text.lstrip().startswith("{"):
                with open(text, encoding="utf-8") as file:
                    text = file.read()
            options = json.loads(text)
        except OSError as error:
            raise InputError(f"--backend-config {request.backend_config}: {error.strerror}") from None
        except ValueError as error:
            raise InputError(f"--backend-config is not JSON: {error}") from None
        if not isinstance(options, dict):
            raise InputError("--backend-config is not a JSON object", 'such as \'{"timeout": "2h"}\'')
    for name in ("timeout", "grace"):
        given, where = getattr(request, name), f"--{name}"
        if not given and name in options:
            given, where = str(options[name]), f"--backend-config: {name}"
        if given.isdecimal() and len(given) < 9:
            options[name] = float(given)
        elif given:
            from runner.text.units import seconds

            options[name] = seconds(given, where)
    return options
