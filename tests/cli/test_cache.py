"""`proj cache`: what is kept, and what may go; and whose each environment is."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest

from runner import paths
from runner.running import disk
from tests.cli.records import Program, make_run
from tests.helpers import git, make_repository, make_tree, proj

OLD = time.time() - 40 * 86_400
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
FILES = {
    "MLproject": "name: p\npython_env: python_env.yaml\nentry_points:\n  main: {command: 'true'}\n",
    "python_env.yaml": f'python: "{VERSION}"\nbuild_dependencies: []\ndependencies: []\n',
}


def kept(name: str, file: str, old: bool = True) -> str:
    path = make_tree(paths.cache(name), {file: "x" * 5000}) + "/" + file
    if old:
        while path != paths.cache(name):
            os.utime(path, (OLD, OLD))
            path = os.path.dirname(path)
    return paths.cache(name, file)


def test_each_place_is_shown_with_its_size_and_what_makes_room(program: Program) -> None:
    kept("archives", "a")
    kept("conda", "pkg/b")
    make_run("one")
    answer = program.json("cache")
    names = {each["name"]: each for each in answer["places"]}
    assert set(names) == {"archives", "conda", "runs"}
    assert answer["total"] == sum(each["size"] for each in answer["places"])
    assert names["archives"]["pruned_by"] == "proj cache prune archives"
    assert names["runs"]["pruned_by"] == "proj gc"
    assert program("cache", "ls").out.splitlines()[0] == "name\tsize\twhat\tmakes room"


def test_what_was_not_used_for_long_goes_and_nothing_else(program: Program) -> None:
    old = [kept(name, "old/file") for name in (*disk.FILES, *disk.FOLDERS)]
    young = [kept(name, "young/file", old=False) for name in (*disk.FILES, *disk.FOLDERS)]
    lock = kept("locks", "a.lock")
    run_id = make_run("one")
    shown = program.json("cache", "prune", "--dry-run")
    assert not shown["removed"]
    assert len(shown["pruned"]) == len(old)
    assert all(map(os.path.exists, old))
    some = program.json("cache", "prune", "logs", "conda")
    assert {each["name"] for each in some["pruned"]} == {"logs", "conda"}
    assert some["bytes"] > 0
    program("cache", "prune")
    assert [path for path in old if os.path.exists(path)] == []
    assert all(map(os.path.exists, [*young, lock]))
    assert program("show", run_id).code == 0
    assert "nothing to remove" in program("cache", "prune").out
    wrong = program("cache", "prune", "log")
    assert wrong.code == 2
    assert "logs" in wrong.err


def test_a_mirror_goes_unless_a_checkout_needs_it(tmp_path: object) -> None:
    remote = make_repository(f"{tmp_path}/remote", {"MLproject": FILES["MLproject"], "x": "1"})
    make_tree(remote, {"MLproject": "name: p\nentry_points:\n  main: {command: 'sleep 30'}\n"})
    git(remote, "commit", "-qam", "second")
    run_id = proj("run", f"file://{remote}", "--detach").out.strip()
    (mirror,) = (name for name in os.listdir(paths.cache("git")) if name.endswith(".git"))
    assert [each["run_id"] for each in json.loads(proj("ps", "--json").out)] == [run_id]
    assert json.loads(proj("cache", "prune", "git", "--older-than", "0", "--json").out)["pruned"] == []
    assert proj("cancel", run_id).code == 0
    for name in os.listdir(paths.cache("spares")) if os.path.isdir(paths.cache("spares")) else []:
        os.utime(paths.cache("spares", name), (OLD, OLD))
    proj("cache", "prune", "spares")
    dry = json.loads(proj("cache", "prune", "git", "--older-than", "0", "--dry-run", "--json").out)
    assert [os.path.basename(each["path"]) for each in dry["pruned"]] == [mirror]
    assert os.path.isdir(paths.cache("git", mirror))
    proj("cache", "prune", "git", "--older-than", "0")
    assert not os.path.exists(paths.cache("git", mirror))
    make_tree(remote, {"MLproject": "name: p\nentry_points:\n  main: {command: 'true'}\n"})
    git(remote, "commit", "-qam", "third")
    assert proj("run", f"file://{remote}", "-q").code == 0


def test_whose_each_environment_is(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (make_tree(f"{tmp_path}/{name}", FILES) for name in ("one", "two"))
    time.sleep(0.2)  # files as young as that are not remembered
    for folder in (one, two):
        assert proj("run", folder, "-q").code == 0
    (row,) = json.loads(proj("env", "ls", "--json").out)
    assert row["projects"] == [one, two]
    assert row["used"].endswith("Z")
    os.rename(two, f"{two}-moved")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert proj("env", "ls").out.splitlines()[1].endswith("\t~/one, ~/two (gone)")
    for words in (
        ("env", "rm", "--all"),
        ("env", "gc", "--older-than", "0"),
        ("cache", "prune", "environments", "--older-than", "0"),
    ):
        shown = proj(*words, "--dry-run")
        assert f"would remove {row['key'][:12]}" in shown.out.replace("environments ", "")
        assert len(json.loads(proj("env", "ls", "--json").out)) == 1
    assert proj("cache", "prune", "environments", "--older-than", "0").code == 0
    assert json.loads(proj("env", "ls", "--json").out) == []


def test_many_small_things_are_a_line(program: Program) -> None:
    make_tree(paths.cache("logs"), {f"environment-{number}.log": "x" for number in range(9)})
    done = program("cache", "prune", "logs", "--older-than", "0s", "--dry-run")
    assert done.out.splitlines()[0].startswith("would remove logs: 9 files and folders")
    assert len(program.json("cache", "prune", "logs", "--older-than", "0s", "--dry-run")["pruned"]) == 9
