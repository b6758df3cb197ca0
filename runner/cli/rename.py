"""`proj rename`: gives a run another name."""

from __future__ import annotations

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.errors import InputError
from runner.tracking.resolve import check_name

__all__ = ["COMMAND"]


def command(ref: str, name: str, location: str, as_json: bool) -> int:
    """Give a run another name. Several runs may have the same."""
    if not name.strip():
        raise InputError("a run needs a name")
    check_name(name)
    with reference.open_store(location) as store:
        run = reference.find(store, ref)
        with store.open_run(run.run_id) as writer:
            writer.rename(name)
    return output.result(as_json, {"run_id": run.run_id, "name": name, "before": run.name}, ())


NAME = Option("name", (), "Its new name.", default=None, metavar="NAME")
COMMAND = Command(command, (reference.RUN, NAME, reference.STORE, reference.JSON))
