"""Runs as MLflow keeps them, read from a server, its database or its folder; what all three readers return."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from runner.errors import InputError
from runner.host.files import open_file
from runner.text.uri import path_of
from runner.tracking.events import Metric

__all__ = ["Dataset", "File", "ForeignExperiment", "ForeignRun", "Reader", "local_files", "local_path"]


class ForeignExperiment(NamedTuple):
    experiment_id: str  # over there
    name: str
    lifecycle: str = "active"
    tags: Mapping[str, str] = {}


class Dataset(NamedTuple):
    """A dataset input of a run, as MLflow describes it. None: not said."""

    name: str
    digest: str
    source_type: str | None = None
    source: str | None = None
    schema: str | None = None
    profile: str | None = None
    tags: Mapping[str, str] = {}


class ForeignRun(NamedTuple):
    run_id: str
    name: str
    status: str
    start_time: int
    end_time: int | None
    user: str
    lifecycle: str
    artifact_uri: str
    params: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}
    metric_keys: tuple[str, ...] = ()
    datasets: tuple[Dataset, ...] = ()


class File(NamedTuple):
    path: str
    read: Callable[[], Iterator[bytes]]


class Reader(Protocol):
    def experiments(self) -> Iterator[ForeignExperiment]: ...

    def runs(self, experiment: ForeignExperiment) -> Iterator[ForeignRun]: ...

    def history(self, run: ForeignRun, key: str) -> Iterator[Metric]: ...

    def files(self, run: ForeignRun) -> Iterator[File]:
        """InputError when the artifacts cannot be reached from here."""

    def close(self) -> None: ...


def local_path(uri: str) -> str:
    """The path of a local URI; "" when it is not local."""
    path, kind = path_of(uri), urlsplit(uri).scheme
    if kind == "file":
        return path
    return uri if not kind else ""


def local_files(run: ForeignRun, artifacts: str = "") -> Iterator[File]:
    """The files of a run whose artifacts are a folder of this machine.

    Whoever wrote the record says where that is: it counts only where MLflow puts artifacts, in .../RUN ID/artifacts,
    and what leads out of it is not taken. Else a record that came from elsewhere would have our own files copied.
    """
    uri = run.artifact_uri
    if uri.startswith("mlflow-artifacts:"):
        if not artifacts:
            raise InputError(f"{uri} is kept by a server", "--artifacts FOLDER  says where it kept them")
        rest = uri.partition(":")[2]
        rest = rest[2:].partition("/")[2] if rest.startswith("//") else rest.lstrip("/")
        if ".." in rest.split("/"):
            raise InputError(f"{uri} leads out of {artifacts}")
        root = os.path.join(artifacts, *rest.split("/"))
    else:
        root = local_path(uri)
        if not root:
            raise InputError(
                f"artifacts at {uri} cannot be read here", "import them from the MLflow server instead"
            )
    real = os.path.realpath(root)
    if not run.run_id or real.split(os.sep)[-2:] != [run.run_id, "artifacts"]:
        raise InputError(f"{uri} is no folder of artifacts of the run {run.run_id}")
    leading_out = []
    for folder, _, names in sorted(os.walk(real)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            inside = os.path.relpath(path, real).replace(os.sep, "/")
            if not os.path.realpath(path).startswith(real + os.sep):
                leading_out.append(inside)
            elif os.path.isfile(path):
                yield File(inside, _reading(path))
    if leading_out:
        raise InputError(f"{uri} has links that lead out of it: {', '.join(leading_out[:3])}")


def _reading(path: str) -> Callable[[], Iterator[bytes]]:
    def read() -> Iterator[bytes]:
        with open_file(path) as file:
            while piece := file.read(1 << 20):
                yield piece

    return read
