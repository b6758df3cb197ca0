"""`proj run --run-id`: a run goes on, or one that a client has made is run; experiments that are inherited."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from runner import paths
from runner.tracking.store import Store
from tests.helpers import make_tree, proj

MLPROJECT = """\
name: demo
entry_points:
  main:
    parameters: {lr: {type: float, default: 0.1}}
    command: "echo {lr}"
  slow: {command: "echo on; sleep 60"}
"""


def store() -> Store:
    return Store(paths.store())


def test_a_run_that_a_client_made_gets_all_that_a_new_one_has(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "p", {"MLproject": MLPROJECT})
    made = store().create_run(kind="client", name="made")
    made.close()
    assert proj("run", root, "--run-id", made.run_id, "-P", "lr=3", "-t", "team=x").code == 0
    run = store().read(made.run_id)
    assert (run.name, run.status, run.params) == ("made", "FINISHED", {"lr": 3.0})
    assert run.tags["mlflow.project.entryPoint"] == "main"
    assert run.tags["team"] == "x"
    assert run.sections["source"]["uri"] == root


def test_a_continued_run_does_not_run_with_other_parameters_than_its_record_says(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "p", {"MLproject": MLPROJECT})
    assert proj("run", root, "-P", "lr=3").code == 0
    other = proj("run", root, "--run-id", "last", "-P", "lr=4")
    assert other.code == 2
    assert "has lr=3, and now lr=4 was given" in other.err
    assert proj("run", root, "--run-id", "last", "-P", "lr=3").out == "3\n"
    assert store().read(store().resolve("last")).status == "FINISHED"


def test_a_run_that_is_on_is_not_run_a_second_time(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "p", {"MLproject": MLPROJECT})
    words = [sys.executable, "-m", "runner", "run", root, "-e", "slow"]
    first = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert first.stdout
        assert first.stdout.readline() == b"on\n"
        second = proj("run", root, "--run-id", "last", "-e", "slow")
        assert second.code == 2
        assert "is on" in second.err
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=20)
    assert store().read(store().resolve("last")).status == "KILLED"


def test_an_inherited_experiment_counts_in_the_store_that_knows_it(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "p", {"MLproject": MLPROJECT})
    known = store().ensure_experiment("mine")
    for variables, expected in (
        ({"MLFLOW_EXPERIMENT_ID": known}, known),
        ({"MLFLOW_EXPERIMENT_ID": "123456"}, "0"),
        ({"PROJ_EXPERIMENT_ID": known}, known),
        ({"PROJ_EXPERIMENT_ID": "123456"}, "0"),
    ):
        assert proj("run", root, **variables).code == 0
        assert store().read(store().resolve("last")).experiment_id == expected
