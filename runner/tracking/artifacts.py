"""The files that a run keeps: in its folder, or at `<artifact_location of its experiment>/<run id>/artifacts`.

Each file is noted in the log with its hash once it is there: what was stored before a failure is not sent
again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from runner.errors import InputError, ProjError, StoreError
from runner.host import hashing
from runner.host.files import Digest, Draft
from runner.host.search import held
from runner.text.encoding import is_encodable, restored, visible
from runner.text.secrets import WITHHELD
from runner.tracking import events
from runner.tracking.events import Facts
from runner.tracking.fold import Run
from runner.tracking.local_artifacts import LocalRepository
from runner.tracking.log import read
from runner.tracking.remote_artifacts import RemoteRepository
from runner.tracking.store import Store
from runner.tracking.writer import RunWriter
from runner.typed import NamedTuple
from runner.values import Report, Silent, Step

__all__ = [
    "Artifact",
    "Meter",
    "delete",
    "fetch",
    "keep",
    "listing",
    "location",
    "normal",
    "put",
    "withheld",
    "withhold",
]


class Artifact(NamedTuple):
    path: str  # from the run's artifacts, with "/"
    is_dir: bool
    size: int = 0


class Repository(Protocol):
    """Where artifacts are kept; paths are from its root, with "/". `progress` is told the bytes since its last call."""

    def size(self, path: str) -> int | None: ...

    def put(
        self, source: str, path: str, progress: Callable[[int], None], immutable: bool = False
    ) -> Digest: ...

    def get(self, path: str, target: str, progress: Callable[[int], None]) -> Digest: ...

    def link(self, path: str, target: str) -> None: ...

    def delete(self, path: str) -> None: ...

    def files(self, path: str) -> Iterator[tuple[str, int]]: ...


class Meter:
    """Adds up the bytes of several files for a step."""

    def __init__(self, step: Step, total: int) -> None:
        self._step = step
        self._total = total
        self.done = 0

    def of(self, name: str) -> Callable[[int], None]:
        def progress(size: int) -> None:
            self.done += size
            self._step.update(name, self.done, self._total)

        return progress


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
    keeping = _Keeping(writer, immutable)
    with (report or Silent()).step(f"storing {os.path.basename(path)}") as step:
        meter = Meter(step, total)
        for name, source in sources.items():
            keeping.keep(name, source, meter.of(name))
    return list(sources)


def keep(
    writer: RunWriter, files: Mapping[str, str], links: Mapping[str, str], meter: Meter | None = None
) -> list[str]:
    """Keeps each of `files` (path as an artifact -> file) and of `links` (-> where it leads, from its folder).

    Returns those that could not be kept, with the reason. A link has no event of its own.
    """
    keeping = _Keeping(writer)
    problems = []
    told = meter or Meter(Silent(), 0)

    def keep_file(name: str, source: str) -> None:
        keeping.keep(name, source, told.of(f"storing {name}"))

    for names, one in ((files, keep_file), (links, keeping.repository.link)):
        for name, what in names.items():
            try:
                one(normal(name), what)
            except (ProjError, OSError) as error:
                problems.append(f"{name} ({getattr(error, 'strerror', None) or error})")
    return problems


class _Keeping:
    """Files on their way into a run; what is there already is not stored again."""

    def __init__(self, writer: RunWriter, immutable: bool = False) -> None:
        self.repository = _repository(writer.root, writer.run_id)
        self._writer = writer
        self._immutable = immutable
        self._known: Mapping[str, Facts] | None = None  # read when something is there already

    def keep(self, name: str, source: str, progress: Callable[[int], None] = lambda _: None) -> None:
        secrets = self._writer.log.secrets
        try:
            size = os.stat(source).st_size
            if secrets and (whose := held(secrets, source, name)):
                progress(size)
                withhold(self._writer, name, whose)
                return
            if self.repository.size(name) == size:
                if self._known is None:
                    self._known = Store(self._writer.root).read(self._writer.run_id).artifacts
                if self._known.get(visible(name), {}).get("digest") == hashing.digest(source).digest:
                    progress(size)
                    return
        except OSError as error:
            raise StoreError(f"{source} cannot be kept: {error.strerror or error}") from error
        kept = self.repository.put(source, name, progress, self._immutable)
        self._writer.append(events.artifact(name, kept.digest, kept.size))


def withhold(writer: RunWriter, name: str, whose: str) -> None:
    """Notes that a file is not kept."""
    writer.tag(f"{WITHHELD}{visible(name)}", f"withheld: it holds the value of {whose}")


def withheld(run: Run) -> list[tuple[str, str]]:
    """Files that were not kept, and why."""
    tags = run.tags.items()
    return [(name.removeprefix(WITHHELD), why) for name, why in tags if name.startswith(WITHHELD)]


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
    files = _repository(store.root, _known(store, run_id)).files(path)
    found = [(visible(name), size) for name, size in files]
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

    Each file is whole or not there, and has the hash that the record says. What cannot be had does not keep the others
    from being fetched: it is named at the end, in a StoreError.
    """
    path = visible(normal(path))
    run = store.read(run_id)
    repository = _repository(store.root, run_id)
    files = list(repository.files(path))
    if not files:
        raise InputError(f"the run has no artifact {path!r}", f"proj artifacts ls {run_id[:8]}  lists them")
    top = path.rpartition("/")[0]
    made, lacking = [], []
    with (report or Silent()).step("fetching") as step:
        meter = Meter(step, sum(size for _, size in files))
        for name, _ in files:
            try:
                made.append(_fetch_one(repository, run, name, target, top, meter))
            except (StoreError, InputError) as error:
                lacking.append(error.message)
    made += _make_links(run, path, target, top, lacking)
    if lacking:
        several = f"{len(lacking)} of the {len(lacking) + len(made)} artifacts were not fetched:\n"
        raise StoreError((several if made or len(lacking) > 1 else "") + "\n".join(lacking))
    return made


def _fetch_one(repository: Repository, run: Run, name: str, target: str, top: str, meter: Meter) -> str:
    inside = os.path.relpath(visible(normal(name)), top or ".")
    file = _below(target, inside if is_encodable(name) else restored(inside))
    try:
        with Draft(file) as draft:
            digest = repository.get(name, draft, meter.of(name))
            wanted = run.artifacts.get(visible(name), {}).get("digest")
            if wanted and wanted != digest.digest:
                raise StoreError(
                    f"the artifact {name!r} has the hash {digest.digest}; the record says {wanted}"
                )
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
    return file


def _below(target: str, inside: str) -> str:
    """The place of a file in `target`. StoreError when a link that is there leads out of it."""
    place = os.path.join(target, inside)
    top = os.path.realpath(target)
    if not f"{os.path.realpath(os.path.dirname(place))}/".startswith(f"{top}/".replace("//", "/")):
        raise StoreError(f"{place} lies behind a link that leads out of {target}")
    return place


def _make_links(run: Run, path: str, target: str, top: str, lacking: list[str]) -> list[str]:
    """Those of the run's outputs that lie at `path`, or below it. `lacking` gets why one is not made."""
    made, refused = [], set[str]()
    for output in run.outputs:
        for name, leads in (output.get("links") or {}).items():
            if not f"{name}/".startswith(f"{path}/" if path else ""):
                continue
            there = os.path.normpath(os.path.join(os.path.dirname(name), leads))
            try:
                if os.path.isabs(leads) or f"{there}/".startswith("../"):
                    raise StoreError(
                        f"the artifact {name!r} is a link that leads out of the artifacts: {leads}"
                    )
                if any(f"{name}/".startswith(f"{each}/") for each in refused):
                    raise StoreError(f"the artifact {name!r} lies behind such a link")
                link = _below(target, os.path.relpath(normal(name), top or "."))
            except (StoreError, InputError) as error:
                lacking.append(error.message)
                refused.add(name)
                continue
            with Draft(link) as draft:
                os.symlink(leads, draft)
            made.append(link)
    return made


def delete(store: Store, run_id: str, path: str) -> list[str]:
    """Removes an artifact, or all below a folder of them; the log keeps that they were there."""
    path = normal(path)
    repository = _repository(store.root, _known(store, run_id))
    names = [name for name, _ in repository.files(path)]
    if not names:
        raise InputError(f"the run has no artifact {path!r}")
    with store.open_run(run_id) as writer:
        for name in names:
            try:
                repository.delete(name)
            except OSError as error:
                raise StoreError(f"the artifact {name!r} cannot be removed: {error}") from error
            writer.append(events.artifact_removed(name))
    return names


def location(store: Store, run_id: str) -> str:
    """The folder or URL of a run's artifacts."""
    return _location(store.root, _known(store, run_id))


def _known(store: Store, run_id: str) -> str:
    """StoreError when there is no such run."""
    store.open_run(run_id)
    return run_id


def _location(root: str, run_id: str) -> str:
    from runner.tracking import experiments

    found = ""
    try:
        start, _ = next(
            read(os.path.join(root, "runs", run_id, "events.jsonl")), ({}, 0)
        )  # not all of the log
        found = experiments.get(root, str(start.get("experiment_id", "0"))).artifact_location
    except StoreError:
        pass  # of a store that was merged by halves
    if not found or found.startswith("mlflow-artifacts:"):  # the server's own name for the run's folder
        return os.path.join(root, "runs", run_id, "artifacts")
    if found.startswith("file:"):
        from runner.text.uri import path_of

        found = path_of(found)
    return f"{found.rstrip('/')}/{run_id}/artifacts"


def _repository(root: str, run_id: str) -> Repository:
    found = _location(root, run_id)
    if "://" not in found:
        return LocalRepository(found)
    return RemoteRepository(found)


def normal(path: str) -> str:
    """A path from the run's artifacts, with "/". InputError for one that would lead out of them."""
    if os.path.isabs(path) or ".." in path.split("/") or "\0" in path:
        raise InputError(f"{path!r} cannot be an artifact's path", "it is relative, and has no ..")
    return "/".join(part for part in path.split("/") if part not in ("", "."))
