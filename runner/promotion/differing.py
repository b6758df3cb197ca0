"""How two versions differ: what their folders say, and all in which their runs do."""

from __future__ import annotations

from typing import NamedTuple

from runner.errors import ProjError
from runner.models.folder import mlmodel, requirements
from runner.reproduction.verdict.difference import Change, Difference
from runner.reproduction.verdict.difference import between as between_runs
from runner.running.recorded import load
from runner.tracking.registry import Version, sources
from runner.tracking.store import Store
from runner.values import JsonObject

__all__ = ["Differing", "between"]


class Differing(NamedTuple):
    changes: tuple[Change, ...]
    runs: Difference | None  # None: one of them is not in this store, or it is the same
    notes: tuple[str, ...]

    def facts(self) -> JsonObject:
        return {
            "changes": [each._asdict() for each in self.changes],
            "runs": None if self.runs is None else self.runs.facts(),
            "notes": list(self.notes),
        }


def between(store: Store, old: Version, new: Version) -> Differing:
    """Two versions of a model: their own facts, and why their runs differ, where both runs are still there."""
    one, two = (_facts(store, each) for each in (old, new))
    names = dict.fromkeys((*one, *two))
    changes = tuple(
        Change(name, one.get(name), two.get(name)) for name in names if one.get(name) != two.get(name)
    )
    notes = []
    found = None
    if old.run_id and old.run_id == new.run_id:
        notes.append("both are of the same run")
    else:
        try:
            found = between_runs(load(store, old.run_id), load(store, new.run_id))
        except ProjError as error:
            notes.append(f"their runs are not compared: {error.message}")
    return Differing(changes, found, tuple(notes))


def _facts(store: Store, version: Version) -> JsonObject:
    folder = sources.file_of(store, version)
    described = mlmodel(folder)
    found: JsonObject = {"digest": version.digest or None, "source": version.source}
    signature = described.get("signature")
    if isinstance(signature, dict):
        found |= {f"signature.{key}": value for key, value in signature.items()}
    flavors = described.get("flavors")
    if isinstance(flavors, dict):
        found["flavors"] = ", ".join(sorted(map(str, flavors)))
    for line in requirements(folder):
        name, equals, number = line.partition("==")
        found[f"package {name.strip()}"] = number.strip() if equals else line
    found |= {f"tag {key}": value for key, value in version.tags.items()}
    return found
