"""Projects of the shape of MLflow's own public examples run unchanged: they know mlflow and nothing of proj."""

from __future__ import annotations

import os
import shutil

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.helpers import proj

PROJECTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "projects")

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(600)]


def run_example(name: str, tmp_path: object, *words: str) -> tuple[Store, str]:
    folder = os.path.join(str(tmp_path), name)
    shutil.copytree(os.path.join(PROJECTS, name), folder)
    done = proj("run", folder, *words, timeout=580)
    assert done.code == 0, done.err[-3000:]
    store = Store(paths.store())
    return store, store.resolve("last")


def test_sklearn_logistic_regression(tmp_path: object) -> None:
    store, run_id = run_example("sklearn_logistic", tmp_path)
    run = store.read(run_id)
    assert run.status == "FINISHED"
    assert 0.5 < run.metrics["score"].value <= 1
    assert run.sections["environment"]["kind"] == "virtualenv"
    with open(os.path.join(paths.store(), "runs", run_id, "environment.lock"), encoding="utf-8") as file:
        lock = file.read()
    assert "scikit-learn==" in lock
    assert "--hash=sha256:" in lock


def test_elastic_net_diabetes_with_the_pip_part_of_conda_yaml(tmp_path: object) -> None:
    words = ("--env-manager", "virtualenv", "-P", "alpha=0.05", "-P", "l1_ratio=0.2")
    store, run_id = run_example("elasticnet_diabetes", tmp_path, *words)
    run = store.read(run_id)
    assert run.params["alpha"] == 0.05
    assert 40 < run.metrics["rmse"].value < 80
    assert os.path.getsize(os.path.join(paths.store(), "runs", run_id, "artifacts", "paths.png")) > 1000
