"""`proj sync`: sends runs to an MLflow server (or a `proj server`), and finishes what could not be sent before."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner import paths
from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.errors import InputError, ProjError
from runner.tracking.mlflow import send as sending
from runner.tracking.mlflow import sent
from runner.tracking.mlflow.rest import Rest, Unreachable, without_credentials

if TYPE_CHECKING:
    from runner.tracking.mlflow.sent import Sent
    from runner.tracking.store import Store

__all__ = ["COMMAND", "send", "show"]


def command(refs: tuple[str, ...], to: str, follow: bool, waiting: bool, location: str, as_json: bool) -> int:
    """Send runs to a tracking server."""
    with reference.open_store(location) as store:
        if waiting:
            return show(sent.pending(store), as_json)
        chosen = [reference.find(store, ref).run_id for ref in refs] or [
            each.run_id for each in sent.pending(store)
        ]
        done: list[Sent] = []
        problems: list[ProjError] = []
        for run_id in dict.fromkeys(chosen):
            for uri in [to] if to or follow else _servers(store, run_id):
                try:
                    done.append(send(store, run_id, uri, follow, location))
                except ProjError as error:
                    problems.append(error)  # the others are sent all the same
        if done or not problems:
            show(done, as_json)
    if problems:
        raise problems[0]
    return 0


def _servers(store: Store, run_id: str) -> list[str]:
    """Several where its models are registered elsewhere; "" where it is not noted yet."""
    known = sent.servers(store.root, run_id)
    return known if len(known) > 1 else [""]


def show(found: Sequence[Sent], as_json: bool) -> int:
    rows = ((each.run_id[:12], each.uri, each.remote_id, each.unsent, len(each.refused)) for each in found)
    output.result(as_json, found, output.table(("run", "server", "id there", "unsent", "refused"), rows))
    for each in () if as_json else found:
        output.emit_lines((f"refused: {message}" for message in each.refused), sys.stderr)
    return 0


def send(store: Store, run_id: str, to: str, follow: bool, server: str = "") -> Sent:
    """A run to the server `to`, or without it to where it goes."""
    from runner.tracking.mlflow.follower import destination

    known = sent.state_of(store, run_id)
    uri = to or destination(os.environ, paths.store(server))
    if known and not to and not (follow and uri) and without_credentials(uri) != known.uri:
        uri = known.uri
    if not uri:
        raise InputError("it is not said where to", f"proj sync {run_id[:12]} --to http://host:port")
    sent.plan(store, run_id, uri)
    rest = Rest(uri)
    try:
        return sending.follow(store, run_id, rest) if follow else sending.send(store, run_id, rest)
    except Unreachable as error:
        left = sent.state_of(store, run_id)
        count = left.unsent if left else 0
        raise ProjError(f"{error.message} ({count} events of {run_id[:12]} are unsent)", error.hint) from None
    finally:
        rest.close()


TO = "Address of the server (default: where the run goes, or MLFLOW_TRACKING_URI)."
COMMAND = Command(command, (
    Option("refs", (), "Ids, names, last; none: all that are not wholly sent.", "many", metavar="[RUN]..."),
    Option("to", ("--to",), TO, metavar="URI"),
    Option("follow", ("--follow",), "Go on until the run has ended.", "flag"),
    Option("waiting", ("--list",), "Only list what is not wholly sent.", "flag"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
