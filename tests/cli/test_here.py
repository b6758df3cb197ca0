"""`proj` alone."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from runner import paths
from tests.cli.records import Program, make_run
from tests.helpers import make_tree, proj

MLPROJECT = """\
name: demo
entry_points:
  main:
    description: Trains.
    command: "true"
  predict:
    parameters:
      model: path
      rows: {type: int, default: 3}
    command: "true {model} {rows}"
"""


def test_entry_points_are_lines_to_type(program: Program) -> None:
    make_tree(".", {"MLproject": MLPROJECT})
    done = program()
    assert done.code == 0
    assert "Project demo" in done.out
    assert "  proj run .                          Trains.\n" in done.out
    assert "  proj run . -e predict -P model=...\n" in done.out
    assert "Last runs" not in done.out
    assert "proj info ." in done.out


def test_the_last_runs_are_those_of_this_project(program: Program) -> None:
    make_tree(".", {"MLproject": MLPROJECT})
    for name in ("a-one", "a-two", "a-three", "a-four"):
        parent = make_run(name)
    make_run("a-child", parent=parent)
    make_run("elsewhere", project="other")
    shown = program().out
    assert [name for name in ("a-four", "a-three", "a-two") if name not in shown] == []
    assert [name for name in ("a-one", "a-child", "elsewhere") if name in shown] == []
    assert "proj reproduce a-four" in shown


@pytest.mark.parametrize(
    ("status", "step"),
    [("FAILED", "proj logs bad"), ("KILLED", "proj logs bad"), ("RUNNING", "proj logs -f bad")],
)
def test_the_next_step_depends_on_the_last_run(program: Program, status: str, step: str) -> None:
    make_tree(".", {"MLproject": MLPROJECT})
    make_run("bad", status=status)
    shown = program().out
    assert status in shown
    assert step in shown


def test_faults_are_told(program: Program) -> None:
    make_tree(".", {"MLproject": "name: [\n"})
    done = program()
    assert done.code == 0
    assert "has faults" in done.out
    assert "MLproject:" in done.out
    assert "proj check ." in done.out


def test_an_empty_folder_and_one_with_a_script(program: Program) -> None:
    assert "proj new basic my-project" in program().out
    make_tree(".", {"train.py": "print(1)\n"})
    assert "proj init " in program().out
    make_tree(".", {"main.py": "print(1)\n"})
    shown = program().out
    assert "without an MLproject" in shown
    assert "proj run ." in shown


def test_a_folder_that_is_gone() -> None:
    os.mkdir("gone")
    done = proj(cwd="gone")
    assert done.code == 0
    os.mkdir("lost")
    os.chdir("lost")
    os.rmdir("../lost")
    done = proj()
    assert "Traceback" not in done.err + done.out
    assert "bug" not in done.err


def test_a_store_that_cannot_be_read(program: Program) -> None:
    make_run("one")
    index = os.path.join(paths.store(), "index.sqlite")
    for name in (index, index + "-wal"):
        if os.path.exists(name):
            os.remove(name)
    os.mkdir(index)
    done = program()
    assert done.code == 0
    assert "Next" in done.out


def test_scripts_without_a_project_can_be_run(program: Program) -> None:
    make_tree(".", {"fit it.py": ""})
    make_run("elsewhere", project="other")
    shown = program().out
    assert "Last runs of other folders" in shown
    assert "proj run 'fit it.py'" in shown
    assert "proj init" in shown
    done = program("run", ".")
    assert done.err.splitlines()[1:] == [
        "  hint: proj run 'fit it.py'  runs a script as it is",
        "  hint: proj init  writes an MLproject for the scripts that are there",
    ]


def test_a_filter_means_the_runs_of_this_project(program: Program) -> None:
    for name in ("a", "b"):
        make_tree(name, {"main.py": f"import os; os.system('proj log metric m=1'); print('{name}')"})
        assert proj("run", name).code == proj("run", name).code == 0
    os.chdir("a")
    assert len(program.json("export", "--filter", "metrics.m > 0")) == 2
    assert len(program.json("export", "--all")) == 4
    assert len(program.json("compare", "--filter", "metrics.m > 0")["runs"]) == 2


def test_a_renamed_folder_without_a_project_file_keeps_its_runs(program: Program) -> None:
    make_tree("wine", {"main.py": "print(1)\n"})
    assert proj("run", "wine").code == 0
    if ":" not in program.json("show", "last")["source"]["inode"]:
        pytest.skip("this file system tells no generations")
    os.rename("wine", "moved")
    os.chdir("moved")
    assert proj("run", ".").code == 0
    assert len(program.json("runs")) == 2
    os.chdir("..")
    os.rename("moved", "again")
    assert len(json.loads(proj("runs", "--json", cwd="again").out)) == 2
    shutil.rmtree("again")
    make_tree("another", {"main.py": "print(1)\n"})  # it may have the number of the one that is gone
    assert proj("runs", "--json", cwd="another").out.strip() == "[]"
