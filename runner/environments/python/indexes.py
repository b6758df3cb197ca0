"""Where packages come from: pip's configuration, translated for uv, which reads none of it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping

from runner.host import process
from runner.text.credentials import redact
from runner.typed import NamedTuple
from runner.values import Json

__all__ = ["Settings", "files", "places", "settings", "stated", "with_credentials"]


class Settings(NamedTuple):
    variables: Mapping[str, str]  # for uv; they may hold credentials: never in argv, record or log
    arguments: tuple[str, ...]
    constraints: tuple[str, ...]  # files
    identity: Json  # the same without credentials

    @property
    def several(self) -> bool:
        """Whether there are indexes besides the default one, and nobody told uv how to choose among them."""
        return "UV_INDEX_STRATEGY" in self.variables

    @property
    def widest(self) -> dict[str, str]:
        """The variables with which all files of all indexes are seen."""
        return {**self.variables, **({"UV_INDEX_STRATEGY": "unsafe-best-match"} if self.several else {})}


def with_credentials(line: str, stated: Iterable[str]) -> str:
    """The opposite for a line of a lock: the URLs of the specification's lines get back what redact() took."""
    for url in re.findall(r"[A-Za-z][\w+.-]*://(?:[^/@\s'\"]+@)?[^\s'\"@;#]+", " ".join(stated)):
        line = line.replace(redact(url), url)
    return line


def stated() -> list[str]:
    """The variables that decide where packages come from, without credentials."""
    secret = ("_PASSWORD", "_USERNAME", "_TOKEN")
    names = sorted(n for n in os.environ if n.startswith(("PIP_", "UV_")) and not n.endswith(secret))
    return [f"{name}={redact(os.environ[name])}" for name in names]


def files() -> list[str]:
    """pip's and uv's files of configuration, the weakest first; not all of them exist."""
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    if sys.platform == "darwin":
        systems = ["/Library/Application Support/pip/pip.conf"]
        own = os.path.expanduser("~/Library/Application Support/pip/pip.conf")
        users = [
            os.path.expanduser("~/.pip/pip.conf"),
            own if os.path.isfile(own) else f"{config}/pip/pip.conf",
        ]
    else:
        shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        systems = [f"{folder}/pip/pip.conf" for folder in reversed(shared.split(os.pathsep))] + [
            "/etc/pip.conf"
        ]
        users = [os.path.expanduser("~/.pip/pip.conf"), f"{config}/pip/pip.conf"]
    given = os.environ.get("PIP_CONFIG_FILE", "")
    found = [] if given == os.devnull else [*systems, *users, *([given] if given else [])]
    return [*found, *_uv_files(config)]


def _uv_files(config: str) -> list[str]:
    return ["/etc/uv/uv.toml", f"{config}/uv/uv.toml", *filter(None, [os.environ.get("UV_CONFIG_FILE")])]


def settings(lines: Iterable[str] = ()) -> Settings:
    """pip's words on indexes (also those in requirement lines), in uv's. What is said to uv itself goes before."""
    pip = _pip()
    older = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
    variables = {
        name: value
        for name, value in _variables(pip, lines).items()
        if not os.environ.get(name) and not os.environ.get(older.get(name, name))
    }
    constraints = [os.path.expanduser(path) for path in pip.get("constraint", [])]
    deciding = ("index-url", "extra-index-url", "find-links", "no-index", "pre")
    told: list[Json] = [[name, [redact(value) for value in pip[name]]] for name in deciding if name in pip]
    own = ("UV_DEFAULT", "UV_INDEX", "UV_EXTRA", "UV_FIND", "UV_PRE")
    told += [line for line in stated() if line.startswith(own)]
    told += [redact(_text(path)) for path in files() if path.endswith(".toml")]
    return Settings(
        variables,
        ("--no-index",) if _true(pip.get("no-index")) else (),
        tuple(path for path in constraints if os.path.isfile(path)),
        told,
    )


def _variables(pip: Mapping[str, list[str]], lines: Iterable[str]) -> dict[str, str]:
    result: dict[str, str] = {}
    extra = [url for url in pip.get("extra-index-url", []) if _is_there(url)]
    if urls := pip.get("index-url"):
        result["UV_DEFAULT_INDEX"] = urls[0]
    if extra:
        result["UV_INDEX"] = " ".join(extra)
    if extra or any(line.startswith("--extra-index-url") for line in lines):
        # pip takes the best of all indexes; uv would stop at the first that knows the name, whatever versions
        # it has. This prefers what the extra (private) index has, if that fits: no confusion with a namesake.
        result["UV_INDEX_STRATEGY"] = "unsafe-first-match"
    if links := [each for each in map(os.path.expanduser, pip.get("find-links", [])) if _is_there(each)]:
        result["UV_FIND_LINKS"] = ",".join(links)
    if hosts := pip.get("trusted-host"):
        result["UV_INSECURE_HOST"] = " ".join(hosts)
    if certificate := pip.get("cert"):
        result["SSL_CERT_FILE"] = os.path.expanduser(certificate[0])
    if timeout := pip.get("timeout") or pip.get("default-timeout"):
        result["UV_HTTP_TIMEOUT"] = timeout[0]
    if _true(pip.get("pre")):
        result["UV_PRERELEASE"] = "allow"
    if pip.get("keyring-provider", ["auto"])[0] != "disabled" and process.find("keyring"):
        result["UV_KEYRING_PROVIDER"] = "subprocess"
    if proxy := pip.get("proxy"):
        result |= {"HTTP_PROXY": proxy[0], "HTTPS_PROXY": proxy[0]}
    return result


def places(own: Mapping[str, str] = os.environ) -> tuple[str, list[str], list[str]]:
    """What uv's variables say, for pip: the index, further ones, and find-links."""
    index = own.get("UV_DEFAULT_INDEX") or own.get("UV_INDEX_URL") or ""
    more = (own.get("UV_INDEX") or own.get("UV_EXTRA_INDEX_URL") or "").split()
    links = [each for each in own.get("UV_FIND_LINKS", "").split(",") if each]
    return index, [re.sub(r"^[\w.-]+=", "", each) for each in more], links


def _is_there(url: str) -> bool:
    """uv fails when a folder is not there; pip goes on."""
    path = url[7:] if url.startswith("file://") else url
    return not os.path.isabs(path) or os.path.exists(path)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _true(values: list[str] | None) -> bool:
    return bool(values) and values[-1].lower() in ("1", "true", "yes", "on")  # type: ignore[index]


def _pip() -> dict[str, list[str]]:
    """pip's options as they hold for `pip install`: files, then variables; a later one wins."""
    import configparser

    options: dict[str, list[str]] = {}
    for path in files():
        if not path.endswith(".toml"):
            parser = configparser.RawConfigParser()
            try:
                parser.read(path, encoding="utf-8")
            except (configparser.Error, UnicodeDecodeError, OSError):
                continue  # pip itself will say what is wrong with it
            for section in ("global", "install"):
                if parser.has_section(section):
                    options |= {key.replace("_", "-"): value.split() for key, value in parser.items(section)}
    for name, value in os.environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE":
            options[name[4:].lower().replace("_", "-")] = value.split()
    return {name: values for name, values in options.items() if values}
