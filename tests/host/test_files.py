"""The one place for stamps, whole files, locks and foreign paths: each trap that a copy of them once fell into."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.host import files, memo
from runner.host.files import Draft, IrregularError, Stamp
from tests.test_layers import PACKAGE, modules

SECOND = 1_000_000_000


def old_enough(path: str) -> None:
    """Until the stamp of a file is settled."""
    while not files.settled(Stamp.of(os.stat(path)), files.now()):
        time.sleep(0.01)


def copied_in_place(path: str, data: bytes, before: os.stat_result) -> None:
    """As `cp -p` and `rsync --inplace -t` do: same inode, same size, same time of modification."""
    Path(path).write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def renamed_over(path: str, data: bytes, before: os.stat_result) -> None:
    """As `tar x`, `rsync -t` and editors do: a new file with the old time."""
    Path(f"{path}.new").write_bytes(data)
    os.utime(f"{path}.new", ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(f"{path}.new", path)


def written(path: str, data: bytes, before: os.stat_result) -> None:
    Path(path).write_bytes(data)


def made_executable(path: str, data: bytes, before: os.stat_result) -> None:
    os.chmod(path, 0o755)


CHANGES = [copied_in_place, renamed_over, written, made_executable]


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_of_a_file_with_a_settled_stamp_goes_unseen(
    change: Callable[[str, bytes, os.stat_result], None], tmp_path: Path
) -> None:
    path = str(tmp_path / "file")
    Path(path).write_bytes(b"old")
    old_enough(path)
    before = os.stat(path)
    change(path, b"new", before)
    assert files.stamp(path) != Stamp.of(before)


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_remembered_of_a_file_is_never_stale(
    change: Callable[[str, bytes, os.stat_result], None], tmp_path: Path
) -> None:
    path = str(tmp_path / "file")
    Path(path).write_bytes(b"old")
    old_enough(path)
    memo.keep("test", "one", [path], "of old", files.now())
    assert memo.recall("test", "one") == "of old"
    change(path, b"new", os.stat(path))
    assert memo.recall("test", "one") is None


def test_a_file_that_changed_while_its_value_was_found_is_not_remembered(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    Path(path).write_bytes(b"old")
    old_enough(path)
    began = files.now()
    Path(path).write_bytes(b"new")  # an edit of requirements.txt while the environment is built
    time.sleep(0.1)
    memo.keep("test", "edited", [path], "of old", began)
    assert memo.recall("test", "edited") is None


@pytest.mark.parametrize(
    ("age", "digits", "kind", "trusted"),
    [
        (3 * SECOND, 0, "", True),
        (SECOND, 123_456_789, "", False),  # nothing is known of its clock
        (SECOND, 123_456_789, "nfs4", False),  # another machine's clock
        (SECOND, 123_456_789, "ext4", True),
        (SECOND, 0, "ext4", False),  # with inodes of old, whole seconds
        (5_000_000, 123_456_789, "ext4", False),  # less than a tick
        (-SECOND, 123_456_789, "ext4", False),  # from the future
    ],
)
def test_when_a_stamp_is_trusted(
    age: int, digits: int, kind: str, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(files._kinds, 7, kind)
    changed = 1_700_000_000 * SECOND + digits
    assert files.settled(Stamp(1, 0, changed, 1, 7), changed + age) is trusted


def test_the_time_of_modification_counts_where_a_change_is_not_noted() -> None:
    at = 1_700_000_000 * SECOND
    assert not files.settled(Stamp(1, at, at - 9 * SECOND, 1, 7), at)


# ---- replaced as a whole


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    files.write(path, "old")

    def fail(fill: Callable[[str], None]) -> None:
        with Draft(path) as draft:
            fill(draft)
            raise RuntimeError

    for fill in (lambda draft: Path(draft).write_text("half"), lambda draft: os.makedirs(f"{draft}/folder")):
        with pytest.raises(RuntimeError):
            fail(fill)
    with pytest.raises(FileNotFoundError), Draft(path):
        pass  # nothing was written
    assert Path(path).read_text() == "old"
    assert not [name for name in os.listdir(tmp_path) if files.is_draft(name)]


def test_a_reader_sees_the_old_or_the_new_file(tmp_path: Path) -> None:
    path = str(tmp_path / "made/for it/file")
    files.write(path, "0" * 100_000)
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(len(set(Path(path).read_text())))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        files.write(path, str(number % 10) * 100_000, durable=number == 7)
    done.set()
    reader.join()
    assert seen == {1}


def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write(str(tmp_path / "file"), b"")
    finally:
        os.umask(before)
    assert os.stat(tmp_path / "file").st_mode & 0o777 == 0o640


# ---- locked


def test_a_lock_whose_file_was_removed_is_taken_anew(tmp_path: Path) -> None:
    """Who waits for a lock that is given back by removing its file must not hold a file that nobody else sees."""
    path = str(tmp_path / "lock")
    first = files.lock(path)
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(files.lock(path)))
    waiting.start()
    time.sleep(0.1)
    os.unlink(path)
    os.close(first)
    waiting.join(10)
    assert files.try_lock(path) is None
    os.close(found[0])


def test_shared_locks_keep_a_lone_one_out(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with pytest.raises(FileNotFoundError):
        files.try_lock(path, shared=True)
    Path(path).touch()
    held = [files.try_lock(path, shared=True) for _ in range(2)]
    assert None not in held
    assert files.try_lock(path) is None
    for handle in held:
        os.close(handle or -1)
    alone = files.try_lock(path)
    assert alone is not None
    assert files.try_lock(path, shared=True) is None
    os.close(alone)


def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    link = folder / "null"
    link.symlink_to(os.devnull)
    for path in (pipe, link):
        with pytest.raises(OSError, match="device or a pipe"):
            files.write(str(path), "text")
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert sorted(os.listdir(folder)) == ["null", "pipe"]


@pytest.mark.parametrize("inheritable", [True, False])
def test_a_child_holds_an_inheritable_lock(inheritable: bool, tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    handle = files.try_lock(path, inheritable=inheritable)
    assert handle is not None
    child = subprocess.Popen(["sh", "-c", "echo on; read end"], stdin=-1, stdout=-1, close_fds=False)
    assert child.stdout is not None
    child.stdout.readline()
    os.close(handle)
    assert (files.try_lock(path) is None) is inheritable
    child.communicate(b"\n")


# ---- foreign paths


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """None of these blocks: a pipe without a writer would, for ever."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "pipe", tmp_path / "socket", Path(os.devnull)):
            with pytest.raises(IrregularError):
                files.read(str(path))
    with pytest.raises(IsADirectoryError):
        files.read(str(tmp_path))
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "to a pipe").symlink_to("pipe")
    assert files.read(str(tmp_path / "link"), 4) == b"cont"
    with pytest.raises(IrregularError):
        files.read(str(tmp_path / "to a pipe"))
    with pytest.raises(OSError, match="symbolic"):
        files.open_file(str(tmp_path / "link"), follow=False)


def test_a_hash_is_of_the_bytes_that_were_written(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(data)
    copy: list[bytes] = []
    sizes: list[int] = []
    with files.open_file(str(tmp_path / "file")) as file:
        found = files.transfer(file, copy.append, sizes.append)
    assert b"".join(copy) == data
    assert sum(sizes) == found.size == len(data)
    assert found.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert files.digest(str(tmp_path / "file"), algorithm="md5").hex == hashlib.md5(data).hexdigest()


def test_a_folder_is_removed_with_what_nobody_may_read(tmp_path: Path) -> None:
    shutil.copytree(os.path.dirname(__file__), tmp_path / "a/b")
    (tmp_path / "a/link").symlink_to(tmp_path)
    os.chmod(tmp_path / "a/b", 0o000)
    files.remove_tree(str(tmp_path / "a"))
    assert not os.path.exists(tmp_path / "a")
    assert os.path.exists(tmp_path)


# ---- nowhere else


def test_nobody_does_it_by_hand() -> None:
    """Whole files and locks have one place."""
    wrong = []
    for name, path in modules().items():
        if name == "host.files":
            continue
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                text = ast.unparse(node)
                if text in ("os.replace", "fcntl.flock", "time.clock_gettime_ns"):
                    wrong.append(f"{os.path.relpath(path, PACKAGE)}:{node.lineno} {text}")
    assert wrong == []


def test_what_another_version_of_proj_remembered_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one of the same number, between two releases, whose values have other fields."""
    memo.keep("project", "subject", [], ["kept"], files.now())
    assert memo.recall("project", "subject") == ["kept"]
    monkeypatch.setattr(memo, "FIELDS", memo.FIELDS + 1)
    assert memo.recall("project", "subject") is None
