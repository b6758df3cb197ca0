"""What is found out about machine and environment while the command runs, so that it does not have to wait for it."""

from __future__ import annotations

import os
from collections.abc import Callable

from runner.host import files, gpu, machine, memo, process
from runner.tracking import events
from runner.tracking.events import Event
from runner.typed import TYPE_CHECKING
from runner.values import Activation, Json

if TYPE_CHECKING:
    from runner.running.sampling import Sampler
    from runner.tracking.writer import RunWriter

__all__ = ["Observation"]

PATIENCE = (
    1.0  # s that a command which has ended waits for an answer; what came too late is known to the next run
)
PACKAGES = "packages.txt"


class Observation:
    """Begun when the command runs; `end` gives what was not known by then."""

    def __init__(self, writer: RunWriter, note: Callable[..., None]) -> None:
        self._writer = writer
        self._note = note
        self._gpus: gpu.Query | None = None
        self._version: process.Pending | None = None
        self._python = ""
        self._began = 0  # ns, when it was asked for its version
        self._sampler: Sampler | None = None

    def begin(self, group: int, activation: Activation, sample: bool) -> None:
        """`group`: the process group of the command; `sample`: CPU, memory and GPU over time, too."""
        facts = machine.describe()
        gpus = gpu.known()
        if gpus is None:
            self._gpus = gpu.ask()
        elif gpus:
            facts["gpus"] = gpus
        self._note(events.section("machine", facts), *self._environment(activation))
        if sample:
            from runner.running.sampling import Sampler

            self._sampler = Sampler(self._writer, group)

    def _environment(self, activation: Activation) -> list[Event]:
        """Of an environment that we did not make: which Python it is, and its packages."""
        if activation.kind != "system" or not activation.python:
            return []
        section: dict[str, Json] = {}
        version = memo.recall("python", activation.python)
        if version:
            section["python"] = version
        else:
            self._python = activation.python
            self._began = files.now()
            self._version = process.start([activation.python, "-V"])
        from runner.environments.system import packages

        found = packages(activation)
        if found:
            try:
                path = os.path.join(self._writer.directory, PACKAGES)
                with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write("".join(f"{each}\n" for each in found))
                section["packages"] = PACKAGES
            except OSError:
                pass  # a full disk: the run goes on
        return [events.section("environment", section)] if section else []

    def end(self) -> list[Event]:
        """Waits at most PATIENCE seconds for what was still being asked."""
        found_out: list[Event] = []
        if self._sampler is not None:
            peak = self._sampler.stop()
            if peak:
                found_out.append(events.section("resources", {"peak_memory_of_all": peak}))
        if self._version is not None:
            done = self._version.finish()
            words = (done.out or done.err).split()
            if not done.code and len(words) >= 2:
                memo.keep("python", self._python, [self._python], words[1], self._began)
                found_out.append(events.section("environment", {"python": words[1]}))
        if self._gpus is not None:
            found = self._gpus.finish(PATIENCE)
            if found:
                found_out.append(events.section("machine", {"gpus": found}))
        return found_out
