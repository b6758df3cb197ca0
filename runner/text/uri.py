"""The path in a `file:` URI, or of another that has a path."""

from __future__ import annotations

from runner.errors import InputError

__all__ = ["path_of"]


def path_of(uri: str) -> str:
    """Without its escapes. InputError for what is no URI, such as `file://[x`."""
    from urllib.parse import unquote, urlsplit

    try:
        return unquote(urlsplit(uri).path)
    except ValueError as error:
        raise InputError(f"{uri!r} is no address: {error}") from None
