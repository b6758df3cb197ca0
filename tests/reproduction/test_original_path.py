"""The clean room is where the recorded run was: the user's folder stays as it is, and paths in results are the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import Any

import pytest

from runner.backends import posting
from runner.host import namespace, process
from runner.host.namespace import Bind
from runner.reproduction import original_path
from tests.backends.test_local import execute, log_of, make_job
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


@pytest.fixture(params=[True, False], ids=["forked", "interpreter"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this process is one that may be forked: guard and probe are interpreters of their own else."""
    monkeypatch.setattr(process, "is_small", lambda: request.param)
    monkeypatch.setattr(posting, "is_small", lambda: request.param)


@linux
@pytest.mark.usefixtures("small")
def test_what_cannot_be_bound_is_said_and_starts_nothing(tmp_path: object) -> None:
    here, mark = str(tmp_path), f"{tmp_path}/ready"
    binds = [Bind(f"{here}/absent", here)]
    assert f"{here}/absent" in namespace.problem(binds, here, mark)
    assert not os.path.exists(mark)
    job = make_job(tmp_path, f"touch {here}/started", binds=binds, ready=mark)
    ended = execute(job)
    assert (ended.reason, ended.exit_code) == ("exit", 125)
    assert b"the clean room cannot be made" in log_of(job)
    assert b"absent" in log_of(job)
    assert not os.path.exists(mark)  # by which a reproduction tells it from a command's 125
    assert not os.path.exists(f"{here}/started")


@linux
@pytest.mark.usefixtures("small")
def test_a_command_in_other_folders_starts_as_any_other(tmp_path: object) -> None:
    """With its own signals, streams and files, in a group of its own, and nothing of it is seen outside."""
    place, room, mark = f"{tmp_path}/place", f"{tmp_path}/room", f"{tmp_path}/ready"
    make_tree(place, {"who.txt": "place\n"})
    make_tree(room, {"who.txt": "room\n", "state.sh": STATE})
    make_tree(str(tmp_path), {"other.sh": STATE})
    binds = [Bind(room, place), Bind(f"{tmp_path}/other.sh", f"{place}/state.sh", True)]
    assert namespace.problem(binds, place, mark) == ""
    assert not os.path.exists(mark)
    plain = state_of(f"{tmp_path}/plain", room)
    bound = state_of(f"{tmp_path}/bound", place, binds=binds, ready=mark)
    assert plain[:4] == [room, "room", "writable", "leader"]
    assert bound[:4] == [place, "room", "read-only", "leader"]
    assert plain[4:] == bound[4:]
    assert os.path.exists(mark)
    assert os.listdir(place) == ["who.txt"]
    assert read(place, "who.txt") == "place\n"


STATE = """
printf inherited >&$1
pwd; cat who.txt
test -w state.sh && echo writable || echo read-only
test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo leader || echo follower
grep -E 'SigBlk|SigIgn' /proc/$$/status
ls /proc/$$/fd
"""
OF_GLIBC = 3 << 31  # signals 32 and 33, which posix_spawn(3) leaves ignored


def state_of(home: str, directory: str, **options: Any) -> list[str]:
    """What a command there says of itself."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    job = make_job(home, f"bash {directory}/state.sh {writer}", **options)._replace(directory=directory)
    assert execute(job).exit_code == 0
    os.close(writer)
    assert os.read(reader, 100) == b"inherited"
    os.close(reader)
    lines = log_of(job).decode().splitlines()
    blocked, ignored = (int(line.split(":\t")[1], 16) & ~OF_GLIBC for line in lines[4:6])
    assert not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)  # which Python ignores
    return [*lines[:4], f"{blocked:x}", f"{ignored:x}", *lines[6:]]


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
