"""The files that a run keeps: in its folder, or at `<artifact_location of its experiment>/<run id>/artifacts`.

Each file is noted in the log with its hash once it is there: what was stored before a failure is not sent
again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from runner.errors import InputError, StoreError
from runner.host import hashing
from runner.host.files import Digest, Draft
from runner.text.encoding import is_encodable, restored, visible
from runner.tracking.store import Store
from runner.tracking.writer import RunWriter
from runner.values import Report, Silent

__all__ = ["Artifact", "delete", "fetch", "listing", "normal", "put", "where"]


class Artifact(NamedTuple):
    path: str  # from the run's artifacts, with "/"
    is_dir: bool
    size: int = 0


class Place(Protocol):
    """Where files are kept; paths are from its root, with "/"."""

    def size(self, path: str) -> int | None: ...

    def put(
        self, source: str, path: str, progress: Callable[[int], None], immutable: bool = False
    ) -> Digest: ...

    def get(self, path: str, target: str, progress: Callable[[int], None]) -> Digest: ...

    def delete(self, path: str) -> None: ...

    def files(self, path: str) -> Iterator[tuple[str, int]]: ...


def put(
    writer: RunWriter,
    path: str,
    artifact_path: str = "",
    *,
    report: Report | None = None,
    immutable: bool = False,
) -> list[str]:
    """Keeps a file or a folder under the folder `artifact_path` of the run's artifacts; returns their paths.

    A folder comes with its own name. `immutable`: nobody will change the file, so it may be hard-linked.
    StoreError when something cannot be stored; what was stored by then stays.
    """
    path = os.path.abspath(path)
    folder = normal(artifact_path)
    try:
        sources = dict(_sources(path, f"{folder}/{os.path.basename(path)}".lstrip("/")))
        total = sum(os.stat(source).st_size for source in sources.values())
    except OSError as error:
        raise InputError(f"{path} cannot be kept: {error.strerror or error}") from error
    place = _place(writer.root, writer.run_id)
    known: Mapping[str, Mapping[str, Any]] | None = None  # read when something is there already
    done = 0
    with (report or Silent()).step(f"storing {os.path.basename(path)}") as step:
        for name, source in sources.items():
            try:
                size = os.stat(source).st_size
                if place.size(name) == size:
                    if known is None:
                        known = Store(writer.root).read(writer.run_id).artifacts
                    if known.get(visible(name), {}).get("digest") == hashing.digest(source).digest:
                        done += size
                        continue
            except OSError as error:
                raise StoreError(f"{source} cannot be kept: {error.strerror or error}") from error

            def progress(size: int, name: str = name) -> None:
                nonlocal done
                done += size
                step.update(name, done, total)

            kept = place.put(source, name, progress, immutable)
            writer.append({"type": "artifact", "path": name, "digest": kept.digest, "size": kept.size})
    return list(sources)


def _sources(path: str, name: str) -> Iterator[tuple[str, str]]:
    """(path as an artifact, file) of a file, or of all files below a folder. Links are followed, not loops."""
    if not os.path.isdir(path):
        if not os.path.isfile(path):
            os.stat(path)  # not there: says so
            raise OSError("it is not a file")
        yield normal(name), path
        return
    seen = {os.path.realpath(path)}
    for folder, folders, names in os.walk(path, followlinks=True):
        inside = os.path.relpath(folder, path)
        for each in sorted(names):
            file = os.path.join(folder, each)
            if os.path.isfile(file):  # sockets, pipes and links that lead nowhere are no content
                yield normal(f"{name}/{inside}/{each}"), file
        kept = []
        for each in sorted(folders):
            real = os.path.realpath(os.path.join(folder, each))
            if real not in seen:
                seen.add(real)
                kept.append(each)
        folders[:] = kept


def listing(store: Store, run_id: str, path: str = "", recursive: bool = False) -> list[Artifact]:
    """What is in a folder of a run's artifacts: folders and files; with `recursive`, all files below it."""
    path = visible(normal(path))
    found = [(visible(name), size) for name, size in _place(store.root, _known(store, run_id)).files(path)]
    if recursive:
        return [Artifact(name, False, size) for name, size in found]
    start = f"{path}/" if path else ""
    entries: dict[str, Artifact] = {}
    for name, size in found:
        if name.startswith(start):
            first, slash, _ = name[len(start) :].partition("/")
            entries.setdefault(start + first, Artifact(start + first, bool(slash), 0 if slash else size))
    return sorted(entries.values())


def fetch(store: Store, run_id: str, path: str, target: str, report: Report | None = None) -> list[str]:
    """Copies an artifact, or all below a folder of them, into the folder `target`; returns the files made.

    Each file is whole or not there, and has the hash that the record says: StoreError if not.
    """
    path = visible(normal(path))
    run = store.read(run_id)
    place = _place(store.root, run_id)
    files = list(place.files(path))
    if not files:
        raise InputError(f"the run has no artifact {path!r}", f"proj artifacts ls {run_id[:8]}  lists them")
    top = path.rpartition("/")[0]
    made, done, total = [], 0, sum(size for _, size in files)
    with (report or Silent()).step("fetching") as step:
        for name, _ in files:

            def progress(size: int, name: str = name) -> None:
                nonlocal done
                done += size
                step.update(name, done, total)

            inside = os.path.relpath(visible(normal(name)), top or ".")
            file = os.path.join(target, inside if is_encodable(name) else restored(inside))
            try:
                with Draft(file) as draft:
                    digest = place.get(name, draft, progress)
                    wanted = run.artifacts.get(visible(name), {}).get("digest")
                    if wanted and wanted != digest.digest:
                        raise StoreError(
                            f"the artifact {name!r} has the hash {digest.digest}; the record says {wanted}"
                        )
            except OSError as error:
                raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
            made.append(file)
    return made


def delete(store: Store, run_id: str, path: str) -> list[str]:
    """Removes an artifact, or all below a folder of them; the log keeps that they were there."""
    path = normal(path)
    place = _place(store.root, _known(store, run_id))
    names = [name for name, _ in place.files(path)]
    if not names:
        raise InputError(f"the run has no artifact {path!r}")
    with store.open_run(run_id) as writer:
        for name in names:
            try:
                place.delete(name)
            except OSError as error:
                raise StoreError(f"the artifact {name!r} cannot be removed: {error}") from error
            writer.append({"type": "artifact", "path": name, "deleted": True})
    return names


def where(store: Store, run_id: str) -> str:
    """The folder or URL of a run's artifacts."""
    return _where(store.root, _known(store, run_id))


def _known(store: Store, run_id: str) -> str:
    """StoreError when there is no such run."""
    store.open_run(run_id)
    return run_id


def _where(root: str, run_id: str) -> str:
    from runner.tracking import experiments
    from runner.tracking.log import read

    location = ""
    try:
        start, _ = next(
            read(os.path.join(root, "runs", run_id, "events.jsonl")), ({}, 0)
        )  # not all of the log
        location = experiments.get(root, str(start.get("experiment_id", "0"))).artifact_location
    except StoreError:
        pass  # of a store that was merged by halves
    if not location or location.startswith("mlflow-artifacts:"):  # the server's own name for the run's folder
        return os.path.join(root, "runs", run_id, "artifacts")
    if location.startswith("file:"):
        from urllib.parse import unquote, urlsplit

        location = unquote(urlsplit(location).path)
    return f"{location.rstrip('/')}/{run_id}/artifacts"


def _place(root: str, run_id: str) -> Place:
    found = _where(root, run_id)
    if "://" not in found:
        from runner.tracking.folder import Folder

        return Folder(found)
    from runner.tracking.remote import Remote

    return Remote(found)


def normal(path: str) -> str:
    """A path from the run's artifacts, with "/". InputError for one that would lead out of them."""
    if os.path.isabs(path) or ".." in path.split("/") or "\0" in path:
        raise InputError(f"{path!r} cannot be an artifact's path", "it is relative, and has no ..")
    return "/".join(part for part in path.split("/") if part not in ("", "."))
