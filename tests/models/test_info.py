"""`proj models info`, as people call it."""

from __future__ import annotations

import os
import shutil

import pytest

from runner import paths
from tests.cli.records import Program
from tests.models.folders import make_model
from tests.servers import Start


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def test_what_is_said(program: Program, tmp_path: object) -> None:
    folder = make_model(os.path.join(str(tmp_path), "model"), {"code/helper.py": "x"})
    said = program("models", "info", folder).out
    for line in (
        "flavors       python_function, sklearn 1.9.1 (cloudpickle)",
        "inputs        a: double",
        "              b?: long",
        "made by       mlflow 3.17.2, 2026-01-02 03:04:05",
        "requirements  mlflow==3.17.2",
        "runs code     model.pkl: a pickle: it may run anything while it is loaded",
        "              code/helper.py: Python code that is imported",
    ):
        assert f"  {line}\n" in said
    facts = program.json("models", "info", folder)
    assert (facts["address"], [each["kind"] for each in facts["risks"]]) == (folder, ["pickle", "code"])
    assert not os.path.exists(paths.store())  # nothing is made by looking


def test_a_fault_is_told_with_what_to_type(program: Program, tmp_path: object) -> None:
    for name in ("one", "two"):
        make_model(os.path.join(str(tmp_path), name))
    done = program("models", "info", str(tmp_path))
    assert (done.code, f"{tmp_path}#one" in done.err) == (2, True)


def test_of_a_server(program: Program, tmp_path: object, start: Start) -> None:
    """--from names whose record is meant; a folder stays a folder."""
    folder = make_model(os.path.join(str(tmp_path), "model"))
    server = start()
    place = os.path.join(server.store, "files", "kept")
    shutil.copytree(folder, place)
    client = server.client()
    client.ok("registered-models/create", {"name": "credit"})
    client.ok("model-versions/create", {"name": "credit", "source": "mlflow-artifacts:/kept"})
    found = program.json("models", "info", "credit/1", "--from", server.url)
    assert (found["address"], found["number"]) == (f"{server.url}#models:/credit/1", 1)
    assert program.json("models", "info", folder, "--from", server.url)["address"] == folder
