"""Delta tables (github.com/delta-io/delta, PROTOCOL.md): which files a version is made of, and what is in them.

`_delta_log/<20 digits>.json` has the actions of one commit, a line each; `<20 digits>.checkpoint.parquet` the state up
to one. A commit that deletes rows or rewrites files leaves the old ones where they are until somebody vacuums.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from runner.host import files, hashing
from runner.typed import NamedTuple

__all__ = ["Table", "VacuumedError", "digest", "is_table", "read", "restore"]

LOG = "_delta_log"


class Table(NamedTuple):
    """One version of a table."""

    id: str  # of the table; "" when the log does not say
    version: int
    files: dict[str, str]  # live ones: path in the table, or absolute -> deletion vector, as JSON, or ""

    @property
    def name(self) -> str:
        return f"delta:{self.id}@{self.version}" if self.id else f"delta:{self.version}"


class VacuumedError(Exception):
    """Files of a version are not there any more: their names."""


def is_table(path: str) -> bool:
    return bool(_commits(path) or _checkpoints(path))


def read(path: str, version: int | None = None) -> Table | None:
    """As it is at a version, by default the newest. None for what is no table, or one whose log cannot be read: a
    part of the log is gone, or its checkpoint needs pyarrow, which is not there.
    """
    commits, checkpoints = _commits(path), _checkpoints(path)
    if not commits and not checkpoints:
        return None
    newest = max((*commits, *checkpoints))
    wanted = newest if version is None else version
    if wanted > newest:
        return None
    start = 0
    actions: list[dict[str, Any]] = []
    if any(number not in commits for number in range(wanted + 1)):
        usable = [number for number in checkpoints if number <= wanted]
        if not usable:
            return None
        start = max(usable) + 1
        found = _of_checkpoint(checkpoints[start - 1])
        if found is None or any(number not in commits for number in range(start, wanted + 1)):
            return None
        actions = found
    table = ""
    live: dict[str, str] = {}
    for each in (actions, *(_of_commit(commits[number]) for number in range(start, wanted + 1))):
        actions = list(each)
        for action in actions:
            if removed := action.get("remove"):
                live.pop(_path(removed), None)
            table = str((action.get("metaData") or {}).get("id") or table)
        for action in actions:
            if added := action.get("add"):
                vector = added.get("deletionVector")
                live[_path(added)] = json.dumps(vector, sort_keys=True) if vector else ""
    return Table(table, wanted, live)


def digest(path: str, table: Table) -> files.Digest:
    """`delta-sha256:<hex>` of id, version and content of the live files. OSError when one cannot be read."""
    total, size = files.Hash(), 0
    total.update(f"{table.id}\0{table.version}\n".encode())
    for name, vector in sorted(table.files.items()):
        found = hashing.digest(os.path.join(path, name))
        size += found.size
        total.update(f"{found.digest} {name}\0{vector}\n".encode("utf-8", "surrogateescape"))
    for name in _vectors(path) if any('"u"' in each for each in table.files.values()) else ():
        total.update(f"{hashing.digest(os.path.join(path, name)).digest}\n".encode())
    return files.Digest(f"delta-sha256:{total.result().hex}", size)


def restore(path: str, version: int, target: str) -> None:
    """Copies a table as it was at a version that is still there. VacuumedError, OSError."""
    import shutil

    table = read(path, version)
    if table is None:
        raise VacuumedError(f"its log of version {version}")
    gone = [name for name in table.files if not os.path.exists(os.path.join(path, name))]
    if gone:
        raise VacuumedError(", ".join(sorted(gone)[:5]))
    for name in [*(each for each in table.files if not os.path.isabs(each)), *_vectors(path)]:
        os.makedirs(os.path.dirname(os.path.join(target, name)), exist_ok=True)
        shutil.copy2(os.path.join(path, name), os.path.join(target, name))
    os.makedirs(os.path.join(target, LOG), exist_ok=True)
    for name in os.listdir(os.path.join(path, LOG)):
        if name[:20].isdigit() and int(name[:20]) <= version:
            shutil.copy2(os.path.join(path, LOG, name), os.path.join(target, LOG, name))


def _commits(path: str) -> dict[int, str]:
    return dict(_numbered(path, lambda rest: rest == ".json"))


def _checkpoints(path: str) -> dict[int, str]:
    return dict(_numbered(path, lambda rest: rest == ".checkpoint.parquet"))


def _numbered(path: str, is_one: Callable[[str], bool]) -> Iterator[tuple[int, str]]:
    log = os.path.join(path, LOG)
    try:
        names = os.listdir(log)
    except OSError:
        return
    for name in names:
        if len(name) > 20 and name[:20].isdigit() and is_one(name[20:]):
            yield int(name[:20]), os.path.join(log, name)


def _of_commit(path: str) -> Iterator[dict[str, Any]]:
    """Lines that are no actions do not count, as for Delta's own readers."""
    with files.open_text(path, "replace") as file:
        for line in file:
            try:
                action = json.loads(line)
            except ValueError:
                continue
            if isinstance(action, dict):
                yield action


def _of_checkpoint(path: str) -> list[dict[str, Any]] | None:
    try:
        from pyarrow import parquet  # type: ignore[import-untyped]
    except ImportError:
        return None
    try:
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    except (OSError, ValueError):
        return None
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def _path(action: dict[str, Any]) -> str:
    """As it lies on disk: relative to the table, or absolute. In the log it is a URI."""
    from urllib.parse import unquote

    return unquote(str(action.get("path", "")).removeprefix("file://"))


def _vectors(path: str) -> list[str]:
    return sorted(name for name in os.listdir(path) if name.startswith("deletion_vector"))
