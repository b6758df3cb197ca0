"""Where experiments of a server with tokens may keep their artifacts: whoever reads them later goes where this says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from runner.errors import InputError
from runner.text.credentials import split

__all__ = ["SCHEMES", "check_location", "check_root"]

# stores of objects and files that a team shares; none that reads from the machine of whoever follows it
SCHEMES = frozenset(
    (
        *("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "wasb", "wasbs", "oss", "oci", "r2"),
        *("hdfs", "webhdfs", "viewfs", "dbfs", "sftp", "mlflow-artifacts"),
    )
)


def check_location(location: str, roots: Sequence[str]) -> None:
    """InputError unless it is a folder below one of `roots`, or of a known scheme and without credentials."""
    scheme, found, rest = location.partition(":")
    if found and "/" not in scheme and scheme.lower() != "file":
        _check_url(location, scheme.lower(), rest)
        return
    folder = location
    if found and "/" not in scheme:
        try:
            parts = urlsplit(location)
        except ValueError as error:
            raise InputError(f"{location!r} is not a location: {error}") from None
        if parts.netloc not in ("", "localhost"):
            raise InputError(f"the artifact location {location!r} is on another host")
        folder = unquote(parts.path)
    if "\0" in folder or not any(_is_below(folder, root) for root in roots):
        allowed = ", ".join(roots) or "there is none"
        raise InputError(
            f"the artifact location {location!r} is not below an --artifact-root of this server ({allowed})",
            "proj server --artifact-root FOLDER  allows it",
        )


def _check_url(location: str, scheme: str, rest: str) -> None:
    if scheme not in SCHEMES or "::" in location:
        raise InputError(
            f"an artifact location cannot be {location!r}", f"one of {', '.join(sorted(SCHEMES))} can"
        )
    if not rest.startswith("/") or any(each.isspace() or not each.isprintable() for each in location):
        raise InputError(f"{location!r} is not a location", "it is written as in  s3://bucket/folder")
    _, credentials = split(location)
    if credentials.secrets:
        raise InputError(
            "the artifact location has a user or a password in it, which everybody could read",
            "leave it out: clients find credentials in their configuration and variables",
        )


def _is_below(folder: str, root: str) -> bool:
    if not os.path.isabs(folder):
        return False
    real, top = os.path.realpath(folder), os.path.realpath(root)
    return real == top or real.startswith(top.rstrip("/") + "/")


def check_root(location: str, roots: Sequence[str]) -> str:
    """Of --default-artifact-root, which the owner of the server chose: as it is kept. InputError."""
    if "://" not in location and not location.startswith("file:"):
        return os.path.abspath(location)
    if not location.startswith("file:"):
        _check_url(location, location.partition(":")[0].lower(), location.partition(":")[2])
    else:
        check_location(location, (*roots, "/"))
    return location.rstrip("/")
