"""Every folder of examples/ is run, and its record is looked at; the heavy ones with their real packages."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from runner import paths
from runner.containers import engine
from runner.tracking.fold import Run
from runner.tracking.store import Store
from tests.helpers import proj

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXAMPLES = os.path.join(ROOT, "examples")
SERVICES = os.path.join(ROOT, "tests", "services")


def copied(name: str) -> str:
    """The example as it is in a clone: without what an earlier run left in it."""
    folder = os.path.join(EXAMPLES, name)
    ignored = os.path.join(folder, ".gitignore")
    patterns: list[str] = []
    if os.path.exists(ignored):
        with open(ignored, encoding="utf-8") as file:
            patterns = [line.strip().rstrip("/") for line in file]
    shutil.copytree(folder, name, ignore=shutil.ignore_patterns(*patterns))
    checked = proj("check", name)
    assert checked.code == 0, checked.out + checked.err
    assert "warning" not in checked.out
    return name


def ran(folder: str, *words: str) -> str:
    done = proj("run", folder, *words, timeout=280)
    assert done.code == 0, done.out[-1000:] + done.err[-3000:]
    return done.out


def recorded() -> tuple[Run, dict[str, Run]]:
    """The one run that has no parent, and its children by entry point; every run has FINISHED."""
    store = Store(paths.store())
    runs = [store.read(name) for name in sorted(os.listdir(os.path.join(paths.store(), "runs")))]
    assert {run.status for run in runs} == {"FINISHED"}
    (top,) = (run for run in runs if not run.parent)
    children = {entry_point(run): run for run in runs if run.parent == top.run_id}
    return top, children


def entry_point(run: Run) -> str:
    return run.tags["mlflow.project.entryPoint"]


def metrics(run: Run) -> dict[str, float]:
    return {name: metric.value for name, metric in run.metrics.items()}


def artifacts(run: Run) -> list[str]:
    place = os.path.join(paths.store(), "runs", run.run_id, "artifacts")
    return sorted(
        os.path.relpath(os.path.join(folder, name), place)
        for folder, _, names in os.walk(place)
        for name in names
    )


def outputs(run: Run) -> list[str]:
    return [each["path"] for each in run.outputs]


def test_every_example_has_a_test() -> None:
    folders = {each.name for each in os.scandir(EXAMPLES) if each.is_dir()}
    tests = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert folders - tests == set()
    with open(os.path.join(EXAMPLES, "README.md"), encoding="utf-8") as file:
        listed = file.read()
    assert [name for name in folders if f"({name})" not in listed] == []
    for name in folders:
        assert os.path.exists(os.path.join(EXAMPLES, name, "README.md"))


def test_no_mlproject() -> None:
    assert "pi = 3.1" in ran(copied("no-mlproject"), "-P", "darts=200000")
    assert recorded()[0].param_texts["darts"] == "200000"


def test_shell() -> None:
    ran(copied("shell"))
    run, _ = recorded()
    found = metrics(run)
    assert (found["before"], found["after"]) == (1097.7, 853.4)
    assert run.metrics["decade_mean"].step == 1970
    assert run.tags["river"] == "Nile"
    assert outputs(run) == ["means.txt"]


def test_steps() -> None:
    assert "up=" in ran(copied("steps"), "-P", "rows=20")
    _, children = recorded()
    assert sorted(children) == ["count", "generate"]
    assert outputs(children["generate"]) == ["walk.csv"]


def test_search() -> None:
    ran(copied("search"), "-P", "trials=3")
    run, children = recorded()
    assert set(children) == {"fit"}
    assert run.tags["best_alpha"] == "0.35"
    assert round(metrics(run)["best_rmse"], 2) == 144.03
    assert outputs(run) == ["best.json"]


def test_r_regression() -> None:
    if not shutil.which("Rscript"):
        pytest.skip("needs Rscript on PATH")
    ran(copied("r-regression"))
    run, _ = recorded()
    assert round(metrics(run)["r2"], 4) == 0.6511
    assert outputs(run) == ["coefficients.csv"]


@pytest.mark.docker
def test_docker() -> None:
    trouble = engine.problem()
    if trouble:
        pytest.skip(f"no container engine: {trouble}")
    image = "proj-test/python:services"
    if engine.image(image) is None:
        subprocess.run([os.path.join(SERVICES, "docker-image.sh"), image], check=True, capture_output=True)
    folder = copied("docker")
    path = os.path.join(folder, "MLproject")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert "python:3.12-slim" in text
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("python:3.12-slim", image))
    assert "1229 primes" in ran(folder, "-P", "limit=10000")
    run, _ = recorded()
    assert metrics(run) == {"primes": 1229}
    assert outputs(run) == ["primes.json"]
    assert run.sections["environment"]["kind"] == "docker"


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_sklearn_diabetes() -> None:
    folder = copied("sklearn-diabetes")
    ran(folder, "-P", "alpha=0.02")
    run, _ = recorded()
    assert 61 < metrics(run)["rmse"] < 63
    assert outputs(run) == ["model.json"]
    assert "identical" in proj("reproduce", "last", timeout=280).out
    assert "patient 2" in ran(folder, "-e", "predict")


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_sklearn_autolog() -> None:
    ran(copied("sklearn-autolog"), "-P", "trees=20")
    run, _ = recorded()
    assert metrics(run)["accuracy"] > 0.9
    assert metrics(run)["training_accuracy_score"] > 0.9
    assert run.param_texts["n_estimators"] == "20"


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mlflow_steps() -> None:
    ran(copied("mlflow-steps"))
    _, children = recorded()
    assert sorted(children) == ["evaluate", "prepare", "train"]
    assert artifacts(children["prepare"]) == ["test.csv", "train.csv"]
    assert artifacts(children["train"]) == ["model.json"]
    assert metrics(children["evaluate"])["accuracy"] > 0.95
    assert children["train"].param_texts["regularisation"] == "1.0"


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_dbt() -> None:
    ran(copied("dbt"), "-P", "degree=2")
    _, children = recorded()
    assert sorted(children) == ["train", "transform"]
    assert outputs(children["transform"]) == ["warehouse.duckdb"]
    assert metrics(children["train"])["days"] == 111
    assert metrics(children["train"])["r2"] > 0.5
