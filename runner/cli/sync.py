"""`proj sync`: sends runs to an MLflow server (or a `proj server`), and finishes what could not be sent before."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from runner.cli import reference
from runner.cli.options import Option
from runner.errors import InputError, ProjError

__all__ = ["OPTIONS", "command", "send", "show"]

OPTIONS = (
    Option(
        "runs", ("runs",), "Ids, names, last; none: all that are not wholly sent.", "many", metavar="[RUN]..."
    ),
    Option(
        "to",
        ("--to",),
        "Address of the server (default: where the run goes, or MLFLOW_TRACKING_URI).",
        metavar="URI",
    ),
    Option("follow", ("--follow",), "Go on until the run has ended.", "flag", False),
    Option("list", ("--list",), "Only list what is not wholly sent.", "flag", False),
    Option("store", ("--store",), "The store (default: PROJ_STORE, or the user's).", metavar="FOLDER"),
    Option("json", ("--json",), "Print JSON.", "flag", False),
)


def command(values: dict[str, Any]) -> int:
    """Send runs to a tracking server."""
    from runner.tracking.mlflow import send as mirror

    given = reference.take(values)
    with reference.open_store(given["store"]) as store:
        if given["list"]:
            found = mirror.pending(store)
        else:
            found = [
                send(store, run_id, given["to"], given["follow"], given["store"])
                for run_id in _chosen(store, given)
            ]
    show(found, given["json"])
    return 0


def show(found: Sequence[Any], as_json: bool) -> None:
    from runner.cli.output import emit_json, emit_lines, table

    if as_json:
        emit_json([each._asdict() for each in found])
        return
    rows = [(each.run_id[:12], each.uri, each.remote_id, each.unsent, len(each.refused)) for each in found]
    table(("run", "server", "id there", "unsent", "refused"), rows)
    for each in found:
        for message in each.refused:
            emit_lines([f"refused: {message}"], sys.stderr)


def _chosen(store: Any, given: dict[str, Any]) -> list[str]:
    from runner.tracking.mlflow import send as mirror

    if given["runs"]:
        return [store.resolve(ref) for ref in given["runs"]]
    return [each.run_id for each in mirror.pending(store)]


def send(store: Any, run_id: str, to: str, follow: bool, server: str = "") -> Any:
    """A run to the server `to`, or without it to where it goes."""
    from runner import paths
    from runner.tracking.mlflow import send as mirror
    from runner.tracking.mlflow.follower import destination
    from runner.tracking.mlflow.rest import Rest, Unreachable, without_credentials

    known = mirror.state_of(store, run_id)
    uri = to or destination(os.environ, paths.store(server))
    if known and not to and without_credentials(uri) != known.uri:
        uri = known.uri
    if not uri:
        raise InputError("it is not said where to", f"proj sync {run_id[:12]} --to http://host:port")
    mirror.plan(store, run_id, uri)
    rest = Rest(uri)
    try:
        return mirror.follow(store, run_id, rest) if follow else mirror.send(store, run_id, rest)
    except Unreachable as error:
        left = mirror.state_of(store, run_id)
        count = left.unsent if left else 0
        raise ProjError(f"{error.message} ({count} events of {run_id[:12]} are unsent)", error.hint) from None
    finally:
        rest.close()
