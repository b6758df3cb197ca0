"""`proj log`: what shell scripts write into their run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from runner import paths
from runner.data.dataset import rows
from runner.tracking.fold import Metric, Run
from runner.tracking.store import Store
from tests.cli.records import Program, make_run
from tests.helpers import make_tree, proj


def read(run_id: str) -> Run:
    return Store(paths.store()).read(run_id)


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> str:
    """As a command inside of a run sees it."""
    run_id = make_run("shell", status="RUNNING")
    monkeypatch.setenv("PROJ_RUN_ID", run_id)
    monkeypatch.setenv("PROJ_STORE", paths.store())
    return run_id


def test_metrics(program: Program, inside: str) -> None:
    assert program("log", "metric", "loss=0.3", "acc=0.9", "--step", "4").code == 0
    assert program("log", "metric", "loss=-1e-3", "--step=5", "--timestamp", "1700000000000").code == 0
    assert program("log", "metric", "bad=nan", "worse=-inf").code == 0
    metrics = read(inside).metrics
    assert metrics["loss"] == Metric(-0.001, 1_700_000_000_000, 5)
    assert (metrics["acc"].value, metrics["acc"].step) == (0.9, 4)
    assert abs(metrics["acc"].timestamp / 1000 - time.time()) < 60
    assert metrics["bad"].value != metrics["bad"].value
    assert metrics["worse"].value == float("-inf")


def test_params_and_tags(program: Program, inside: str) -> None:
    assert program("log", "param", "lr=0.1", "text=a=b c").code == 0
    assert program("log", "tag", "team=", "häs space/slash=x").code == 0
    run = read(inside)
    assert run.params == {"lr": "0.1", "text": "a=b c"}
    assert run.tags["team"] == ""
    assert run.tags["häs space/slash"] == "x"


def test_artifacts(program: Program, inside: str, tmp_path: object) -> None:
    folder = make_tree(f"{tmp_path}/files", {"out.png": b"\x89PNG", "many/a": "a", "many/b": "b"})
    assert program("log", "artifact", f"{folder}/out.png", "--path", "plots/x").code == 0
    assert program("log", "artifact", f"{folder}/many").code == 0
    assert set(read(inside).artifacts) == {"plots/x/out.png", "many/a", "many/b"}


def test_datasets(program: Program, inside: str, tmp_path: object) -> None:
    folder = make_tree(f"{tmp_path}/files", {"data.csv": 'a,b\n1,"x\ny"\n2,z\n'})
    assert program("log", "dataset", f"{folder}/data.csv", "--context", "training").code == 0
    (found,) = read(inside).datasets
    assert found["name"] == "data.csv"
    assert len(found["digest"]) == 32
    assert json.loads(found["profile"])["num_rows"] == 2
    assert json.loads(found["profile"])["digest"].startswith("sha256:" + found["digest"])
    assert found["tags"] == {"mlflow.data.context": "training"}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "", 0),
        ("a.csv", "h\n", 0),
        ("a.csv", "h\n1", 1),
        ("a.tsv", "h\n1\n2\n", 2),
        ("a.csv", 'h\n"say ""x""\n"\n2\n', 2),
        ("a.jsonl", "{}\n{}\n", 2),
        ("a.jsonl", '{"a": "\\""}', 1),
        ("a.bin", "x\n", None),
    ],
)
def test_rows_are_counted_where_that_is_cheap(
    tmp_path: object, name: str, content: str, expected: int | None
) -> None:
    assert rows(os.path.join(make_tree(tmp_path, {name: content}), name)) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("metric", "loss=high"), "'high'"),
        (("metric", "loss"), "NAME=VALUE"),
        (("metric",), "NAME=VALUE"),
        (("param", "=x"), "NAME=VALUE"),
        (("metric", "a=1", "--step", "x"), "--step"),
        (("artifact",), "which file"),
        (("artifact", "nowhere.png"), "nowhere.png"),
        (("dataset", "nowhere.csv"), "nowhere.csv"),
        (("dataset",), "FILE"),
        (("metrics", "a=1"), "metrics"),
        (("tag", "a=1", "--run", "nothing"), "nothing"),
    ],
)
def test_wrong_input(program: Program, inside: str, words: tuple[str, ...], expected: str) -> None:
    done = program("log", *words)
    assert done.code == 2
    assert expected in done.err
    assert read(inside).metrics == {}


def test_outside_of_a_run_one_is_named(program: Program) -> None:
    done = program("log", "metric", "a=1")
    assert done.code == 2
    assert "--run RUN" in done.err
    run_id = make_run("one")
    assert program("log", "metric", "a=1", "--run", "one").code == 0
    assert read(run_id).metrics["a"].value == 1


def test_a_run_that_is_not_in_the_store_is_told(
    program: Program, inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJ_RUN_ID", "0" * 32)
    done = program("log", "tag", "a=1")
    assert done.code == 2
    assert "PROJ_STORE" in done.err
    assert not os.path.exists(os.path.join(paths.store(), "runs", "0" * 32))


def test_a_shell_script_logs_into_its_run(tmp_path: object) -> None:
    script = """\
set -e
for step in 1 2 3; do proj log metric loss=0.$step --step $step; done
proj log param size=big
proj log tag by=shell
echo hello > out.txt
proj log artifact out.txt
"""
    folder = make_tree(
        f"{tmp_path}/shell",
        {"MLproject": "name: shell\nentry_points:\n  main: {command: 'bash train.sh'}\n", "train.sh": script},
    )
    done = proj("run", folder)
    assert done.code == 0, done.err
    store = Store(paths.store())
    run = store.read(store.resolve("last"))
    assert run.metrics["loss"].value == 0.3
    assert run.metrics["loss"].step == 3
    assert run.params["size"] == "big"
    assert run.tags["by"] == "shell"
    assert set(run.artifacts) == {"out.txt"}


def test_logging_imports_nothing_heavy(inside: str) -> None:
    """A training loop in bash calls it thousands of times."""
    code = (
        "import sys; from runner.cli.main import main; main(['log', 'metric', 'a=1']); "
        "print(sorted({'typer', 'rich', 'sqlite3', 'subprocess', 'yaml', 'asyncio', 'inspect', 'dataclasses', "
        "'pathlib', 'runner.running.run', 'runner.sources', 'runner.tracking.store'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert read(inside).metrics["a"].value == 1


def test_writers_at_once_lose_nothing(inside: str) -> None:
    children = [
        subprocess.Popen([sys.executable, "-m", "runner", "log", "metric", f"m{number}={number}"])
        for number in range(8)
    ]
    assert [child.wait(30) for child in children] == [0] * 8
    assert {key: metric.value for key, metric in read(inside).metrics.items()} == {
        f"m{n}": n for n in range(8)
    }
