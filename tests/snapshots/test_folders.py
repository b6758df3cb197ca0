"""Folders that a git tree cannot have are there again after a restore: a program may write to them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.snapshots import capture, hollow, restore, upkeep
from tests.helpers import git, make_repository, make_tree
from tests.snapshots.test_snapshot import captured, store

__all__ = ["store"]  # the fixture


def folders(root: object) -> set[str]:
    found = {os.path.relpath(top, str(root)) for top, _, _ in os.walk(str(root)) if "/.git" not in f"{top}/"}
    return found - {"."}


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("make", [make_repository, make_tree])
def test_empty_folders_come_back(
    make: Callable[[object, dict[str, str]], str], known: bool, tmp_path: Path, store: str
) -> None:
    root = make(
        tmp_path / "code", {"a.py": "a\n", "src/b.py": "b\n", ".gitignore": "results/*\ncache/\n.venv/\n"}
    )
    if known:
        captured(root, store)
    for name in ("results", "src/deep/er", "runs/one", "runs/two", "cache/x", ".venv/lib", "src/__pycache__"):
        os.makedirs(f"{root}/{name}")
    make_tree(root, {"results/out.txt": "ignored\n", "runs/two/kept.txt": "kept\n"})
    for _ in range(3):
        state = captured(root, store)
        target = restore.restore(
            store, state.tree, f"{tmp_path}/{time.monotonic_ns()}", folders=state.folders
        )
        assert folders(target) == {
            "src",
            "src/deep",
            "src/deep/er",
            "results",
            "runs",
            "runs/one",
            "runs/two",
        }
        assert set(state.folders) == {"results", "runs/one", "src/deep/er"}
        time.sleep(0.03)


def test_a_folder_that_is_filled_emptied_and_removed(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "a\n", "src/b.py": "b\n"})
    assert captured(root, store).folders == ()
    os.makedirs(f"{root}/runs")
    assert captured(root, store).folders == ("runs",)
    make_tree(root, {"runs/x": "x\n"})
    assert captured(root, store).folders == ()
    os.unlink(f"{root}/runs/x")
    assert captured(root, store).folders == ("runs",)
    os.unlink(f"{root}/src/b.py")
    assert set(captured(root, store).folders) == {"runs", "src"}
    os.rmdir(f"{root}/runs")
    os.rmdir(f"{root}/src")
    assert captured(root, store).folders == ()
    make_tree(root, {".gitignore": "runs/\n"})
    os.makedirs(f"{root}/runs")
    assert captured(root, store).folders == ()


@pytest.mark.slow
@pytest.mark.parametrize("make", [make_repository, make_tree])
def test_a_file_that_comes_into_the_index_and_leaves_it(
    make: Callable[[object, dict[str, str]], str], tmp_path: Path, store: str
) -> None:
    """What is remembered of the folders follows the files that became old enough to be remembered, too."""
    root = make(tmp_path / "code", {"a.py": "a\n"})
    os.makedirs(f"{root}/runs/one")

    def states() -> list[tuple[str, ...]]:
        found = [captured(root, store).folders]
        time.sleep(1.1)  # a second is what git's own index tells apart
        return [*found, *(captured(root, store).folders for _ in range(2))]

    assert states() == [("runs/one",)] * 3
    make_tree(root, {"runs/one/x": "x\n"})
    assert states() == [()] * 3
    if make is make_repository:
        git(root, "add", ".")
        assert states() == [()] * 3
        git(root, "rm", "-q", "--cached", "runs/one/x")
        assert states() == [()] * 3
    os.unlink(f"{root}/runs/one/x")
    assert states() == [("runs/one",)] * 3


def test_a_tree_that_has_not_changed_is_not_gone_through(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "a\n", "src/b.py": "b\n", ".gitignore": "*.log\n"})
    os.makedirs(f"{root}/runs")
    for _ in range(2):
        captured(root, store)
        time.sleep(0.1)
    monkeypatch.setattr(hollow, "others", lambda *_: pytest.fail("git was asked again"))
    make_tree(root, {"a.log": "an ignored file in a folder that is known\n", "src/new.py": "n\n"})
    assert captured(root, store).folders == ("runs",)


def test_a_project_without_any_file(tmp_path: Path, store: str) -> None:
    root = make_repository(tmp_path / "repo", {"a.py": "a\n"})
    os.makedirs(f"{root}/projects/empty")
    state = captured(root, store)
    place = restore.restore(store, state.tree, f"{tmp_path}/out", "projects/empty", state.folders)
    assert os.path.isdir(place)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("make", [make_repository, make_tree])
def test_folders_that_may_not_be_read_are_named(
    make: Callable[[object, dict[str, str]], str], tmp_path: Path, store: str
) -> None:
    root = make(tmp_path / "code", {"a.py": "a\n", "tracked/b.py": "b\n"})
    make_tree(root, {"secret/x": "x\n"})
    for name in (root, *(f"{root}/{each}" for each in os.listdir(root))):
        os.chown(name, 65534, 65534)
    os.chmod(f"{root}/secret", 0o000)
    os.chmod(tmp_path, 0o777)
    child = os.fork()
    if child == 0:
        code = 1
        assert capture, upkeep  # loaded now: somebody else may not be able to read where Python lies
        try:
            os.environ["PROJ_HOME"] = f"{tmp_path}/other home"
            for above in Path(tmp_path).parents:
                if str(above).startswith("/tmp/"):
                    os.chmod(above, 0o755)
            os.setresuid(65534, 65534, 65534)
            left = {entry["path"]: entry["reason"] for entry in captured(root, store).left_out}
            code = 0 if left == {"secret/": "cannot be read"} else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("make", [make_repository, make_tree])
def test_folders_of_ours_in_a_project_are_not_its_own(
    make: Callable[[object, dict[str, str]], str], tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CI keeps a cache and a store where it keeps the project: GitLab caches nothing that lies elsewhere."""
    root = make(tmp_path / "code", {"a.py": "a\n"})
    monkeypatch.setenv("PROJ_CACHE", f"{root}/.proj/cache")
    monkeypatch.setenv("PROJ_STORE", f"{root}/.proj/store")
    for name in ("cache/memo/x", "store/runs/y", "mine"):
        os.makedirs(f"{root}/.proj/{name}")
    assert captured(root, store).folders == (".proj/mine",)
    os.rmdir(f"{root}/.proj/mine")
    assert captured(root, store).folders == ()
