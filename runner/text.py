"""Text as people and programs write it: names, addresses with passwords in them, spans of time, sizes."""

from __future__ import annotations

from runner.errors import InputError

__all__ = ["refuse_password"]


def refuse_password(location: str) -> None:
    """InputError for an artifact location with a password in it: it would be in every record."""
    from urllib.parse import urlsplit

    try:
        found = urlsplit(location).password
    except ValueError as error:
        raise InputError(f"{location!r} is not a location: {error}") from None
    if found:
        raise InputError(
            "the artifact location has a password in it, which would be kept in the record",
            "leave it out: fsspec finds credentials in its configuration, agents and variables",
        )
