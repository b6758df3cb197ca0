"""What a run's environment was: its facts, each package, and the lock it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from runner.environments.packages import packages
from runner.running import recorded
from runner.web import run_details
from runner.web.found import the_run
from runner.web.render import page

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["show"]

LONGEST = 1_000_000  # characters of a lock


def show(request: Request) -> Response:
    store: Store = request.app.state.site.store
    run = the_run(request)
    found = recorded.of(store, run)
    groups = [
        group
        for group in run_details.groups(run)
        if group[0] in ("Environment", "Machine", "Variables") and group[1]
    ]
    return page(
        request, "environment.html", run=run, groups=groups, packages=packages(found.packages),
        lock=found.lock[:LONGEST], installed=found.installed[:LONGEST],
    )  # fmt: skip
