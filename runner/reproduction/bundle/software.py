"""The software that a run needed, as RO-Crate calls it: SoftwareApplication, each with its version."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from runner import __version__
from runner.environments.packages import packages
from runner.reproduction.bundle.own import DISTRIBUTION
from runner.running.recorded import Recorded
from runner.text.encoding import visible
from runner.values import JsonObject

__all__ = ["applications"]

PYTHON = "https://www.python.org/downloads/release/python-"
LOCAL = ("local", ".", "/", "file:")  # a package of the code, which is in the crate itself


def applications(recorded: Recorded) -> Iterator[JsonObject]:
    """Python, the packages that were there, and proj."""
    environment = recorded.section("environment")
    if python := str(environment.get("python", "")):
        yield _application(f"{PYTHON}{python.replace('.', '')}/", "Python", python)
    conda = environment.get("kind") in ("conda", "pixi")
    for name, version in sorted(packages(recorded.packages).items()):
        if version.startswith("http"):
            yield _application(version, name, version)
        elif not version.startswith(LOCAL):
            yield _package("conda" if conda else "pypi", name, version)
    yield _package("pypi", DISTRIBUTION, __version__)


def _package(kind: str, name: str, version: str) -> JsonObject:
    """Its identifier names it on whatever index it is found (https://github.com/package-url/purl-spec)."""
    quoted, wanted = quote(visible(name), safe=""), quote(visible(version), safe="")
    found = _application(f"https://libraries.io/{kind}/{quoted}/{wanted}", name, version)
    return {**found, "identifier": f"pkg:{kind}/{quoted}@{wanted}"}


def _application(address: str, name: str, version: str) -> JsonObject:
    return {
        "@id": address,
        "@type": "SoftwareApplication",
        "name": name,
        "softwareVersion": version,
        "url": address,
    }
