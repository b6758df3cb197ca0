"""Projects that are packages: made again from the recorded code, whatever became of their folder."""

from __future__ import annotations

import os
import shutil

import pytest

from runner import paths
from tests.environments.packages import package
from tests.helpers import git, make_repository, make_tree, proj
from tests.reproduction.worlds import ran, reproduced, store

MLPROJECT = "entry_points:\n  main:\n    command: pkg-run\n    outputs: [out.txt]\n"
CODE = """\
import importlib.metadata as metadata
from pkg._built import V
from . import __file__ as place
def main():
    with open("out.txt", "w") as file:
        file.write(f"{V} {WORD} {metadata.version('pkg')}")
WORD = 'recorded'
"""
WHEEL = {
    "files": {"pkg/__init__.py": "src/pkg/__init__.py", "pkg/_built.py": "=V = 'SOURCES'"},
    "scripts": "pkg-run = pkg:main\n",
    "version": "git",
}
MORE = {
    "MLproject": MLPROJECT,
    "src/pkg/__init__.py": CODE,
    "src/a.c": "compiled",
    ".gitignore": "out.txt\n__pycache__\n",
}

pytestmark = pytest.mark.usefixtures("index")


@pytest.fixture
def project(tmp_path: object) -> str:
    folder = make_repository(f"{tmp_path}/demo", {**package(WHEEL), **MORE})
    git(folder, "tag", "v1.2.3")
    return folder


def environments() -> list[str]:
    return [name for name in os.listdir(paths.cache("environments")) if name.endswith(".ready")]


def result(folder: str) -> str:
    with open(f"{folder}/out.txt") as file:
        return file.read()


def test_it_is_made_again_from_the_recorded_code(project: str) -> None:
    run = ran(project)
    assert result(project) == "compiled recorded 1.2.3"
    make_tree(project, {"src/pkg/__init__.py": CODE.replace("recorded", "edited"), "src/a.c": "otherwise"})
    git(project, "commit", "-qam", "second")
    assert reproduced(run)["verdict"] == "identical"
    assert proj("rerun", run.run_id).code == 0
    assert result(project) == "compiled recorded 1.2.3"
    ran(project)
    assert result(project).startswith("otherwise edited 1.2.3")
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.slow
def test_where_the_folder_is_gone_nothing_that_follows_the_room_stays(project: str) -> None:
    run = ran(project)
    os.rename(project, f"{project}-gone")
    before = environments()
    assert reproduced(run)["verdict"] == "identical"
    assert environments() == before


@pytest.mark.slow
def test_one_from_git_does_not_follow_its_checkout(project: str) -> None:
    run = ran(f"file://{project}")
    assert run.sections["environment"]["local"] == [{"path": ".", "name": "pkg", "version": "1.2.3"}]
    before = environments()
    assert reproduced(run)["verdict"] == "identical"
    assert len(environments()) == len(before) + 1  # its version is told, not asked of git
    shutil.rmtree(project)
    assert reproduced(run)["verdict"] == "identical"


@pytest.mark.slow
def test_its_code_is_in_the_key(project: str) -> None:
    first = ran(project)
    assert "nothing was run" in ran(project, "--cached").end["message"]
    make_tree(project, {"src/pkg/__init__.py": CODE.replace("recorded", "edited")})
    second = ran(project, "--cached")
    assert not second.end.get("message")
    assert store().read(first.run_id).outputs != second.outputs
