"""What Python compiled before is not run in the place of what the snapshot has."""

from __future__ import annotations

import importlib.util
import os
import py_compile
from pathlib import Path

import pytest

from runner.running.bytecode import drop_stale
from tests.helpers import git, make_repository, make_tree, proj

TIMED, CHECKED, UNCHECKED = py_compile.PycInvalidationMode


def compiled(source: Path, mode: py_compile.PycInvalidationMode = TIMED) -> Path:
    os.environ.pop("SOURCE_DATE_EPOCH", None)
    return Path(str(py_compile.compile(str(source), doraise=True, invalidation_mode=mode)))


def edited(source: Path) -> None:
    """With the same size, and the same time to the second."""
    before = source.stat()
    source.write_text("V = 2\n")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("mode", "edit", "goes"),
    [(TIMED, True, True), (UNCHECKED, True, True), (CHECKED, True, False), (TIMED, False, False)],
)
def test_what_is_older_than_its_source_goes(
    tmp_path: Path, mode: py_compile.PycInvalidationMode, edit: bool, goes: bool
) -> None:
    source = tmp_path / "mod.py"
    source.write_text("V = 1\n")
    cache = compiled(source, mode)
    if edit:
        edited(source)
    assert drop_stale([f"{cache.parent}/"]) == []
    assert cache.exists() != goes


def test_python_sees_another_size_or_time_itself(tmp_path: Path) -> None:
    source = tmp_path / "mod.py"
    source.write_text("V = 1\n")
    cache = compiled(source)
    source.write_text("V = 22\n")
    drop_stale([f"{cache.parent}/", f"{tmp_path}/none/__pycache__/"])
    assert cache.exists()


@pytest.mark.parametrize("mode", [UNCHECKED, CHECKED])
def test_a_hash_decides_where_there_is_one(tmp_path: Path, mode: py_compile.PycInvalidationMode) -> None:
    source = tmp_path / "mod.py"
    source.write_text("V = 1\n")
    cache = compiled(source, mode)
    source.write_text("V = 1\n")
    assert source.stat().st_ctime_ns > cache.stat().st_ctime_ns
    assert drop_stale([f"{cache.parent}/"]) == []
    assert cache.exists()


def test_a_pipe_is_no_compiled_module(tmp_path: Path) -> None:
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    os.mkfifo(cache / "mod.cpython-312.pyc")
    (tmp_path / "mod.py").write_text("V = 1\n")
    assert drop_stale([f"{cache}/"]) == []
    assert os.listdir(cache)


def test_what_is_committed_stays(tmp_path: Path) -> None:
    """Also beside bytecode that git ignores: a module of which only that is stale loses its own alone."""
    files = {
        "MLproject": "entry_points: {main: {command: ls}}\n", "pack/kept.py": "V = 1\n", "pack/gone.py": "V = 1\n",
        ".gitignore": "*.pyc\n",
    }  # fmt: skip
    folder = Path(make_repository(tmp_path / "code", files))
    kept, gone = folder / "pack/kept.py", folder / "pack/gone.py"
    caches = compiled(kept), compiled(gone)
    git(str(folder), "add", "--force", str(caches[0]))
    git(str(folder), "commit", "-q", "-m", "with bytecode")
    for source in (kept, gone):
        edited(source)
    done = proj("run", str(folder))
    assert done.code == 0, done.err
    assert [each.exists() for each in caches] == [True, False]


def test_what_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "mod.py"
    source.write_text("V = 1\n")
    cache = compiled(source)
    edited(source)

    def refused(path: str) -> None:
        raise PermissionError(path)

    monkeypatch.setattr("runner.running.bytecode.os.unlink", refused)
    assert drop_stale([f"{cache.parent}/"]) == [str(source)]


@pytest.mark.parametrize("ignored", ["__pycache__\n", "*.pyc\n", "", None])
def test_a_run_runs_what_is_recorded(tmp_path: Path, ignored: str | None) -> None:
    """In a repository that ignores bytecode, or not, and in a folder without one."""
    files = {
        "MLproject": "entry_points: {main: {command: python3 p.py}}\n",
        "p.py": "from pack import mod\nprint('value', mod.V)\n",
        "pack/mod.py": "V = 1\n",
    }
    make = make_tree if ignored is None else make_repository
    folder = Path(make(tmp_path / "code", files if ignored is None else {**files, ".gitignore": ignored}))
    source = folder / "pack" / "mod.py"
    cache = compiled(source)
    assert cache == Path(importlib.util.cache_from_source(str(source)))
    edited(source)
    done = proj("run", str(folder))
    assert done.code == 0, done.err
    assert "value 2" in done.out + done.err
