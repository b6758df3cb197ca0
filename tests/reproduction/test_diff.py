"""Two runs told apart in all dimensions; a run made again with changes."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.environments.packages import make_wheel
from tests.helpers import make_tree, proj
from tests.reproduction.worlds import DETERMINISTIC, LOG, TRAIN, ran, store


def difference(*runs: str) -> dict[str, Any]:
    done = proj("diff", *runs, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def dimension(found: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [each for each in found["dimensions"] if each["name"] == name]
    return {**one, "changes": {each["name"]: (each["old"], each["new"]) for each in one["changes"]}}


def test_code_parameters_and_metrics_in_this_order(tmp_path: object) -> None:
    project = make_tree(f"{tmp_path}/demo", DETERMINISTIC)
    one = ran(project)
    make_tree(project, {"train.py": TRAIN.replace("random.seed(7)", "random.seed(8)")})
    two = ran(project, "-P", "lr=0.2")
    found = difference(one.run_id, two.run_id)
    names = [each["name"] for each in found["dimensions"]]
    assert names == ["code", "parameters", "command", "metrics", "outputs"]
    assert "-random.seed(7)\n+random.seed(8)\n" in dimension(found, "code")["patch"]
    assert dimension(found, "parameters")["changes"] == {"lr": (0.1, 0.2)}
    assert set(dimension(found, "metrics")["changes"]) == {"loss"}
    assert "machine" in found["same"]
    text = proj("diff", one.run_id, two.run_id).out
    assert text.index("+random.seed(8)") < text.index("lr") < text.index("loss")
    assert "random.seed" not in proj("diff", one.run_id, two.run_id, "--stat").out


def test_packages(tmp_path: object, index: str) -> None:
    files = {
        "MLproject": "python_env: python_env.yaml\nentry_points:\n  main:\n    command: python -c 'import factor'\n",
        "python_env.yaml": "dependencies: [factor]\n",
    }
    project = make_tree(f"{tmp_path}/demo", files)
    one = ran(project)
    make_wheel(index, "factor", "2.0", modules={"factor.py": ""})
    two = ran(project, "--refresh")
    assert dimension(difference(one.run_id, two.run_id), "environment")["changes"] == {
        "factor": ("1.0", "2.0")
    }


def test_inputs(tmp_path: object) -> None:
    main = "entry_points:\n  main:\n    parameters: {data: path}\n    command: wc -c {data}\n"
    project = make_tree(f"{tmp_path}/demo", {"MLproject": main})
    make_tree(tmp_path, {"data.csv": "1"})
    one = ran(project, "-P", f"data={tmp_path}/data.csv")
    make_tree(tmp_path, {"data.csv": "12"})
    two = ran(project, "-P", f"data={tmp_path}/data.csv")
    assert set(dimension(difference(one.run_id, two.run_id), "inputs")["changes"]) == {f"{tmp_path}/data.csv"}


def test_a_run_does_not_differ_from_itself(tmp_path: object) -> None:
    run = ran(make_tree(f"{tmp_path}/demo", DETERMINISTIC))
    assert difference(run.run_id, run.run_id)["dimensions"] == []


def test_two_runs_are_needed() -> None:
    assert proj("diff", "last").code == 2


@pytest.mark.parametrize("given", [[], ["-P", "lr=0.7"]])
def test_complaint_2424_rerun_by_id(tmp_path: object, given: list[str]) -> None:
    project = make_tree(f"{tmp_path}/demo", DETERMINISTIC)
    run = ran(project)
    make_tree(project, {"train.py": "raise SystemExit(9)\n"})
    done = proj("rerun", run.run_id, *given, "--name", "second", "-t", "why=again", "--json")
    assert done.code == 0, done.err
    again = store().read(json.loads(done.out)["run_id"])
    assert again.name == "second"
    assert again.tags["why"] == "again"
    assert again.links == ({"relation": "rerun-of", "run_id": run.run_id},)
    assert again.params == {"lr": 0.7 if given else 0.1}
    assert (again.metrics["loss"].value == run.metrics["loss"].value) is not bool(given)
    assert os.path.exists(os.path.join(store().run_directory(again.run_id), "artifacts", "model.json"))


def test_parameters_that_the_program_logged_are_not_given_to_it(tmp_path: object) -> None:
    log = LOG.replace("log-metric", "log-parameter").replace(
        '"value": value, "step": step, "timestamp": step', '"value": str(value)'
    )
    files = {
        "MLproject": "entry_points:\n  main:\n    parameters: {lr: {type: float, default: 1}}\n    command: python3 a.py {lr}\n",
        "a.py": "import sys\nfrom log import log\nlog('features', 10)\nassert len(sys.argv) == 2\n",
        "log.py": log,
    }
    run = ran(make_tree(f"{tmp_path}/demo", files))
    assert run.params == {"lr": 1, "features": "10"}
    done = proj("rerun", run.run_id, "-P", "lr=2")
    assert done.code == 0, done.err


def test_rerun_with_a_wrong_parameter(tmp_path: object) -> None:
    run = ran(make_tree(f"{tmp_path}/demo", DETERMINISTIC))
    done = proj("rerun", run.run_id, "-P", "lr=many")
    assert done.code == 2
    assert "lr" in done.err
    done = proj("rerun", run.run_id, "-P", "lrr=2")  # although the record gives lr
    assert (done.code, "did you mean lr?" in done.err) == (2, True)
