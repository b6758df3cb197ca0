"""Tokens of a team's server: who may do what, until when. Only their digests are kept.

`server/<name>-<digest of the store's path>/tokens.jsonl` in PROJ_HOME, append-only: `token` events (id, name, role,
digest, expires) and `revoked` events. They are not in the store: a copy of it at another place lets nobody in. A token
is 192 random bits, so a plain digest cannot be guessed back.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import os
import shutil
from typing import NamedTuple

from runner import paths
from runner.errors import InputError, StoreError
from runner.host import files
from runner.protocol.scope import ROLES
from runner.text.units import seconds
from runner.values import JsonObject

__all__ = ["Token", "Tokens", "append", "create", "expiry", "folder", "listing", "revoke"]


class Token(NamedTuple):
    token_id: str
    name: str
    role: str
    digest: str
    created: int  # ms
    expires: int  # ms; 0: never
    revoked: bool = False
    models: tuple[str, ...] = ()  # patterns of registered models that it may change; none: all


def _path(root: str) -> str:
    """Of the tokens of a store; those that an earlier version kept in it are moved there."""
    real = os.path.realpath(root)
    name = f"{os.path.basename(real)}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:16]}"
    path = os.path.join(paths.home(), "server", name, "tokens.jsonl")
    earlier = os.path.join(root, "server", "tokens.jsonl")
    if os.path.exists(earlier) and not os.path.exists(path):
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            shutil.move(earlier, path)
        except OSError as error:
            raise StoreError(f"{earlier} cannot be moved to {path}: {error.strerror or error}") from error
    return path


def folder(root: str) -> str:
    """Where the tokens of a store are, and what else opens it."""
    return os.path.dirname(_path(root))


def append(path: str, event: JsonObject) -> None:
    """To a file that only its owner may read."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(file).st_size
            torn = size and os.pread(file, 1, size - 1) != b"\n"  # by who was killed, or a full disk
            data = b"\n" * bool(torn) + json.dumps(event).encode() + b"\n"
            if os.write(file, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file)  # a token that was revoked stays so
        finally:
            os.close(file)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def create(root: str, name: str, role: str, expires: int = 0, models: tuple[str, ...] = ()) -> str:
    """Makes a token and returns it: this is the only time that it can be seen."""
    from runner.tracking.log import now

    token_id, secret = os.urandom(4).hex(), os.urandom(24).hex()
    append(
        _path(root),
        {
            "type": "token",
            "time": now(),
            "id": token_id,
            "name": name,
            "role": role,
            "digest": _digest(secret),
            "expires": expires,
            "models": list(models),
        },
    )
    return f"proj_{token_id}_{secret}"


def revoke(root: str, which: str) -> Token:
    """By its id or, if only one has it, its name."""
    from runner.tracking.log import now

    found = [each for each in listing(root) if which in (each.token_id, each.name) and not each.revoked]
    if len(found) != 1:
        what = "no token" if not found else "more than one token"
        raise InputError(f"{what} is called {which!r}", "proj server token list")
    append(_path(root), {"type": "revoked", "time": now(), "id": found[0].token_id})
    return found[0]


def listing(root: str) -> list[Token]:
    return list(_read(_path(root)).values())


def _read(path: str) -> dict[str, Token]:
    found: dict[str, Token] = {}
    try:
        with open(path, "rb") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return found
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    for line in lines:
        try:
            event = json.loads(line)
            if event["type"] == "token":
                found[event["id"]] = _token(event)
            elif event["type"] == "revoked":
                found[event["id"]] = found[event["id"]]._replace(revoked=True)
        except (ValueError, KeyError, TypeError):
            continue  # a torn line, or one that is not ours
    return found


def _token(event: JsonObject) -> Token:
    """ValueError for one that says anything else than `create` writes."""
    texts = [event[name] for name in ("id", "name", "role", "digest")]
    times = [event[name] for name in ("time", "expires")]
    if not all(type(each) is str for each in texts) or not all(type(each) is int for each in times):
        raise ValueError
    if event["role"] not in ROLES:  # of a newer version: it opens nothing here
        raise ValueError
    models = event.get("models", [])
    if type(models) is not list or not all(type(each) is str for each in models):
        raise ValueError
    return Token(*texts, *times)._replace(models=tuple(models))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def expiry(text: str, now: int) -> int:
    """Milliseconds since the epoch of `30d`, `12h`, ... from now; 0 for `never`."""
    if text in ("", "never"):
        return 0
    return now + int(seconds(text, "--expires") * 1000)


class Tokens:
    """The reading side of a server: looks at the file again when it has changed."""

    def __init__(self, root: str) -> None:
        self._path = _path(root)
        self._stamp: files.Stamp | None = None
        self._tokens: dict[str, Token] = {}
        self._known: dict[str, Token] = {}  # text -> token that it was found to be
        self._wanted = False

    def refresh(self) -> None:
        """Reads the file again if it changed: a token that was revoked ends within one request."""
        began, stamp = files.now(), files.stamp(self._path)
        if stamp is None or stamp != self._stamp:
            self._tokens = _read(self._path)
            self._known.clear()
            self._stamp = stamp if stamp and files.settled(stamp, began) else None

    @property
    def wanted(self) -> bool:
        """Whether there ever was a token: to revoke the last one, or to lose the file, opens nothing."""
        self._wanted = self._wanted or bool(self._tokens)
        return self._wanted

    def valid(self, token_id: str, now: int) -> Token | None:
        """By its id. None for what is not there, revoked or too old."""
        found = self._tokens.get(token_id)
        return None if found is None or found.revoked or 0 < found.expires <= now else found

    def find(self, text: str, now: int) -> Token | None:
        """None for what is wrong, revoked or too old."""
        token = self._known.get(text)
        if token is None:
            kind, _, rest = text.partition("_")
            token_id, _, secret = rest.partition("_")
            found = self._tokens.get(token_id)
            if kind != "proj" or found is None:
                return None
            if not hmac.compare_digest(found.digest, _digest(secret)) or found.revoked:
                return None
            token = self._known[text] = found
        return None if 0 < token.expires <= now else token
