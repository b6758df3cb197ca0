"""`--cached`: nothing is run twice when all that decides it is the same, and what forbids it is told."""

from __future__ import annotations

import os

import pytest

from runner.tracking.fold import Run
from tests.helpers import make_repository, make_tree, proj
from tests.reproduction.worlds import DETERMINISTIC, MLPROJECT, TRAIN, ran, store

INPUTS = MLPROJECT.replace("    outputs:", "    inputs: [data.csv]\n    outputs:")


@pytest.fixture
def project(tmp_path: object) -> str:
    files = {**DETERMINISTIC, "MLproject": INPUTS, "data.csv": "1,2\n", ".gitignore": "data.csv\n"}
    return make_repository(f"{tmp_path}/demo", files)


def taken_from(run: Run) -> str:
    return next((str(each["run_id"]) for each in run.links if each["relation"] == "cached-from"), "")


def test_the_same_run_is_taken_over(project: str) -> None:
    first = ran(project)
    os.unlink(f"{project}/model.json")
    second = ran(project, "--cached")
    assert taken_from(second) == first.run_id
    assert second.metrics["loss"].value == first.metrics["loss"].value
    assert second.outputs == first.outputs
    assert os.path.exists(f"{project}/model.json")
    assert not os.path.exists(os.path.join(store().run_directory(second.run_id), "output.log"))
    third = ran(project, "--cached")  # from a run that was itself taken over
    assert taken_from(third)


def test_without_the_option_it_runs(project: str) -> None:
    ran(project)
    assert not taken_from(ran(project))


def test_what_decides_the_result_forbids_it(project: str) -> None:
    ran(project)
    for changed, arguments, named in (
        ({"data.csv": "3\n"}, [], "inputs: data.csv"),
        ({"data.csv": "1,2\n"}, ["-P", "lr=0.3"], "parameters: lr: 0.1 -> 0.3"),
        ({}, ["--seed", "3"], "variables: "),
        ({"train.py": TRAIN + "#\n"}, [], "code: train.py"),
    ):
        make_tree(project, changed)
        done = proj("run", project, "--cached", "--explain", *arguments)
        assert done.code == 0, done.err
        assert named in done.err
        assert "trained with" in done.out


def test_a_failed_run_is_not_taken_over(tmp_path: object) -> None:
    files = {**DETERMINISTIC, "train.py": "open('model.json', 'w'); raise SystemExit(3)\n"}
    project = make_tree(f"{tmp_path}/demo", files)
    ran(project, code=3)
    done = proj("run", project, "--cached", "--explain")
    assert done.code == 3
    assert "no run of this entry point has finished" in done.err


def test_explaining_takes_nothing(project: str) -> None:
    ran(project)
    done = proj("run", project, "--explain")
    assert "could be taken" in done.err
    assert "trained with" in done.out
