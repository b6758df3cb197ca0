"""The run that an address names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from runner.errors import InputError
from runner.protocol.answer import ApiError
from runner.running.reconcile import concluded
from runner.tracking.fold import Run

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["the_run"]


def the_run(request: Request) -> Run:
    """By its id, or whatever else names a run on the command line. ApiError when there is none."""
    store: Store = request.app.state.site.store
    try:
        return concluded(store.read(store.resolve(request.path_params["run_id"])))
    except InputError as problem:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", problem.message) from None
