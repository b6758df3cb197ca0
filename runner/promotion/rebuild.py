"""A version made again from its run, compared with the files that were registered, and the verdict kept with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from runner.errors import InputError, StoreError
from runner.host import hashing
from runner.reproduction.reproduce import Wish, reproduce
from runner.reproduction.verdict import formats, tolerance, verdict, wording
from runner.reproduction.verdict.compared import Compared
from runner.reproduction.verdict.tolerance import EXACT, Tolerances
from runner.running.recorded import load
from runner.tracking import models
from runner.tracking.registry import Version, operations, sources
from runner.tracking.registry.store import changing
from runner.tracking.store import Store
from runner.values import Report

__all__ = ["Rebuilt", "rebuild"]


class Rebuilt(NamedTuple):
    verdict: str  # identical, within-tolerance, different, cannot-run
    exit_code: int
    cause: str
    hint: str
    runs: tuple[str, ...]  # ids of those that were made
    compared: tuple[Compared, ...]  # of the run, and of the model's files


def rebuild(
    store: Store, name: str, version: Version, tolerances: tuple[str, ...], by: str, report: Report
) -> Rebuilt:
    """InputError for a version that no run made, or whose files are not the registered ones any more."""
    if not version.run_id:
        raise InputError(f"no run made {name}/{version.number}: there is nothing to make it from")
    try:
        recorded = load(store, version.run_id)
    except StoreError:
        raise InputError(
            f"the run {version.run_id} that made {name}/{version.number} is not in this store",
            "proj import, or a bundle of it, brings it here",
        ) from None
    path = sources.file_of(store, version)
    if version.digest and sources.current_digest(store, version) != version.digest:
        raise InputError(f"the files of {name}/{version.number} are not those that were registered")
    found = reproduce(version.run_id, Wish(tolerance=tolerances, store=store.root), report)
    compared = list(found.compared)
    result = found.verdict
    hint, inside = found.hint, _inside(path, version.run_id)
    if found.runs and inside is None and not version.model_id:
        result = "cannot-run"
        hint = f"the files of {name}/{version.number} are not among the artifacts of its run"
    elif found.runs:
        made = load(store, found.runs[0])
        there = _counterpart(store, version, inside, found.runs[0])
        if not os.path.exists(there):
            compared.append(Compared("model", "", "missing", "the run made no such model now"))
        else:
            places = [wording.of(recorded), wording.of(made)]
            compared += _files(path, there, places, tolerance.parse(tolerances))
        result = verdict.of(compared)
    cause = found.cause or ("unknown" if result == "different" else "")
    with changing(store.root, name, store.secrets) as held:
        facts = {"run_ids": list(found.runs), "cause": cause, "tolerance": list(tolerances)}
        held.append(operations.rebuilt(version.version_id, version.digest, result, by, **facts))  # type: ignore[arg-type]
    return Rebuilt(result, verdict.EXIT[result], cause, hint, found.runs, tuple(compared))


def _inside(path: str, run_id: str) -> str | None:
    """The path within the artifacts of the run, "" for all of them; None when it is not among them."""
    _, found, rest = path.partition(f"/{run_id}/artifacts")
    return rest.strip("/") if found and rest[:1] in ("", "/") else None


def _counterpart(store: Store, version: Version, inside: str | None, run_id: str) -> str:
    """What the new run has in place of the version's files; "" for nothing.

    `inside`: where they are among the artifacts of its run; None: they are those of a logged model.
    """
    if inside is not None:
        return os.path.join(store.run_directory(run_id), "artifacts", inside).rstrip("/")
    name = models.get(store.root, version.model_id).name
    links = [each for each in store.read(run_id).links if each.get("relation") == "model-output"]
    for link in links:
        try:
            other = models.get(store.root, str(link["model_id"]))
        except StoreError:
            continue
        if other.name == name or len(links) == 1:
            return os.path.join(models.directory(store.root, other.model_id), "artifacts")
    return ""


def _files(
    old: str, new: str, places: list[wording.Circumstances], tolerances: Tolerances
) -> Iterator[Compared]:
    """Of two models, file by file, or of two files: ids, times and paths of an MLmodel file do not count."""
    before, after = (set(_names(folder)) for folder in (old, new))
    for name in sorted(before | after):
        shown = f"model/{name}".rstrip("/")
        if name not in before or name not in after:
            yield Compared("model", shown, "added" if name in after else "missing")
            continue
        files = [os.path.join(folder, name) if name else folder for folder in (old, new)]
        if hashing.digest(files[0]) == hashing.digest(files[1]):
            yield Compared("model", shown, "identical")
            continue
        given = tolerances.of(name or os.path.basename(old)) or EXACT
        found = formats.files(files, places, given)
        result = "within-tolerance" if found.same else "different"
        if found.same and given is EXACT and not found.absolute:
            result = "identical"  # but for what is another one each time
        yield Compared("model", shown, result, found.detail, None, None, found.absolute, found.relative)


def _names(folder: str) -> Iterator[str]:
    if os.path.isfile(folder):
        yield ""
    for place, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(place, name), folder)
