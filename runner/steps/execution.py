"""The steps of a pipeline while they are run: one after the other, or several at a time in threads."""

from __future__ import annotations

import fnmatch
import os
import queue
import threading
from collections.abc import Sequence
from typing import NamedTuple

from runner.backends.outcome import CANCEL
from runner.errors import InputError, ProjError
from runner.host.files import write
from runner.running.handed import Handed, written
from runner.running.plan import Outcome, Plan
from runner.running.record import Record
from runner.running.run import run
from runner.steps.expand import Step
from runner.steps.schedule import Schedule, State
from runner.tracking import events
from runner.tracking.store import Store
from runner.values import Ended, Report
from runner.values import Step as Shown

__all__ = ["Execution", "Options"]

LOOK = 0.5  # s between looks for a wish to end all of it


class Options(NamedTuple):
    """Of `proj run`, for a pipeline."""

    jobs: int = 1
    start: str = ""  # --from: what is not after this step is taken as it is
    force: tuple[str, ...] = ()  # steps, or patterns of them, that are run although nothing has changed
    keep_going: bool = False

    def check(self, steps: Sequence[Step]) -> None:
        """InputError for a name that no step has."""
        for each in (*self.force, *((self.start,) if self.start else ())):
            if not any(is_named(step, each) for step in steps):
                names = ", ".join(dict.fromkeys(step.entry_point for step in steps))
                raise InputError(f"there is no step {each} in this pipeline", f"there are {names}")
        left = self.left(steps)
        for each in self.force:
            if all(step.name in left for step in steps if is_named(step, each)):
                raise InputError(
                    f"--force {each}: with --from {self.start} it is not run",
                    f"--from {each}  begins with it",
                )

    def is_forced(self, step: Step) -> bool:
        return any(is_named(step, each) for each in self.force)

    def left(self, steps: Sequence[Step]) -> set[str]:
        """Names of those that are taken as they are: all but the one to begin with and those that need it."""
        after: set[str] = set()
        for step in steps:
            if is_named(step, self.start) or after.intersection(step.needs):
                after.add(step.name)
        return {step.name for step in steps} - after if self.start else set()


def is_named(step: Step, text: str) -> bool:
    """By its name, by its entry point, or by a pattern of either."""
    return text == step.name or fnmatch.fnmatchcase(step.entry_point, text)


class Result(NamedTuple):
    state: State
    run_id: str = ""
    exit_code: int = 0


class Execution:
    """`run` after each step was `add`ed."""

    def __init__(self, steps: Sequence[Step], options: Options, record: Record, report: Report) -> None:
        self._options, self._record, self._report = options, record, report
        self._numbers = {step.name: number for number, step in enumerate(steps)}
        self._plans: dict[str, Plan] = {}
        self._schedule = Schedule({step.name: step.needs for step in steps}, options.keep_going)
        self._left = options.left(steps)
        self._skipped: set[str] = set()
        self._killed: Ended | None = None
        self._on: dict[str, str] = {}  # step -> run id, of those that are on
        self._over = threading.Event()
        self._failed: tuple[str, Result] | None = None
        self._handed: dict[str, Handed] = {}  # path -> what a step of this pipeline wrote there
        self._forbids: dict[str, None] = {}  # why a step will be run again, whatever has changed

    def add(self, step: Step, plan: Plan, holds: bool) -> None:
        cached = not self._options.is_forced(step)
        self._plans[step.name] = plan._replace(request=plan.request._replace(cached=cached))
        if not holds:
            self._skipped.add(step.name)

    def run(self) -> Ended:
        """How the run around them ends."""
        watching = threading.Thread(target=self._watch, daemon=True)
        watching.start()
        try:
            if self._options.jobs > 1:
                self._side_by_side()
            else:
                while name := self._next():
                    self._ended(name, self._step(name))
        finally:
            self._over.set()
            watching.join()
        states = self._schedule.finish()
        for name, state in states.items():
            if state.name in ("not run", "skipped", "kept"):
                self._note(name, Result(state))
        if self._killed is not None:
            return self._killed
        counts = ", ".join(
            f"{sum(state.name == kind for state in states.values())} {kind}"
            for kind in dict.fromkeys(state.name for state in states.values())
        )
        self._report.note(f"{len(states)} steps: {counts}")
        if self._forbids:
            self._report.note(f"steps that are run each time, since {'; '.join(self._forbids)}")
        if self._failed is not None:
            name, result = self._failed
            return Ended("FAILED", result.exit_code or 125, "step", "", f"{name} {result.state.reason}")
        return Ended("FINISHED", 0, "exit")

    def _watch(self) -> None:
        """`proj cancel` of the whole is passed on to the steps that are on, and no other is begun."""
        path = os.path.join(self._record.directory, CANCEL)
        while not self._over.wait(LOOK):
            try:
                with open(path, encoding="utf-8") as file:
                    by = file.read().strip()
            except OSError:
                continue
            self._killed = Ended("KILLED", 143, "cancelled", "SIGTERM", f"by {by}")
            self._schedule.stop("cancelled")
            for run_id in tuple(self._on.values()):
                try:
                    write(os.path.join(self._record.store.run_directory(run_id), CANCEL), by)
                except OSError:
                    pass  # the disk is full: asked again in a moment

    def _next(self) -> str:
        """A step to be run now; those that need no run are settled on the way."""
        while name := self._schedule.take():
            if name in self._left:
                self._schedule.ended(name, State("kept", "--from"))
            elif name in self._skipped:
                when = self._plans[name].entry_point.when
                self._schedule.ended(name, State("skipped", f"when {when}"))
            else:
                return name
        return ""

    def _side_by_side(self) -> None:
        """Signals reach the commands of all threads; this one waits until they have ended, and begins no other."""
        results: queue.SimpleQueue[tuple[str, Result]] = queue.SimpleQueue()
        threads: list[threading.Thread] = []
        on, interrupt = 0, None
        while interrupt is None:
            try:
                while on < self._options.jobs and (name := self._next()):
                    threads.append(
                        threading.Thread(target=lambda name=name: results.put((name, self._step(name))))
                    )
                    on += 1
                    threads[-1].start()
                if not on:
                    return
                self._ended(*results.get())
                on -= 1
            except KeyboardInterrupt as error:
                interrupt = error
        self._schedule.stop("interrupted")
        while waiting := [each for each in threads if each.is_alive()]:
            try:
                waiting[0].join()
            except KeyboardInterrupt:
                continue  # the commands have got it, too
        while not results.empty():
            self._ended(*results.get())
        raise interrupt

    def _step(self, name: str) -> Result:
        """Runs it, and again as far as its `retries` say."""
        plan, report = self._plans[name], _Named(name, self._report)
        plan = plan._replace(request=plan.request._replace(handed=dict(self._handed)))
        retries = plan.entry_point.retries
        for attempt in range(retries.times + 1):
            started: list[str] = []

            def begun(run_id: str, started: list[str] = started) -> None:
                started.append(run_id)
                self._on[name] = run_id

            try:
                fresh = plan.request.workdir == "fresh"
                outcome = run(plan.request, report, plan if fresh else None, begun)
            except ProjError as error:
                report.warn("\n".join(filter(None, (error.message, error.hint))))
                reason, result = "error", Result(State("failed", f"({error.message})"), "", error.exit_code)
            except Exception as error:  # noqa: BLE001 - a fault of ours in one step must not leave the others alone
                text = f"{type(error).__name__}: {error}"
                report.warn(text)
                reason, result = "error", Result(State("failed", f"({text})"), "", 125)
            else:
                assert isinstance(outcome, Outcome)  # noqa: S101 - no dry run
                reason, result = outcome.reason, self._result(name, outcome)
            finally:
                self._on.pop(name, None)
            result = result._replace(run_id=started[0] if started else "")
            if result.state.name != "failed" or reason not in retries.on or self._killed:
                break
            if attempt < retries.times:
                report.warn(f"{result.state.reason}: tried again, {attempt + 1} of {retries.times}")
        return result

    def _result(self, name: str, outcome: Outcome) -> Result:
        if outcome.status == "FINISHED":
            found = Store(self._record.store.root).read(outcome.run_id)
            self._handed |= dict(written(found, name))
            self._forbids |= dict.fromkeys(found.sections.get("key", {}).get("forbids") or ())
            cached = any(each["relation"] == "cached-from" for each in found.links)
            return Result(State("cached" if cached else "finished"))
        if outcome.status == "KILLED" and outcome.reason == "interrupted" and self._killed is None:
            self._killed = Ended("KILLED", outcome.exit_code, "interrupted", outcome.signal)
        known = {"exit": f"exit code {outcome.exit_code}", "outputs": outcome.message}
        why = known.get(outcome.reason, outcome.reason)
        return Result(State("failed", f"failed ({why})"), "", outcome.exit_code)

    def _ended(self, name: str, result: Result) -> None:
        if result.state.name == "failed" and self._failed is None:
            self._failed = name, result
        self._note(name, result)
        self._schedule.ended(name, result.state)
        if self._killed is not None:
            self._schedule.stop("interrupted")

    def _note(self, name: str, result: Result) -> None:
        facts = {
            "step": name,
            "state": result.state.name,
            "reason": result.state.reason,
            "run_id": result.run_id,
        }
        known = {key: value for key, value in facts.items() if value}
        self._record.note(events.section("steps", {str(self._numbers[name]): known}))


class _Named:
    """A Report that says of which step it speaks."""

    def __init__(self, name: str, report: Report) -> None:
        self._name, self._report = name, report
        self.live = report.live

    def step(self, text: str) -> Shown:
        return self._report.step(f"{self._name}: {text}")

    def note(self, text: str) -> None:
        self._report.note(f"{self._name}: {text}")

    def warn(self, text: str) -> None:
        self._report.warn(f"{self._name}: {text}")
