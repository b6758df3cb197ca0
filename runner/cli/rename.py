"""`proj rename`: gives a run another name."""

from __future__ import annotations

from typing import Any

from runner.cli import reference
from runner.cli.options import Option

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    reference.RUN,
    Option("name", ("name",), "Its new name.", default=None, metavar="NAME"),
    reference.STORE,
    reference.JSON,
)


def command(values: dict[str, Any]) -> int:
    """Give a run another name. Several runs may have the same."""
    from runner.cli import output
    from runner.errors import InputError

    given = reference.take(values)
    if not given["name"].strip():
        raise InputError("a run needs a name")
    with reference.open_store(given["store"]) as store:
        run = reference.find(store, given["run"])
        with store.open_run(run.run_id) as writer:
            writer.rename(given["name"])
    if given["json"]:
        output.emit_json({"run_id": run.run_id, "name": given["name"], "before": run.name})
    return 0
