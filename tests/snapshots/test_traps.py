"""What git calls clean is not always what lies on disk: the snapshot is what lies there, and `dirty` says so."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner import sources
from runner.snapshots import restore, snapshot, upkeep
from runner.snapshots.vault import open_vault
from runner.values import CodeState, Silent
from tests.helpers import git, make_repository, make_tree, some
from tests.snapshots.test_snapshot import captured, contents, store

__all__ = ["store"]  # the fixture


MAKERS = (make_repository, make_tree)


def settle() -> None:
    """Until nothing is too young any more: a second has begun since."""
    time.sleep(1.2)


def same(root: object, state: CodeState, store: str, tmp_path: Path) -> bool:
    """Whether the snapshot is what lies on disk, byte for byte and bit for bit."""
    target = f"{tmp_path}/restored-{time.monotonic_ns()}"
    restore.restore(store, state.tree, target, folders=state.folders)
    return contents(target) == contents(root)


def overwrite(path: str, data: bytes) -> None:
    """As `cp -p`: the same inode, size and time of modification."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(path).st_size == before.st_size


# ---- what changed within one second


def test_edits_in_the_second_of_a_checkout(tmp_path: Path, store: str) -> None:
    """With a copy of the index that was younger than the index, five of eight records held other code."""
    root = make_repository(tmp_path / "repo", {"conf": "lr: 0.0\n"})
    wrong = []
    for number in range(1, 9):
        git(root, "checkout", "-q", "-f", "conf")
        Path(root, "conf").write_text(f"lr: 0.{number}\n")
        time.sleep(0.3)
        state = captured(root, store)
        if not (same(root, state, store, tmp_path) and state.dirty):
            wrong.append(number)
    assert wrong == []


@pytest.mark.parametrize(
    "pause", [0, *(pytest.param(pause, marks=pytest.mark.slow) for pause in (0.05, 0.5, 1.1))]
)
def test_quick_edits_of_one_size(pause: float, tmp_path: Path, store: str) -> None:
    """With `cp -p`, `rsync -t`, `tar` only the time of change tells, and git knows it in whole seconds."""
    plain = [make(tmp_path / f"plain-{make.__name__}", {"conf": "lr: 0.0\n"}) for make in MAKERS]
    timed = [make(tmp_path / f"timed-{make.__name__}", {"conf": "lr: 0.0\n"}) for make in MAKERS]
    for root in timed:
        os.utime(f"{root}/conf", (1_500_000_000, 1_500_000_000))
        if os.path.isdir(f"{root}/.git"):
            git(root, "add", "conf")
    for number in range(1, 6):
        for root in timed:
            assert same(root, captured(root, store), store, tmp_path), (root, number)
        time.sleep(pause)
        for root in plain:
            Path(root, "conf").write_text(f"lr: 0.{number}\n")
        for root in timed:
            overwrite(f"{root}/conf", f"lr: 0.{number}\n".encode())
        for root in (*plain, *timed):
            assert same(root, captured(root, store), store, tmp_path), (root, number)


def test_new_files_in_the_index_make_no_young_one_old(tmp_path: Path, store: str) -> None:
    """The user's index changes, so ours follows it: what was rewritten a moment ago must be read again all the same."""
    root = make_repository(tmp_path / "repo", {"conf": "lr: 0.0\n"})
    os.utime(f"{root}/conf", (1_500_000_000, 1_500_000_000))
    git(root, "add", "conf")
    settle()
    captured(root, store)
    for number in range(1, 7):
        make_tree(root, {f"new{number}": "n\n"})
        git(root, "add", "-A")
        overwrite(f"{root}/conf", f"lr: 0.{number - 1}\n".encode())  # the same content, by a new change
        assert same(root, captured(root, store), store, tmp_path), number
        overwrite(f"{root}/conf", f"lr: 0.{number}\n".encode())
        assert same(root, captured(root, store), store, tmp_path), number


# ---- flags, line ends, filters, modes


def assumed_unchanged(root: str) -> None:
    git(root, "update-index", "--assume-unchanged", "a.txt")
    Path(root, "a.txt").write_text("edited\n")


def skipped(root: str) -> None:
    git(root, "update-index", "--skip-worktree", "a.txt")
    Path(root, "a.txt").write_text("edited\n")


def skipped_and_removed(root: str) -> None:
    git(root, "update-index", "--skip-worktree", "a.txt")
    os.unlink(f"{root}/a.txt")


def other_line_ends(root: str) -> None:
    make_tree(root, {".gitattributes": "*.txt text eol=crlf\n"})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "attributes")
    os.unlink(f"{root}/a.txt")
    git(root, "checkout", "-q", "a.txt")
    assert b"\r\n" in Path(root, "a.txt").read_bytes()


def mixed_line_ends(root: str) -> None:
    make_tree(root, {".gitattributes": "* text=auto\n"})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "attributes")
    Path(root, "a.txt").write_bytes(Path(root, "a.txt").read_bytes().replace(b"\n", b"\r\n"))
    git(root, "add", "-A")
    assert git(root, "status", "--porcelain") == ""


def configured_line_ends(root: str) -> None:
    git(root, "config", "core.autocrlf", "true")
    Path(root, "a.txt").write_bytes(Path(root, "a.txt").read_bytes().replace(b"\n", b"\r\n"))
    git(root, "add", "-A")


def excluded_attributes(root: str) -> None:
    make_tree(root, {".git/info/attributes": "* text eol=crlf\n"})
    os.unlink(f"{root}/a.txt")
    git(root, "checkout", "-q", "a.txt")


def encoding(root: str) -> None:
    make_tree(root, {".gitattributes": "a.txt working-tree-encoding=UTF-16\n"})
    Path(root, "a.txt").write_text("ä\n", encoding="utf-16")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "encoded")


def ident(root: str) -> None:
    make_tree(root, {".gitattributes": "a.txt ident\n", "a.txt": "$Id$\n"})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "ident")
    os.unlink(f"{root}/a.txt")
    git(root, "checkout", "-q", "a.txt")
    assert "$Id: " in Path(root, "a.txt").read_text()


def smudged(root: str) -> None:
    """As git-lfs does it, but of the same size."""
    git(root, "config", "filter.case.smudge", "tr a-z A-Z")
    git(root, "config", "filter.case.clean", "tr A-Z a-z")
    make_tree(root, {".gitattributes": "a.txt filter=case\n"})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "filter")
    os.unlink(f"{root}/a.txt")
    git(root, "checkout", "-q", "a.txt")
    assert Path(root, "a.txt").read_text() == "A\n"


def modes_ignored(root: str) -> None:
    git(root, "config", "core.fileMode", "false")
    os.chmod(f"{root}/a.txt", 0o755)


def case_ignored(root: str) -> None:
    git(root, "config", "core.ignoreCase", "true")
    make_tree(root, {"A.txt": "another file\n"})


def links_as_files(root: str) -> None:
    git(root, "config", "core.symlinks", "false")
    os.unlink(f"{root}/link")
    Path(root, "link").write_text("a.txt")


def times_ignored(root: str) -> None:
    git(root, "config", "core.trustctime", "false")
    git(root, "config", "core.checkStat", "minimal")
    os.utime(f"{root}/a.txt", (1_500_000_000, 1_500_000_000))  # too old for git to doubt it
    git(root, "status")
    overwrite(f"{root}/a.txt", b"b\n")
    assert git(root, "status", "--porcelain") == ""


def replaced(root: str) -> None:
    Path(root, "a.txt").write_text("other\n")
    blob = git(root, "hash-object", "-w", "a.txt")
    git(root, "replace", git(root, "rev-parse", "HEAD:a.txt"), blob)
    git(root, "checkout", "-q", "-f", "a.txt")
    os.unlink(f"{root}/a.txt")
    git(root, "checkout", "-q", "-f", "a.txt")
    assert Path(root, "a.txt").read_text() == "other\n"


def no_longer_tracked(root: str) -> None:
    git(root, "rm", "-q", "--cached", "a.txt")
    Path(root, "a.txt").write_text("edited\n")


def staged_only(root: str) -> None:
    Path(root, "a.txt").write_text("staged\n")
    git(root, "add", "a.txt")
    Path(root, "a.txt").write_text("edited\n")


def named_as_an_option(root: str) -> None:
    make_tree(root, {"-n": "x\n", "--": "y\n"})


TRAPS = [
    assumed_unchanged, skipped, skipped_and_removed, other_line_ends, mixed_line_ends, configured_line_ends,
    excluded_attributes, encoding, ident, smudged, modes_ignored, case_ignored, links_as_files, times_ignored, replaced,
    no_longer_tracked, staged_only, named_as_an_option,
]  # fmt: skip


def with_a_link(directory: Path) -> str:
    root = make_repository(directory, {"a.txt": "a\n", "b.txt": "b\n", "d/c.txt": "c\n"})
    os.symlink("b.txt", f"{root}/link")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "link")
    return root


@pytest.mark.parametrize("known", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("lay", TRAPS)
def test_what_git_calls_clean(lay: Callable[[str], None], known: bool, tmp_path: Path, store: str) -> None:
    """`known`: a snapshot was taken before, so that much is remembered."""
    root = with_a_link(tmp_path / "repo")
    if known:
        assert captured(root, store).dirty is False
    lay(root)
    for _ in range(2):  # what the first remembers misleads no later one
        state = captured(root, store)
        assert same(root, state, store, tmp_path)
        assert state.dirty is True


@pytest.mark.slow
def test_what_git_calls_clean_when_all_of_it_is_old(tmp_path: Path, store: str) -> None:
    """All traps at once, as each has to wait."""
    roots = {lay: with_a_link(tmp_path / lay.__name__) for lay in TRAPS}
    settle()
    for lay, root in roots.items():
        assert captured(root, store).dirty is False
        lay(root)
    for last in (False, True):
        for lay, root in roots.items():
            state = captured(root, store)
            assert same(root, state, store, tmp_path), lay
            assert state.dirty is True, lay
        if not last:
            settle()


def test_after_the_trap_is_gone_it_is_clean_again(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.txt": "a\n"})
    skipped(root)
    assert captured(root, store).dirty is True
    git(root, "update-index", "--no-skip-worktree", "a.txt")
    git(root, "checkout", "-q", "a.txt")
    state = captured(root, store)
    assert (state.dirty, state.tree) == (False, git(root, "rev-parse", "HEAD^{tree}"))


def test_a_staged_edit_that_was_undone_on_disk_is_clean(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.txt": "a\n"})
    Path(root, "a.txt").write_text("b\n")
    Path(root, "new.txt").write_text("new\n")
    git(root, "add", "-A")
    Path(root, "a.txt").write_text("a\n")
    os.unlink(f"{root}/new.txt")
    state = captured(root, store)
    assert (state.dirty, state.tree) == (False, git(root, "rev-parse", "HEAD^{tree}"))


def test_settings_of_the_user_do_not_reach_a_folder_without_git(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "attributes").write_text("* text eol=lf\n")
    (tmp_path / "config").write_text(
        f"[core]\n\tautocrlf = input\n\tfileMode = false\n\ttrustctime = false\n\tcheckStat = minimal\n"
        f"\tattributesFile = {tmp_path}/attributes\n\tsafecrlf = true\n\tignoreStat = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    root = make_tree(tmp_path / "code", {"a.txt": b"a\r\n", "b.txt": b"b\n"})
    os.utime(f"{root}/b.txt", (1_500_000_000, 1_500_000_000))
    settle()
    assert same(root, captured(root, store), store, tmp_path)
    overwrite(f"{root}/b.txt", b"c\n")
    os.chmod(f"{root}/a.txt", 0o755)
    assert same(root, captured(root, store), store, tmp_path)


# ---- which files


def test_a_tracked_file_that_is_ignored(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.txt": "a\n", ".gitignore": "*.bin\n"})
    make_tree(root, {"in.bin": "1\n", "out.bin": "2\n"})
    first = captured(root, store)
    git(root, "add", "-f", "in.bin")
    second = captured(root, store)
    assert (first.dirty, second.dirty) == (False, True)
    Path(root, "in.bin").write_text("3\n")
    third = captured(root, store)
    git(root, "rm", "-q", "-f", "--cached", "in.bin")
    assert captured(root, store).tree == first.tree
    assert [entry.path for entry in restore.files(store, third.tree)] == [".gitignore", "a.txt", "in.bin"]
    assert open_vault(store).git("cat-file", "blob", restore.files(store, third.tree)[2].blob) == "3\n"


def test_what_a_folder_without_git_ignores_from_now_on(tmp_path: Path, store: str) -> None:
    root = make_tree(tmp_path / "code", {"a.txt": "a\n", "x.log": "x\n", "d/y.log": "y\n"})
    settle()
    assert len(restore.files(store, captured(root, store).tree)) == 3
    make_tree(root, {".gitignore": "*.log\n"})
    for _ in range(2):
        assert [e.path for e in restore.files(store, captured(root, store).tree)] == [".gitignore", "a.txt"]
    make_tree(root, {".gitignore": "d/\n"})
    assert [e.path for e in restore.files(store, captured(root, store).tree)] == [
        ".gitignore",
        "a.txt",
        "x.log",
    ]


def test_a_sparse_checkout_is_clean_and_has_what_is_there(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a/x": "a\n", "b/y": "b\n"})
    git(root, "sparse-checkout", "set", "a")
    state = captured(root, store)
    assert state.dirty is False
    assert [entry.path for entry in restore.files(store, state.tree)] == ["a/x"]


def test_a_repository_inside_is_seen_as_it_lies_there_too(tmp_path: Path, store: str) -> None:
    inner = make_repository(tmp_path / "inner", {"lib.py": "one\n"})
    root = make_repository(tmp_path / "repo", {"train.py": "a\n"})
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", inner, "inner")
    git(root, "commit", "-qm", "with a submodule")
    assert captured(root, store).dirty is False
    git(f"{root}/inner", "update-index", "--assume-unchanged", "lib.py")
    Path(root, "inner/lib.py").write_text("two\n")
    state = captured(root, store)
    assert state.dirty is True
    assert state.submodules[0]["dirty"] is True
    assert same(root, state, store, tmp_path)


@pytest.mark.parametrize("attributes", ["", "*.txt text eol=crlf\n"])
def test_a_checkout_of_ours_is_captured_as_it_was_written(
    attributes: str, tmp_path: Path, store: str
) -> None:
    remote = make_repository(
        tmp_path / "remote", {"a.txt": "a\n", "d/.gitattributes": attributes, "d/b.txt": "b\n"}
    )
    checkout = sources.fetch(f"file://{remote}", "", Silent())
    try:
        pending = snapshot.begin(checkout)
        state = snapshot.take(pending, pending.finish(), store).finish()
        assert state.dirty is bool(attributes)
        assert same(checkout.directory, state, store, tmp_path)
    finally:
        sources.release(checkout)


# ---- where it is


@pytest.mark.parametrize("make", MAKERS)
def test_another_store_gets_all_of_it(
    make: Callable[[object, dict[str, str]], str], tmp_path: Path, store: str
) -> None:
    root = make(tmp_path / "code", {"a.txt": "a\n", "b.txt": "b\n"})
    make_tree(root, {"a.txt": "edited\n", "new.txt": "new\n"})
    settle()
    for place in (store, f"{store}-2", store, f"{store}-3"):
        for _ in range(2):
            state = captured(root, place)
        shutil.rmtree(f"{root}-copy", ignore_errors=True)
        assert same(root, state, place, tmp_path)
        assert upkeep.damage(place) == []


@pytest.mark.parametrize("make", MAKERS)
def test_what_was_forgotten_is_stored_again(
    make: Callable[[object, dict[str, str]], str],
    tmp_path: Path,
    store: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upkeep, "GRACE", "now")
    root = make(tmp_path / "code", {"a.txt": "a\n", "d/b.txt": "b\n"})
    make_tree(root, {"d/b.txt": "edited\n"})
    settle()
    for _ in range(2):
        state = captured(root, store)
    assert upkeep.forget(store, []) == 1 + (make is make_repository)
    again = captured(root, store)
    assert again.tree == state.tree
    assert same(root, again, store, tmp_path)
    assert upkeep.damage(store) == []


# ---- everything at once


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
@pytest.mark.parametrize("make", some(MAKERS, 1))
def test_any_history_of_changes(
    make: Callable[[object, dict[str, str]], str], seed: int, tmp_path: Path, store: str
) -> None:
    """Whatever happened and however quickly: the snapshot is the disk, and `dirty` is whether it is the commit."""
    choose = random.Random(seed)
    root = make(tmp_path / "code", {f"{number}": f"{number}\n" for number in range(6)})
    versioned = make is make_repository
    for step in range(25):
        name = f"{root}/{choose.randrange(8)}"
        exists = os.path.lexists(name)
        change = choose.choice(
            ["write", "write", "overwrite", "remove", "mode", "link", "stage", "commit", "reset", "flag"]
        )
        if change == "write":
            if os.path.islink(name):
                os.unlink(name)
            Path(name).write_text(f"{choose.randrange(3)}\n")
        elif change == "overwrite" and exists and not os.path.islink(name) and os.stat(name).st_size == 2:
            overwrite(name, f"{choose.randrange(3)}\n".encode())
        elif change == "remove" and exists:
            os.unlink(name)
        elif change == "mode" and exists and not os.path.islink(name):
            os.chmod(name, choose.choice([0o644, 0o755]))
        elif change == "link":
            if exists:
                os.unlink(name)
            os.symlink(f"{choose.randrange(3)}", name)
        elif versioned and change == "stage":
            git(root, "add", "-A")
        elif versioned and change == "commit":
            git(root, "add", "-A")
            git(root, "commit", "-q", "--allow-empty", "-m", "more")
        elif versioned and change == "reset":
            git(root, "reset", "-q", "--hard")
        elif versioned and change == "flag" and exists:
            tracked = git(root, "ls-files", os.path.basename(name))
            if tracked:
                git(
                    root,
                    "update-index",
                    choose.choice(["--assume-unchanged", "--no-assume-unchanged"]),
                    tracked,
                )
        if choose.random() < 0.2:
            time.sleep(choose.choice([0.02, 0.3, 1.1]))
        state = captured(root, store)
        assert same(root, state, store, tmp_path), (step, change)
        if versioned:
            assert state.dirty is (state.tree != git(root, "rev-parse", "HEAD^{tree}")), (step, change)
    assert upkeep.damage(store) == []


# ---- and nothing of the repository is started


def test_a_snapshot_runs_no_filter_and_no_monitor(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.txt": "a\n", "b.txt": "b\n"})
    make_tree(tmp_path, {"program*": f"#!/bin/sh\ntouch {tmp_path}/started\ncat\n"})
    make_tree(root, {".gitattributes": "*.txt filter=x\n", "a.txt": "edited\n"})
    for key in ("filter.x.clean", "filter.x.smudge", "filter.x.process", "core.fsmonitor"):
        git(root, "config", key, f"{tmp_path}/program")
    for _ in range(2):
        assert same(root, captured(root, store), store, tmp_path)
    assert not os.path.exists(tmp_path / "started")


def test_a_cache_that_cannot_be_written_leaves_gits_own_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(tmp_path / "repo", {"a.txt": "a\n"})
    Path(root, "a.txt").write_text("edited\n")
    monkeypatch.setenv("PROJ_CACHE", f"{root}/a.txt/cache")
    state = snapshot.begin(sources.fetch(root, "", Silent())).finish()
    assert (state.commit, state.dirty) == (git(root, "rev-parse", "HEAD"), True)
