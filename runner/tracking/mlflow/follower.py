"""Sends a run on while it is on: a process of its own, so that the run never waits for a server.

uri = destination(os.environ)
follower = begin(store, run_id, uri)      when the command was started
note = follower.finish()                  after the end was written: "" or what to tell the user
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from runner.errors import ProjError
from runner.host import process, program
from runner.tracking.mlflow import sent

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["Follower", "begin", "destination"]

WAIT = 10.0  # s that the end of a run waits at most for what is unsent


def destination(environ: Mapping[str, str], given: str = "") -> str:
    """Where runs are to be sent on: `--store` when that is an address, or MLFLOW_TRACKING_URI. "" for nowhere.

    In the command of a run that variable leads to the endpoint of that run, which is no server of the user's.
    """
    inside = bool(environ.get("PROJ_RUN_ID"))
    uri = given if "://" in given or inside else environ.get("MLFLOW_TRACKING_URI", "")
    return uri if uri.startswith(("http://", "https://")) else ""


class Follower:
    def __init__(self, store: Store, run_id: str, helper: process.Pending | None) -> None:
        self._store = store
        self._run_id = run_id
        self._helper = helper

    def finish(self, wait: float = WAIT) -> str:
        """Gives that process that long, and says what is still unsent."""
        if self._helper is not None:
            self._helper.finish(wait)
        state = sent.state_of(self._store, self._run_id)
        if state is None:
            return ""
        command = f"proj sync {self._run_id[:12]}"
        if not state.remote_id:
            return f"the run could not be sent to {state.uri}; {command}  sends it"
        if state.unsent:
            return f"{state.unsent} events could not be sent to {state.uri}; {command}  sends them"
        if state.refused:
            return f"{state.uri} refused {len(state.refused)} entries: {state.refused[-1]}"
        return ""


def begin(store: Store, run_id: str, environ: Mapping[str, str], given: str = "") -> Follower | None:
    """Notes where the run goes, and starts to send it. None when it goes nowhere. Whatever fails, the run goes on."""
    uri = destination(environ, given)
    if not uri:
        return None
    helper = None
    try:
        sent.plan(store, run_id, uri)
        ours = program.folder()
        command = [os.path.join(ours, "proj")] if ours else [sys.executable, "-m", "runner"]
        argv = [*command, "sync", run_id, "--follow", "--store", store.root]
        # in a variable: everybody may read a command line, and the address may hold a password
        helper = process.start(argv, {"MLFLOW_TRACKING_URI": uri, "PROJ_RUN_ID": None})
    except (ProjError, OSError):
        pass  # `finish` says that it is unsent
    return Follower(store, run_id, helper)
