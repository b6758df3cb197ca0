"""A package index of the tests' own, as the tests of reproducing use it."""

from __future__ import annotations

from tests.reproduction.conftest import index

__all__ = ["index"]
