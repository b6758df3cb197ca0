"""Commands that change runs: tag, rename, note, rm, restore, gc."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from runner import paths
from runner.tracking import artifacts
from runner.tracking.fold import Run
from runner.tracking.store import Store
from tests.cli.records import Program, make_run
from tests.helpers import make_tree, proj


def read(run_id: str) -> Run:
    return Store(paths.store()).read(run_id)


def test_tags_are_set_shown_and_removed(program: Program) -> None:
    run_id = make_run("one", tags={"old": "1"})
    assert program("tag", "one", "team=x", "empty=", "--remove", "old") == (0, "", "")
    tags = read(run_id).tags
    assert (tags["team"], tags["empty"]) == ("x", "")
    assert "old" not in tags
    assert "team\tx\n" in program("tag", "one").out
    assert program.json("tag", "one")["team"] == "x"
    for words, expected in (
        (("one", "x"), "NAME=VALUE"),
        (("one", "--remove", "none"), "'none'"),
        ((), "RUN"),
    ):
        done = program("tag", *words)
        assert done.code == 2
        assert expected in done.err


def test_two_runs_of_one_name(program: Program) -> None:
    first, second = make_run("twin"), make_run("second")
    assert program("rename", "second", "twin").code == 0
    assert read(second).name == read(second).tags["mlflow.runName"] == "twin"
    done = program("show", "twin")
    assert done.code == 2
    assert first in done.err
    assert second in done.err
    assert program("show", first).code == 0
    assert program("rename", first, " ").code == 2


@pytest.mark.parametrize("name", ["last", "last~2", "best:metrics.loss", "best:"])
def test_a_name_that_means_another_run_is_refused(program: Program, name: str) -> None:
    run_id = make_run("one", metrics={"loss": [1.0]})
    make_tree("p", {"main.py": "print(1)"})
    for words in (
        ("rename", "one", name),
        ("tag", "one", f"mlflow.runName={name}"),
        ("run", "p", "--run-name", name),
    ):
        done = program(*words)
        assert (done.code, done.out) == (2, "")
        assert f"a run cannot be called {name!r}" in done.err
    assert read(run_id).name == "one"
    for allowed in ("lastly", "last-2", "best", "the best: it"):
        assert program("rename", run_id, allowed).code == 0


def test_notes(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = make_run("one")
    assert program("note", "one") == (0, "", "")
    assert program("note", "one", "it", "works").code == 0
    assert program("note", "one").out == "it works\n"
    assert program("note", "one", "twice", "--append").code == 0
    assert read(run_id).tags["mlflow.note.content"] == "it works\n\ntwice"
    monkeypatch.setattr("sys.stdin", io.StringIO("from\nstdin\n"))
    assert program.json("note", "one", "-") == {"run_id": run_id, "note": "from\nstdin"}
    assert program("note", "one", "--remove").code == 0
    assert program("note", "one").out == ""


def test_delete_restore_and_remove_for_good(program: Program) -> None:
    one, two, three = make_run("one"), make_run("two"), make_run("three", status="FAILED")
    assert program("rm", "one", two).code == 0
    assert program.names() == ["three"]
    assert program("restore", "two").code == 0
    assert program.names() == ["three", "two"]
    assert program("restore", "two").code == 2
    shown = program.json("gc", "--dry-run")
    assert (shown["removed"], shown["runs"]) == (False, [one])
    assert program.json("gc", "--older-than", "1h")["runs"] == []
    assert os.path.isdir(Store(paths.store()).run_directory(one))
    removed = program.json("gc", "--yes")
    assert removed["runs"] == [one]
    assert removed["bytes"] > 100
    assert sorted(os.listdir(os.path.join(paths.store(), "runs"))) == sorted([two, three])
    assert program.names("--all") == ["three", "two"]
    assert program("gc").out == "removed 0 runs, 0 B\n"


def test_last_deleted_comes_back(program: Program) -> None:
    make_run("one")
    make_run("two")
    assert program("rm", "last").code == 0
    assert program("restore", "last").out == "two is back\n"


def test_runs_are_deleted_by_a_filter(program: Program) -> None:
    make_run("one", status="FAILED")
    make_run("two")
    assert program.json("rm", "--filter", "status = 'FAILED'", "--dry-run") != []
    assert program.names() == ["two", "one"]
    assert program("rm", "--filter", "status = 'FAILED'").code == 0
    assert program.names() == ["two"]
    assert program("rm").code == 2
    assert program("rm", "--filter", "status ~ 1").code == 2


def test_a_running_run_is_not_deleted(program: Program) -> None:
    make_run("on", status="RUNNING", sections={"supervisor": {"host": "elsewhere", "pid": 1}})
    make_run("done")
    done = program("rm", "done", "on")
    assert done.code == 2
    assert "proj cancel on" in done.err
    assert program.names() == ["done", "on"]


def test_gc_removes_the_runs_of_a_deleted_experiment(program: Program) -> None:
    make_run("inside", experiment="old")
    make_run("outside")
    assert program("experiments", "rm", "old").code == 0
    assert program.names() == ["outside"]
    assert len(program.json("gc", "--yes")["runs"]) == 1
    assert os.listdir(os.path.join(paths.store(), "runs")) != []


def test_the_code_of_a_run_is_written_to_a_folder(program: Program, tmp_path: object) -> None:
    text = "name: demo\nentry_points:\n  main: {command: 'cat data.txt'}\n"
    folder = make_tree(f"{tmp_path}/demo", {"MLproject": text, "data.txt": "then"})
    assert proj("run", folder, "--run-name", "kept").code == 0
    make_tree(folder, {"data.txt": "now"})
    found = program.json("restore", "kept", f"{tmp_path}/code")
    with open(os.path.join(found["folder"], "data.txt"), encoding="utf-8") as file:
        assert file.read() == "then"
    assert program("restore", "kept", f"{tmp_path}/code").code != 0  # never over something that is there
    assert proj("run", f"{tmp_path}/code").out == "then"


def test_code_is_written_only_where_there_is_a_snapshot(program: Program, tmp_path: object) -> None:
    make_run("one")
    done = program("restore", "one", f"{tmp_path}/code")
    assert done.code == 125
    assert "snapshot" in done.err


def test_experiments(program: Program) -> None:
    new = program(
        "experiments", "new", "first one", "--artifact-location", "file:///tmp/x", "-t", "a=b"
    ).out.strip()
    assert new.isdigit()
    listed = program.json("experiments")
    assert [each["name"] for each in listed] == ["first one", "Default"]
    assert listed[0]["tags"] == {"a": "b"}
    assert program("experiments", "rename", "first one", "second").code == 0
    assert program.json("experiments", "ls")[0] | {"name": "second"} == program.json("experiments", "ls")[0]
    assert program("experiments", "rm", new).code == 0
    assert [each["name"] for each in program.json("experiments")] == ["Default"]
    assert "deleted" in program("experiments", "ls", "--all").out
    assert program("experiments", "restore", "second").code == 0
    assert program("experiments").out.splitlines()[0] == "id\tname\tcreated\tartifacts"
    for words in (
        ("new", "second"),
        ("new", " "),
        ("rename", "nowhere", "x"),
        ("rename", "Default", "x"),
        ("rm", "Default"),
        ("restore", "second"),
        ("list",),
    ):
        done = program("experiments", *words)
        assert done.code != 0, words
        assert "Traceback" not in done.err


def test_gc_removes_artifacts_that_are_kept_elsewhere(program: Program, tmp_path: object) -> None:
    elsewhere = os.path.join(str(tmp_path), "elsewhere")
    program("experiments", "new", "far", "--artifact-location", f"file://{elsewhere}")
    run_id = make_run("one", experiment="far", status="RUNNING")
    make_tree(tmp_path, {"model.bin": "m"})
    with Store(paths.store()).open_run(run_id) as writer:
        artifacts.put(writer, f"{tmp_path}/model.bin")
        writer.end("FINISHED")
    assert os.path.exists(os.path.join(elsewhere, run_id, "artifacts", "model.bin"))
    assert program("rm", "one").code == 0
    assert program("gc", "--yes").code == 0
    assert not os.path.exists(os.path.join(elsewhere, run_id, "artifacts", "model.bin"))


def test_a_note_of_any_bytes_is_read_from_a_pipe() -> None:
    run_id = make_run()
    argv = [sys.executable, "-m", "runner", "note", run_id, "-"]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}  # as in most locales
    done = subprocess.run(argv, env=strict, input=b"caf\xe9 \xff\n", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Store(paths.store()).read(run_id).tags["mlflow.note.content"] == r"caf\xe9 \xff"


def test_gc_keeps_runs_of_which_there_are_registered_versions(program: Program) -> None:
    from runner.tracking import registry

    one, two, three = make_run("one"), make_run("two"), make_run("three")
    root = paths.store()
    registry.create(root, "m")
    place = f"mlflow-artifacts:/0/{two}/artifacts/model"
    registry.register(root, "m", registry.Version("", 0, "models:/x", "models:/x", one))
    registry.register(root, "m", registry.Version("", 0, place, place))
    assert program("rm", one, two, three).code == 0
    shown = program("gc", "--yes").out
    assert f"{one[:12]}  one is kept: version 1 of m is of it\n" in shown
    assert f"{two[:12]}  two is kept: version 2 of m is of it\n" in shown
    assert sorted(os.listdir(os.path.join(root, "runs"))) == sorted([one, two])
    assert program.json("gc", "--yes")["kept"] == {one: "version 1 of m", two: "version 2 of m"}
