"""Archives (.zip, .tar.gz, ...) from disk or from the web, unpacked into a folder of the run's own.

<cache>/archives/<sha256>          what was downloaded, by its content
                 <url's hash>.json what a server said about it: {url, digest, etag, modified}
"""

from __future__ import annotations

import os

from runner.errors import InputError, SourceError
from runner.host import files
from runner.sources import folders
from runner.sources.unpack import unpack
from runner.text.credentials import without
from runner.values import Checkout, Report

__all__ = ["detect", "fetch", "release"]

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def detect(uri: str) -> bool:
    """By its name, on disk or on the web."""
    address = uri.partition("#")[0]
    scheme, found, _ = address.partition("://")
    if found and scheme not in ("https", "http", "file"):
        return False
    return address.partition("?")[0].lower().endswith(SUFFIXES)


def fetch(uri: str, version: str, report: Report, offline: bool = False) -> Checkout:
    """Unpacks it; from the cache if the server says that it has not changed, or says nothing."""
    address, _, inside = uri.partition("#")
    if version:
        raise InputError(f"--version {version}: an archive has one version only", "leave --version out")
    folder = folders.make()
    try:
        notes: tuple[str, ...] = ()
        if address.startswith(("https://", "http://")):
            from runner.sources.download import download

            path, digest, notes = download(address, without(address), folder, report, offline)
        else:
            path = os.path.abspath(os.path.expanduser(address.removeprefix("file://")))
            digest = _digest(path)
        root = _unpacked(path, without(address), folder, report)
        directory = _inside(root, inside, without(address))
    except BaseException:
        folders.remove(folder)
        raise
    clean = without(address) if "://" in address else path
    return Checkout(
        directory,
        clean + (f"#{inside}" if inside else ""),
        kind="archive",
        root=root,
        subdirectory=os.path.relpath(directory, root).replace(os.sep, "/") if inside else "",
        version=f"sha256:{digest}",
        temporary=True,
        notes=notes,
    )


def release(checkout: Checkout) -> None:
    folders.remove(os.path.dirname(checkout.root))


def _unpacked(path: str, name: str, folder: str, report: Report) -> str:
    """The project's top: the one folder in the archive, if there is nothing beside it."""
    base = os.path.basename(name.partition("?")[0])
    stem = (
        next((base[: -len(suffix)] for suffix in SUFFIXES if base.lower().endswith(suffix)), base)
        or "archive"
    )
    target = os.path.join(folder, f"{stem}.unpacked")
    with report.step(f"unpacking {name}") as step:
        unpack(path, name, target, step)
    names = [
        entry for entry in os.listdir(target) if entry not in ("__MACOSX", ".DS_Store", "pax_global_header")
    ]
    top = os.path.join(target, names[0]) if len(names) == 1 else ""
    if not names:
        raise SourceError(f"{name} is empty")
    if top and os.path.isdir(top) and not os.path.islink(top):
        root = os.path.join(folder, names[0] if names[0] not in folders.RESERVED else f"{names[0]}-archive")
        os.rename(top, root)
        files.remove_tree(target)
        return root
    root = os.path.join(folder, stem if stem not in folders.RESERVED else f"{stem}-archive")
    os.rename(target, root)
    return root


def _inside(root: str, inside: str, name: str) -> str:
    inside = inside.removeprefix("subdirectory=")
    first, _, rest = inside.partition("/")
    if first == os.path.basename(root) and not os.path.isdir(os.path.join(root, first)):
        inside = rest  # the one folder in the archive is the top already
    chosen = os.path.normpath(os.path.join(root, inside)) if inside else root
    if os.path.isabs(inside) or not (os.path.realpath(chosen) + os.sep).startswith(
        os.path.realpath(root) + os.sep
    ):
        raise InputError(f"#{inside} leads out of {name}")
    if not os.path.isdir(chosen):
        raise InputError(f"{name} has no folder {inside}")
    return chosen


def _digest(path: str) -> str:
    try:
        return files.digest(path).hex
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
