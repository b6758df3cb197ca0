"""`proj info` and `proj run --help-params`."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.helpers import make_repository, make_tree, proj

PROJECT = """
name: wine
conda_env: conda.yaml
entry_points:
  main:
    description: Trains it.
    parameters:
      lr: {type: float, default: 0.1, min: 0, max: 1, description: learning rate}
      data: path
      kind: {choices: [a, b], required: false}
      key: {secret: true, default: s3cret}
    command: python train.py {lr} {data} {kind} {key}
  test it: {command: pytest}
"""


def test_it_shows_what_there_is_to_type(tmp_path: Any) -> None:
    directory = make_tree(tmp_path / "p", {"MLproject": PROJECT})
    done = proj("info", cwd=directory)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "project      wine (MLproject)\n"
        "environment  conda conda.yaml\n"
        "\n"
        "main: Trains it.\n"
        "  proj run . -P data=PATH\n"
        "    lr    float 0..1  = 0.1          learning rate\n"
        "    data  path        required\n"
        "    kind  a|b         optional\n"
        "    key   any         = ***, secret\n"
        "\n"
        "test it\n"
        "  proj run . -e 'test it'\n"
    )


def test_as_json(tmp_path: Any) -> None:
    directory = make_tree(tmp_path / "p", {"MLproject": PROJECT})
    done = proj("info", directory, "--json")
    facts = json.loads(done.out)
    assert facts["environments"] == [{"kind": "conda", "file": "conda.yaml", "options": {}}]
    lr, data, kind, key = facts["entry_points"][0]["parameters"]
    assert lr == {
        "name": "lr",
        "type": "float",
        "required": False,
        "description": "learning rate",
        "allowed": "a float from 0 to 1",
        "default": 0.1,
        "min": 0.0,
        "max": 1.0,
    }
    assert (data["required"], kind["choices"], key["default"]) == (True, ["a", "b"], "***")
    assert "s3cret" not in done.out


def test_a_folder_without_a_project_file(tmp_path: Any) -> None:
    done = proj("info", make_tree(tmp_path / "p", {"main.py": "", "requirements.txt": ""}))
    assert "environment  virtualenv requirements.txt" in done.out
    assert f"  proj run {tmp_path / 'p'}\n" in done.out
    assert "a script can be run with" in proj("info", make_tree(tmp_path / "q", {"x.py": ""})).out


def test_credentials_of_an_address_are_not_shown() -> None:
    done = proj("info", "https://me:s3cret@127.0.0.1:9/none.zip")
    assert done.code == 125
    assert "s3cret" not in done.err + done.out


def test_a_repository_at_a_version(tmp_path: Any) -> None:
    directory = make_repository(tmp_path / "p", {"MLproject": PROJECT})
    subprocess.run(["git", "-C", directory, "tag", "v1"], check=True)
    make_tree(directory, {"MLproject": "name: b"})
    subprocess.run(["git", "-C", directory, "commit", "-qam", "b"], check=True)
    done = proj("info", f"file://{directory}", "-v", "v1")
    assert f"proj run file://{directory} -v v1 -P data=PATH\n" in done.out


def test_complaint_mlf_core_207_the_parameters_of_one_entry_point(tmp_path: Any) -> None:
    directory = make_tree(tmp_path / "p", {"MLproject": PROJECT})
    done = proj("run", directory, "--help-params")
    assert (done.code, done.err) == (0, "")
    assert f"  proj run {directory} -P data=PATH\n" in done.out
    assert "lr\tfloat 0..1\t= 0.1\tlearning rate\n" in done.out
    done = proj("run", directory, "-e", "test it", "--help-params", "--json")
    assert json.loads(done.out)["command"] == "pytest"
    done = proj("run", directory, "-e", "mian", "--help-params")
    assert done.code == 2
    assert "did you mean main?" in done.err
