"""User names and passwords in URLs: taken out before anything is recorded, handed to git unseen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from runner.host import git

__all__ = ["Credentials", "redact", "split", "without"]


class Credentials(NamedTuple):
    user: str = ""
    password: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown. A user name alone is a token as often as a name."""
        return tuple(text for text in (self.password, self.user) if text)


def split(url: str) -> tuple[str, Credentials]:
    """A URL without its credentials, and these. The user of an ssh URL is part of the address and stays."""
    scheme, found, rest = url.partition("://")
    if not found:
        return url, Credentials()
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    userinfo, has_user, host = rest[:end].rpartition("@")
    if not has_user:
        return url, Credentials()
    user, _, password = userinfo.partition(":")
    if scheme.rpartition("+")[2] == "ssh":
        return f"{scheme}://{user}@{host}{rest[end:]}", Credentials("", password)
    return f"{scheme}://{host}{rest[end:]}", Credentials(user, password)


def without(url: str) -> str:
    return split(url)[0]


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` (git's messages) without the credentials of the URLs in it, and without `secrets`."""
    for secret in secrets:
        if len(secret) > 2:
            text = text.replace(secret, "***")
    words = text.split(" ")
    for index, word in enumerate(words):
        at = word.find("://")
        if at >= 0 and "@" in word[at:]:
            start = at
            while start > 0 and (word[start - 1].isalnum() or word[start - 1] in "+-."):
                start -= 1
            words[index] = word[:start] + without(word[start:])
    return " ".join(words)


def for_git(url: str, credentials: Credentials) -> Mapping[str, str]:
    """Variables that give git these credentials for `url`: not in an argument list, not in a config file.

    A user name alone is a hint for the user's own helper; with a password, no other helper is asked.
    """
    if not credentials.user and not credentials.password:
        return {}
    from urllib.parse import unquote

    settings = [("credential.username", unquote(credentials.user))]
    variables = {}
    if credentials.password:
        script = 'test "$1" = get && echo "username=$PROJ_GIT_USER" && echo "password=$PROJ_GIT_PASSWORD"'
        script = f"!f() {{ {script}; }}; f"
        settings += [(f"credential.{_host(url)}.helper", ""), (f"credential.{_host(url)}.helper", script)]
        variables = {
            "PROJ_GIT_USER": unquote(credentials.user),
            "PROJ_GIT_PASSWORD": unquote(credentials.password),
        }
    return {**variables, **git.configured(settings)}


def _host(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
