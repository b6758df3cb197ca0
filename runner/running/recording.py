"""What `proj run` writes into the record while it makes a run, and what it calls back for while the command runs."""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runner import paths
from runner.backends.base import CANCEL
from runner.errors import InputError, ProjError, StoreError
from runner.host import machine, process, program
from runner.running import beginning as facts
from runner.running import endpoint, variables
from runner.running.observation import Observation
from runner.running.origin import options_of, seed_variables
from runner.running.plan import Outcome, Plan
from runner.snapshots import snapshot
from runner.tracking.names import random_name
from runner.tracking.store import Store
from runner.values import Activation, CodeState, Ended, Environment, Job, Report

if TYPE_CHECKING:
    from runner.tracking.mlflow.follower import Follower
    from runner.tracking.writer import RunWriter

__all__ = ["Recorder"]

RESERVE = 8192  # bytes kept free, so that the end of a run can be written on a full disk


class Recorder:
    """One run's record, from its start event to its end; a backend's Supervision."""

    def __init__(self, plan: Plan, store: Store, writer: RunWriter, name: str, experiment_id: str) -> None:
        self._plan = plan
        self._store = store
        self._writer = writer
        self.name = name
        self._experiment_id = experiment_id
        self._secrets: tuple[bytes, ...] = tuple(
            value.encode("utf-8", "surrogateescape") for value in plan.parameters.variables.values()
        )
        self._capture: snapshot.Capture | None = None
        self._keeping, self._noting = allocate_lock(), allocate_lock()
        self.run_id = writer.run_id
        self.directory = writer.directory
        self._endpoint: endpoint.Endpoint | None = None
        self._follower: Follower | None = None  # sends the run on to a server of the user's
        self._unwritten: list[dict[str, Any]] = []  # while the disk is full
        self._observation = Observation(writer, self._note)
        self._reserve = os.path.join(self.directory, ".reserve")
        reserve(self._reserve)

    @classmethod
    def start(cls, plan: Plan, store: Store) -> Recorder:
        """Writes the first events: from here on the run exists, and is RUNNING."""
        request = plan.request
        if request.run_id:
            from runner.running.reconcile import current

            run = current(store, store.resolve(request.run_id))
            events = facts.continued(plan, run)
            writer = store.open_run(run.run_id)
            forget_cancel(writer.directory)
            writer.append(*events)
            return cls(plan, store, writer, request.run_name or run.name, run.experiment_id)
        experiment = facts.experiment_of(request.experiment_id, request.experiment_name, store)
        parent = os.environ.get("PROJ_RUN_ID", "")
        name = request.run_name or random_name()
        writer = store.create_run(experiment, name=name, parent=parent, **facts.begun(plan, parent))
        if plan.origin.relation:
            writer.append({"type": "link", "relation": plan.origin.relation, "run_id": plan.origin.run_id})
        return cls(plan, store, writer, name, experiment)

    # ---- before the command --------------------------------------------------------------------------------

    def code(self, pending: Any, report: Report) -> CodeState:
        """The exact code, as it is before the command starts; it is copied into the store beside the command."""
        plan = self._plan
        if plan.origin.code is not None:
            self._writer.append({"type": "code", **plan.origin.code._asdict()})
            return plan.origin.code
        state: CodeState = pending.finish()
        if plan.request.require_clean and state.dirty:
            raise InputError(
                f"{plan.checkout.directory} has uncommitted changes, and --require-clean was given",
                "git status  shows them",
            )
        problem = {}
        try:
            self._capture = snapshot.take(pending, state, self._store.root)
            state = self._capture.state
        except ProjError as error:
            report.warn(f"the code of this run is not kept: {error.message}")
            problem = {"problem": error.message}
        self._writer.append({"type": "code", **state._asdict(), **problem})
        return state

    def append(self, *events: Mapping[str, Any]) -> None:
        self._writer.append(*events)

    @property
    def activation(self) -> Activation:
        """Known once the environment is."""
        return self._activation

    def keep_artifact(self, path: str, folder: str = "") -> None:
        from runner.tracking import artifacts

        artifacts.put(self._writer, path, folder)

    def keep_code(self) -> None:
        """Completes the snapshot, unless that is done or going on beside the command."""
        with self._keeping:
            capture, self._capture = self._capture, None
            if capture is None:
                return
            try:
                capture.finish()
            except ProjError as error:
                self._note({"type": "code", "problem": error.message})

    def inputs(self, report: Report) -> None:
        """What the command will read, with hashes."""
        plan = self._plan
        declared, given = plan.entry_point.inputs, plan.parameters.inputs
        if not (declared or given):
            return
        from runner.data.inputs import describe, named
        from runner.data.outputs import filled

        texts, downloads = plan.parameters.texts, plan.parameters.downloads
        with report.step("hashing inputs"):
            wanted = named(filled(declared, texts), texts, given, downloads)
            found = describe(wanted, plan.checkout.directory)
        for each in found:
            if each.path and not each.digest:
                report.warn(f"the input {each.path} is not there, or cannot be read")
        self._writer.append(*(each.event() for each in found))

    def environment(self, environment: Environment) -> None:
        section: dict[str, Any] = {"kind": environment.activation.kind, **environment.details}
        if environment.key:
            section["key"] = environment.key
        if environment.lock:
            name = environment.lock_name or "environment.lock"
            try:
                with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
                    file.write(environment.lock)
            except OSError as error:
                raise StoreError(f"the lock cannot be kept in {self.directory}: {error.strerror}") from error
            section["lock"] = name
        self._activation = environment.activation
        self._writer.append({"type": "environment", **section})

    def variables(self, environment: Environment) -> dict[str, str]:
        """The complete environment of the command."""
        activation = environment.activation
        result = process.environment(activation.variables)
        ours = program.folder()
        result["PATH"] = os.pathsep.join(
            (*activation.path, *([ours] if ours else []), result.get("PATH", os.defpath))
        )
        request = self._plan.request
        result.update(
            PROJ_RUN_ID=self.run_id,
            PROJ_RUN_DIR=self.directory,
            PROJ_STORE=self._store.root,
            PROJ_EXPERIMENT_ID=self._experiment_id,
        )
        if request.env_manager:
            result["PROJ_ENV_MANAGER"] = request.env_manager
        result.update(seed_variables(request.seed, result, machine.cores()))
        for name, value in self._plan.origin.variables.items():
            if value is None:
                result.pop(name, None)
            else:
                result[name] = value
        result.update(self._plan.parameters.variables)
        self._endpoint = self._bind(activation)
        result.update(self._endpoint.variables(self.run_id, self._experiment_id))
        return result

    def _bind(self, activation: Activation) -> endpoint.Endpoint:
        if activation.container:
            from runner.containers import command as container

            try:
                return endpoint.bind(container.reachable(activation.container))
            except OSError:
                pass  # such as a bridge that is going away; most commands log nothing
        return endpoint.bind()

    def command(self, job: Job) -> None:
        shown = variables.chosen(job.variables, self._plan.parameters.variables.values())
        self._writer.append(
            {
                "type": "command",
                "command": self._plan.parameters.shown,
                "directory": job.directory,
                "variables": shown,
                **({"options": options} if (options := options_of(self._plan.request)) else {}),
            }
        )

    # ---- Supervision: called by the backend while the command runs -------------------------------------------

    def started(self, facts: dict[str, Any]) -> None:
        """The command is on; what was not needed for starting it is found out now."""
        group = int(facts.get("group") or 0)
        self._note({"type": "supervisor", **facts, "group_start": process.pid_start(group) if group else ""})
        self._observation.begin(group, self._activation, self._plan.request.sample_resources)
        server = paths.store(self._plan.request.store)
        if "://" in server or "MLFLOW_TRACKING_URI" in os.environ:
            from runner.tracking.mlflow import follower

            self._follower = follower.begin(self._store, self.run_id, os.environ, server)
        start_new_thread(self.keep_code, ())

    def listen(self) -> int:
        return -1 if self._endpoint is None else self._endpoint.fileno()

    def connect(self) -> None:
        if self._endpoint is not None:
            self._endpoint.accept(self._store.root, self.run_id)

    def masked(self) -> tuple[bytes, ...]:
        return self._secrets

    # ---- the end -------------------------------------------------------------------------------------------

    def outputs(self, report: Report) -> None:
        """Declared outputs, also of a command that failed: they may tell why."""
        patterns = self._plan.entry_point.outputs
        if not patterns:
            return
        from runner.data.outputs import collect, filled

        texts, directory = self._plan.parameters.texts, self._plan.checkout.directory
        try:
            for pattern in collect(self._writer, filled(patterns, texts), directory):
                report.warn(f"the command wrote no output {pattern}")
        except (ProjError, OSError) as error:  # the command has run, however its files are
            report.warn(f"the outputs cannot be kept: {error}")

    def interrupted(self, interrupt: KeyboardInterrupt) -> Ended:
        """By a signal, or by `proj cancel`, while there is no command."""
        number = int(getattr(interrupt, "number", 2))
        name = {1: "SIGHUP", 2: "SIGINT", 15: "SIGTERM"}[number]
        try:
            with open(os.path.join(self.directory, CANCEL), encoding="utf-8") as file:
                return Ended("KILLED", 128 + number, "cancelled", name, f"by {file.read().strip()}")
        except OSError:
            return Ended("KILLED", 128 + number, "interrupted", name)

    def end(self, ended: Ended, report: Report) -> None:
        """Writes it also on a full disk, and warns where even that is not possible."""
        self.keep_code()
        if self._endpoint is not None:
            self._endpoint.close()
        events = self._observation.end()
        if ended.resources:
            events.append({"type": "resources", **ended.resources})
        try:
            os.unlink(self._reserve)
        except OSError:
            pass
        self._note(*events)
        message = ended.message
        if self._unwritten:
            message = ", ".join(
                filter(None, (message, f"{len(self._unwritten)} events could not be recorded"))
            )
        try:
            self._writer.end(
                ended.status,
                reason=ended.reason,
                exit_code=ended.exit_code,
                signal=ended.signal,
                message=message,
            )
        except StoreError as error:
            report.warn(f"the end of this run could not be recorded: {error.message}")
        self._writer.close()
        if self._follower is not None and (note := self._follower.finish()):
            report.warn(note)

    def _note(self, *events: dict[str, Any]) -> None:
        """While the command runs nothing may stop it: what cannot be written now is written at the end."""
        with self._noting:
            waiting, self._unwritten = [*self._unwritten, *events], []
            try:
                if waiting:
                    self._writer.append(*waiting)
            except StoreError:
                self._unwritten = waiting

    def outcome(self, ended: Ended, duration: float, phases: Mapping[str, float]) -> Outcome:
        return Outcome(
            run_id=self.run_id,
            short_id=short(self.run_id),
            name=self.name,
            status=ended.status,
            exit_code=ended.exit_code,
            reason=ended.reason,
            signal=ended.signal,
            message=ended.message,
            duration=round(duration, 4),
            phases={name: round(value, 5) for name, value in phases.items()},
        )


def short(run_id: str) -> str:
    """Enough of an id to tell it from its neighbours: UUIDv7 begins with the time, ends at random."""
    return run_id[:12]


def forget_cancel(directory: str) -> None:
    """What was asked of an earlier try of this run is not asked of this one."""
    try:
        os.unlink(os.path.join(directory, CANCEL))
    except OSError:
        pass


def reserve(path: str) -> None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, RESERVE)
        finally:
            os.close(file)
    except (OSError, AttributeError):
        pass
