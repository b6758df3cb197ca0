"""`proj tag`: sets and removes tags of a run."""

from __future__ import annotations

from runner.cli import output, reference
from runner.cli.options import Command, Option, pairs
from runner.errors import InputError

__all__ = ["COMMAND"]


def command(ref: str, tags: tuple[str, ...], removed: tuple[str, ...], location: str, as_json: bool) -> int:
    """Set tags of a run (NAME=VALUE ...) or remove them; with neither, show them."""
    from runner.running.reconcile import current
    from runner.tracking import events
    from runner.tracking.fold import NAME_TAG
    from runner.tracking.resolve import check_name

    new = pairs(tags)
    check_name(dict(new).get(NAME_TAG, ""))
    with reference.open_store(location) as store:
        run = reference.find(store, ref)
        absent = [key for key in removed if key not in run.tags]
        if absent:
            raise InputError(f"the run {run.name} has no tag {absent[0]!r}")
        if new or removed:
            with store.open_run(run.run_id) as writer:
                writer.append(*map(events.untag, removed), *(events.tag(*pair) for pair in new))
            run = current(store, run.run_id)
    shown = () if new or removed else output.table(("tag", "value"), list(run.tags.items()))
    return output.result(as_json, dict(run.tags), shown)


COMMAND = Command(command, (
    reference.RUN,
    Option("tags", (), "Tags to set.", "many", metavar="[NAME=VALUE...]"),
    Option("removed", ("--remove",), "A tag to remove.", "many", metavar="NAME"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
