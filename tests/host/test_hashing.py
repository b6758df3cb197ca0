"""Digests tell different contents apart, equal ones not, and a remembered one is never stale."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from runner import paths
from runner.host import files, hashing
from tests.helpers import make_tree


def settle(path: str) -> None:
    """As if the last change was long ago (the time of change cannot be set, so the margin is)."""
    old = time.time_ns() - 10_000_000_000
    os.utime(path, ns=(old, old))


@pytest.fixture
def no_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "settled", lambda found, at: True)


def test_a_file_is_its_sha256(tmp_path: object) -> None:
    root = make_tree(tmp_path, {"a": b"abc"})
    assert hashing.digest(f"{root}/a") == (f"sha256:{hashlib.sha256(b'abc').hexdigest()}", 3)


def test_a_big_file_is_read_once_and_again_when_it_changes(
    tmp_path: object, no_margin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.path.join(make_tree(tmp_path, {"big": b"x" * 300_000}), "big")
    first = hashing.digest(path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "transfer", lambda *_: pytest.fail("it was read again"))
        assert hashing.digest(path) == first
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.write(b"y")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # a tool that puts the time back
    assert hashing.digest(path) != first
    assert os.path.exists(paths.cache("hashes.sqlite"))


def test_what_is_young_is_not_remembered(tmp_path: object) -> None:
    path = os.path.join(make_tree(tmp_path, {"big": b"x" * 300_000}), "big")
    hashing.digest(path)
    assert hashing._recall(path, hashing._text(files.Stamp.of(os.stat(path)))) == ""


def test_a_folder_is_told_by_names_and_contents_not_by_times(tmp_path: object) -> None:
    files = {"a": "1", "b/c": "2", "b-": "3"}
    one, two = make_tree(f"{tmp_path}/one", files), make_tree(f"{tmp_path}/two", files)
    settle(f"{two}/a")
    os.makedirs(f"{two}/empty")
    assert hashing.digest(one) == hashing.digest(two)
    assert hashing.digest(one).size == 3
    seen = {hashing.digest(one).digest}
    for name, change in (
        ("renamed", {"a2": "1", "b/c": "2"}),
        ("content", {"a": "x", "b/c": "2"}),
        ("moved", {"a": "1", "c": "2"}),
    ):
        seen.add(hashing.digest(make_tree(f"{tmp_path}/{name}", change)).digest)
    assert len(seen) == 4


def test_links_are_followed_and_cycles_end(tmp_path: object) -> None:
    root = make_tree(tmp_path, {"data/a": "1", "store/a": "1"})
    os.makedirs(f"{root}/links")
    os.symlink("../store/a", f"{root}/links/a")
    assert hashing.digest(f"{root}/links") == hashing.digest(f"{root}/data")
    os.symlink("..", f"{root}/store/up")
    os.symlink("nowhere", f"{root}/store/gone")
    before = hashing.digest(f"{root}/store")
    os.unlink(f"{root}/store/gone")
    os.symlink("elsewhere", f"{root}/store/gone")
    assert hashing.digest(f"{root}/store") != before


def test_a_folder_is_remembered_until_one_file_changes(
    tmp_path: object, no_margin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tree(f"{tmp_path}/many", {f"f{number}": str(number) for number in range(20)})
    first = hashing.digest(root)
    with monkeypatch.context() as patch:
        patch.setattr(files, "transfer", lambda *_: pytest.fail("it was read again"))
        assert hashing.digest(root) == first
    make_tree(root, {"f7": "x"})
    assert hashing.digest(root) != first


def test_without_a_cache_it_is_only_slower(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.path.join(make_tree(tmp_path, {"big": b"x" * 300_000, "file": ""}), "big")
    monkeypatch.setenv("PROJ_CACHE", f"{tmp_path}/file/cache")
    assert hashing.digest(path) == hashing.digest(path)


def test_missing_and_special_files(tmp_path: object) -> None:
    with pytest.raises(FileNotFoundError):
        hashing.digest(f"{tmp_path}/nothing")
    os.mkfifo(f"{tmp_path}/pipe")
    with pytest.raises(OSError, match="neither"):
        hashing.digest(f"{tmp_path}/pipe")


def test_what_is_just_being_written_does_not_count(tmp_path: object) -> None:
    root = make_tree(f"{tmp_path}/folder", {"a": "1", "b/c": "2"})
    before = hashing.digest(root)
    draft = files.Draft(f"{root}/b/new")
    make_tree(os.path.dirname(draft.path), {os.path.basename(draft.path): "half"})
    assert hashing.digest(root) == before
    draft.put()
    assert hashing.digest(root) != before
