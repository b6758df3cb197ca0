"""`proj gc`: removes deleted runs for good."""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.cli.runs import Selection, select
from runner.cli.terminal import agreed
from runner.text.units import seconds, size

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["COMMAND"]

RUN = re.compile(r"(?<![0-9a-f-])[0-9a-f]{32}(?![0-9a-f])")  # in a location


def command(older_than: str, dry_run: bool, yes: bool, location: str, as_json: bool) -> int:
    """Remove deleted runs, and runs of deleted experiments, for good, with all their files."""
    age = seconds(older_than, "--older-than") if older_than else 0.0
    with reference.open_store(location) as store:
        found = removable(store, (time.time() - age) * 1000)
        needed = registered(store)
        runs = [run for run in found if run.run_id not in needed]
        stay = [
            f"{run.run_id[:12]}  {run.name} is kept: {needed[run.run_id]} is of it"
            for run in found
            if run not in runs
        ]
        total = sum(size_of(store.run_directory(run.run_id)) for run in runs)
        text = f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}, {size(total)}"
        # not asked where there is no terminal: whoever wrote the line has decided
        sure = yes or not runs or not sys.stdin.isatty()
        remove = not dry_run and (sure or agreed(f"remove {text} for good?"))
        if remove:
            for run in runs:
                remove_elsewhere(store, run)
                store.purge(run.run_id)
            if runs:
                forget_code(store)
    needed_here = {run.run_id: needed[run.run_id] for run in found if run.run_id in needed}
    value = {"removed": remove, "runs": [run.run_id for run in runs], "bytes": total, "kept": needed_here}
    kept = [*(f"{run.run_id[:12]}  {run.name}" for run in runs), f"{text}: not removed"]
    return output.result(as_json, value, [*stay, *([f"removed {text}"] if remove else kept)])


def removable(store: Store, before: float) -> list[Run]:
    """Deleted before this time (ms), themselves or with their experiment."""
    found, _ = select(store, Selection(view="deleted", limit=sys.maxsize))
    gone = [each for each in store.experiments("deleted") if each.last_update_time <= before]
    runs = [run for run in found if deleted_at(store, run.run_id) <= before]
    known = {run.run_id for run in runs}
    for experiment in gone:
        wanted = Selection(experiments=(experiment.experiment_id,), view="all", limit=sys.maxsize)
        more, _ = select(store, wanted)
        runs += [run for run in more if run.run_id not in known]
    return runs


def registered(store: Store) -> dict[str, str]:
    """Runs of which registered models have versions, which would lose their files and their proof: id -> a version."""
    from runner.tracking import registry

    found: dict[str, str] = {}
    for model in registry.listing(store.root):
        for version in model.versions.values():
            for run_id in (version.run_id, *RUN.findall(f"{version.location} {version.source}")):
                found.setdefault(run_id, f"version {version.number} of {model.name}")
    return found


def remove_elsewhere(store: Store, run: Run) -> None:
    """Artifacts that its experiment keeps outside of the record."""
    from runner.tracking import artifacts

    place = artifacts.location(store, run.run_id)
    inside = place.startswith(store.run_directory(run.run_id) + os.sep)
    if not inside and artifacts.listing(store, run.run_id):
        artifacts.delete(store, run.run_id, "")


def forget_code(store: Store) -> None:
    """Snapshots that no run points to any more."""
    from runner.snapshots import upkeep

    left, _ = select(store, Selection(view="all", limit=sys.maxsize))
    trees = {str(run.sections.get("code", {}).get("tree", "")) for run in left}
    upkeep.forget(store.root, trees - {""})


def deleted_at(store: Store, run_id: str) -> int:
    """ms since the epoch."""
    from runner.tracking.entity import events

    found = events(store.run_directory(run_id))
    return max((event.get("time", 0) for event in found if event["type"] == "deleted"), default=0)


def size_of(directory: str) -> int:
    """Bytes of all files in a folder."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                continue
    return total


COMMAND = Command(command, (
    Option("older_than", ("--older-than",), "Only those deleted longer ago: 12h, 30d.", metavar="TIME"),
    Option("dry_run", ("--dry-run",), "Show what would be removed, and remove nothing.", "flag"),
    Option("yes", ("-y", "--yes"), "Do not ask.", "flag"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
