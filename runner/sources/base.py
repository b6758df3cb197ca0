"""What a kind of source must be able to do: a module with these names is a kind (see KINDS in __init__)."""

from __future__ import annotations

from typing import Protocol

from runner.values import Checkout, Report

ONCE = "the same line without --offline fetches it once"  # a hint


class Kind(Protocol):
    def detect(self, uri: str) -> bool:
        """Whether `uri` is of this kind. The first of KINDS that says yes has it."""

    def fetch(self, uri: str, version: str, report: Report, offline: bool = False) -> Checkout:
        """Brings the code to a folder; with `offline` no server is asked for it.

        Faults of `uri` or `version` are InputErrors, others SourceErrors.
        """

    def release(self, checkout: Checkout) -> None:
        """Removes what fetch() made for this run alone. Called once, for checkouts that are temporary."""
