"""Fetches what parameters of type path name by a URI, to the place where the command looks for it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from runner import paths
from runner.errors import InputError, ProjError, SourceError
from runner.host.files import Draft
from runner.parameters.types import scheme
from runner.text.credentials import redact, without
from runner.values import Report

__all__ = ["fetch_all"]


def fetch_all(downloads: Iterable[tuple[str, str]], store: str, report: Report) -> None:
    """`downloads`: (URI, local path), as parameters.resolve gives them; `store`: where runs:/ID/PATH is looked up.

    A file is whole or not there. SourceError when one cannot be had.
    """
    for uri, local in downloads:
        os.makedirs(os.path.dirname(local), exist_ok=True)
        kind = scheme(uri)
        if kind in ("http", "https"):
            _web(uri, local, report)
        elif kind in ("runs", "mlflow-artifacts"):
            _artifact(uri, local, store, report)
        else:
            _remote(uri, local, report)


def _web(uri: str, local: str, report: Report) -> None:
    import shutil
    import tempfile

    from runner.sources.download import download

    with tempfile.TemporaryDirectory(dir=paths.temporary()) as folder, Draft(local) as draft:
        path, _, notes = download(uri, without(uri), folder, report)
        shutil.copyfile(path, draft)  # no link: the command may write to it
        _make_room(local)
    for note in notes:
        report.note(note)


def _artifact(uri: str, local: str, store: str, report: Report) -> None:
    """runs:/RUN/PATH, mlflow-artifacts:/.../RUN/artifacts/PATH: of the store, or of the configured server."""
    from runner.tracking import artifacts
    from runner.tracking.mlflow.fetch import fetch
    from runner.tracking.mlflow.follower import destination
    from runner.tracking.mlflow.rest import Rest
    from runner.tracking.store import Store

    run, path = _named(uri)
    server = destination(os.environ, paths.store(""))
    with Store(store) as opened:
        try:
            known = opened.resolve(run) if run else ""
        except ProjError:
            if not server:
                raise
            known = ""  # it may be one of the server's
        if known:
            artifacts.fetch(opened, known, path, os.path.dirname(local), report)
            return
    if not server:
        raise InputError(
            f"{uri} is of no run of this store, and no server is configured",
            "MLFLOW_TRACKING_URI=http://host:port",
        )
    with report.step(f"downloading {uri}"), Rest(server) as rest, Draft(local) as draft:
        fetch(rest, uri, draft)
        _make_room(local)


def _named(uri: str) -> tuple[str, str]:
    """The run in an address, and what of it; ("", "") of files that belong to no run."""
    kind, _, rest = uri.partition(":")
    if kind == "runs":
        run, _, path = rest.strip("/").partition("/")
        if not run or not path:
            raise InputError(f"{uri} does not name an artifact of a run", "runs:/RUN/path/of/the/artifact")
        return run, path
    before, found, path = rest.partition("/artifacts/")
    run = before.rpartition("/")[2]
    return (run, path) if found and not run.startswith("m-") else ("", "")


def _remote(uri: str, local: str, report: Report) -> None:
    """s3://, gs://, sftp://, ... : a file, or all files below a folder."""
    kind = scheme(uri)
    try:
        import fsspec.core
    except ImportError:
        raise _unknown(kind) from None
    try:
        system, place = fsspec.core.url_to_fs(uri)
        with report.step(f"downloading {without(uri)}"), Draft(local) as draft:
            system.get(place, draft, recursive=bool(system.isdir(place)))
            _make_room(local)
    except (ImportError, ValueError) as error:  # what fsspec raises when it knows no such protocol
        raise _unknown(kind, redact(str(error))) from None
    except ProjError:
        raise
    except Exception as error:
        why = redact(str(error) or type(error).__name__)
        raise SourceError(
            f"{without(uri)} cannot be downloaded: {why}", "check the address and your access"
        ) from error


def _unknown(kind: str, why: str = "") -> SourceError:
    return SourceError(
        f"nothing here can download {kind}: addresses" + (f": {why}" if why else ""),
        f"pip install 'proj-runner[{kind}]', or declare the parameter as `uri`: the command gets the address itself",
    )


def _make_room(local: str) -> None:
    """A file replaces what it is given the name of, a folder does not."""
    import shutil

    if os.path.isdir(local):
        shutil.rmtree(local)
