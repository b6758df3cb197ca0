"""A store, and both databases that can hold its index."""

from __future__ import annotations

import os

import pytest

from tests.databases import database, dialect, postgres

__all__ = ["database", "dialect", "postgres", "root"]


@pytest.fixture
def root(tmp_path: object) -> str:
    return os.path.join(str(tmp_path), "store")
