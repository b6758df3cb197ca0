"""`proj serve`: a model behind HTTP, in its own locked environment, as a recorded run."""

from __future__ import annotations

import os
import sys

from runner.cli import model_options, output, reference
from runner.cli.options import Command, Option
from runner.errors import InputError

__all__ = ["COMMAND"]

TOKEN = "PROJ_SERVE_TOKEN"  # noqa: S105  the name of a variable


def command(
    ref: str, port: int, host: str, workers: int, batch: int, token: str, no_auth: bool, timeout: str, queue: int, max_body: str, grace: str,
    env_manager: str, env: str, python: str, allow_python_download: bool, refresh: bool, offline: bool,
    signed: bool, experiment_name: str, run_name: str, tags: tuple[str, ...], server: str, location: str, quiet: bool,
) -> int:  # fmt: skip
    """Serve a model over HTTP by MLflow's scoring protocol, until ^C.

    The environment is the training's, where its lock has what the model requires; else the model's requirements are
    resolved once. Nothing is added to it. Until the model is loaded the answer is 503. It is a run: proj runs, proj logs.
    """
    from runner.cli.terminal import Terminal
    from runner.host.interrupts import Interrupts
    from runner.models.address import located
    from runner.models.environment import Choice
    from runner.models.recording import About
    from runner.models.serving.front import Settings
    from runner.models.serving.serve import serve
    from runner.parameters.shell import quote
    from runner.text.credentials import without
    from runner.text.units import byte_count, seconds

    if min(workers, batch) < 1 or queue < 0:
        raise InputError("--workers and --batch are at least 1, and --queue at least 0")
    if not seconds(timeout, "--timeout"):
        raise InputError("--timeout 0: no request could be answered", "--timeout 60")
    settings = Settings(
        host, port, workers, token or os.environ.get(TOKEN, ""), no_auth, queue, seconds(timeout, "--timeout"),
        byte_count(max_body, "--max-body"), seconds(grace, "--grace"), batch, quiet,
    )  # fmt: skip
    about = About(
        "serve",
        f"proj serve {quote(without(ref))}",
        {"model": without(ref), "workers": workers},
        experiment_name,
        run_name,
        tags,
    )
    choice = Choice(env_manager, env, refresh, offline, python, allow_python_download)

    def bound(address: str) -> None:
        sys.stderr.write(f"serving {without(ref)} at {address}\n  ^C ends it\n")
        sys.stderr.flush()

    with reference.open_store(location, quiet=True, new=True) as store, output.own_stdout(True), Interrupts():
        report = Terminal(quiet=quiet)
        found = located(store, ref, lambda each: reference.find(store, each), report, server, offline)
        served = serve(store, found, choice, settings, about, report, bound, signed)
    return served.ended.exit_code


COMMAND = Command(command, (
    model_options.MODEL,
    Option("port", ("-p", "--port"), "Port; 0 takes any.", "int", 5001, metavar="N"),
    Option("host", ("--host",), "Address to listen on.", default="127.0.0.1", metavar="ADDRESS"),
    Option("workers", ("-w", "--workers"), "Processes that load the model.", "int", 1, metavar="N"),
    Option("batch", ("--batch",), "Requests that the model is asked at once, at most.", "int", 1, metavar="N"),
    Option("token", ("--token",), f"What clients must bring as Bearer; better in {TOKEN}, where nobody sees it.", metavar="TEXT"),
    Option("no_auth", ("--no-auth",), "Need no token on an address that others reach.", "flag"),
    Option("timeout", ("--timeout",), "How long a request may take.", default="60", metavar="TIME"),
    Option("queue", ("--queue",), "Requests that may wait; more are answered 429.", "int", 1000, metavar="N"),
    Option("max_body", ("--max-body",), "Size of a request.", default="100MB", metavar="SIZE"),
    Option("grace", ("--grace",), "Time for what was begun before the end.", default="10", metavar="TIME"),
    *model_options.ENVIRONMENT,
    *model_options.OF_RUN,
    model_options.FROM,
    reference.STORE,
    reference.QUIET,
))  # fmt: skip
