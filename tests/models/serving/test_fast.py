"""The worker's quick way for plain tables: what the model gets, and what is answered, is as by MLflow's own function."""

from __future__ import annotations

import json
import os

import pytest

from runner.models.serving import worker
from tests.helpers import examples
from tests.models.serving import payloads
from tests.servers import client_python, run_flow

__all__ = ["client_python"]  # a fixture


@pytest.mark.mlflow
def test_no_difference_to_mlflow(client_python: str) -> None:
    count = examples(10_000)
    said = run_flow(
        client_python, "compare_fast", {}, os.path.abspath(worker.__file__), payloads.__file__, str(count)
    )
    found = json.loads(said.splitlines()[-1])
    assert found["different"] == []
    assert found["count"] > count
    assert found["quick"] > found["count"] / 3
