"""Archives (.zip, .tar.gz, ...), from disk or from the web."""

from __future__ import annotations

from runner.errors import InputError
from runner.values import Checkout, Report

__all__ = ["detect", "fetch", "release"]

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def detect(uri: str) -> bool:
    return uri.partition("#")[0].partition("?")[0].lower().endswith(SUFFIXES)


def fetch(uri: str, version: str, report: Report) -> Checkout:
    raise InputError("archives come next")


def release(checkout: Checkout) -> None:
    pass
