"""The clean room is where the recorded run was: the user's folder stays as it is, and paths in results are the same."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import Any

import pytest

from runner.host import namespace
from runner.host.namespace import Bind
from runner.reproduction import original_path
from tests.helpers import make_tree
from tests.reproduction.worlds import ran, reproduced, store

ready = os.path.join(tempfile.gettempdir(), f"proj-test-{os.getpid()}")  # is made and removed again
linux = pytest.mark.skipif(
    sys.platform != "linux" or bool(namespace.problem([], "/", ready)), reason="only on Linux with namespaces"
)


def project(tmp_path: object, command: str, outputs: str, **files: str) -> str:
    main = f"entry_points:\n  main:\n    outputs: {outputs}\n    command: |\n      {command}\n"
    return make_tree(f"{tmp_path}/demo", {"MLproject": main, **files})


def read(*parts: str) -> str:
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


@linux
def test_a_program_that_writes_to_its_own_absolute_path_changes_nothing(tmp_path: object) -> None:
    folder = f"{tmp_path}/demo"
    command = f"date +%N > {folder}/now.txt; echo made in $PWD > where.txt"
    run = ran(project(tmp_path, command, "[now.txt, where.txt]"))
    before = {name: read(folder, name) for name in ("now.txt", "where.txt")}
    mine = os.stat(f"{folder}/now.txt").st_mtime_ns
    verdict = reproduced(run)
    assert {name: read(folder, name) for name in before} == before
    assert os.stat(f"{folder}/now.txt").st_mtime_ns == mine
    results = {each["name"]: each["result"] for each in verdict["compared"]}
    assert results["where.txt"] == "identical"  # the same path, not one that stands for it
    again = store().read(verdict["runs"][0])
    assert again.sections["command"]["directory"] == run.sections["command"]["directory"] == folder
    # what the room's command wrote was kept, and not what lies in the user's folder
    assert {each["path"] for each in again.outputs} == {"now.txt", "where.txt"}
    assert again.outputs[0]["digest"] != run.outputs[0]["digest"]


@linux
def test_edits_of_the_folder_do_not_reach_the_room(tmp_path: object) -> None:
    folder = project(
        tmp_path, f"cat {tmp_path}/demo/data.txt > out.txt", "[out.txt]", **{"data.txt": "one\n"}
    )
    run = ran(folder)
    make_tree(folder, {"data.txt": "two\n", "new.txt": ""})
    assert reproduced(run)["verdict"] == "identical"
    assert read(folder, "data.txt") == "two\n"


@linux
def test_an_environment_in_the_folder_is_seen_and_cannot_be_written_to(tmp_path: object) -> None:
    command = "python -c 'import sys; print(sys.prefix)' > out.txt; touch .venv/mine 2> /dev/null || true"
    folder = project(tmp_path, command, "[out.txt]", **{".gitignore": ".venv\n"})
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", f"{folder}/.venv"], check=True)
    path = f"{folder}/.venv/bin{os.pathsep}{os.environ['PATH']}"
    run = ran(folder, PATH=path)
    assert read(folder, "out.txt") == f"{folder}/.venv\n"
    os.unlink(f"{folder}/.venv/mine")
    assert reproduced(run, PATH=path)["verdict"] == "identical"
    assert not os.path.exists(f"{folder}/.venv/mine")


@linux
def test_a_store_in_the_folder_is_written_to(tmp_path: object) -> None:
    folder = project(tmp_path, "proj log metric loss=1; echo 1 > out.txt", "[out.txt]")
    home = f"{folder}/.proj"
    run_id = ran_at(folder, home)
    verdict = reproduced(run_id, PROJ_HOME=home)
    assert verdict["verdict"] == "identical", verdict
    assert {each["name"] for each in verdict["compared"]} >= {"loss", "out.txt"}


def ran_at(folder: str, home: str) -> str:
    import json

    from tests.helpers import proj

    done = proj("run", folder, "--json", PROJ_HOME=home)
    assert done.code == 0, done.err
    return str(json.loads(done.out)["run_id"])


@linux
def test_outputs_beside_the_folder_keep_the_room_elsewhere(tmp_path: object) -> None:
    folder = project(tmp_path, "date +%N > ../beside.txt", "[../beside.txt]")
    run = ran(folder)
    mine = read(str(tmp_path), "beside.txt")
    reproduced(run)
    assert read(str(tmp_path), "beside.txt") == mine


def test_without_namespaces_the_user_is_warned(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: what forbids namespaces is not for a test to change."""
    from runner.reproduction.clean_room import Terms, enter
    from runner.running.recorded import load

    folder = f"{tmp_path}/demo"
    run = ran(project(tmp_path, "python3 a.py", "[]", **{"a.py": f"open('{folder}/x', 'w')\n"}))
    monkeypatch.setattr(original_path.namespace, "problem", lambda *given: "Operation not permitted")
    said = Said()
    with enter(load(store(), run.run_id), Terms(), said) as room:
        assert room.binds == ()
        assert room.here(f"{folder}/x") == f"{room.root}/x"
    assert any(folder in text and "not permitted" in text for text in said.warnings)


class Said:
    """A Report that keeps what it is told."""

    live = False

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def step(self, text: str) -> Any:
        from runner.values import Silent

        return Silent()

    def note(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@linux
def test_a_launcher_that_fails_says_so_and_starts_nothing(tmp_path: object) -> None:
    binds = [Bind(f"{tmp_path}/absent", str(tmp_path))]
    assert "absent" in namespace.problem(binds, str(tmp_path), f"{tmp_path}/ready")
    done = subprocess.run(
        [*namespace.launcher(binds, str(tmp_path), f"{tmp_path}/ready"), "touch", f"{tmp_path}/started"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 125
    assert "the clean room cannot be made" in done.stderr
    assert not os.path.exists(f"{tmp_path}/started")


def test_a_reproduction_waits_for_nobody(tmp_path: object) -> None:
    """Input that came through a pipe is not in the record: the command gets none, also on a terminal."""
    folder = project(tmp_path, "cat > out.txt", "[out.txt]")
    run = ran(folder)
    assert run.sections["command"]["stdin"] == "null"
    import pty

    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "runner", "reproduce", run.run_id],
        stdin=theirs,
        capture_output=True,
        timeout=60,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
