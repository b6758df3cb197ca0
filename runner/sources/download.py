"""A file from the web, kept in the cache by its content and asked for again only if the server says it changed."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from hashlib import sha256
from http.client import HTTPException
from urllib.parse import unquote

from runner import __version__, paths
from runner.errors import SourceError
from runner.host import files
from runner.sources.base import ONCE
from runner.sources.unpack import MOST_BYTES
from runner.text.credentials import Credentials, split
from runner.values import JsonMapping, JsonObject, Report, Step

__all__ = ["download"]

PATIENCE = 60.0  # s without any answer


def download(
    address: str, shown: str, folder: str, report: Report, offline: bool = False
) -> tuple[str, str, tuple[str, ...]]:
    """(path, sha256, notes) of the file at `address`, which is called `shown` in messages; drafts go to `folder`."""
    url, credentials = split(address)
    memory = paths.scratch("archives", f"{sha256(url.encode()).hexdigest()[:40]}.json")
    known = _known(memory)
    if offline:
        if not known:
            raise SourceError(f"{shown} is not in the cache, and --offline asks no server", ONCE)
        return paths.scratch("archives", known["digest"]), known["digest"], ()
    try:
        with report.step(f"downloading {shown}") as step:
            answer = _get(url, credentials, known, os.path.join(folder, "download"), step)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 304:
            return paths.scratch("archives", known["digest"]), known["digest"], ()
        if error.code < 500 or not known:
            raise SourceError(
                f"{shown} cannot be downloaded: {error.code} {error.reason}", _hint(error.code)
            ) from None
        return _cached(known, shown, f"{error.code} {error.reason}")
    except (urllib.error.URLError, HTTPException, OSError) as error:
        reason = str(getattr(error, "reason", "") or error)
        if not known:
            raise SourceError(
                f"{shown} cannot be downloaded: {reason}", "check the network and the address"
            ) from None
        return _cached(known, shown, reason)
    digest = answer["digest"]
    path = paths.scratch("archives", digest)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.rename(os.path.join(folder, "download"), path)
    _keep(memory, answer)
    return path, digest, ()


def _get(url: str, credentials: Credentials, known: JsonMapping, path: str, step: Step) -> JsonObject:
    request = urllib.request.Request(  # noqa: S310 (http and https only: see archive.fetch)
        url, headers={"User-Agent": f"proj/{__version__}"}
    )
    if known.get("etag"):
        request.add_header("If-None-Match", known["etag"])
    elif known.get("modified"):
        request.add_header("If-Modified-Since", known["modified"])
    if credentials.user or credentials.password:
        pair = f"{unquote(credentials.user)}:{unquote(credentials.password)}"
        # not for the host that a redirect leads to
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
        total = int(answer.headers.get("Content-Length") or 0)
        done = 0

        def count(size: int) -> None:
            nonlocal done
            done += size
            if done > MOST_BYTES:
                raise SourceError(f"the archive is larger than {MOST_BYTES / 1e9:g} GB")
            step.update("receiving", done, total)

        with open(path, "wb") as file:
            digest = files.transfer(answer, file.write, count)
        if total and done < total:
            raise OSError(f"the connection ended after {done} of {total} bytes")
        return {
            "url": url.partition("?")[0],
            "digest": digest.hex,
            "etag": answer.headers.get("ETag", ""),
            "modified": answer.headers.get("Last-Modified", ""),
        }


def _cached(known: JsonMapping, shown: str, reason: str) -> tuple[str, str, tuple[str, ...]]:
    note = f"{shown} cannot be reached ({reason}): the copy of the last download is used"
    return paths.scratch("archives", known["digest"]), known["digest"], (note,)


def _known(memory: str) -> JsonObject:
    try:
        with open(memory, encoding="utf-8") as file:
            known = json.load(file)
        return known if os.path.exists(paths.scratch("archives", known["digest"])) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _keep(memory: str, answer: JsonMapping) -> None:
    files.write(memory, json.dumps(answer))


def _hint(code: int) -> str:
    if code in (401, 403):
        return "give credentials in the URL (they are not recorded), or download it and run the file"
    return "check the address"
