"""A project is its folder or repository, not its name: real folders, real git, real runs."""

from __future__ import annotations

import json
import os
import shutil
import time

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.helpers import git, make_repository, make_tree, proj

SETTLES = 0.2  # s after which a file system tells by its times that a file was changed again
FILES = {"MLproject": "name: wine\nentry_points:\n  main: {command: 'true'}\n"}


def run(folder: object, name: str, *words: str) -> None:
    done = proj("run", ".", "-q", "--run-name", name, *words, cwd=folder)
    assert done.code == 0, done.err


def names(folder: object, *words: str) -> list[str]:
    done = proj("runs", "--json", *words, cwd=folder)
    assert done.code == 0, done.err
    return [each["name"] for each in json.loads(done.out)]


def shown(folder: object, ref: str) -> str:
    done = proj("show", ref, "--json", cwd=folder)
    return str(json.loads(done.out)["name"]) if done.code == 0 else done.err


def here(folder: object) -> dict[str, object]:
    found: dict[str, object] = json.loads(proj("here", "--json", cwd=folder).out)
    return found


def test_two_folders_with_one_name_share_nothing(tmp_path: object) -> None:
    one, two, three = (make_tree(f"{tmp_path}/{each}/wine", FILES) for each in ("one", "two", "three"))
    run(one, "of-one")
    run(two, "of-two")
    run(one, "baseline")
    run(two, "baseline")
    assert names(one) == ["baseline", "of-one"]
    assert names(one, "--all") == ["baseline", "baseline", "of-two", "of-one"]
    for word in ("last", "baseline"):  # the name alone is of two runs
        assert proj("tag", word, "mine=one", cwd=one).code == 0
        assert shown(one, word) == "baseline"
    tagged = names(one, "--all", "tags.mine = 'one'")
    assert tagged == ["baseline"]
    for word in ("rm", "cancel", "show"):
        done = proj(word, "last", cwd=three)
        assert done.code == 2
        assert "no run of this project" in done.err
        assert "--all" in done.err
    assert proj("rm", "last", cwd=one).code == 0
    assert names(two) == ["baseline", "of-two"]
    assert "all runs are meant" in proj("here", cwd=tmp_path).out
    assert shown(tmp_path, "last") == "baseline"


def test_git_init_a_clone_a_new_remote_and_a_move_lose_nothing(tmp_path: object) -> None:
    one = make_tree(f"{tmp_path}/wine", FILES)
    run(one, "plain")
    make_repository(one, {"a": "1"})
    run(one, "begun")
    clone, shallow = f"{tmp_path}/clone", f"{tmp_path}/shallow"
    git(tmp_path, "clone", "-q", one, clone)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{one}", shallow)
    run(clone, "cloned")
    assert names(clone) == names(shallow) == ["cloned", "begun", "plain"]
    assert here(clone)["first_commit"] == git(one, "rev-list", "--max-parents=0", "HEAD").strip()
    assert here(shallow)["first_commit"] == ""
    git(one, "remote", "add", "origin", "https://example.org/ann/wine.git")
    assert names(one) == ["cloned", "begun", "plain"]
    assert [shown(one, ref) for ref in ("last", "last~1", "last~2")] == ["begun", "plain", "cloned"]
    moved = f"{tmp_path}/elsewhere"
    shutil.move(one, moved)
    assert names(moved) == ["cloned", "begun", "plain"]


def test_a_folder_without_git_that_is_moved(tmp_path: object) -> None:
    one = make_tree(f"{tmp_path}/wine", FILES)
    run(one, "first")
    os.mkdir(f"{tmp_path}/below")
    os.rename(one, f"{tmp_path}/below/wine")
    make_tree(one, FILES)  # another one in its place
    assert names(f"{tmp_path}/below/wine") == ["first"]
    copied = shutil.copytree(f"{tmp_path}/below/wine", f"{tmp_path}/copy/wine")
    assert names(copied) == []


def test_a_fork_is_another_project(tmp_path: object) -> None:
    one = make_repository(f"{tmp_path}/one", FILES)
    git(one, "remote", "add", "origin", "git@example.org:ann/wine.git")
    fork, again = f"{tmp_path}/fork", f"{tmp_path}/again"
    for folder, url in ((fork, "https://example.org/bob/wine"), (again, "https://example.org/ann/wine")):
        git(tmp_path, "clone", "-q", one, folder)
        git(folder, "remote", "set-url", "origin", url)
    run(one, "of-ann")
    run(fork, "of-bob")
    assert names(one) == names(again) == ["of-ann"]
    assert names(fork) == ["of-bob"]
    assert shown(again, "last") == "of-ann"


def test_folders_of_one_repository_are_projects(tmp_path: object) -> None:
    top = make_repository(tmp_path, {f"{each}/MLproject": FILES["MLproject"] for each in "ab"})
    run(f"{top}/a", "of-a")
    run(f"{top}/b", "of-b")
    inside = make_tree(f"{top}/a/src/deep", {"x": ""})
    assert names(f"{top}/a") == names(inside) == ["of-a"]
    plain = make_tree(f"{tmp_path}-plain", {**FILES, "src/deep/x": ""})
    run(plain, "of-plain")
    assert names(f"{plain}/src/deep") == ["of-plain"]
    git(make_tree(f"{plain}/other", {}), "init", "-q")
    assert "all runs are meant" in proj("here", cwd=f"{plain}/other").out
    link = f"{tmp_path}-link"
    os.symlink(f"{top}/a", link)
    assert proj("run", link, "-q", "--run-name", "by-link", cwd="/").code == 0
    assert names(f"{top}/a") == ["by-link", "of-a"]


def test_an_old_record_and_one_made_again_are_understood(tmp_path: object) -> None:
    """Before first commit and inode were recorded; and runs that were reproduced elsewhere."""
    one = make_repository(f"{tmp_path}/one", FILES)
    store = Store(paths.store())
    source = {"kind": "local", "uri": one, "directory": one, "commit": "0" * 40}
    with store.create_run(name="old", project="other name", sections={"source": source}) as writer:
        writer.end("FINISHED", exit_code=0)
    with store.create_run(name="inside", kind="client", parent=writer.run_id) as child:
        child.end("FINISHED")
    with store.create_run(name="inmost", kind="client", parent=child.run_id) as writer:
        writer.end("FINISHED")
    assert set(names(one)) == {"old", "inside", "inmost"}
    run(one, "new")
    assert proj("reproduce", "last", "-q", cwd=one).code == 0
    assert len(names(one)) == 5


def test_git_is_asked_for_the_first_commit_once(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not after another commit; a shallow clone that is completed has one."""
    from runner.sources.git import history, repository

    one = make_repository(f"{tmp_path}/one", FILES)
    time.sleep(SETTLES)
    found = repository.find(one)
    assert found is not None
    assert history.remembered(found) is None
    first = history.first_commit(found)
    assert first == git(one, "rev-parse", "HEAD").strip()
    git(one, "commit", "-q", "--allow-empty", "-m", "second")
    git(one, "checkout", "-q", "--orphan", "pages")
    git(one, "commit", "-q", "-m", "another beginning")
    asked: list[object] = []
    monkeypatch.setattr(repository, "start", lambda *words: asked.append(words))
    assert history.first_commit(found) == first
    assert asked == []
    monkeypatch.undo()
    shallow = f"{tmp_path}/shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{one}", shallow)
    there = repository.find(shallow)
    assert there is not None
    assert history.first_commit(there) == ""
    git(shallow, "fetch", "-q", "--unshallow")
    assert history.first_commit(there) == git(one, "rev-parse", "HEAD").strip()
    empty = make_tree(f"{tmp_path}/empty", {})
    git(empty, "init", "-q")
    unborn = repository.find(empty)
    assert unborn is not None
    assert history.first_commit(unborn) == ""
