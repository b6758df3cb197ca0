"""How people write down a git repository, a version and a folder in it: one text -> Location."""

from __future__ import annotations

import os
import posixpath
from typing import NamedTuple

from runner.errors import InputError
from runner.sources.git import repository
from runner.text.credentials import Credentials, split

__all__ = ["Location", "is_git", "parse", "resolve_relative"]

SCHEMES = ("https", "http", "ssh", "git", "file")
# what follows OWNER/REPOSITORY in the address of a web page that shows a version
PAGES = ("tree", "blob", "src", "commit", "commits", "raw")


class Location(NamedTuple):
    url: str  # for git, without credentials
    version: str = ""  # branch, tag or commit; "" for the remote's default branch
    subdirectory: str = ""
    credentials: Credentials = Credentials()
    page: str = ""  # REF/PATH of a web address: which part is the name of the version, the remote must tell


def is_git(uri: str) -> bool:
    """By its look alone, or a repository on disk: no network is asked."""
    scheme, found, _ = uri.partition("://")
    if found:
        return scheme.removeprefix("git+") in SCHEMES
    return _is_scp(uri) or bool(_on_disk(uri))


def parse(uri: str, version: str = "") -> Location:
    """Understands https, ssh, git, file, git+ URLs, user@host:path, web addresses, `@version`, `#subdir`."""
    address, _, inside = uri.partition("#")
    if "://" not in uri and not _is_scp(uri):
        address, stated, inside = _on_disk(uri) or (address, "", inside)
        credentials, page = Credentials(), ""
    else:
        address, credentials = split(address.removeprefix("git+"))
        _check_port(address)
        address, stated = _split_version(address)
        address, page = _split_page(address)
    if version and stated and version != stated:
        raise InputError(f"two versions were asked for: @{stated} in the address, and --version {version}")
    asked = version or stated
    if asked.startswith("-") or any(letter <= " " for letter in asked):
        raise InputError(f"{asked!r} cannot be the name of a version")
    return Location(address, asked, _clean(inside, uri), credentials, page)


def resolve_relative(url: str, parent: str) -> str:
    """A submodule's URL: `./x` and `../x` are relative to its repository's own, as in git."""
    if not url.startswith(("./", "../")):
        return url
    base = parent.rstrip("/")
    while True:
        if url.startswith("./"):
            url = url[2:]
        elif url.startswith("../"):
            url = url[3:]
            at = max(base.rfind("/"), base.rfind(":") if "://" not in base else -1)
            base = base[:at] if base[at : at + 1] == "/" else base[: at + 1]
        else:
            return base + url if base.endswith(":") else f"{base}/{url}"


def _is_scp(uri: str) -> bool:
    """[user@]host:path, but not C:\\path and nothing with a slash before the colon."""
    host, found, path = uri.partition(":")
    return (
        bool(found and path)
        and "/" not in host
        and "\\" not in host
        and len(host) > 1
        and not path.startswith("\\")
    )


def _on_disk(uri: str) -> tuple[str, str, str] | None:
    """A bare repository, or PATH@VERSION of any repository: (path, version, subdir)."""
    address, _, inside = uri.partition("#")
    path = os.path.abspath(os.path.expanduser(address))
    if repository.at_bare(path):
        return path, "", inside
    folder, found, _ = path.rpartition("@")
    while found:
        if os.path.isdir(folder) and (repository.at_bare(folder) or repository.find(folder)):
            return folder, path[len(folder) + 1 :], inside
        folder, found, _ = folder.rpartition("@")
    return None


def _check_port(address: str) -> None:
    scheme, found, rest = address.partition("://")
    host = rest.partition("/")[0]
    port = host.rpartition(":")[2] if ":" in host and not host.endswith("]") else ""
    if found and scheme != "file" and port and not port.isdigit():
        raise InputError(  # the text of the address is not shown: this may be half of a password
            "the address has a port that is not a number",
            "write special characters of a password as %2F, %40, ...; better: a credential helper",
        )


def _split_version(address: str) -> tuple[str, str]:
    """URL@VERSION. The `@` of user@host is not one, nor one in the path of a folder that exists."""
    scheme, found, rest = address.partition("://")
    if scheme == "file" and os.path.exists(rest):
        return address, ""
    start = len(scheme) + 3 + rest.find("/") if found else address.find(":")
    if found and "/" not in rest:
        return address, ""
    at = address.find(".git@", start)
    at = at + 4 if at >= 0 else address.find("@", start)
    if scheme == "file":  # any folder name may have an @
        at = address.rfind("@", start)
    return (address[:at], address[at + 1 :]) if at > start else (address, "")


def _split_page(address: str) -> tuple[str, str]:
    """The address of a web page inside a repository -> URL of the repository, REF/PATH."""
    scheme = address.partition("://")[0]
    if scheme not in ("https", "http"):
        return address, ""
    address = address.partition("?")[0].rstrip("/")
    host, _, path = address.partition("://")[2].partition("/")
    before, marked, after = path.partition("/-/")  # GitLab: groups may be nested
    parts = after.split("/") if marked else path.split("/")[2:]
    top = before if marked else "/".join(path.split("/")[:2])
    if len(parts) < 2 or parts[0] not in PAGES:
        return address, ""
    shown = parts[1:]
    if parts[0] == "src" and shown[0] in ("branch", "tag", "commit") and len(shown) > 1:  # Gitea, Forgejo
        shown = shown[1:]
    if parts[0] in ("blob", "raw") and len(shown) > 1:  # a file: its folder is meant
        shown = shown[:-1]
    from urllib.parse import unquote

    return f"{scheme}://{host}/{top}", unquote("/".join(shown))


def _clean(inside: str, uri: str) -> str:
    inside = inside.removeprefix("subdirectory=").strip("/") if not inside.startswith("/") else inside
    if not inside:
        return ""
    path = posixpath.normpath(inside)
    if path.startswith(("/", "../")) or path == ".." or "\0" in path:
        raise InputError(f"#{inside} leads out of the repository {split(uri.partition('#')[0])[0]}")
    return "" if path == "." else path
