"""`proj serve`, told by one function: a port, a model, a run, an environment, workers, an end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from runner.errors import ProjError
from runner.models import mlmodel, trust
from runner.models.address import Located
from runner.models.environment import Choice, prepare
from runner.models.output import Output
from runner.models.recording import About, Recording
from runner.models.serving.front import Front, Settings, listen
from runner.models.serving.starting import Command
from runner.running import ending
from runner.tracking.store import Store
from runner.values import Ended, Report

__all__ = ["Served", "serve"]

EVERY = 60.0  # s between metrics in the record


class Served(NamedTuple):
    run_id: str
    name: str
    ended: Ended


def serve(
    store: Store,
    model_at: AbstractContextManager[Located],
    choice: Choice,
    settings: Settings,
    about: About,
    report: Report,
    bound: Callable[[str], None],
    only_signed: bool = False,
) -> Served:
    """Serves until SIGINT or SIGTERM. `bound` is told the address as soon as the model is found.

    `only_signed`: refuse what nobody signed whom this machine trusts. InputError or StoreError for what is no model, a
    version that is not what was registered and signed, or a port that cannot be had, before anything is recorded. A
    later error ends the run as FAILED first.
    """
    front = Front(settings, listen(settings))
    front.start()
    try:
        with model_at as found:
            model = mlmodel.read(found.folder)
            signers = trust.check(store, found, model.digest, only_signed)
            bound(front.address)
            trust.tell_risks(found, model, report)
            with Recording.begin(store, about, found, model, signers) as recording:
                environment = prepare(store, found, model, choice, report)
                recording.environment(environment)
                secrets = (settings.token.encode(),) if settings.token else ()
                with Output(recording.directory, secrets, settings.quiet) as output:
                    front.notes = report.note
                    variables = recording.variables(environment.activation)
                    python = environment.activation.python
                    command = Command(python, found.folder, variables, output.fd, settings.batch)
                    front.load(command, lambda: trust.check(store, found, model.digest, only_signed))
                    recording.ended = _until_the_end(front, recording)
                _check(front, recording)
                return Served(recording.run_id, recording.name, recording.ended)
    finally:
        front.end()


def _until_the_end(front: Front, recording: Recording) -> Ended:
    """Metrics go into the record meanwhile, and once more at the end."""
    step = 0
    ended = Ended("FINISHED", 0, "exit")
    try:
        while not front.wait(EVERY):
            recording.metrics(front.figures.tally.metrics(), step)
            step += 1
    except KeyboardInterrupt as interrupt:
        found = ending.by_error(interrupt, recording.directory)
        plain = found.reason == "interrupted"  # what ends a server, and is no failure of it
        ended = ended._replace(message=f"ended by {found.signal}") if plain else found
    front.end()
    recording.metrics(front.figures.tally.metrics(), step)
    return ended


def _check(front: Front, recording: Recording) -> None:
    """ProjError when it did not end because it was asked to."""
    if front.failure:
        raise ProjError(
            f"the model cannot be loaded: {front.failure}", f"proj logs {recording.name}  says more"
        )
    if front.figures.faults:
        raise ProjError(f"the front has a fault: {front.figures.faults[0]}")
