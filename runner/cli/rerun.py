"""`proj rerun`: the same code, packages and parameters, with changes, as a new run."""

from __future__ import annotations

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.cli.run import facts, say, tell_ci
from runner.cli.terminal import Terminal

__all__ = ["COMMAND"]


def command(
    ref: str, parameters: tuple[str, ...], run_name: str, experiment_name: str, tags: tuple[str, ...],
    refresh: bool, offline: bool, quiet: bool, location: str, as_json: bool,
) -> int:  # fmt: skip
    """Run a recorded run's code again, with its packages and parameters but for the changes given.

    The new run is linked to the old one; `proj rerun` exits with the command's own code.
    """
    from runner.parameters.resolve import assignments
    from runner.reproduction.again import Changes
    from runner.reproduction.rerun import rerun

    report = Terminal(quiet=quiet)
    with reference.open_store(location, quiet=True) as store:
        run_id = reference.find(store, ref).run_id
        experiment = store.ensure_experiment(experiment_name) if experiment_name else ""
        given = assignments(parameters)
        changes = Changes("rerun-of", given, run_name, experiment, refresh, offline, tags=tags)
        with output.own_stdout(as_json):
            outcome = rerun(store, run_id, changes, report)
    if as_json:
        output.emit_json(facts(outcome, location))
    say(outcome, report)
    tell_ci(outcome, location)
    return outcome.exit_code


COMMAND = Command(command, (
    reference.RUN,
    Option("parameters", ("-P", "--param-list"), "A parameter that is to have another value.", "many", metavar="NAME=VALUE"),
    Option("run_name", ("--name", "--run-name"), "Name of the new run.", metavar="NAME"),
    Option("experiment_name", ("--experiment-name",), "Experiment of the new run; made when there is none.", metavar="NAME"),
    Option("tags", ("-t", "--tag"), "A tag of the new run.", "many", metavar="NAME=VALUE"),
    Option("refresh", ("--refresh-env",), "Use today's packages instead of the recorded lock.", "flag"),
    Option("offline", ("--offline",), "Use only what is on this machine.", "flag"),
    Option("quiet", ("-q", "--quiet"), "Print nothing but the command's output.", "flag"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
