"""A folder on this machine, run in place. All runs pass here: nothing is started, nothing heavy imported."""

from __future__ import annotations

import os

from runner.errors import InputError
from runner.sources.git import repository
from runner.text.credentials import without
from runner.values import Checkout, Report

__all__ = ["detect", "fetch", "release"]

PROJECT_FILES = ("mlproject", "mlproject.yaml", "mlproject.yml")


def detect(uri: str) -> bool:
    """Whatever exists on disk, but for archives and bare repositories, which have kinds of their own."""
    path = _split(uri)[0]
    if os.path.isdir(path):
        if uri.startswith("file://") and os.path.exists(os.path.join(path, ".git")):
            return False  # asked for as a remote: a clone of it
        return repository.at_bare(path) is None
    return os.path.isfile(path) and os.path.basename(path).lower() in PROJECT_FILES


def fetch(uri: str, version: str, report: Report, offline: bool = False) -> Checkout:
    """The folder itself; with a version, that version of its repository in a folder of the run's own."""
    path, inside = _split(uri)
    directory = os.path.abspath(path)
    if not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    if inside:
        directory = _within(directory, inside)
    real = os.path.realpath(directory)
    found = repository.find(real)
    if version:
        if found is None:
            raise InputError(
                f"--version {version}: {directory} is not in a git repository", "leave --version out"
            )
        from runner.sources.git import kind

        return kind.fetch_local(found, directory, version, report, offline)
    if found is None:
        return Checkout(directory, directory)
    head = repository.head(found)
    return Checkout(
        directory,
        directory,
        root=found.root,
        subdirectory="" if real == found.root else os.path.relpath(real, found.root).replace(os.sep, "/"),
        repository=without(repository.origin(found)),
        commit=head.commit,
        branch=head.branch,
    )


def release(checkout: Checkout) -> None:
    """Nothing was made."""


def _split(uri: str) -> tuple[str, str]:
    """Path and `#subdir`. A path that exists with its `#` is a name."""
    path = uri[7:] if uri.startswith("file:///") else os.path.expanduser(uri)
    if "#" not in path or os.path.exists(path):
        return path, ""
    folder, _, inside = path.rpartition("#")
    return (folder, inside) if os.path.exists(folder) else (path, "")


def _within(directory: str, inside: str) -> str:
    chosen = os.path.normpath(os.path.join(directory, inside))
    real, top = os.path.realpath(chosen), os.path.realpath(directory)
    if os.path.isabs(inside) or (real != top and not real.startswith(top.rstrip(os.sep) + os.sep)):
        raise InputError(f"#{inside} leads out of {directory}")
    if not os.path.isdir(chosen):
        raise InputError(f"{directory} has no folder {inside}")
    return chosen
