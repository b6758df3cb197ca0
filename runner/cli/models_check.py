"""`proj models check`: does a model load in its environment, and answer its example as it did before?"""

from __future__ import annotations

from runner.cli import output, reference
from runner.errors import InputError

__all__ = ["check"]

SAID = {
    "first": "the example is answered; there is no earlier check to compare it with",
    "no-example": "it was saved without an example: nothing was asked",
    "wrong": "the example is not answered as the model states",
}


def check(
    ref: str, tolerance: str, env_manager: str, env: str, python: str, allow_python_download: bool, refresh: bool,
    offline: bool, signed: bool, experiment_name: str, run_name: str, tags: tuple[str, ...], server: str,
    quiet: bool, location: str, as_json: bool,
) -> int:  # fmt: skip
    """Load a model in its environment, ask it its example, and compare the answer with that of the first check.

    It is a run, which keeps the predictions. Exits with 1 when the example is not answered as the signature says, or
    otherwise than before; with 125 when the model cannot be loaded.
    """
    from runner.cli.terminal import Terminal
    from runner.host.interrupts import Interrupts
    from runner.models.address import located
    from runner.models.checking import check as look
    from runner.models.environment import Choice
    from runner.models.recording import About
    from runner.parameters.shell import quote
    from runner.reproduction.verdict.tolerance import EXACT, parse
    from runner.text.credentials import without

    given = parse((tolerance,)).given if tolerance else ()
    if tolerance and "=" in tolerance:
        raise InputError(f"--tolerance {tolerance}: predictions have no names", "such as 1e-6 or rel:0.01")
    model = without(ref)
    about = About(
        "check", f"proj models check {quote(model)}", {"model": model}, experiment_name, run_name, tags
    )
    choice = Choice(env_manager, env, refresh, offline, python, allow_python_download)
    with reference.open_store(location, quiet=True, new=True) as store, output.own_stdout(True), Interrupts():
        report = Terminal(quiet=quiet)
        found = located(store, ref, lambda each: reference.find(store, each), report, server, offline)
        checked = look(store, found, choice, about, given[0][1] if given else EXACT, report, signed)
    same = f"the example is answered as in the run {checked.against[:12]}"
    lines = [
        f"{checked.verdict}: {SAID.get(checked.verdict, same if checked.verdict == 'ok' else f'not {same[15:]}')}",
        *(f"  {each}" for each in checked.problems),
        f"  loaded by mlflow {checked.mlflow}, Python {checked.python}",
    ]
    output.result(as_json, checked, lines)
    return checked.exit_code
