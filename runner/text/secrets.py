"""The secrets of a run, in the shapes in which they come up again, and their removal from what is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["HIDDEN", "SHORTEST", "VARIABLE", "WITHHELD", "Search", "Secrets", "around", "shapes"]

HIDDEN = "****"
SHORTEST = 4  # characters; a shorter one is in every second word
WITHHELD = "proj.withheld."  # how the tag begins that names a file that is not kept
LINE = 8  # characters of a line that is masked by itself, of a secret with several
VARIABLE = "PROJ_SECRET_"  # how the variables begin that hand secret parameters to a command
# Keys of events whose values are of the record's own making: a password `main` must not break them.
OURS = frozenset(("type", "format", "status", "reason", "lifecycle", "relation"))
NAMED = frozenset(("params", "texts", "tags", "variables", "parameters"))  # their keys are the user's


def around(environment: Mapping[str, str], own: Mapping[str, str] | None = None) -> Secrets | None:
    """Those of the run around us, which its command has in its environment, and `own` ones. None for none."""
    found = {**environment, **(own or {})}
    named = {name.removeprefix(VARIABLE): found[name] for name in found if name.startswith(VARIABLE)}
    return Secrets(named) if any(named.values()) else None


def shapes(secrets: Iterable[str]) -> list[str]:
    """Each secret as it is, in a URL, in JSON, in base64, and its longer lines; the longest first."""
    from urllib.parse import quote, quote_plus

    found: dict[str, None] = {}
    for secret in secrets:
        lines = [line.strip() for line in secret.splitlines()]
        own = [line for line in lines if len(line) >= LINE and not line.startswith("-----")]
        for text in (secret, secret.strip(), *(own if len(lines) > 1 else ())):
            if len(text) < SHORTEST:
                continue
            raw = text.encode("utf-8", "surrogateescape" if _is_of_bytes(text) else "surrogatepass")
            urls = (quote(raw), quote(raw, safe=""), quote_plus(raw))
            quoted = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
            found |= dict.fromkeys((text, *urls, *quoted, *_in_base64(raw)))
    return sorted(found, key=len, reverse=True)


def _in_base64(raw: bytes) -> list[str]:
    """Also in the middle of more, as in `Authorization: Basic` of `user:secret`: what no neighbour has a part in."""
    if len(raw) < LINE:
        return []
    from base64 import b64encode

    found = []
    for before in range(3):
        text = b64encode(bytes(before) + raw).decode()
        end = (before + len(raw)) // 3 * 4
        core = text[(0, 2, 3)[before] : end]
        found += [core, core.replace("+", "-").replace("/", "_")]
    return found


def _is_of_bytes(text: str) -> bool:
    return not any("\ud800" <= letter < "\udc80" or "\udcff" < letter <= "\udfff" for letter in text)


class Secrets:
    """Masks them in events. False when there are none."""

    def __init__(self, secrets: Mapping[str, str] | Iterable[str] = ()) -> None:
        """Values, or names with their values."""
        self._named = dict(secrets) if isinstance(secrets, Mapping) else {}
        given = [secret for secret in (self._named.values() if self._named else secrets) if secret]
        self._shapes = shapes(given) if given else []
        self._needles = [json.dumps(shape, ensure_ascii=False)[1:-1] for shape in self._shapes]

    def __bool__(self) -> bool:
        return bool(self._shapes)

    def as_bytes(self) -> tuple[bytes, ...]:
        """As they may come up in the output of a command."""
        return tuple(shape.encode("utf-8", "surrogateescape") for shape in self._shapes)

    def needles(self) -> list[tuple[bytes, str]]:
        """As they may come up in a file, each with what it is."""
        names = {shape: name for name, secret in self._named.items() for shape in shapes([secret])}
        return [
            (
                shape.encode("utf-8", "surrogateescape"),
                f"the secret {names[shape]}" if shape in names else "a secret",
            )
            for shape in self._shapes
        ]

    def within(self, line: str) -> bool:
        """Whether one of them is in a line of JSON (with letters as they are, not as \\u escapes)."""
        return any(needle in line for needle in self._needles)

    def masked(self, text: str) -> str:
        for shape in self._shapes:
            if shape in text and not (len(shape) < LINE and _is_digest(text)):
                text = text.replace(shape, HIDDEN)
        return text

    def event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """An event without them."""
        found = {key: value if key in OURS else self._value(value, key) for key, value in event.items()}
        if event.get("type") == "param" and str(event.get("value")) in self._shapes:
            found["value"] = HIDDEN  # also one that was read as a number
        return found

    def _value(self, value: object, key: str) -> Any:
        if isinstance(value, str):
            return self.masked(value)
        if isinstance(value, dict):
            named = key in NAMED
            return {self.masked(k) if named else k: self._value(item, k) for k, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(item, "") for item in value]
        return value


class Search:
    """Looks for secrets in bytes that come piece by piece."""

    def __init__(self, secrets: Secrets) -> None:
        self._needles = secrets.needles()
        self._most = max((len(needle) for needle, _ in self._needles), default=1) - 1
        self._last = b""
        self.found = ""  # whose value it was: "the secret TOKEN"

    def feed(self, data: bytes) -> None:
        """The next piece of a stream; a secret is also found where two pieces meet."""
        if self.found:
            return
        border = self._last + data[: self._most]
        for needle, name in self._needles:
            if needle in data or needle in border:
                self.found = name
                return
        self._last = (self._last + data[-self._most :])[-self._most :] if self._most else b""


def _is_digest(text: str) -> bool:
    """Ids and hashes have every short word in them somewhere."""
    plain = text.removeprefix("sha256:")
    return len(plain) >= 32 and not plain.strip("0123456789abcdef-")
