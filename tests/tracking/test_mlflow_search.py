"""The real MLflow and we give the same runs in the same order for random filters and orders."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.servers import client_python  # noqa: F401 - a fixture

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLOWS = os.path.join(TESTS, "flows")  # a program beside tests/tracking/mlflow would import that


@pytest.mark.slow
@pytest.mark.mlflow
def test_searches_give_what_mlflow_gives(client_python: str, tmp_path: object) -> None:  # noqa: F811
    done = subprocess.run(
        [client_python, os.path.join(FLOWS, "compare_search.py"), "1", "500", str(tmp_path)],
        env={
            **os.environ,
            "PYTHONPATH": os.path.dirname(TESTS),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    asked, refused = map(int, done.stdout.split()[-2:])
    assert asked == 500
    assert 20 < refused < 200  # wrong ones are among them, and both say so
