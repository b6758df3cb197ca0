"""Folders with names that shells and patterns take for something else: each path leads into the clean room."""

from __future__ import annotations

import os
import shutil

import pytest

from runner import paths
from tests.helpers import make_tree, proj
from tests.reproduction.worlds import artifact, ran, reproduced

FILES = {
    "MLproject": (
        "entry_points:\n  main:\n    parameters: {data: {type: path, default: data.csv}}\n"
        "    outputs: [out.txt, where.txt]\n"
        "    command: cat {data} > out.txt; echo {data} > where.txt\n"
    ),
    "data.csv": "1,2\n",
}


ODD = 'it\'s "my" $HOME (1)'


@pytest.mark.parametrize(
    ("home", "project"), [("plain", ODD), (ODD, "plain"), (ODD, ODD), ("plain", "a+b[c]")]
)
def test_the_clean_room_is_read_and_not_the_project(tmp_path: object, home: str, project: str) -> None:
    home = f"{tmp_path}/{home}/proj"
    root = make_tree(f"{tmp_path}/{project}/demo", FILES)
    done = proj("run", root, "--json", PROJ_HOME=home)
    assert done.code == 0, done.err
    make_tree(root, {"data.csv": "changed"})
    verdict = reproduced("last", "--ignore", "where.txt", PROJ_HOME=home)
    assert verdict["verdict"] == "identical", verdict


def test_a_project_behind_a_link(tmp_path: object) -> None:
    root = make_tree(f"{tmp_path}/real", FILES)
    os.symlink(root, f"{tmp_path}/link")
    run = ran(f"{tmp_path}/link")
    make_tree(root, {"data.csv": "changed"})
    verdict = reproduced(run, "--ignore", "where.txt")
    assert verdict["verdict"] == "identical", verdict
    with open(artifact(verdict["runs"][0], "where.txt")) as file:
        assert file.read().startswith(paths.cache())
    shutil.rmtree(root)
    assert reproduced(run, "--ignore", "where.txt")["verdict"] == "identical"
