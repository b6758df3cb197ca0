"""Credentials in addresses: the one place that knows where they stand, and takes them out.

Three places: `user:password@`, conda's `/t/TOKEN/`, and parameters that sign or authorize (`X-Amz-Signature=`, `sig=`,
`token=`). `without` is for one address, `redact` for any text with addresses in it, `cleaned` for what goes into
an event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from runner.errors import InputError
from runner.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

__all__ = ["Credentials", "cleaned", "redact", "refuse_password", "split", "suspected", "without"]

HIDDEN = "***"
# Schemes whose user is part of the address: a login, a container of Azure, a profile. Elsewhere it may be a token.
ADDRESSED = frozenset(
    (
        *("ssh", "sftp", "scp", "rsync", "svn", "smb", "hdfs", "webhdfs", "viewfs"),
        *("abfs", "abfss", "wasb", "wasbs", "adl", "oci", "dbfs", "databricks"),
        *("postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle", "mongodb"),
    )
)
SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{0,40}://"
USERINFO = rf"({SCHEME})([^\s/?#\"<>`\\]*)@(?!sha\d+:)"  # docker://image@sha256:... has none
# `https://user:se/cret@host`, its `/` not written as it must be: what follows the colon is no port
BROKEN = rf"({SCHEME})([^@/?#\[]{{0,200}}:(?!\d+(?:[/?#]|$))[\w%][^@/?#]{{0,200}}[/?#][^@]{{0,200}}@)"
URL = rf"{SCHEME}[^\s\"'<>`\\]+"
# Azure, AWS, Google, Alibaba and those who call it by its name; compared without case and punctuation
SECRETS = frozenset(("sig", "auth", "authorization", "pwd", "pass", "sas", "jwt", "awsaccesskeyid"))
ENDINGS = (
    *("signature", "token", "secret", "password", "passwd", "credential", "credentials"),
    *("apikey", "authkey", "accesskey", "accesskeyid", "accountkey", "privatekey", "secretkey"),
)
LONG = 16  # characters of a bare `key=` that is one, and not the name of a file


class Credentials(NamedTuple):
    user: str = ""
    password: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown. A user name alone is a token as often as a name."""
        return tuple(text for text in (self.password, self.user) if text)


def split(url: str) -> tuple[str, Credentials]:
    """A URL without its `user:password@`, and these. A user that is part of the address stays."""
    scheme, found, rest = url.partition("://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    userinfo, has_user, host = rest[:end].rpartition("@")
    if not found or not has_user or host.startswith("sha256:"):
        return url, Credentials()
    user, _, password = userinfo.partition(":")
    if _is_addressed(scheme):
        return f"{scheme}://{user}@{host}{rest[end:]}", Credentials("", password)
    return f"{scheme}://{host}{rest[end:]}", Credentials(user, password)


def _is_addressed(scheme: str) -> bool:
    return not ADDRESSED.isdisjoint(scheme.lower().split("+"))


def without(url: str) -> str:
    """A URL without all that is secret in it; what signs or authorizes is shown as `***`."""
    if not suspected(url):
        return url
    if "=" not in url and "/t/" not in url and url.count("@") == url.count("://") == 1:
        bare = split(url)[0]  # nearly always; the expressions below take a millisecond to compile
        if bare != url or "@" in url.partition("://")[2].partition("/")[0]:
            return bare
    while (found := _cut(url)) != url:
        url = found
    return url


def _cut(url: str) -> str:
    url = re.sub(BROKEN, lambda found: found[1] + re.sub("[/?#]", "%2F", found[2]), url)
    url = re.sub(USERINFO, _userinfo, split(url)[0])  # also of URLs that are parameters of it
    if "/t/" in url:  # but for a page of a forum: /t/TITLE/NUMBER
        url = re.sub(r"(://[^/?#]+)/t/(?!\d+(?:[/?#]|$))[^/?#]+(?=[/?#]|$)(?!/\d+(?:[/?#]|$))", r"\1", url)
    if "=" in url:
        url = re.sub(r"([?&;#])([^?&;#=]+)=([^&;#]+)", _parameter, url)
    return url


def _userinfo(found: re.Match[str]) -> str:
    scheme, user = found[1], found[2].partition(":")[0]
    return f"{scheme}{user}@" if _is_addressed(scheme[:-3]) else scheme


def _parameter(found: re.Match[str]) -> str:
    sign, name, value = found.groups()
    plain = re.sub(r"%..|[^a-z0-9]", "", name.lower())
    if plain in SECRETS or plain.endswith(ENDINGS) or (plain == "key" and _is_key(value)):
        return f"{sign}{name}={HIDDEN}"
    return found[0]


def _is_key(value: str) -> bool:
    value = value.rstrip(").,]}")
    return len(value) >= LONG and value.replace("-", "").replace("_", "").isalnum()


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the credentials of the addresses in it, and without `secrets`."""
    for secret in secrets:
        if len(secret) > 2:
            text = text.replace(secret, HIDDEN)
    if not suspected(text):
        return text
    if re.fullmatch(rf"{SCHEME}\S+", text):
        text = without(text)  # its password may have any letters
    while (found := re.sub(URL, lambda url: _cut(url[0]), re.sub(USERINFO, _userinfo, text))) != text:
        text = found
    return text


def suspected(text: str) -> bool:
    """Whether there may be credentials in the addresses of a text. Quick: asked of every line of a log."""
    return "://" in text and ("@" in text or "=" in text or "/t/" in text)


def cleaned(value: object) -> Any:
    """A JSON value whose texts are redacted, keys too."""
    if isinstance(value, str):
        return redact(value) if "://" in value else value
    if isinstance(value, dict):
        return {cleaned(key): cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    return value


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
