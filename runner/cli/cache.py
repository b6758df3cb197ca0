"""`proj cache`: all that is kept on this disk, in one place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING

from runner import paths
from runner.cli import output, reference
from runner.cli.options import Command, Group, Option
from runner.errors import InputError
from runner.text.units import seconds, size

if TYPE_CHECKING:
    from runner.running.disk import Pruned

__all__ = ["COMMAND"]

MANY = 5


def show(location: str, as_json: bool) -> int:
    """Show what is kept on this disk: environments, packages, repositories, runs; and what makes room."""
    from runner.running import disk

    found = disk.places(paths.store_here(location))
    rows = ((each.name, size(each.size), each.what, each.pruned_by) for each in found)
    total = sum(each.size for each in found)
    lines = chain(
        output.table(
            ("name", "size", "what", "makes room"), rows, ["size"], spare=["what"], whole=["makes room"]
        ),
        [f"{size(total)} in {paths.home()}; files that several share are counted once"],
    )
    return output.result(as_json, {"places": [each._asdict() for each in found], "total": total}, lines)


def prune(names: tuple[str, ...], older_than: str, dry_run: bool, as_json: bool) -> int:
    """Remove what was not used for long (30 days, unless told) and can be had again; without NAME, of every kind.

    What is in use stays, and so do runs: proj gc is for those that were deleted.
    """
    from runner.running import disk

    for name in names:
        if name not in disk.NAMES:
            raise InputError(f"there is no {name!r} in the cache", f"there are {', '.join(disk.NAMES)}")
    found = disk.prune(names or disk.NAMES, seconds(older_than, "--older-than"), dry_run)
    total = sum(each.size for each in found)
    verb = "would remove" if dry_run else "removed"
    lines = [f"{verb} {text}" for text in _shown(found)]
    lines.append(f"{verb} {size(total)}" if found else "nothing to remove")
    value = {"removed": not dry_run, "pruned": [each._asdict() for each in found], "bytes": total}
    return output.result(as_json, value, lines)


def _shown(found: Sequence[Pruned]) -> Iterator[str]:
    """Each; of a kind of which there are many, how many."""
    for name, group in groupby(found, lambda each: each.name):
        items = list(group)
        if len(items) > MANY and name != "environments":
            yield f"{name}: {len(items)} files and folders  {size(sum(each.size for each in items))}"
        else:
            yield from (f"{name} {each.path}  {size(each.size)}" for each in items)


SHOW = Command(show, (reference.STORE, reference.JSON))
COMMAND = Group("All that is kept on this disk.", {
    "ls": SHOW,
    "prune": Command(prune, (
        Option("names", (), "Only these, as proj cache names them.", "many", metavar="NAME...", complete="places"),
        Option("older_than", ("--older-than",), "Not used for so long: 12h, 30d.", default="30d", metavar="TIME"),
        Option("dry_run", ("--dry-run",), "Show what would be removed, and remove nothing.", "flag"),
        reference.JSON,
    )),
}, alone=SHOW)  # fmt: skip
