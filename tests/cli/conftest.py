"""`proj` in this process."""

from __future__ import annotations

import pytest

from tests.cli.records import Program


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)
