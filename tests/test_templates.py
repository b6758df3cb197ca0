"""Every built-in template: made, checked, run and tested, with its real packages."""

from __future__ import annotations

import os

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.helpers import proj
from tests.pytorch_index import on_own_index

heavy = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(600)]


def made(template: str) -> str:
    done = proj("new", template, template, "--defaults")
    assert done.code == 0, done.err
    checked = proj("check", template)
    assert checked.code == 0, checked.out + checked.err
    assert "warning" not in checked.out
    return template


def ran(folder: str, *words: str) -> str:
    done = proj("run", folder, *words, timeout=580)
    assert done.code == 0, done.err[-3000:]
    return done.out


def metric(name: str, run: str = "last") -> float:
    store = Store(paths.store())
    return store.read(store.resolve(run)).metrics[name].value


def test_basic() -> None:
    folder = made("basic")
    ran(folder, "--env-manager", "local")
    assert metric("distance") == 30
    ran(folder, "-e", "test", "--env-manager", "local")


@pytest.mark.slow
@pytest.mark.network
def test_sklearn() -> None:
    folder = made("sklearn")
    ran(folder)
    assert metric("accuracy") > 0.9
    ran(folder, "-P", "model=logistic")
    ran(folder, "-e", "evaluate")
    ran(folder, "-e", "test")


@pytest.mark.slow
@pytest.mark.network
def test_pipeline() -> None:
    folder = made("pipeline")
    ran(folder, "-P", "rows=100")
    store = Store(paths.store())
    runs = [store.read(name) for name in os.listdir(os.path.join(paths.store(), "runs"))]
    parent = next(run for run in runs if not run.parent)
    steps = [run for run in runs if run.parent == parent.run_id]
    assert sorted(run.sections["command"]["command"].split()[1] for run in steps) == [
        "fit.py",
        "generate.py",
        "report.py",
    ]
    assert all(run.outputs for run in steps)
    done = proj("run", folder, "-P", "rows=100", "-P", "degree=3")
    assert "3 steps: 1 cached, 2 finished" in done.err


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_pytorch() -> None:
    folder = made("pytorch")
    on_own_index(folder)
    ran(folder, "-P", "epochs=3")
    assert metric("accuracy") > 0.8


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_notebook() -> None:
    folder = made("notebook")
    ran(folder, "-P", "points=200")
    assert 2.5 < metric("pi") < 3.8
    with open(os.path.join(folder, "outputs", "analysis.ipynb"), encoding="utf-8") as file:
        assert "points = 200" in file.read()


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_dbt() -> None:
    folder = made("dbt")
    ran(folder, "-P", "depth=4")
    store = Store(paths.store())
    runs = [store.read(name) for name in os.listdir(os.path.join(paths.store(), "runs"))]
    assert max(run.metrics["r2"].value for run in runs if "r2" in run.metrics) > 0.8


@pytest.mark.slow
def test_r() -> None:
    if not any(os.access(os.path.join(place, "Rscript"), os.X_OK) for place in os.environ["PATH"].split(":")):
        pytest.skip("needs Rscript on PATH")
    folder = made("r")
    assert "r2 = 0.6511" in ran(folder)
    assert round(metric("r2"), 4) == 0.6511


def test_docker_without_a_container() -> None:
    folder = made("docker")
    assert "2 to" in ran(folder, "--env-manager", "local")
