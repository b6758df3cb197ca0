"""What is signed of a version: an in-toto statement (https://in-toto.io/Statement/v1) with SLSA provenance v1.

Subjects are the model's files with their SHA-256; dependencies the code, the lock and the inputs of the run.
"""

from __future__ import annotations

import json
import os

from runner.errors import StoreError
from runner.host import files
from runner.tracking.registry import Version, sources
from runner.tracking.store import Store
from runner.values import JsonObject

__all__ = ["statement"]


def statement(store: Store, name: str, version: Version) -> str:
    """An in-toto statement v1 with SLSA provenance v1, as JSON: which run, code and packages made the files of a
    version.
    """
    folder = sources.file_of(store, version)
    about = {
        "name": name,
        "version": version.number,
        "version_id": version.version_id,
        "digest": version.digest,
    }
    dependencies, run = _run(store, version.run_id)
    value = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": _subjects(folder),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://proj.dev/run/v1",
                "externalParameters": about,
                "internalParameters": run,
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": {"id": "proj"},
                "metadata": {"invocationId": version.run_id},
            },
        },
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _subjects(folder: str) -> list[JsonObject]:
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            digest = files.digest(path).hex
            found.append({"name": os.path.relpath(path, folder), "digest": {"sha256": digest}})
    return sorted(found, key=lambda each: str(each["name"]))


def _run(store: Store, run_id: str) -> tuple[list[JsonObject], JsonObject]:
    """What the run was made from, and how; nothing where it is not in this store."""
    try:
        run = store.read(run_id)
    except StoreError:
        return [], {}
    found: list[JsonObject] = []
    code = run.sections.get("code", {})
    if code.get("tree"):
        found.append(
            {"name": "code", "digest": {"gitTree": str(code["tree"])}, "uri": str(code.get("remote", ""))}
        )
    directory = store.run_directory(run_id)
    for name in ("environment.lock", *(("events.jsonl",) if run.end else ())):  # else it is still written to
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            found.append({"name": name, "digest": {"sha256": files.digest(path).hex}})
    for each in run.inputs:
        found.append(
            {"name": str(each.get("path") or each.get("uri")), "digest": {"proj": str(each.get("digest"))}}
        )
    command = run.sections.get("command", {})
    return found, {
        "entry_point": run.entry_point,
        "command": command.get("command", ""),
        "project": run.project,
    }
