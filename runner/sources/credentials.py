"""User names and passwords of git's remotes: handed to git unseen."""

from __future__ import annotations

from collections.abc import Mapping

from runner.host import git
from runner.text.credentials import Credentials

__all__ = ["for_git"]


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
