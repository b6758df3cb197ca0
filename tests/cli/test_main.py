"""The program's borders: closed streams, a folder that is gone, a disk that is full. No traceback, no `bug`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.helpers import make_tree, proj

PROJ = f"{sys.executable} -m runner"


def shell(command: str, directory: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=str(directory), capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, closed: str) -> None:
    root = make_tree(tmp_path / "p", {"main.py": "print('on')"})
    done = shell(f"{PROJ} run . {closed}", root)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    store = Store(paths.store())
    run = store.read(store.resolve("last"))
    assert run.status == "FINISHED"
    with open(f"{store.run_directory(run.run_id)}/output.log", encoding="utf-8") as file:
        assert file.read() == "on\n"


def test_a_list_that_nobody_can_read(tmp_path: Path) -> None:
    make_tree(tmp_path / "p", {"main.py": ""})
    assert shell(f"{PROJ} run p -q && {PROJ} runs >&-", tmp_path).returncode == 0
    full = shell(f"{PROJ} runs > /dev/full", tmp_path)
    assert full.returncode == 125
    assert full.stderr.startswith("error: No space left on device")


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    make_tree(tmp_path / "p", {"main.py": ""})
    done = shell(f"mkdir gone; cd gone; rmdir ../gone; PYTHONPATH= {PROJ} run ../p", tmp_path)
    assert done.returncode == 125
    assert "the folder that you are in is not there any more" in done.stderr


def test_a_store_and_a_cache_that_cannot_be(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "p", {"main.py": "print('on')", "file": ""})
    listed = proj("runs", PROJ_STORE=f"{root}/file")
    assert listed.code == 125
    assert "bug" not in listed.err
    run = proj("run", root, PROJ_CACHE=f"{root}/file")
    assert "bug" not in run.err
    assert (run.code, run.out) == (0, "on\n")  # the record is what counts; the code could not be kept
    assert "the code of this run is not kept" in run.err


def test_letters_that_the_output_has_not(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "p", {"main.py": ""})
    assert proj("run", root, "--run-name", "caf\u00e9", "-q").code == 0
    shown = proj("show", "last", PYTHONIOENCODING="ascii")
    assert shown.code == 0
    assert "caf\\xe9" in shown.out
