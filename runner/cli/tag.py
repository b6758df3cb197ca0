"""`proj tag`: sets and removes tags of a run."""

from __future__ import annotations

from typing import Any

from runner.cli import reference
from runner.cli.options import Option

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    reference.RUN,
    Option("tags", ("tags",), "Tags to set.", "many", metavar="[NAME=VALUE...]"),
    Option("remove", ("--remove",), "A tag to remove.", "many", metavar="NAME"),
    reference.STORE,
    reference.JSON,
)


def command(values: dict[str, Any]) -> int:
    """Set tags of a run (NAME=VALUE ...) or remove them; with neither, show them."""
    from runner.cli import output
    from runner.cli.log import pairs
    from runner.errors import InputError
    from runner.running.reconcile import current
    from runner.tracking import events

    given = reference.take(values)
    new = pairs(given["tags"], "a tag") if given["tags"] else []
    with reference.open_store(given["store"]) as store:
        run = reference.find(store, given["run"])
        absent = [key for key in given["remove"] if key not in run.tags]
        if absent:
            raise InputError(f"the run {run.name} has no tag {absent[0]!r}")
        if new or given["remove"]:
            with store.open_run(run.run_id) as writer:
                writer.append(*map(events.untag, given["remove"]), *(events.tag(*pair) for pair in new))
            run = current(store, run.run_id)
    if given["json"]:
        output.emit_json(dict(run.tags))
    elif not new and not given["remove"]:
        output.table(("tag", "value"), list(run.tags.items()))
    return 0
