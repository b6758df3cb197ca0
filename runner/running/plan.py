"""What was asked for, what will be done, and how it went: the values that travel along the way of a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from runner.errors import InputError
from runner.parameters.resolve import Resolved
from runner.sources.git import history, repository
from runner.typed import TYPE_CHECKING, NamedTuple
from runner.values import Checkout, CodeState, EntryPoint, EnvironmentSpec, Json, Project

if TYPE_CHECKING:
    from typing import Any

    from runner.host.namespace import Bind
    from runner.running.handed import Handed

__all__ = ["NONE", "WORKDIRS", "Origin", "Outcome", "Plan", "Request", "source_of"]

WORKDIRS = ("fresh", "project")


class Request(NamedTuple):
    """What was asked for, as on the command line (each field is an option of `proj run`)."""

    uri: str = "."
    entry_point: str = "main"
    version: str = ""
    parameters: tuple[str, ...] = ()  # name=value
    params_file: tuple[str, ...] = ()
    env_manager: str = ""
    env: str = ""
    python: str = ""
    strict_python: bool = False
    allow_python_download: bool = False
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    refresh: bool = False
    offline: bool = False
    isolated: bool = False
    docker_args: tuple[str, ...] = ()
    build_image: bool = False
    experiment_name: str = ""
    experiment_id: str = ""
    run_name: str = ""
    run_id: str = ""
    tags: tuple[str, ...] = ()
    store: str = ""
    require_clean: bool = False
    sample_resources: bool = False
    backend: str = "local"
    backend_config: str = ""
    storage_dir: str = ""
    timeout: str = ""
    grace: str = "10"
    dry_run: bool = False
    seed: str = ""
    cached: bool = False
    explain: bool = False
    workdir: str = ""  # fresh: a folder of the run's own; project, or "": the project's folder
    all_outputs: bool = False  # a run without each of its inputs and outputs has failed: of a step
    extra: tuple[str, ...] = ()
    parent: str = ""  # run id of the run that starts this one; "": by PROJ_RUN_ID
    handed: Mapping[str, Handed] = {}  # path -> what a step before this one wrote there


class Origin(NamedTuple):
    relation: str = ""  # of the link to it: reproduces, rerun-of
    run_id: str = ""
    code: CodeState | None = None  # the snapshot that was restored; nothing is captured
    lock: str = ""  # text of the lock to build the environment from
    wheels: str = ""  # folder with the packages of the lock: no index is asked
    versions: Mapping[str, str] = {}  # of local packages: text in the lock -> name==version
    variables: Mapping[str, str | None] = {}  # recorded ones; None removes
    binds: tuple[Bind, ...] = ()  # what the command sees at other paths
    ready: str = ""  # a file that is made when they are in place
    directory: str = ""  # where the command runs, by the name that it sees; "": the checkout's
    stdin: str = ""  # "null": the command gets none, whatever we have


NONE = Origin()


class Plan(NamedTuple):
    """Everything that is known before something slow or lasting is done."""

    request: Request
    checkout: Checkout
    project: Project
    entry_point: EntryPoint
    parameters: Resolved
    specification: EnvironmentSpec
    backend_options: Mapping[str, Any]
    origin: Origin = NONE

    def facts(self) -> dict[str, Json]:
        """For `--dry-run`: the same values that the record would get."""
        checkout = self.checkout
        return {
            "source": checkout.uri,
            "repository": checkout.repository,
            "commit": checkout.commit,
            "branch": checkout.branch,
            "folder": checkout.directory,
            "project": self.project.name,
            "entry_point": self.entry_point.name,
            "parameters": {**self.parameters.values, **dict.fromkeys(self.parameters.secrets, "****")},
            "environment": " ".join(
                part for part in (self.specification.kind, self.specification.file) if part
            ),
            "backend": self.request.backend,
            "command": self.parameters.shown,
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is likely to be wrong with the project file, as far as it concerns this run."""
        return (*self.project.warnings, *self.entry_point.warnings, *self.parameters.warnings)

    @property
    def source(self) -> dict[str, str]:
        return source_of(self.checkout)

    @property
    def directory(self) -> str:
        """Where the command runs, by the name that it sees."""
        return self.origin.directory or self.checkout.directory

    @property
    def root(self) -> str:
        """The folder that the snapshot is of, by the name that the command sees."""
        inside = self.checkout.subdirectory
        return self.directory[: -len(inside) - 1] if inside else self.directory

    def outside(self, path: str) -> str:
        """Where a path that the command sees lies for everybody else."""
        if not self.origin.binds:
            return path
        from runner.host.namespace import outside

        return outside(path, self.origin.binds)

    def tags(self, parent: str) -> dict[str, str]:
        """Those that `mlflow run` sets, so that its clients and pages know the run, and the user's. InputError."""
        checkout = self.checkout
        tags = {
            "mlflow.source.name": checkout.uri,
            "mlflow.source.type": "PROJECT",
            "mlflow.project.entryPoint": self.entry_point.name,
            "mlflow.project.backend": self.request.backend,
            "mlflow.source.git.commit": checkout.commit,
            "mlflow.source.git.repoURL": checkout.repository,
            "mlflow.source.git.branch": checkout.branch if checkout.version else "",
            "mlflow.project.env": "" if self.specification.kind == "system" else self.specification.kind,
            "mlflow.parentRunId": parent,
        }
        return {key: value for key, value in tags.items() if value} | user_tags(self.request.tags)


def source_of(checkout: Checkout) -> dict[str, str]:
    """Section `source` of the record: where the code came from, and what tells its project from others (places.py)."""
    section = {
        "uri": checkout.uri,
        "kind": checkout.kind,
        "repository": checkout.repository,
        "version": checkout.version,
        "commit": checkout.commit,
        "branch": checkout.branch,
        "subdirectory": checkout.subdirectory,
    }
    if not checkout.temporary:
        if found := repository.find(checkout.root) if checkout.root else None:
            section["first_commit"] = history.remembered(found) or ""
        section["directory"] = checkout.directory
        section["path"] = os.path.realpath(checkout.directory)
        if section["path"] == checkout.directory:
            del section["path"]
        try:
            section["inode"] = _inode(checkout.directory)
        except OSError:
            pass  # gone since: what comes next says so
    return {key: value for key, value in section.items() if value}


GENERATION = 0x80087601  # FS_IOC_GETVERSION of linux/fs.h


def _inode(folder: str) -> str:
    """`NUMBER:GENERATION`: a number is given to another folder once its folder is gone, both never are.

    Without a generation where the file system tells none (NFS, tmpfs). 10 us.
    """
    import fcntl

    status = os.stat(folder)
    generation = int(getattr(status, "st_birthtime", 0))  # macOS
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = fcntl.ioctl(handle, GENERATION, bytes(8))
            generation = generation or int.from_bytes(found[:4], sys.byteorder)
        finally:
            os.close(handle)
    except OSError:
        pass  # it cannot be read, or no generation is told
    return f"{status.st_ino}:{generation}" if generation else str(status.st_ino)


def user_tags(given: tuple[str, ...]) -> dict[str, str]:
    """InputError for what is not NAME=VALUE."""
    tags = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise InputError(f"--tag {text!r} is not NAME=VALUE")
        tags[name] = value
    return tags


class Outcome(NamedTuple):
    """How a run went."""

    run_id: str
    short_id: str
    name: str
    status: str
    exit_code: int
    reason: str
    signal: str
    message: str
    duration: float  # s, of the whole of `proj run`
    phases: dict[str, float]  # s
