"""The record of one run while it is made: its events, from the first to the last."""

from __future__ import annotations

import os
from _thread import allocate_lock
from collections.abc import Mapping

from runner.backends.outcome import CANCEL
from runner.errors import ProjError, StoreError
from runner.host import machine
from runner.host.interrupts import Shield
from runner.running import beginning
from runner.running.plan import Outcome, Plan
from runner.running.variables import chosen
from runner.tracking import events
from runner.tracking.events import Event
from runner.tracking.log import kept
from runner.tracking.names import random_name
from runner.typed import TYPE_CHECKING
from runner.values import Activation, CodeState, Ended, Environment, Json, Report

if TYPE_CHECKING:
    from typing import Any

    from runner.running.endpoint import Endpoint
    from runner.running.key import Key
    from runner.running.surroundings import Surroundings
    from runner.text.secrets import Secrets
    from runner.tracking.events import Facts
    from runner.tracking.mlflow.follower import Follower
    from runner.tracking.store import Store
    from runner.tracking.writer import RunWriter

__all__ = ["Record", "kept_environment", "remove", "reserve"]

NAMED = 10  # outputs that could not be kept, in the message of the end
RESERVE = 8192  # bytes kept free, so that the end of a run can be written on a full disk


class Record:
    """`with Record.begin(...) as record`: a run is RUNNING, and ends as `record.ended` says or as an error does."""

    def __init__(
        self, plan: Plan, store: Store, writer: RunWriter, name: str, experiment_id: str, report: Report
    ) -> None:
        self._plan = plan
        self._report = report
        self.store = store
        self.writer = writer
        self.run_id = writer.run_id
        self.directory = writer.directory
        self.name = name
        self.experiment_id = experiment_id
        self.ended: Ended | None = None
        self._code = CodeState()
        self._environment: dict[str, Json] = {}
        self.known_inputs: tuple[Facts, ...] = ()
        self._folder = plan.checkout.directory  # in which the outputs are
        self._lock_text = ""
        self.follower: Follower | None = None  # sends the run on to a server of the user's
        self._lock = allocate_lock()
        self._standing: dict[str, Any] = {}  # what the patterns of outputs find when the command starts
        self._unwritten: list[Event] = []  # while the disk is full
        self._reserve = os.path.join(self.directory, ".reserve")
        reserve(self._reserve)

    @classmethod
    def begin(cls, plan: Plan, store: Store, report: Report, kind: str = "project") -> Record:
        """Writes the first events: from here on the run exists, and is RUNNING. `kind`: project, or pipeline."""
        request = plan.request
        if request.run_id:
            return cls._continue(plan, store, report)
        parent = request.parent or os.environ.get("PROJ_RUN_ID", "")
        tags = plan.tags(parent)
        secrets = secrets_of(plan)
        name = kept(request.run_name, secrets) or random_name()
        experiment = beginning.experiment_of(
            request.experiment_id, kept(request.experiment_name, secrets), store
        )
        writer = store.create_run(
            experiment,
            name=name,
            kind=kind,
            parent=parent,
            secrets=secrets,
            params=plan.parameters.values,
            texts=plan.parameters.texts,
            tags=tags,
            sections={"source": plan.source, "supervisor": machine.identity()},
            project=plan.project.name,
            entry_point=plan.entry_point.name,
            uri=plan.checkout.uri,
        )
        if plan.origin.relation:
            writer.append(events.run_link(plan.origin.relation, plan.origin.run_id))
        return cls(plan, store, writer, name, experiment, report)

    @classmethod
    def _continue(cls, plan: Plan, store: Store, report: Report) -> Record:
        """A run that is there, by its full id."""
        run = store.read(plan.request.run_id)
        events = beginning.continued(plan, run)
        writer = store.open_run(run.run_id, secrets_of(plan))
        remove(os.path.join(writer.directory, CANCEL))  # asked of an earlier try, not of this one
        writer.append(*events)
        return cls(plan, store, writer, plan.request.run_name or run.name, run.experiment_id, report)

    def append(self, *new: Event) -> None:
        """StoreError when they cannot be written."""
        self.writer.append(*new)

    def note(self, *new: Event) -> None:
        """While the command runs nothing may stop it: what cannot be written now is written at the end."""
        with self._lock:
            waiting, self._unwritten = [*self._unwritten, *new], []
            try:
                if waiting:
                    self.writer.append(*waiting)
            except StoreError:
                self._unwritten = waiting

    def reached_by(self, endpoint: Endpoint) -> dict[str, str]:
        """Variables by which the command logs into this record."""
        root, secrets = self.store.root, self.writer.log.secrets
        return endpoint.variables(self.run_id, self.experiment_id, store_root=root, secrets=secrets)

    def code(self, state: CodeState, problem: str = "") -> None:
        """What will run; `problem`: why it cannot be kept."""
        self._code = state
        self.append(events.code(state, problem))

    def key(self, seen: Surroundings, activation: Activation) -> Key:
        """Of what is known now, before the command starts or beside it."""
        from runner.environments.system import loose, packages
        from runner.running import key

        lock = self._lock_text
        beside = (
            tuple(loose(activation)) if activation.kind == "system" or "existing" in self._environment else ()
        )
        installed = lock or "".join(f"{each}\n" for each in packages(activation))
        known = key.Known(
            self.store.root, self._code, self._environment, installed, beside, lock, self.known_inputs
        )
        return key.of(self._plan, known, seen)

    def inputs(self) -> None:
        """What the command will read, with hashes."""
        plan = self._plan
        declared, given = plan.entry_point.inputs, plan.parameters.inputs
        if not (declared or given):
            return
        from runner.data.inputs import describe, named
        from runner.data.outputs import filled

        texts, downloads = plan.parameters.texts, plan.parameters.downloads
        with self._report.step("hashing inputs") as step:
            wanted = named(filled(declared, texts), texts, given, downloads)
            found = describe(wanted, plan.checkout.directory, plan.outside, step)
        for each in found:
            if each.path and not each.digest:
                self._report.warn(f"the input {each.path} is not there, or cannot be read")
        self.known_inputs = tuple(each.event() for each in found)
        self.append(*self.known_inputs)
        if plan.request.all_outputs:
            from runner.running import handed

            handed.refuse_changed(
                [each.text for each in wanted], plan.request.handed, plan.checkout.directory
            )
            handed.refuse_missing(self.known_inputs)

    def in_folder(self, directory: str) -> None:
        """The command runs in another folder than the project's."""
        self._folder = directory

    def environment(self, environment: Environment) -> None:
        """The packages: the lock as a file of the record, and what else is known."""
        section = kept_environment(environment, self.directory)
        self._environment, self._lock_text = section, environment.lock
        self.append(events.section("environment", section))

    def command(self, variables: Mapping[str, str], started: bool = True) -> None:
        """What is about to be started, with the variables that are to be kept; or would have been."""
        plan = self._plan
        if started and plan.entry_point.outputs:  # of a run that is taken over, all that is there is its own
            from runner.data.outputs import standing

            self._standing = standing(self._outputs(), self._folder)
        chosen_ones = chosen(variables, plan.parameters.variables.values())
        stdin = plan.origin.stdin or machine.standard_input()
        options = beginning.options_of(plan.request)
        self.append(events.command(plan.parameters.shown, plan.directory, chosen_ones, options, stdin))

    def outputs(self) -> None:
        """Declared outputs, also of a command that failed: they may tell why."""
        patterns = self._outputs()
        if not patterns:
            return
        from runner.data.outputs import collect

        try:
            missing, problems = collect(self.writer, patterns, self._folder, self._standing, self._report)
        except (ProjError, OSError) as error:  # the command has run, however its files are
            missing, problems = [], [str(error)]
        for pattern in missing:
            self._report.warn(f"the command wrote no output {pattern}")
        if missing and self._plan.request.all_outputs and self.ended and self.ended.status == "FINISHED":
            text = f"the command wrote no output {', '.join(missing[:NAMED])}"
            self.ended = self.ended._replace(status="FAILED", exit_code=1, reason="outputs", message=text)
        if problems and self.ended is not None:
            rest = f" and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
            text = f"outputs that could not be kept: {', '.join(problems[:NAMED])}{rest}"
            self.ended = self.ended._replace(message=", ".join(filter(None, (self.ended.message, text))))

    def _outputs(self) -> list[str]:
        """The patterns of the declared outputs, by where they lie for us."""
        plan = self._plan
        if not plan.entry_point.outputs:
            return []
        from runner.data.outputs import filled

        return [plan.outside(each) for each in filled(plan.entry_point.outputs, plan.parameters.texts)]

    # ---- the end -------------------------------------------------------------------------------------------

    def __enter__(self) -> Record:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with Shield():
            if error is not None:
                from runner.running import ending

                self.ended = ending.by_error(error, self.directory)
            self.ended = self.ended or Ended("FAILED", 125, "error")
            self._end(self.ended)

    def _end(self, ended: Ended) -> None:
        """Writes it also on a full disk, and warns where even that is not possible."""
        remove(self._reserve)
        self._tell_withheld()
        self.note(*([events.section("resources", ended.resources)] if ended.resources else []))
        lost = f"{len(self._unwritten)} events could not be recorded" if self._unwritten else ""
        try:
            self.writer.end(
                ended.status,
                reason=ended.reason,
                exit_code=ended.exit_code,
                signal=ended.signal,
                message=", ".join(filter(None, (ended.message, lost))),
            )
        except StoreError as error:
            self._report.warn(f"the end of this run could not be recorded: {error.message}")
        self.writer.close()
        if ended.status == "FAILED" and ended.reason == "exit":
            from runner.running import hints

            if hint := hints.of(self.directory, self.run_id):
                self._report.warn(hint)
        if self.follower is not None and (note := self.follower.finish()):
            self._report.warn(note)

    def _tell_withheld(self) -> None:
        """Which files are not kept, for a secret of this run is in them."""
        if not self.writer.log.secrets:
            return
        from runner.tracking.artifacts import withheld

        try:
            found = withheld(self.store.read(self.run_id))
        except ProjError:
            return
        for path, why in found[:NAMED]:
            self._report.warn(f"{path} was not kept: {why}")
        if len(found) > NAMED:
            self._report.warn(f"{len(found) - NAMED} more files were not kept: they hold secrets")

    def outcome(self, duration: float, phases: Mapping[str, float]) -> Outcome:
        ended = self.ended or Ended("FAILED", 125, "error")
        return Outcome(
            run_id=self.run_id,
            short_id=self.run_id[:12],  # UUIDv7 begins with the time and ends at random: enough to tell it
            name=self.name,
            status=ended.status,
            exit_code=ended.exit_code,
            reason=ended.reason,
            signal=ended.signal,
            message=ended.message,
            duration=round(duration, 4),
            phases={name: round(value, 5) for name, value in phases.items()},
        )


def kept_environment(environment: Environment, directory: str) -> dict[str, Json]:
    """What is known of it, as a section of the record in `directory`; its lock is kept there as a file. StoreError."""
    section: dict[str, Json] = {"kind": environment.activation.kind, **environment.details}
    if environment.key:
        section["key"] = environment.key
    if environment.lock:
        name = environment.lock_name or "environment.lock"
        try:
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(environment.lock)
        except OSError as error:
            raise StoreError(f"the lock cannot be kept in {directory}: {error.strerror}") from error
        section["lock"] = name
    return section


def secrets_of(plan: Plan) -> Secrets | None:
    """The secret parameters of a run, and of one around it."""
    names = (*plan.parameters.variables, *os.environ)
    if not any(name.startswith("PROJ_SECRET_") for name in names):
        return None
    from runner.text.secrets import around

    return around(os.environ, plan.parameters.variables)


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def reserve(path: str) -> None:
    """Bytes on the disk that can be given back when it is full."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, RESERVE)
        finally:
            os.close(file)
    except (OSError, AttributeError):  # macOS has no posix_fallocate
        pass
