"""Declared outputs: each is kept or named, whatever the others are; links stay links, real files are kept once."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from typing import Any

import pytest

from runner import paths
from runner.data.outputs import collect
from runner.tracking import artifacts
from runner.tracking.fold import Run
from runner.tracking.store import Store
from tests.helpers import make_tree, proj
from tests.reproduction.worlds import ran


@pytest.fixture
def project(tmp_path: object) -> str:
    """Two steps, and what programs put beside them."""
    return make_tree(
        f"{tmp_path}/project",
        {"out/step1/a.txt": "one", "out/step2/b.txt": "two", "other/c.txt": "three", "z.txt": "last"},
    )


def kept(project: str, *patterns: str) -> tuple[Run, str, list[str], list[str]]:
    """The run, its artifacts, and what was missing or could not be kept."""
    store = Store(paths.store())
    writer = store.create_run()
    missing, problems = collect(writer, patterns, project, {})
    return store.read(writer.run_id), os.path.join(writer.directory, "artifacts"), missing, problems


def tree(folder: str) -> dict[str, str]:
    """All that is in a folder: content of files, `-> target` of links."""
    found = {}
    for parent, folders, names in os.walk(folder):
        for name in (*names, *folders):
            path = os.path.join(parent, name)
            inside = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[inside] = f"-> {os.readlink(path)}"
            elif os.path.isfile(path):
                with open(path, encoding="utf-8") as file:
                    found[inside] = file.read()
    return found


ALL = {"out/step1/a.txt": "one", "out/step2/b.txt": "two", "z.txt": "last"}


def fifo(project: str) -> None:
    os.mkfifo(f"{project}/out/x")


def a_socket(project: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = os.getcwd()
        os.chdir(f"{project}/out")  # their paths are short
        server.bind("x")
        os.chdir(before)


def device(project: str) -> None:
    os.symlink("/dev/zero", f"{project}/out/x")


def dangling(project: str) -> None:
    os.symlink("/nowhere/at/all", f"{project}/out/x")


def endless(project: str) -> None:
    os.symlink("/proc/self/../self/cwd/x/../nothing/x", f"{project}/out/x")


@pytest.mark.parametrize("make", [fifo, a_socket, device, dangling, endless])
def test_what_is_no_content_is_named_and_the_rest_is_kept(project: str, make: Callable[[str], None]) -> None:
    make(project)
    run, folder, missing, problems = kept(project, "out", "z.txt")
    assert tree(folder) == ALL
    assert [each["path"] for each in run.outputs] == ["out", "z.txt"]
    assert missing == []
    assert len(problems) == 1
    assert problems[0].startswith("out/x (")


@pytest.mark.parametrize("make", [fifo, a_socket, device, dangling])
def test_an_output_that_is_no_content_is_named_alone(project: str, make: Callable[[str], None]) -> None:
    make(project)
    run, folder, _, problems = kept(project, "out/x", "out/step?", "z.txt", "nothing/*")
    assert tree(folder) == ALL
    assert [each["path"] for each in run.outputs] == ["out/step1", "out/step2", "z.txt"]
    assert len(problems) == 1


@pytest.mark.skipif(os.getuid() == 0, reason="only on systems where we are not root, who reads everything")
def test_what_cannot_be_read_is_named_alone(project: str) -> None:
    os.chmod(f"{project}/out/step1/a.txt", 0)
    _, folder, _, problems = kept(project, "out", "z.txt")
    assert tree(folder) == {name: text for name, text in ALL.items() if "step1" not in name}
    assert len(problems) == 1


def test_an_error_in_one_output_does_not_keep_the_others_from_it(
    project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.stat

    def stat(path: Any, **options: Any) -> os.stat_result:
        if str(path).endswith("a.txt"):
            raise PermissionError(13, "Permission denied")
        return whole(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    _, folder, _, problems = kept(project, "out", "z.txt")
    monkeypatch.undo()
    assert tree(folder) == {name: text for name, text in ALL.items() if "step1" not in name}
    assert problems == ["out/step1/a.txt (Permission denied)"]


@pytest.mark.parametrize(
    "patterns", [("out", "z.txt"), ("out/*", "z.txt"), ("z.txt", "out/latest", "out/step*")]
)
@pytest.mark.parametrize("absolute", [False, True])
def test_a_link_between_outputs_stays_a_link(project: str, patterns: tuple[str, ...], absolute: bool) -> None:
    os.symlink(f"{project}/out/step2" if absolute else "step2", f"{project}/out/latest")
    os.symlink("../latest/b.txt", f"{project}/out/step1/best.txt")
    run, folder, _, problems = kept(project, *patterns)
    links = {"out/latest": "-> step2", "out/step1/best.txt": "-> ../step2/b.txt"}
    assert tree(folder) == {**ALL, **links}
    assert problems == []
    noted = {name: f"-> {leads}" for each in run.outputs for name, leads in each.get("links", {}).items()}
    assert noted == links
    assert set(run.artifacts) == set(ALL)


def test_a_link_to_the_folder_that_it_lies_in_is_kept_as_one(project: str) -> None:
    os.symlink(".", f"{project}/out/here")
    os.symlink("../..", f"{project}/out/step1/up")
    _, folder, _, problems = kept(project, "out")
    found = tree(folder)
    assert found["out/here"] == "-> ."
    # the second leads out of what is kept: its content is, but for what it comes back to
    assert found["out/step1/up/z.txt"] == "last"
    assert problems == []
    assert max(name.count("/") for name in found) < 8


def test_a_link_out_of_the_outputs_is_kept_as_what_it_leads_to(project: str) -> None:
    os.symlink("../other", f"{project}/out/data")
    os.symlink("../z.txt", f"{project}/out/z")
    _, folder, _, problems = kept(project, "out")
    assert tree(folder) == {
        "out/step1/a.txt": "one",
        "out/step2/b.txt": "two",
        "out/data/c.txt": "three",
        "out/z": "last",
    }
    assert problems == []


def test_a_link_that_leads_nowhere_inside_is_kept_as_it_was(project: str) -> None:
    os.symlink("step3", f"{project}/out/next")
    _, folder, _, problems = kept(project, "out")
    assert tree(folder)["out/next"] == "-> step3"
    assert problems == []


def test_links_come_back_with_the_files(project: str, tmp_path: object) -> None:
    os.symlink("step2", f"{project}/out/latest")
    run, _, _, _ = kept(project, "out", "z.txt")
    store = Store(paths.store())
    artifacts.fetch(store, run.run_id, "", f"{tmp_path}/all")
    assert tree(f"{tmp_path}/all") == {**ALL, "out/latest": "-> step2"}
    artifacts.fetch(store, run.run_id, "out/step2", f"{tmp_path}/one")
    assert tree(f"{tmp_path}/one") == {"step2/b.txt": "two"}


def test_links_are_noted_where_files_are_kept_elsewhere(project: str, tmp_path: object) -> None:
    """In a store of objects, which knows no links."""
    os.symlink("step2", f"{project}/out/latest")
    store = Store(paths.store())
    experiment = store.create_experiment("far", artifact_location=f"local://{tmp_path}/far")
    writer = store.create_run(experiment)
    assert collect(writer, ["out"], project, {}).problems == []
    run = store.read(writer.run_id)
    assert [each["links"] for each in run.outputs] == [{"out/latest": "step2"}]
    artifacts.fetch(store, run.run_id, "", f"{tmp_path}/back")
    assert tree(f"{tmp_path}/back")["out/latest"] == "-> step2"


def test_a_run_says_what_of_its_outputs_it_could_not_keep(tmp_path: object) -> None:
    files = {
        "MLproject": "entry_points: {main: {command: 'mkfifo out/pipe; echo 1 > out/a', outputs: [out, 'out/*', none.txt]}}",
        "out/keep": "",
    }
    folder = make_tree(f"{tmp_path}/p", files)
    done = proj("run", folder)
    assert done.code == 0
    assert "out/pipe (a named pipe)" in done.err
    assert "no output none.txt" in done.err
    (found,) = json.loads(proj("runs", "--json", "--all").out)
    run = Store(paths.store()).read(found["run_id"])
    assert "out/pipe (a named pipe)" in run.end["message"]
    assert {"out/a", "out/keep"} <= set(run.artifacts)


def test_links_come_back_from_a_cached_run(tmp_path: object) -> None:
    command = "mkdir -p out/step2; echo 2 > out/step2/b; ln -sfn step2 out/latest"
    text = f"entry_points: {{main: {{command: '{command}', outputs: [out]}}}}"
    folder = make_tree(f"{tmp_path}/p", {"MLproject": text})
    assert proj("run", folder, "--cached").code == 0
    before = tree(f"{folder}/out")
    assert before == {"step2/b": "2\n", "latest": "-> step2"}
    shutil.rmtree(f"{folder}/out")
    done = proj("run", folder, "--cached")
    assert "taken over" in done.err
    assert tree(f"{folder}/out") == before


@pytest.mark.slow
def test_a_link_that_leads_elsewhere_is_no_identical_result(tmp_path: object) -> None:
    command = "mkdir -p out/0 out/1; echo x > out/0/f; echo x > out/1/f; ln -sfn $(expr $(date +%s%N) / 1000 % 1000000000) out/latest"
    text = f"entry_points: {{main: {{command: '{command}', outputs: [out]}}}}"
    folder = make_tree(f"{tmp_path}/p", {"MLproject": text})
    assert proj("run", folder).code == 0
    done = proj("reproduce", "last")
    assert "out/latest" in done.out + done.err


MAIN = """\
entry_points:
  main:
    parameters: {n: int}
    outputs: ["out_*.txt", "runs/*", fixed.txt]
    command: mkdir -p runs/{n} && echo {n} | tee out_{n}.txt > runs/{n}/a.txt
"""


def test_what_an_earlier_run_left_is_none(tmp_path: object) -> None:
    """A pattern finds it; a name that was declared in full is the user's word."""
    project = make_tree(f"{tmp_path}/demo", {"MLproject": MAIN, "fixed.txt": "1"})
    assert sorted(ran(project, "-P", "n=1").artifacts) == ["fixed.txt", "out_1.txt", "runs/1/a.txt"]
    assert sorted(ran(project, "-P", "n=2").artifacts) == ["fixed.txt", "out_2.txt", "runs/2/a.txt"]
    assert sorted(ran(project, "-P", "n=1").artifacts) == ["fixed.txt", "out_1.txt", "runs/1/a.txt"]


def test_modes_and_empty_folders_come_back_from_a_cached_run(tmp_path: object) -> None:
    command = "mkdir -p out/empty; echo 1 > out/tool; chmod +x out/tool; echo 2 > out/data"
    folder = make_tree(
        f"{tmp_path}/p", {"MLproject": f"entry_points: {{main: {{command: '{command}', outputs: [out]}}}}"}
    )
    assert proj("run", folder).code == 0
    shutil.rmtree(f"{folder}/out")
    assert "nothing was run" in proj("run", folder, "--cached").err
    assert os.path.isdir(f"{folder}/out/empty")
    assert [os.access(f"{folder}/out/{name}", os.X_OK) for name in ("tool", "data")] == [True, False]
