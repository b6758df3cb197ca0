"""A bundle taken into a store: its files checked, its run and its code imported, its packages and inputs at hand."""

from __future__ import annotations

from runner.errors import InputError
from runner.reproduction.supplies import Supplies
from runner.tracking.store import Store
from runner.values import Report

__all__ = ["take_in"]


def take_in(path: str, store: Store, report: Report) -> tuple[str, Supplies]:  # noqa: ARG001
    raise InputError("bundles come next")
