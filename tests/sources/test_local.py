"""Folders on this machine, which every warm run passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner import sources
from runner.errors import InputError
from runner.snapshots import snapshot
from runner.sources.git import repository
from runner.values import Checkout, Silent
from tests.helpers import git, make_repository, make_tree


def fetched(uri: object, version: str = "") -> Checkout:
    return sources.fetch(str(uri), version, Silent())


def test_a_plain_folder(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "plain", {"MLproject": "name: x\n", "sub/y": ""})
    assert fetched(root) == Checkout(root, root)
    assert fetched(f"{root}/MLproject") == Checkout(root, root)
    assert fetched(f"{root}#sub").directory == f"{root}/sub"
    assert fetched(f"file://{root}").directory == root
    sources.release(fetched(root))
    assert os.path.exists(root)


def test_relative_folders_and_home(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(home, {"p/MLproject": ""})
    monkeypatch.chdir(home)
    assert fetched("p").directory == fetched("./p/").directory == fetched("~/p").directory == f"{home}/p"
    monkeypatch.chdir("p")
    assert fetched(".").directory == f"{home}/p"


def test_a_folder_of_a_repository(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"a/b/MLproject": "name: x\n"})
    git(root, "remote", "add", "upstream", "https://host/fork")
    git(root, "remote", "add", "origin", "git@host:o/r.git")
    checkout = fetched(f"{root}/a/b")
    assert checkout._replace(commit="") == Checkout(
        f"{root}/a/b",
        f"{root}/a/b",
        root=root,
        subdirectory="a/b",
        repository="git@host:o/r.git",
        branch="main",
    )
    assert checkout.commit == git(root, "rev-parse", "HEAD")


def test_a_link_to_a_folder_of_a_repository(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"a/MLproject": "name: x\n"})
    os.symlink(f"{root}/a", tmp_path / "link")
    checkout = fetched(tmp_path / "link")
    assert (checkout.directory, checkout.root, checkout.subdirectory) == (f"{tmp_path}/link", root, "a")


def test_complaint_5998_what_exists_is_local_whatever_it_looks_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("git@host:repo", "C:\\work", "with#hash", "with@at", "x.zip"):
        make_tree(tmp_path / name, {"MLproject": ""})
        assert fetched(name).kind == "local"
        assert fetched(name).directory == str(tmp_path / name)


def test_subfolders_stay_inside(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "plain", {"sub/y": ""})
    os.symlink("/etc", f"{root}/link")
    for inside in ("..", "../x", "/etc", "link"):
        with pytest.raises(InputError, match="leads out"):
            fetched(f"{root}#{inside}")
    with pytest.raises(InputError, match="no folder"):
        fetched(f"{root}#nowhere")


def test_what_is_nothing_is_said(tmp_path: Path) -> None:
    for uri in (f"{tmp_path}/nowhere", "nowhere", "", "s3://bucket/x", "train.py"):
        with pytest.raises(InputError, match="no such folder"):
            fetched(uri)


# ---- .git read by hand agrees with git ------------------------------------------------------------------


def asked(root: str) -> tuple[str, str]:
    name = subprocess.run(
        ["git", "-C", root, "symbolic-ref", "-q", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return git(root, "rev-parse", "HEAD"), name.stdout.strip()


def test_head_in_all_its_forms(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"a": "a"})
    git(root, "branch", "feature/x")
    git(root, "worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    git(root, "worktree", "add", "-q", "--detach", str(tmp_path / "detached"))

    def check(place: object) -> None:
        found = repository.find(str(place))
        assert found is not None
        assert tuple(repository.head(found)) == asked(str(place))

    for place in (root, tmp_path / "linked", tmp_path / "detached"):
        check(place)
    git(root, "pack-refs", "--all")
    for place in (root, tmp_path / "linked"):
        check(place)
    git(root, "checkout", "-q", "feature/x")
    make_tree(root, {"a": "b"})
    git(root, "commit", "-qam", "newer than what is packed")
    check(root)
    git(root, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    git(root, "symbolic-ref", "HEAD", "refs/heads/alias")
    found = repository.find(root)
    assert found is not None
    assert repository.head(found).commit == git(root, "rev-parse", "HEAD")
    git(root, "checkout", "-q", "--detach", "main")
    check(root)


def test_a_submodule_is_a_repository_of_its_own(tmp_path: Path) -> None:
    inner = make_repository(tmp_path / "inner", {"MLproject": "name: x\n"})
    root = make_repository(tmp_path / "repo", {"a": "a"})
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", inner, "inner")
    checkout = fetched(f"{root}/inner")
    assert (checkout.root, checkout.commit) == (f"{root}/inner", git(inner, "rev-parse", "HEAD"))
    assert checkout.repository == inner


def test_before_the_first_commit_and_empty_git_folder(tmp_path: Path) -> None:
    git(make_tree(tmp_path / "repo", {"a": ""}), "init", "-q", "-b", "trunk")
    checkout = fetched(tmp_path / "repo")
    assert (checkout.commit, checkout.branch) == ("", "trunk")
    make_tree(tmp_path / "odd", {".git/x": "", "a": ""})
    assert fetched(tmp_path / "odd").root == ""
    make_tree(tmp_path / "odd2", {".git": "gitdir: /nowhere\n"})
    assert fetched(tmp_path / "odd2").root == ""


def test_a_config_that_people_write(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"a": "a"})
    Path(root, ".git/config").write_text(
        '[core]\n\trepositoryformatversion = 0\n# [remote "no"]\n[remote "origin"]\n\t; url = no\n'
        '  URL = "https://u:secret@host/x"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n[branch "main"]\n\tremote = origin\n'
    )
    assert fetched(root).repository == "https://host/x"


def test_the_index_of_the_user_is_not_refreshed(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"a": "a"})
    os.utime(f"{root}/a", (1, 1))  # git would note the new time
    before = Path(root, ".git/index").read_bytes()
    assert snapshot.begin(fetched(root)).finish().dirty is False
    assert Path(root, ".git/index").read_bytes() == before


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"])
def test_inherited_variables_of_git_mislead_nobody(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(tmp_path / "repo", {"a": "a"})
    other = make_repository(tmp_path / "other", {"b": "b"})
    value = {"GIT_WORK_TREE": other, "GIT_INDEX_FILE": f"{other}/.git/index"}.get(variable, f"{other}/.git")
    expected = git(root, "rev-parse", "HEAD"), git(root, "rev-parse", "HEAD^{tree}")
    monkeypatch.setenv(variable, value)
    checkout = fetched(root)
    pending = snapshot.begin(checkout)
    state = snapshot.take(pending, pending.finish(), str(tmp_path / "store")).finish()
    assert (state.commit, state.tree, state.dirty) == (*expected, False)


def test_a_local_folder_imports_nothing_heavy_and_starts_nothing(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"a/MLproject": "name: x\n"})
    program = f"""
import sys, os
def refuse(*_, **__): raise AssertionError("a process was started")
os.posix_spawn = refuse
from runner import sources
from runner.values import Silent
checkout = sources.fetch({root + "/a"!r}, "", Silent())
assert checkout.commit
heavy = {{"git", "re", "pathlib", "subprocess", "hashlib", "urllib", "contextlib"}}
before = set(sys.argv[1].split(","))
print(sorted((heavy & set(sys.modules)) - before))
"""
    bare = subprocess.run(
        [sys.executable, "-c", "import sys, typing, importlib, collections.abc; print(','.join(sys.modules))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", program, bare.stdout.strip()], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
