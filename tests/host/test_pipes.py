"""A pipe where a file is expected: whoever reads it says so, and does not wait for a writer that never comes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runner import sources
from runner.data import pointers
from runner.errors import ProjError
from runner.project.reading import load
from runner.tracking.local_artifacts import LocalRepository
from runner.values import Silent
from tests.helpers import make_repository, make_tree


def archive(folder: Path) -> None:
    os.mkfifo(folder / "code.zip")
    sources.fetch(f"{folder}/code.zip", "", Silent())


def artifact(folder: Path) -> None:
    os.mkfifo(folder / "output")
    LocalRepository(str(folder)).get("output", f"{folder}/copy", lambda _: None)


def output(folder: Path) -> None:
    os.mkfifo(folder / "output")
    LocalRepository(str(folder)).put(f"{folder}/output", "kept", lambda _: None)


@pytest.mark.parametrize("read", [archive, artifact, output])
def test_a_pipe_is_refused(read: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises((ProjError, OSError)):
        read(tmp_path)


def test_a_pipe_beside_what_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "MLproject")
    assert load(str(tmp_path)).file == ""
    make_tree(tmp_path, {"data.csv": "1\n"})
    os.mkfifo(tmp_path / "data.csv.dvc")
    assert pointers.pointer(f"{tmp_path}/data.csv") == ""
    root = make_repository(tmp_path / "repo", {"a.py": "a\n"})
    os.unlink(f"{root}/.git/config")
    os.mkfifo(f"{root}/.git/config")
    assert sources.fetch(root, "", Silent()).repository == ""
