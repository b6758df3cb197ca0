"""From a specification to its lock: resolved once, and anew only when asked or when its content changes."""

from __future__ import annotations

import json
from hashlib import sha256

from runner import paths
from runner.environments.base import Maker, Specified
from runner.environments.packages import difference
from runner.host import files
from runner.values import EnvironmentOptions, EnvironmentSpec, Report

__all__ = ["resolve"]

FORMAT = 1


def resolve(
    spec: EnvironmentSpec, maker: Maker, directory: str, options: EnvironmentOptions, report: Report
) -> tuple[Specified, str]:
    """The specification as it is read, and the text of the lock: kept, already known, or resolved now (seconds).

    InputError for a wrong specification, EnvironmentFailure for one that has no solution.
    """
    specified = maker.specify(spec, directory, options, report)
    if options.kept_lock:
        return specified, options.kept_lock
    path = _path(spec.kind, specified)
    known = _read(path)
    if known is not None and not options.refresh and not maker.outdated(known):
        return specified, known
    with files.Exclusive(f"{path}ing", report, "waiting: another proj resolves the same packages"):
        other = _read(path)
        if other is not None and other != known:  # meanwhile resolved by somebody else
            return specified, other
        lock = maker.lock(specified.plan, report)
        if known is not None and known != lock:
            _show(known, lock, report)
        files.write(path, lock)
    return specified, lock


def _path(kind: str, specified: Specified) -> str:
    parts = json.dumps([FORMAT, kind, specified.content, specified.identity], sort_keys=True)
    name = sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return paths.cache("locks", f"{name}.lock")


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _show(old: str, new: str, report: Report) -> None:
    for line in difference(old, new):
        report.note(line)
