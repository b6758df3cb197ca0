"""`proj rerun`: the same code, packages and parameters, with changes, as a new run."""

from __future__ import annotations

from typing import Any

from runner.cli import reference
from runner.cli.options import Option

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    reference.RUN,
    Option(
        "parameters",
        ("-P", "--param-list"),
        "A parameter that is to have another value.",
        "many",
        metavar="NAME=VALUE",
    ),
    Option("run_name", ("--name", "--run-name"), "Name of the new run.", metavar="NAME"),
    Option(
        "experiment_name",
        ("--experiment-name",),
        "Experiment of the new run; made when there is none.",
        metavar="NAME",
    ),
    Option("tags", ("-t", "--tag"), "A tag of the new run.", "many", metavar="NAME=VALUE"),
    Option(
        "refresh", ("--refresh-env",), "Use today's packages instead of the recorded lock.", "flag", False
    ),
    Option("offline", ("--offline",), "Use only what is on this machine.", "flag", False),
    Option("quiet", ("-q", "--quiet"), "Print nothing but the command's output.", "flag", False),
    reference.STORE,
    reference.JSON,
)


def command(values: dict[str, Any]) -> int:
    """Run a recorded run's code again, with its packages and parameters but for the changes given.

    The new run is linked to the old one; `proj rerun` exits with the command's own code.
    """
    from runner.cli import output
    from runner.cli.redirect import own_stdout
    from runner.cli.run import say
    from runner.cli.terminal import Terminal
    from runner.parameters.resolve import assignments
    from runner.reproduction.again import Changes
    from runner.reproduction.rerun import rerun

    given = reference.take(values)
    report = Terminal(quiet=given["quiet"])
    with reference.open_store(given["store"], quiet=True) as store:
        ref = reference.find(store, given["run"]).run_id
        experiment = store.ensure_experiment(given["experiment_name"]) if given["experiment_name"] else ""
        changes = Changes(
            "rerun-of",
            assignments(given["parameters"]),
            given["run_name"],
            experiment,
            given["refresh"],
            given["offline"],
            tags=tuple(given["tags"]),
        )
        with own_stdout(given["json"]):
            outcome = rerun(store, ref, changes, report)
    if given["json"]:
        output.emit_json(outcome._asdict())
    say(outcome, report)
    return outcome.exit_code
