"""Sends a run on while it is in progress: a process of its own, so that the run never waits for a server.

uri = destination(os.environ)
follower = begin(store, run_id, uri)      when the command was started
note = follower.finish()                  after the end was written: "" or what to tell the user
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from runner.errors import ProjError
from runner.host import process, program
from runner.tracking.fold import PARENT_TAG
from runner.tracking.mlflow import sent
from runner.tracking.mlflow.rest import without_credentials

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["Follower", "begin", "destination", "registry", "unserved"]

DATABASES = ("sqlite", "postgresql", "mysql", "mssql", "file")
WAIT = 10.0  # s that the end of a run waits at most for what is unsent


def destination(environ: Mapping[str, str], given: str = "") -> str:
    """Where runs are to be sent on: `--store` when that is an address, or MLFLOW_TRACKING_URI. "" for nowhere.

    In the command of a run that variable leads to the endpoint of that run, which is no server of the user's.
    """
    uri = given if "://" in given else _asked(environ, "MLFLOW_TRACKING_URI")
    return uri if _is_server(uri) else ""


def registry(environ: Mapping[str, str]) -> str:
    """The server to which versions of registered models are to be sent, where it is said to be another one."""
    uri = _asked(environ, "MLFLOW_REGISTRY_URI")
    return uri if _is_server(uri) else ""


def _asked(environ: Mapping[str, str], name: str) -> str:
    return "" if environ.get("PROJ_RUN_ID") else environ.get(name, "")


def _is_server(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def unserved(environ: Mapping[str, str], run_id: str) -> list[str]:
    """What to tell the user about addresses of theirs that are no servers: nothing is written there."""
    found = []
    for name, what in (
        ("MLFLOW_TRACKING_URI", "the run is"),
        ("MLFLOW_REGISTRY_URI", "registered models are"),
    ):
        uri = _asked(environ, name)
        if not uri or _is_server(uri):
            continue
        serve = f"mlflow server --backend-store-uri {without_credentials(uri)}"
        start = f" (start it: {serve})" if uri.partition(":")[0] in DATABASES else ""
        found.append(
            f"{name}={without_credentials(uri)} is no MLflow server: {what} kept in this store;"
            f" proj export {run_id[:12]} --to-mlflow http://HOST:PORT  sends it to one{start}"
        )
    return found


class Follower:
    def __init__(
        self,
        store: Store,
        run_id: str,
        helpers: Mapping[str, process.Pending | None],
        later: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        """`helpers` send the run, by the server; `later`: the server it goes to if it registers models.

        `notes` are said at the end.
        """
        self._store = store
        self._run_id = run_id
        self._helpers = dict(helpers)
        self._later = later
        self._notes = notes
        self._why: dict[str, str] = {}  # in the words of what sends, by the server

    def finish(self, wait: float = WAIT) -> str:
        """Gives these processes that long, and says what is still unsent."""
        if self._later and _registers(self._store, self._run_id):
            self._helpers[self._later] = _start(self._store, self._run_id, self._later)
        deadline = time.monotonic() + wait
        for uri, helper in self._helpers.items():
            if helper is not None:
                said = helper.finish(max(0.0, deadline - time.monotonic())).err
                self._why[uri] = "".join(_problem(said, without_credentials(uri)))
        return "\n".join(filter(None, (*self._notes, *map(self._note, self._helpers))))

    def _note(self, uri: str) -> str:
        state = sent.state_of(self._store, self._run_id, without_credentials(uri))
        if state is None:
            return ""
        command = f"proj sync {self._run_id[:12]}"
        if not state.remote_id:
            return f"the run could not be sent to {state.uri}{self._why.get(uri, '')}; {command}  sends it"
        if state.unsent:
            what = f"{state.unsent} events could not be sent to {state.uri}{self._why.get(uri, '')}"
            return f"{what}; {command}  sends them"
        if state.refused:
            return f"{state.uri} refused {len(state.refused)} entries: {state.refused[-1]}"
        return ""


def begin(store: Store, run_id: str, environ: Mapping[str, str], given: str = "") -> Follower | None:
    """Notes where the run goes, and starts to send it. None when it goes nowhere. Whatever fails, the run goes on."""
    uri, models = destination(environ, given), registry(environ)
    if without_credentials(models) == without_credentials(uri):
        models = ""
    notes = unserved(environ, run_id)
    if not uri and not models and not notes:
        return None
    helpers = {uri: _start(store, run_id, uri, models)} if uri else {}
    return Follower(store, run_id, helpers, models, notes)


def _start(store: Store, run_id: str, uri: str, models: str = "") -> process.Pending | None:
    try:
        sent.plan(store, run_id, uri, models)
        ours = program.folder()
        command = [os.path.join(ours, "proj")] if ours else [sys.executable, "-m", "runner"]
        argv = [*command, "sync", run_id, "--follow", "--store", store.root]
        # in a variable: everybody may read a command line, and the address may hold a password
        return process.start(argv, {"MLFLOW_TRACKING_URI": uri, "PROJ_RUN_ID": None})
    except (ProjError, OSError):
        return None  # `finish` says that it is unsent


def _problem(said: str, uri: str) -> Iterator[str]:
    """Of what `proj sync` wrote at its end, the reason."""
    for line in said.splitlines():
        if line.startswith("error: "):
            yield f" ({line.removeprefix('error: ').removeprefix(f'{uri}: ').rstrip('.')})"
            return


def _registers(store: Store, run_id: str) -> bool:
    """Whether the run, or one below it, has registered a model."""
    try:
        found = [store.read(run_id), *store.search(f"tags.`{PARENT_TAG}` = '{run_id}'", limit=1000).runs]
    except ProjError:
        return False
    return any(link.get("relation") == "registered" for run in found for link in run.links)
