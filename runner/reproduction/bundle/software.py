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
            yield _application(_conda(name) if conda else _pypi(name, version), name, version)
    yield _application(_pypi(DISTRIBUTION, __version__), DISTRIBUTION, __version__)


def _pypi(name: str, version: str) -> str:
    return f"https://pypi.org/project/{quote(visible(name))}/{quote(visible(version))}/"


def _conda(name: str) -> str:
    return f"https://anaconda.org/search?q={quote(visible(name))}"


def _application(address: str, name: str, version: str) -> JsonObject:
    return {
        "@id": address,
        "@type": "SoftwareApplication",
        "name": name,
        "softwareVersion": version,
        "url": address,
    }
