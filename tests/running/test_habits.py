"""What people are used to from MLflow, and how a run takes it."""

from __future__ import annotations

import os
import sys

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.helpers import make_tree, proj

LOG = """
import json, os, sys, urllib.request

def log(key, value):
    body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], "key": key, "value": value}).encode()
    asked = urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-parameter", body,
        {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"},
    )
    return urllib.request.urlopen(asked).status

assert open(sys.argv[1]).read() == "1,2"
assert log("data", sys.argv[1]) == 200
assert log("data", sys.argv[2]) == 200
"""


@pytest.fixture
def project(tmp_path: object) -> str:
    command = f"'{sys.executable} log.py {{data}} {{said}}'"
    parameters = "{data: {type: path}, said: {type: string, default: data.csv}}"
    return make_tree(
        os.path.join(str(tmp_path), "p"),
        {
            "MLproject": f"entry_points: {{main: {{parameters: {parameters}, command: {command}}}}}\n",
            "log.py": LOG,
        },
    )


def last() -> Store:
    return Store(paths.store())


def test_a_path_is_recorded_as_it_was_given(project: str, tmp_path: object) -> None:
    """The program may log it again as it was given, and as it got it. The run can be made again from anywhere."""
    caller = make_tree(os.path.join(str(tmp_path), "caller"), {"data.csv": "1,2"})
    elsewhere = make_tree(os.path.join(str(tmp_path), "elsewhere"), {"data.csv": "something else"})
    done = proj("run", project, "-P", "data=data.csv", cwd=caller)
    assert done.code == 0, done.err
    run = last().read(last().resolve("last"))
    assert (run.params["data"], run.texts["data"]) == ("data.csv", os.path.join(caller, "data.csv"))
    assert run.param_texts["data"] == "data.csv"
    assert len(last().search("params.data = 'data.csv'").runs) == 1
    for words in (
        ["rerun", run.run_id],
        ["rerun", run.run_id, "-P", "said=data.csv"],
        ["reproduce", run.run_id],
    ):
        done = proj(*words, cwd=elsewhere)
        assert done.code == 0, done.err
    wrong = proj("run", project, "-P", "data=data.csv", "-P", "said=other.csv", cwd=caller)
    assert wrong.code == 1
    assert "Bad Request" in wrong.err


def test_an_artifact_as_a_path_is_recorded_by_its_address(project: str, tmp_path: object) -> None:
    make_tree(str(tmp_path), {"model/data.csv": "1,2"})
    with Store(paths.store()) as store:
        from runner.tracking import artifacts

        writer = store.create_run("0")
        artifacts.put(writer, os.path.join(str(tmp_path), "model", "data.csv"))
        writer.end("FINISHED", exit_code=0)
    uri = f"runs:/{writer.run_id}/data.csv"
    done = proj("run", project, "-P", f"data={uri}", "-P", f"said={uri}")
    assert done.code == 0, done.err
    assert last().read(last().resolve("last")).params["data"] == uri


@pytest.mark.parametrize(
    "line",
    [
        "mlflow.exceptions.RestException: RESOURCE_DOES_NOT_EXIST: Run with id={id} not found",
        "mlflow.exceptions.MlflowException: Run '{id}' not found",
    ],
)
def test_a_tracking_uri_of_the_programs_own_is_named(tmp_path: object, line: str) -> None:
    script = f"import os; print({line!r}.format(id=os.environ['MLFLOW_RUN_ID'])); raise SystemExit(1)\n"
    directory = make_tree(os.path.join(str(tmp_path), "p"), {"train.py": script})
    make_tree(directory, {"MLproject": f"entry_points: {{main: {{command: '{sys.executable} train.py'}}}}\n"})
    done = proj("run", directory)
    assert done.code == 1
    assert "the program logs to another place than this run" in done.err


@pytest.mark.mlflow
@pytest.mark.slow
def test_a_real_program_with_a_tracking_uri_of_its_own(client_python: str, tmp_path: object) -> None:
    script = "import mlflow\nmlflow.set_tracking_uri('sqlite:///own.db')\nwith mlflow.start_run(): mlflow.log_metric('a', 1)\n"
    directory = make_tree(os.path.join(str(tmp_path), "p"), {"train.py": script})
    make_tree(directory, {"MLproject": f"entry_points: {{main: {{command: '{client_python} train.py'}}}}\n"})
    done = proj("run", directory)
    assert done.code == 1
    assert "the program logs to another place than this run" in done.err, done.err
