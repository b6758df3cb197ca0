"""Which channels a name means, from which places and with which credentials: conda's own configuration (condarc)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from runner.environments.python.wanted import Table, parse_yaml, strings, text_of
from runner.values import JsonObject

__all__ = ["Settings", "files", "settings"]

ALIAS = "https://conda.anaconda.org"
DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
WITHOUT_ANY = ("conda-forge",)  # where nobody says anything; `defaults` has terms that a user has to accept
LISTS = ("channels", "default_channels")
MAPPINGS = ("custom_channels", "custom_multichannels", "proxy_servers", "mirrored_channels")
TEXTS = ("channel_alias", "channel_priority", "ssl_verify")


class Settings(NamedTuple):
    """Addresses are complete: they may hold credentials, and are in no lock, key, record or message."""

    channels: tuple[str, ...] = ()  # names, as stated; () when nobody stated any
    alias: str = ALIAS
    defaults: tuple[str, ...] = DEFAULTS
    custom: Mapping[str, str] = {}
    several: Mapping[str, Sequence[str]] = {}
    mirrors: Mapping[str, Sequence[str]] = {}
    priority: str = ""  # strict, flexible, disabled; "" is flexible, as in conda
    verify: str = "true"  # or false, or a file of certificates
    proxies: Mapping[str, str] = {}

    def addresses(self, names: Iterable[str], base: str) -> list[str]:
        """The URLs that channels' names mean, in order, each once. Relative paths start from `base`."""
        found: dict[str, None] = {}
        for name in names:
            found |= dict.fromkeys(url.rstrip("/") for url in self.address(name, base))
        return list(found)

    def address(self, name: str, base: str) -> list[str]:
        """URLs of a channel, named as conda does: an URL, a folder, an alias of .condarc, `defaults`, or a name below
        channel_alias.
        """
        name = os.path.expandvars(name.strip())
        if "://" in name:
            return [name]
        if name.startswith(("/", "./", "../", "~")) or name == ".":
            return ["file://" + os.path.normpath(os.path.join(base, os.path.expanduser(name)))]
        if name in self.several:
            return [url for each in self.several[name] for url in self.address(each, base)]
        if name == "defaults":
            return [url for each in self.defaults for url in self.address(each, base)]
        first = name.split("/")[0]
        for key in (name, first):
            if key in self.custom:
                return [f"{os.path.expandvars(self.custom[key]).rstrip('/')}/{name}"]
        return [f"{os.path.expandvars(self.alias).rstrip('/')}/{name}"]

    def of(self, stated: Sequence[str], nodefaults: bool, base: str) -> list[str]:
        """Channels of an environment file, then the user's own, unless the file says nodefaults."""
        names = [*stated, *(() if nodefaults else self.channels)]
        if not names and nodefaults:
            return []
        return self.addresses(names or WITHOUT_ANY, base)


def files() -> list[str]:
    """Files of conda's configuration, the weakest first; most of them do not exist."""
    home = os.path.expanduser("~")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    found = [
        f"{folder}/{name}" for folder in ("/etc/conda", "/var/lib/conda") for name in (".condarc", "condarc")
    ]
    folders = ["/etc/conda/condarc.d", "/var/lib/conda/condarc.d"]
    for name in ("CONDA_ROOT", "MAMBA_ROOT_PREFIX"):
        if root := os.environ.get(name):
            found += [f"{root}/.condarc", f"{root}/condarc"]
            folders.append(f"{root}/condarc.d")
    found += [f"{config}/conda/.condarc", f"{config}/conda/condarc"]
    found += [f"{home}/.conda/.condarc", f"{home}/.conda/condarc", f"{home}/.condarc", f"{home}/.mambarc"]
    folders.append(f"{home}/.conda/condarc.d")
    if prefix := os.environ.get("CONDA_PREFIX"):
        found += [f"{prefix}/.condarc", f"{prefix}/condarc"]
    for folder in folders:
        if os.path.isdir(folder):
            found += [
                f"{folder}/{name}" for name in sorted(os.listdir(folder)) if name.endswith((".yml", ".yaml"))
            ]
    return [*found, *filter(None, [os.environ.get("CONDARC"), os.environ.get("MAMBARC")])]


def settings() -> Settings:
    """All files and the CONDA_* variables together: later ones win; lists are put before those of earlier ones."""
    merged = _Merged({}, {}, {})
    for path in files():
        if os.path.isfile(path):
            merged.add(parse_yaml(text_of(path), path, "channels: [conda-forge]"))
    given = {name: os.environ.get(f"CONDA_{name.upper()}", "") for name in (*LISTS, *TEXTS)}
    merged.add({name: value.split(",") if name in LISTS else value for name, value in given.items() if value})
    proxies = {name: os.environ.get(f"CONDA_PROXY_SERVERS_{name.upper()}", "") for name in ("http", "https")}
    merged.add({"proxy_servers": {name: value for name, value in proxies.items() if value}})
    lists, tables, texts = merged
    certificates = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    priority = texts.get("channel_priority", "").lower()
    return Settings(
        tuple(lists.get("channels", ())),
        texts.get("channel_alias") or ALIAS,
        tuple(lists.get("default_channels") or DEFAULTS),
        tables.get("custom_channels", {}),
        tables.get("custom_multichannels", {}),
        tables.get("mirrored_channels", {}),
        priority.replace("true", "flexible").replace("false", "disabled"),
        texts.get("ssl_verify") or certificates or "true",
        {str(key): os.path.expandvars(str(url)) for key, url in tables.get("proxy_servers", {}).items()},
    )


class _Merged(NamedTuple):
    lists: dict[str, list[str]]
    tables: dict[str, JsonObject]
    texts: dict[str, str]

    def add(self, content: Table) -> None:
        for key, value in content.items():
            name = {"channel": "channels", "verify_ssl": "ssl_verify"}.get(key, key)
            if name in LISTS:
                values = strings(value, key, "condarc")
                earlier = self.lists.get(name, ())
                self.lists[name] = [*values, *(each for each in earlier if each not in values)]
            elif name in MAPPINGS and isinstance(value, dict):
                self.tables[name] = {**self.tables.get(name, {}), **value}
            elif name in TEXTS:
                self.texts[name] = str(value or "")
