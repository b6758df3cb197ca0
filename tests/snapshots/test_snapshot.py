"""Snapshots: whatever is in a work tree comes back, and the user's repository stays as it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from runner import paths, sources
from runner.errors import InputError, StoreError
from runner.host import files
from runner.snapshots import restore, snapshot, upkeep
from runner.values import CodeState, Silent
from tests.helpers import git, make_repository, make_tree

EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def captured(project: object, store: str, **options: int) -> CodeState:
    checkout = sources.fetch(str(project), "", Silent())
    pending = snapshot.begin(checkout)
    return snapshot.take(pending, pending.finish(), store, options).finish()


def contents(directory: object) -> dict[str, object]:
    """Every file with its bytes, link target and executable bit; git's own folders apart."""
    found: dict[str, object] = {}
    for top, folders, names in os.walk(str(directory)):
        folders[:] = [name for name in folders if name != ".git"]
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(top, name)))]:
            path = os.path.join(top, name)
            if name == ".git":
                continue
            key = os.path.relpath(path, str(directory))
            if os.path.islink(path):
                found[key] = ("link", os.readlink(path))
            else:
                found[key] = (Path(path).read_bytes(), bool(os.stat(path).st_mode & 0o100))
    return found


def fingerprint(folder: str) -> dict[str, str]:
    """Every byte under .git."""
    return {
        os.path.relpath(os.path.join(top, name), folder): hashlib.sha256(
            Path(top, name).read_bytes()
        ).hexdigest()
        for top, _, names in os.walk(folder)
        for name in names
    }


def changed_in_eight_ways(tmp_path: Path) -> str:
    """Tracked edit, staged edit, untracked, deleted, executable bit, link, submodule, unpushed commit."""
    inner = make_repository(tmp_path / "inner", {"lib.py": "one\n", "deep/er.py": "x\n"})
    root = make_repository(
        tmp_path / "repo",
        {
            "edit.py": "a\n", "staged.py": "a\n", "gone.py": "a\n", "staged_gone.py": "a\n", "exec.sh": "a\n",
            "link_to_be": "a\n", "kept.py": "a\n", ".gitignore": "*.log\n", "dir/a": "a\n", "to_link/x": "x\n",
        },
    )  # fmt: skip
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", inner, "libs/inner")
    git(root, "commit", "-qm", "with a submodule")
    git(root, "checkout", "-qb", "unpushed")
    make_tree(root, {"committed.py": "never pushed\n"})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "unpushed")
    make_tree(root, {
        "edit.py": "b\n", "staged.py": "b\n", "new.py": "n\n", "new dir/tief/ü ñ.py": "n\n", "ignored.log": "no\n",
        "both.py": "staged\n", "libs/inner/lib.py": "edited in the submodule\n", "libs/inner/new.py": "n\n",
        'quo"te\n.py': "odd name\n",
    })  # fmt: skip
    os.unlink(f"{root}/gone.py")
    git(root, "rm", "-q", "staged_gone.py")
    os.chmod(f"{root}/exec.sh", 0o755)
    os.unlink(f"{root}/link_to_be")
    os.symlink("kept.py", f"{root}/link_to_be")
    shutil.rmtree(f"{root}/dir")
    make_tree(root, {"dir": "a file now\n"})
    shutil.rmtree(f"{root}/to_link")
    os.symlink("libs", f"{root}/to_link")
    git(root, "add", "staged.py", "both.py")
    make_tree(root, {"both.py": "staged, then edited\n"})
    Path(os.fsencode(root).decode(), os.fsdecode(b"\xff.bin")).write_bytes(b"\0\xff")
    return root


def test_complaint_7017_a_dirty_tree_with_all_kinds_of_change_comes_back(tmp_path: Path, store: str) -> None:
    root = changed_in_eight_ways(tmp_path)
    expected = contents(root)
    expected.pop("ignored.log")
    before = fingerprint(f"{root}/.git")
    state = captured(root, store)
    assert fingerprint(f"{root}/.git") == before
    assert state.dirty is True
    assert state.branch == "unpushed"
    assert [(entry["path"], entry["dirty"]) for entry in state.submodules] == [("libs/inner", True)]
    git(root, "reset", "-q", "--hard")
    git(root, "clean", "-ffdxq")
    shutil.rmtree(root)
    shutil.rmtree(tmp_path / "inner")
    target = restore.restore(store, state.tree, str(tmp_path / "out"))
    assert contents(target) == expected
    git(f"{store}/snapshots.git", "fsck", "--strict")


def test_a_restored_snapshot_has_the_same_tree(tmp_path: Path, store: str) -> None:
    state = captured(changed_in_eight_ways(tmp_path), store)
    again = captured(restore.restore(store, state.tree, str(tmp_path / "out")), str(tmp_path / "other store"))
    assert again.tree == state.tree
    assert again.dirty is None


def test_a_clean_tree_is_the_tree_of_the_commit_and_outlives_the_repository(
    tmp_path: Path, store: str
) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "a\n", "sub/b.py": "b\n"})
    state = captured(root, store)
    assert state.tree == git(root, "rev-parse", "HEAD^{tree}")
    assert state.dirty is False
    shutil.rmtree(root)
    assert contents(restore.restore(store, state.tree, str(tmp_path / "out"))) == {
        "a.py": (b"a\n", False), "sub/b.py": (b"b\n", False),
    }  # fmt: skip


def test_a_clean_tree_is_known_the_second_time(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "a\n"})
    first = captured(root, store)
    from runner.snapshots import capture

    monkeypatch.delattr(capture, "of_repository")
    assert captured(root, store).tree == first.tree


def test_staged_content_is_copied_though_git_knows_its_time(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "a\n"})
    captured(root, store)
    make_tree(root, {"a.py": "staged only\n", "b.py": "staged new\n"})
    git(root, "add", "-A")
    state = captured(root, store)
    shutil.rmtree(root)
    found = contents(restore.restore(store, state.tree, str(tmp_path / "out")))
    assert found == {"a.py": (b"staged only\n", False), "b.py": (b"staged new\n", False)}


def test_a_file_set_back_to_what_an_older_commit_had(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "old\n"})
    make_tree(root, {"a.py": "new\n"})
    git(root, "commit", "-qam", "second")
    captured(root, store)
    make_tree(root, {"a.py": "old\n"})  # git has this content, the head does not
    state = captured(root, store)
    shutil.rmtree(root)
    assert contents(restore.restore(store, state.tree, str(tmp_path / "out"))) == {"a.py": (b"old\n", False)}


def test_before_the_first_commit(tmp_path: Path, store: str) -> None:
    root = make_tree(tmp_path / "repo", {"a.py": "a\n", "b.py": "b\n"})
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "a.py")
    state = captured(root, store)
    assert (state.commit, state.branch, state.dirty) == ("", "main", True)
    shutil.rmtree(root)
    assert sorted(contents(restore.restore(store, state.tree, str(tmp_path / "out")))) == ["a.py", "b.py"]


def test_a_folder_without_git(tmp_path: Path, store: str) -> None:
    root = make_tree(tmp_path / "plain", {
        "train.py": "a\n", "run.sh*": "b\n", "__pycache__/x.pyc": "no", ".venv/lib.py": "no", "data/x.bin": b"\0",
        ".gitignore": "*.log\n", "x.log": "no",
    })  # fmt: skip
    os.symlink("train.py", f"{root}/link")
    first = captured(root, store)
    assert (first.commit, first.dirty) == ("", None)
    found = contents(restore.restore(store, first.tree, str(tmp_path / "out")))
    assert sorted(found) == [".gitignore", "data/x.bin", "link", "run.sh", "train.py"]
    assert found["run.sh"] == (b"b\n", True)
    make_tree(root, {"train.py": "changed\n", "more.py": ""})
    os.unlink(f"{root}/data/x.bin")
    second = captured(root, store)
    assert sorted(entry.path for entry in restore.files(store, second.tree)) == [
        ".gitignore", "link", "more.py", "run.sh", "train.py",
    ]  # fmt: skip
    assert not os.path.exists(f"{root}/.git")


@pytest.mark.parametrize("make", [make_tree, make_repository])
def test_an_edit_of_the_same_size_in_the_same_second(make, tmp_path: Path, store: str) -> None:  # type: ignore[no-untyped-def]
    """Git compares whole seconds, and reads a file again that is as young as the index: copies keep its age."""
    time.sleep(1 - time.time() % 1)
    root = make(tmp_path / "p", {"a": "1"})
    if make is make_repository:
        make_tree(root, {"a": "2"})  # in the second of the commit
    else:
        captured(root, store)
        make_tree(root, {"a": "2"})  # in the second of the snapshot
    time.sleep(1 - time.time() % 1)
    state = captured(root, store)
    assert contents(snapshot.restore(store, state.tree, str(tmp_path / "out")))["a"] == (b"2", False)


def test_a_repository_inside_a_folder_without_git(tmp_path: Path, store: str) -> None:
    root = make_tree(tmp_path / "plain", {"train.py": "a\n"})
    make_repository(f"{root}/vendored", {"lib.py": "l\n"})
    make_tree(root, {"vendored/new.py": "n\n"})
    for _ in range(2):  # the index that is kept in between does not know of it
        state = captured(root, store)
        assert [entry.path for entry in restore.files(store, state.tree)] == [
            "train.py", "vendored/lib.py", "vendored/new.py",
        ]  # fmt: skip
    assert [entry["path"] for entry in state.submodules] == ["vendored"]


def test_an_untracked_repository_inside_a_repository(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"train.py": "a\n"})
    make_repository(f"{root}/vendored", {"lib.py": "l\n"})
    state = captured(root, store)
    assert [entry.path for entry in restore.files(store, state.tree)] == ["train.py", "vendored/lib.py"]


def test_a_clean_submodule_is_kept_without_its_remote(tmp_path: Path, store: str) -> None:
    inner = make_repository(tmp_path / "inner", {"lib.py": "one\n"})
    root = make_repository(tmp_path / "repo", {"train.py": "a\n"})
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", inner, "inner")
    git(root, "commit", "-qm", "with a submodule")
    state = captured(root, store)
    assert state.dirty is False
    (entry,) = state.submodules
    assert (entry["commit"], entry["dirty"]) == (git(inner, "rev-parse", "HEAD"), False)
    shutil.rmtree(root)
    shutil.rmtree(inner)
    assert "inner/lib.py" in contents(restore.restore(store, state.tree, str(tmp_path / "out")))


def test_a_submodule_that_is_not_there_is_said(tmp_path: Path, store: str) -> None:
    inner = make_repository(tmp_path / "inner", {"lib.py": "one\n"})
    root = make_repository(tmp_path / "repo", {"train.py": "a\n"})
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", inner, "inner")
    git(root, "commit", "-qm", "with a submodule")
    git(tmp_path, "clone", "-q", root, "clone")
    state = captured(tmp_path / "clone", store)
    commit = git(inner, "rev-parse", "HEAD")
    assert list(state.submodules) == [{"path": "inner", "commit": commit, "missing": True}]
    assert sorted(entry.path for entry in restore.files(store, state.tree)) == [".gitmodules", "train.py"]


def test_a_linked_worktree(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "a\n"})
    git(root, "worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    make_tree(tmp_path / "linked", {"a.py": "edited\n"})
    state = captured(tmp_path / "linked", store)
    assert (state.branch, state.dirty) == ("side", True)
    shutil.rmtree(tmp_path / "linked")
    assert contents(restore.restore(store, state.tree, str(tmp_path / "out"))) == {
        "a.py": (b"edited\n", False)
    }


def test_the_whole_repository_of_a_project_in_a_subfolder(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"lib/x.py": "x\n", "projects/one/MLproject": "name: one\n"})
    make_tree(root, {"lib/x.py": "edited\n"})
    state = captured(f"{root}/projects/one", store)
    assert state.dirty is True
    place = restore.restore(store, state.tree, str(tmp_path / "out"), "projects/one")
    assert os.listdir(place) == ["MLproject"]
    assert Path(place, "../../lib/x.py").read_text() == "edited\n"


def test_a_project_that_its_repository_ignores_stands_alone(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {".gitignore": "scratch/\n", "big.py": "x\n"})
    make_tree(root, {"scratch/one/train.py": "t\n"})
    state = captured(f"{root}/scratch/one", store)
    assert (state.commit, state.dirty) == ("", None)
    assert [entry.path for entry in restore.files(store, state.tree)] == ["train.py"]


def test_a_home_folder_under_version_control_is_not_captured(home: str, store: str) -> None:
    make_repository(home, {".bashrc": "x\n"})
    make_tree(home, {"secret.txt": "s\n", "work/one/train.py": "t\n"})
    state = captured(f"{home}/work/one", store)
    assert (state.commit, state.dirty) == ("", None)
    assert [entry.path for entry in restore.files(store, state.tree)] == ["train.py"]


def test_a_store_inside_the_work_tree_is_not_part_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for make in (make_repository, make_tree):
        root = make(tmp_path / make.__name__, {"a.py": "a\n"})
        monkeypatch.setenv("PROJ_HOME", f"{root}/.proj")
        state = [captured(root, f"{root}/.proj/store") for _ in range(2)][1]
        assert not state.dirty
        assert [entry.path for entry in restore.files(f"{root}/.proj/store", state.tree)] == ["a.py"]


def test_large_files_are_named_and_not_kept(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "a\n", "grown.bin": "small\n"})
    make_tree(root, {"grown.bin": b"x" * 5000, "new.bin": b"y" * 5000, "new.txt": b"z" * 1000})
    for _ in range(2):  # the second time, the hashes are remembered
        state = captured(root, store, file=2000)
        assert [dict(entry) for entry in state.left_out] == [
            {"path": name, "size": 5000, "digest": f"sha256:{hashlib.sha256(byte * 5000).hexdigest()}",
             "reason": "larger than 2 kB"}
            for name, byte in (("grown.bin", b"x"), ("new.bin", b"y"))
        ]  # fmt: skip
    assert sorted(entry.path for entry in restore.files(store, state.tree)) == ["a.py", "new.txt"]
    make_tree(root, {"new.bin": b"changed" * 1000})
    assert captured(root, store, file=2000).left_out[1]["digest"] != state.left_out[1]["digest"]


@pytest.mark.parametrize("make", [make_repository, make_tree])
def test_a_limit_for_all_new_files_together_gives_the_same_tree_each_time(
    make, tmp_path: Path, store: str
) -> None:
    root = make(tmp_path / "repo", {"a.py": "a\n"})
    make_tree(root, {f"{size}.bin": b"x" * size for size in (100, 200, 3000, 4000, 5000)})
    states = [captured(root, store, total=4000) for _ in range(3)]
    assert len({state.tree for state in states}) == 1
    assert [entry["path"] for entry in states[0].left_out] == ["4000.bin", "5000.bin"]


def test_projignore_leaves_out_tracked_and_untracked_files(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {
        "a.py": "a\n", "data/tracked.csv": "1\n", "one/keep.csv": "1\n", "one/secret.txt": "s\n", "one/train.py": "t\n",
        ".projignore": "# comment\ndata/\n*.csv\n!one/keep.csv\n", "one/.projignore": "/secret.txt\n",
    })  # fmt: skip
    make_tree(root, {"new.csv": "2\n", "secret.txt": "kept: not in one/\n"})
    state = captured(f"{root}/one", store)
    assert [(entry["path"], entry["reason"]) for entry in state.left_out] == [
        ("data/tracked.csv", ".projignore"), ("new.csv", ".projignore"), ("one/secret.txt", ".projignore"),
    ]  # fmt: skip
    kept = [entry.path for entry in restore.files(store, state.tree)]
    assert kept == [".projignore", "a.py", "one/.projignore", "one/keep.csv", "one/train.py", "secret.txt"]
    git(root, "add", "-A")
    git(root, "commit", "-qm", "clean now")
    clean = captured(f"{root}/one", store)
    assert (clean.dirty, clean.tree) == (False, state.tree)


def test_bytes_are_kept_though_the_user_has_filters(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text('[core]\n\tautocrlf = input\n[filter "up"]\n\tclean = tr a-z A-Z\n\trequired = true\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    root = make_repository(tmp_path / "repo", {".gitattributes": "*.up filter=up\n*.txt text\n"})
    make_tree(root, {"x.up": "lower\n", "x.txt": b"dos\r\n"})
    state = captured(root, store)
    found = contents(restore.restore(store, state.tree, str(tmp_path / "out")))
    assert found["x.up"] == (b"lower\n", False)
    assert found["x.txt"] == (b"dos\r\n", False)


def test_hooks_and_the_file_system_monitor_are_not_run(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "a\n"})
    for hook in (
        "post-index-change",
        "fsmonitor-watchman",
        "pre-commit",
        "reference-transaction",
        "post-checkout",
    ):
        make_tree(root, {f".git/hooks/{hook}*": f"#!/bin/sh\ntouch {tmp_path}/ran-{hook}\n"})
    git(root, "config", "core.fsmonitor", f"{root}/.git/hooks/fsmonitor-watchman")
    make_tree(root, {"a.py": "b\n", "c.py": "c\n"})
    before = fingerprint(f"{root}/.git")
    captured(root, store)
    assert fingerprint(f"{root}/.git") == before
    assert not list(tmp_path.glob("ran-*"))


@pytest.mark.parametrize("setting", ["split", "sparse", "sha256"])
def test_indexes_that_only_git_can_read(setting: str, tmp_path: Path, store: str) -> None:
    root = str(tmp_path / "repo")
    if setting == "sha256":
        make_tree(root, {"a.py": "a\n", "b/c.py": "c\n"})
        git(root, "init", "-q", "-b", "main", "--object-format=sha256")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "first")
    else:
        make_repository(root, {"a.py": "a\n", "b/c.py": "c\n"})
    if setting == "split":
        git(root, "update-index", "--split-index")
    if setting == "sparse":
        git(root, "sparse-checkout", "set", "b")
        git(root, "sparse-checkout", "reapply", "--sparse-index")
    make_tree(root, {"b/c.py": "edited\n", "b/new.py": "n\n"})
    expected = contents(root)
    state = captured(root, store)
    assert state.dirty is True
    assert len(state.tree) == 40
    os.unlink(f"{root}/b/new.py")
    second = captured(root, store)
    shutil.rmtree(root)
    assert contents(restore.restore(store, state.tree, str(tmp_path / "out"))) == expected
    assert "b/new.py" not in [entry.path for entry in restore.files(store, second.tree)]


def test_merge_conflicts_are_captured_as_they_lie_there(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "base\n"})
    git(root, "checkout", "-qb", "other")
    make_tree(root, {"a.py": "other\n"})
    git(root, "commit", "-qam", "other")
    git(root, "checkout", "-q", "main")
    make_tree(root, {"a.py": "mine\n"})
    git(root, "commit", "-qam", "mine")
    subprocess.run(["git", "-C", root, "merge", "-q", "other"], check=False, capture_output=True)
    state = captured(root, store)
    shutil.copytree(root, tmp_path / "copy")
    found = contents(restore.restore(store, state.tree, str(tmp_path / "out")))
    assert found == contents(tmp_path / "copy")
    assert b"<<<<<<<" in found["a.py"][0]


def test_a_repository_with_borrowed_objects(tmp_path: Path, store: str) -> None:
    make_repository(tmp_path / "origin", {"a.py": "a\n"})
    git(tmp_path, "clone", "-q", "--shared", "origin", "clone")
    state = captured(tmp_path / "clone", store)
    shutil.rmtree(tmp_path / "clone")
    shutil.rmtree(tmp_path / "origin")
    assert "a.py" in contents(restore.restore(store, state.tree, str(tmp_path / "out")))


def test_a_folder_whose_name_has_a_colon(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / 'a:b "c"', {"a.py": "a\n"})
    state = captured(root, store)
    shutil.rmtree(root)
    assert "a.py" in contents(restore.restore(store, state.tree, str(tmp_path / "out")))


def test_diff_between_two_states(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "one\n", "b.bin": b"\0one", "moved.py": "x\n" * 20})
    first = captured(root, store)
    make_tree(root, {"a.py": "two\n", "b.bin": b"\0two"})
    os.rename(f"{root}/moved.py", f"{root}/elsewhere.py")
    second = captured(root, store)
    patch = snapshot.diff(store, first.tree, second.tree)
    assert "-one\n+two\n" in patch
    assert "Binary files a/b.bin and b/b.bin differ" in patch
    assert "rename from moved.py" in patch
    assert snapshot.diff(store, first.tree, first.tree) == ""


def test_restore_refuses_a_folder_with_files_and_unknown_trees(tmp_path: Path, store: str) -> None:
    state = captured(make_repository(tmp_path / "repo", {"a.py": "a\n"}), store)
    with pytest.raises(InputError, match="not empty"):
        snapshot.restore(store, state.tree, make_tree(tmp_path / "full", {"x": ""}))
    with pytest.raises(StoreError, match="is not in"):
        snapshot.restore(store, "1" * 40, str(tmp_path / "out"))
    with pytest.raises(InputError, match="not the id"):
        snapshot.restore(store, "--help", str(tmp_path / "out"))
    with pytest.raises(StoreError, match="no snapshots"):
        snapshot.restore(str(tmp_path / "nowhere"), state.tree, str(tmp_path / "out"))


def test_a_damaged_store_is_said(tmp_path: Path, store: str) -> None:
    state = captured(make_tree(tmp_path / "plain", {"a.py": "a\n" * 1000, "b.py": "b\n"}), store)
    (blob,) = [entry.blob for entry in restore.files(store, state.tree) if entry.path == "a.py"]
    path = Path(store, "snapshots.git", "objects", blob[:2], blob[2:])
    path.chmod(0o644)
    good = path.read_bytes()
    import zlib

    path.write_bytes(zlib.compress(b"blob 4\0evil"))  # a lie that is well-formed
    with pytest.raises(StoreError, match="damaged"):
        snapshot.restore(store, state.tree, str(tmp_path / "out1"))
    path.write_bytes(good[:-10])
    with pytest.raises(StoreError, match="damaged"):
        snapshot.restore(store, state.tree, str(tmp_path / "out2"))
    path.unlink()
    with pytest.raises(StoreError, match="damaged"):
        snapshot.restore(store, state.tree, str(tmp_path / "out3"))


def test_until_finish_the_record_could_not_be_restored(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "a\n", "b.py": "b\n"})
    make_tree(root, {"a.py": "edited\n"})
    pending = snapshot.begin(sources.fetch(root, "", Silent()))
    capture = snapshot.take(pending, pending.finish(), store)
    with pytest.raises(StoreError, match="is not in"):
        snapshot.restore(store, capture.state.tree, str(tmp_path / "out"))
    make_tree(root, {"a.py": "edited by the command\n"})
    state = capture.finish()
    assert contents(restore.restore(store, state.tree, str(tmp_path / "out")))["a.py"] == (b"edited\n", False)


def test_empty_folder(tmp_path: Path, store: str) -> None:
    state = captured(make_tree(tmp_path / "plain", {}), store)
    assert state.tree == EMPTY
    assert os.listdir(restore.restore(store, state.tree, str(tmp_path / "out"))) == []


def test_many_snapshots_are_packed_and_stay(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "PACKS", 3)
    root = make_repository(tmp_path / "repo", {"a.py": "0\n"})
    states = []
    for number in range(8):
        make_tree(root, {"a.py": f"{number}\n", f"{number}.py": "x\n"})
        git(root, "add", "-A")
        git(root, "commit", "-qm", str(number))
        states.append(captured(root, store))
    packs = [name for name in os.listdir(f"{store}/snapshots.git/objects/pack") if name.endswith(".pack")]
    assert len(packs) <= 4
    for number, state in enumerate(states):
        out = snapshot.restore(store, state.tree, str(tmp_path / f"out{number}"))
        assert Path(out, "a.py").read_text() == f"{number}\n"


def test_git_that_distrusts_the_folder_still_answers(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "a\n"})
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    for top, folders, names in os.walk(root):
        for name in [".", *folders, *names]:
            os.chown(os.path.join(top, name), 12345, 12345)
    state = captured(root, store)
    assert state.dirty is False
    assert state.commit


def test_uncommitted_data_is_read_once(tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from runner.snapshots import hashed, index

    monkeypatch.setattr(hashed, "MANY_FILES", 2)
    root = make_repository(tmp_path / "repo", {"a.py": "a\n"})
    make_tree(root, {f"data/{number}.txt": f"{number}\n" for number in range(5)})
    make_tree(root, {"data/run.sh*": "x\n", "a.py": "edited\n"})
    os.symlink("a.py", f"{root}/data/link")
    monkeypatch.setattr(files, "settled", lambda found, at: True)
    first = captured(root, store)
    read: list[str] = []
    run = index.change_paths

    def noted(which: index.Index, dropped: list[str], added: Sequence[str] = ()) -> None:
        read.extend(added)
        run(which, dropped, added)

    monkeypatch.setattr(index, "change_paths", noted)
    assert captured(root, store).tree == first.tree
    assert read == ["data/link"]
    read.clear()
    make_tree(root, {"data/3.txt": "new\n"})
    os.chmod(f"{root}/data/run.sh", 0o644)
    os.unlink(f"{root}/data/4.txt")
    second = captured(root, store)
    assert sorted(read) == ["data/3.txt", "data/link", "data/run.sh"]
    found = contents(restore.restore(store, second.tree, str(tmp_path / "out")))
    assert found == contents(root)
    assert captured(root, str(tmp_path / "another store")).tree == second.tree


PROGRAM = """
import sys
from runner import paths, sources
from runner.snapshots import snapshot
from runner.values import Silent
checkout = sources.fetch(sys.argv[1], "", Silent())
pending = snapshot.begin(checkout)
print(snapshot.take(pending, pending.finish(), sys.argv[2]).finish().tree)
"""


def capturing(root: str, store: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, root, store], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("make", [make_repository, make_tree])
def test_several_captures_at_once(make, tmp_path: Path, store: str) -> None:
    root = make(
        tmp_path / "repo",
        {f"{number}/{name}.py": f"{number}{name}" for number in range(20) for name in "abc"},
    )
    make_tree(root, {"0/a.py": "edited\n", "new.py": "n\n"})
    results = [
        (child.communicate(timeout=60), child.returncode)
        for child in [capturing(root, store) for _ in range(6)]
    ]
    assert [code for _, code in results] == [0] * 6, results
    (tree,) = {out.strip() for (out, _), _ in results}
    assert contents(restore.restore(store, tree, str(tmp_path / "out"))) == contents(root)
    git(f"{store}/snapshots.git", "fsck", "--strict", "--connectivity-only")


@pytest.mark.parametrize("make", [make_repository, make_tree])
def test_killed_at_any_moment_of_a_capture(make, tmp_path: Path, store: str) -> None:
    root = make(
        tmp_path / "repo",
        {f"{number}/{name}.py": f"{number}{name}" for number in range(99) for name in "abc"},
    )
    make_tree(root, {"0/a.py": "edited\n", "new.py": "n\n"})
    before = fingerprint(f"{root}/.git") if os.path.isdir(f"{root}/.git") else {}
    for delay in (0.04, 0.06, 0.08, 0.1, 0.12, 0.15):
        child = capturing(root, store)
        time.sleep(delay)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    tree = captured(root, store).tree
    assert contents(restore.restore(store, tree, str(tmp_path / "out"))) == contents(root)
    assert not before or fingerprint(f"{root}/.git") == before
    left = os.listdir(paths.cache("tmp"))
    assert left == []


def test_loose_objects_of_a_snapshot_in_the_making_survive_a_tidying_up(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LOOSE", -256)
    root = make_repository(tmp_path / "repo", {"a.py": "a\n", "b.py": "b\n"})
    make_tree(root, {"a.py": "edited\n"})
    pending = snapshot.begin(sources.fetch(root, "", Silent()))
    capture = snapshot.take(pending, pending.finish(), store)
    captured(make_tree(tmp_path / "other", {f"{number}.py": f"{number}" for number in range(600)}), store)
    state = capture.finish()
    assert contents(restore.restore(store, state.tree, str(tmp_path / "out"))) == contents(root)
    assert upkeep.damage(store) == []


def test_forgetting_and_checking(tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "GRACE", "now")
    root = make_repository(tmp_path / "repo", {"a.py": "a\n"})
    old = captured(root, store)
    make_tree(root, {"a.py": "b\n", "big.bin": os.urandom(100_000)})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "second")
    new = captured(root, store)
    empty = captured(make_tree(tmp_path / "empty", {}), store)
    assert upkeep.damage(store) == []
    assert upkeep.forget(store, {old.tree, empty.tree}) == 1
    assert upkeep.damage(store) == []
    with pytest.raises(StoreError, match="is not in"):
        snapshot.restore(store, new.tree, str(tmp_path / "out"))
    for state in (old, empty):
        snapshot.restore(store, state.tree, str(tmp_path / state.tree))
    size = sum(os.path.getsize(os.path.join(top, name)) for top, _, names in os.walk(store) for name in names)
    assert size < 50_000
    assert captured(root, store).tree == new.tree  # it is taken again
    snapshot.restore(store, new.tree, str(tmp_path / "out"))
    assert upkeep.forget(str(tmp_path / "no store"), set()) == 0


def test_a_damaged_store_is_found(tmp_path: Path, store: str) -> None:
    state = captured(make_tree(tmp_path / "plain", {"a.py": "a\n"}), store)
    (entry,) = snapshot.files(store, state.tree)
    os.unlink(f"{store}/snapshots.git/objects/{entry.blob[:2]}/{entry.blob[2:]}")
    assert any(entry.blob in line for line in upkeep.damage(store))


def test_stores_are_merged_by_copying(tmp_path: Path, store: str) -> None:
    one = captured(make_repository(tmp_path / "one", {"a.py": "a\n"}), store)
    other = str(tmp_path / "other store")
    two = captured(make_repository(tmp_path / "two", {"b.py": "b\n"}), other)
    shutil.copytree(other, store, dirs_exist_ok=True)
    for state in (one, two):
        snapshot.restore(store, state.tree, str(tmp_path / state.tree))
    assert upkeep.damage(store) == []
