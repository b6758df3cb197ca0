"""The store and the runs that a command line means."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runner import paths
from runner.cli.options import Option
from runner.errors import InputError, ProjError, StoreError

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.index.places import Scope
    from runner.tracking.store import Store

__all__ = [
    "JSON", "LAST", "PROJECT", "QUIET", "RUN", "RUNS", "RUNS_BY", "STORE", "VERSION",
    "experiment_id", "find", "open_store", "original", "scope_here",
]  # fmt: skip

RUNS_BY = "A run: id or its beginning, name, last, last~2, best:metrics.rmse."
RUN = Option("ref", (), RUNS_BY, default=None, metavar="RUN", complete="runs")
LAST = RUN._replace(default="last", metavar="[RUN]")
RUNS = Option(
    "refs", (), f"Runs, each as{RUNS_BY.removeprefix('A run')}", "many", metavar="RUN...", complete="runs"
)
STORE = Option("location", ("--store",), "The store to look in.", metavar="PATH")
JSON = Option("as_json", ("--json",), "Print JSON.", "flag")
PROJECT = Option("uri", (), "Folder, git URL or archive with the project.", default=".", metavar="[URI]")
VERSION = Option("version", ("-v", "--version"), "Branch, tag or commit.", metavar="VERSION")
QUIET = Option("quiet", ("-q", "--quiet"), "Show no progress.", "flag")


def open_store(given: str = "", quiet: bool = False, new: bool = False) -> Store:
    """With PROJ_STORE set to a server's address: the user's own, where runs are recorded before they are sent.

    `new`: one that was named may be made; else it must be there.
    """
    from runner.cli.terminal import Terminal
    from runner.text.secrets import around
    from runner.tracking.store import Store

    if "://" in given:
        from runner.tracking.mlflow.rest import without_credentials

        address = without_credentials(given)
        raise InputError(
            f"the store {address} is a server, and this command looks into a folder",
            f"proj import {address}  takes its runs over; without --store those made here are looked at",
        )
    if given and not new and not os.path.isdir(paths.store_here(given)):
        raise InputError(
            f"there is no store at {paths.store_here(given)}", "proj run --store PATH  makes one"
        )
    terminal = Terminal(quiet=quiet)
    if not given and "://" in paths.store():
        terminal.note("PROJ_STORE is a server; these are the runs that were recorded here")
    return Store(paths.store_here(given), terminal, secrets=around(os.environ))


def scope_here(store: Store) -> Scope | None:
    """The runs of the project in the working folder; None where all runs are meant, for there is no project."""
    from runner.running.whereabouts import here, scope_of

    return scope_of(store, here())


def find(store: Store, ref: str) -> Run:
    """The run that `ref` means. `last`, `best:` and names look among the runs of the project in this folder."""
    from runner.running.reconcile import current

    if not ref.startswith(("last", "best:")):
        try:
            return current(store, store.resolve(ref))
        except InputError:
            pass  # several have that name: perhaps one of them is of this project
    try:
        return current(store, store.resolve(ref, scope_here(store)))
    except InputError as error:
        from runner.cli import unknown

        if near := unknown.run(store, ref):
            error.hint = f"did you mean {near}?"
        raise


def original(store: Store, run: Run, ref: str) -> str:
    """`last` is not the reproduction that was made a moment ago, or the second one would compare it with itself."""
    from runner.running.reconcile import current

    while ref.startswith("last"):
        link = next((each for each in run.links if each.get("relation") == "reproduces"), None)
        if link is None:
            break
        try:
            run = current(store, str(link["run_id"]))
        except StoreError:
            break
    return run.run_id


def experiment_id(store: Store, given: str) -> str:
    """Of an experiment by name or id. InputError when there is none."""
    found = store.experiment_by_name(given)
    if found is not None:
        return found.experiment_id
    try:
        return store.experiment(given).experiment_id
    except ProjError:
        names = ", ".join(each.name for each in store.experiments("all"))
        raise InputError(f"there is no experiment {given!r}", f"there are {names}") from None
