"""The status of a run is true whatever happens to its processes: each case with real processes, from outside."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runner import paths
from runner.host import process_tree
from runner.tracking.fold import Run
from runner.tracking.store import Store
from tests.helpers import make_repository, make_tree, proj, survivors

LINUX = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="only on Linux")
ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only on machines where the tests are root")


def project(tmp_path: object, command: str, **files: str) -> str:
    text = f"name: status\nentry_points:\n  main: {{command: {json.dumps(command)}}}\n"
    return make_tree(os.path.join(str(tmp_path), "status"), {"MLproject": text, **files})


def only_run() -> Run:
    (run_id,) = [name for name in os.listdir(os.path.join(paths.store(), "runs")) if not name.startswith(".")]
    return Store(paths.store()).read(run_id)


def log_of(run: Run) -> str:
    with open(os.path.join(paths.store(), "runs", run.run_id, "output.log"), encoding="utf-8") as file:
        return file.read()


def start(folder: str, *words: str, until: bytes = b"on\n", **options: Any) -> subprocess.Popen[bytes]:
    """A run whose command has said that it is on."""
    child = subprocess.Popen(
        [sys.executable, "-m", "runner", "run", folder, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == until
    return child


def finish(child: subprocess.Popen[bytes]) -> tuple[int, Run, str]:
    """Exit code, run and stderr, once nothing of the run is left."""
    _, errors = child.communicate(timeout=30)
    run = only_run()
    wait_for(lambda: survivors(run.run_id) == [])
    return child.returncode, run, errors.decode()


def words_of(pid: int) -> str:
    """The command line of a process; "" when there is none."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode()
    except OSError:
        return ""


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def check(run: Run, status: str, reason: str, number: str = "") -> None:
    assert (run.status, run.end["reason"], run.end.get("signal", "")) == (status, reason, number)
    assert run.end_time is not None
    assert run.end_time >= run.start_time


@LINUX
def test_the_command_is_killed(tmp_path: object) -> None:
    child = start(project(tmp_path, "echo on; sleep 100"))
    group = only_run().sections["supervisor"]["group"]
    os.killpg(group, signal.SIGKILL)
    code, run, _ = finish(child)
    assert code == 137
    check(run, "KILLED", "signal", "SIGKILL")
    assert log_of(run) == "on\n"


@LINUX
def test_complaint_1832_a_daemonised_grandchild_does_not_survive(tmp_path: object) -> None:
    daemon = (
        "import os, sys, time\n"
        "if os.fork(): sys.exit()\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "open('daemon.pid', 'w').write(str(os.getpid()))\n"
        "time.sleep(100)\n"
    )
    folder = project(
        tmp_path,
        f"{sys.executable} daemon.py; while ! test -s daemon.pid; do sleep 0.02; done; exit 4",
        **{"daemon.py": daemon},
    )
    done = proj("run", folder, "--grace", "1")
    assert done.code == 4
    with open(os.path.join(folder, "daemon.pid"), encoding="utf-8") as file:
        pid = int(file.read())
    assert "daemon.py" not in words_of(pid)
    run = only_run()
    assert survivors(run.run_id) == []
    check(run, "FAILED", "exit")


# ---- cancel ------------------------------------------------------------------------------------------------


def test_complaint_7078_cancel_from_another_terminal(tmp_path: object) -> None:
    child = start(project(tmp_path, "echo on; sleep 100"), "--run-name", "victim")
    began = time.monotonic()
    done = proj("cancel", "victim")
    assert done.code == 0, done.err
    assert "victim KILLED (cancelled, by " in done.out
    assert time.monotonic() - began < 30
    code, run, _ = finish(child)
    assert code == 143
    check(run, "KILLED", "cancelled", "SIGTERM")
    assert "@" in run.end["message"]
    again = proj("cancel", "victim")
    assert again.code == 2
    assert "already ended" in again.err


def test_cancel_reaches_a_supervisor_that_cannot_be_signalled(tmp_path: object) -> None:
    """One on another host, or of another user, finds the note in the record."""
    child = start(project(tmp_path, "echo on; sleep 100"))
    run = only_run()
    with Store(paths.store()).open_run(run.run_id) as writer:
        writer.append({"type": "supervisor", **run.sections["supervisor"], "pid_namespace": "elsewhere"})
    assert proj("cancel", "last").code == 0
    _, run, _ = finish(child)
    check(run, "KILLED", "cancelled", "SIGTERM")


def test_cancel_waits_no_longer_than_it_is_told(tmp_path: object) -> None:
    child = start(
        project(tmp_path, "trap '' TERM; echo on; while true; do sleep 0.1; done"), "--grace", "1.5"
    )
    done = proj("cancel", "last", "--wait", "0.3")
    assert done.code == 125
    assert "asked to end" in done.err
    code, run, _ = finish(child)
    assert code == 137
    check(run, "KILLED", "cancelled", "SIGKILL")


def test_what_nobody_supervises_cannot_be_cancelled() -> None:
    store = Store(paths.store())
    store.create_run(kind="client", name="client").close()
    done = proj("cancel", "client")
    assert done.code == 2
    assert "nobody supervises" in done.err
    assert proj("cancel").code == 2


# ---- before and after the command --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_while_the_environment_is_made(tmp_path: object, number: signal.Signals, code: int) -> None:
    folder = project(tmp_path, "true", **{"python_env.yaml": "dependencies: [./slow]\n"})
    make_tree(
        folder,
        {"MLproject": "name: x\npython_env: python_env.yaml\nentry_points:\n  main: {command: 'true'}\n"},
    )
    make_tree(
        folder,
        {
            "slow/pyproject.toml": "[build-system]\nrequires = []\nbackend-path = ['.']\nbuild-backend = 'backend'\n[project]\nname = 'slow'\nversion = '1'\n",
        },
    )
    marker = os.path.join(folder, "building")
    backend = (
        f"import time\ndef build_wheel(*a, **k):\n    open({marker!r}, 'w').close()\n    time.sleep(100)\n"
    )
    make_tree(folder, {"slow/backend.py": backend})
    child = subprocess.Popen(
        [sys.executable, "-m", "runner", "run", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for(lambda: os.path.exists(marker) or child.poll() is not None, 30)
    child.send_signal(number)
    done, run, _ = finish(child)
    assert done == code
    check(run, "KILLED", "interrupted", number.name)
    wait_for(
        lambda: not any(marker in words_of(pid) or folder in words_of(pid) for pid, _ in process_tree.table())
    )


@LINUX
def test_a_signal_while_the_code_is_fetched_leaves_nothing_behind(tmp_path: object) -> None:
    marker = os.path.join(str(tmp_path), "fetching")
    slow = f'#!/bin/sh\ncase "$*" in *clone*|*fetch*|*ls-remote*) touch {marker}; sleep 100;; esac\nexec {shutil.which("git")} "$@"\n'
    path = make_tree(os.path.join(str(tmp_path), "bin"), {"git*": slow}) + os.pathsep + os.environ["PATH"]
    origin = make_repository(os.path.join(str(tmp_path), "origin"), {"main.py": ""})
    child = subprocess.Popen(
        [sys.executable, "-m", "runner", "run", f"file://{origin}"],
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: os.path.exists(marker), 20)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=20)
    assert child.returncode == 143
    wait_for(
        lambda: (
            not any(os.path.join(str(tmp_path), "bin") in words_of(pid) for pid, _ in process_tree.table())
        )
    )
    assert not os.path.exists(os.path.join(paths.store(), "runs"))


@LINUX
def test_nohup_is_respected(tmp_path: object) -> None:
    folder = project(tmp_path, "echo on; sleep 0.5; echo done")
    child = start(folder, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    child.send_signal(signal.SIGHUP)
    os.killpg(only_run().sections["supervisor"]["group"], signal.SIGHUP)
    code, run, _ = finish(child)
    assert code == 0
    check(run, "FINISHED", "exit")
    assert log_of(run) == "on\ndone\n"


@LINUX
def test_a_killed_guard_does_not_matter(tmp_path: object) -> None:
    child = start(project(tmp_path, "echo on; sleep 0.3; exit 5"))
    os.kill(only_run().sections["supervisor"]["guard"], signal.SIGKILL)
    code, run, _ = finish(child)
    assert code == 5
    check(run, "FAILED", "exit")


# ---- terminals ---------------------------------------------------------------------------------------------


def in_terminal(folder: str) -> tuple[int, int]:
    """A run as the leader of a session on a new terminal: (pid, our end of it)."""
    ours, theirs = pty.openpty()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
            for stream in range(3):
                os.dup2(theirs, stream)
            os.closerange(3, 64)
            os.execv(sys.executable, [sys.executable, "-m", "runner", "run", folder, "--grace", "2"])
        finally:
            os._exit(99)
    os.close(theirs)
    return pid, ours


def read_until(terminal: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 4096)
    return seen


@LINUX
@pytest.mark.parametrize("command", ["echo on; sleep 100", "trap '' HUP; echo on; sleep 100"])
def test_complaint_7078_a_closed_terminal_ends_the_run(tmp_path: object, command: str) -> None:
    pid, terminal = in_terminal(project(tmp_path, command))
    read_until(terminal, b"on")
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) in (129, 137, 143)
    run = only_run()
    assert survivors(run.run_id) == []
    assert run.status == "KILLED"
    assert run.end["reason"] == "interrupted"
    assert log_of(run) == "on\n"


@LINUX
def test_interrupt_from_the_keyboard_reaches_the_command_once(tmp_path: object) -> None:
    command = f"{sys.executable} -u count.py"
    count = (
        "import signal, sys, time\nseen = []\nsignal.signal(signal.SIGINT, lambda *a: seen.append(1))\n"
        "print('on')\nend = time.time() + 0.8\nwhile time.time() < end: time.sleep(0.05)\nprint('seen', len(seen))\nsys.exit(3)\n"
    )
    pid, terminal = in_terminal(project(tmp_path, command, **{"count.py": count}))
    read_until(terminal, b"on")
    os.write(terminal, b"\x03")
    assert b"seen 1" in read_until(terminal, b"seen 1")  # EIO when something else was seen
    while True:
        try:
            if not os.read(terminal, 4096):
                break
        except OSError:
            break
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 3
    check(only_run(), "FAILED", "exit")


# ---- memory ------------------------------------------------------------------------------------------------


@pytest.fixture
def limited() -> Iterator[str]:
    """The folder of a control group that may use 100 MB."""
    group = f"proj-test-{os.getpid()}"
    for root, limit, value in (
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", 100_000_000),
        ("/sys/fs/cgroup", "memory.max", 100_000_000),
    ):
        folder = os.path.join(root, group)
        try:
            os.mkdir(folder)
            with open(os.path.join(folder, limit), "w", encoding="ascii") as file:
                file.write(str(value))
        except OSError:
            if os.path.isdir(folder):
                os.rmdir(folder)
            continue
        yield folder
        for _ in range(100):
            try:
                os.rmdir(folder)
                return
            except OSError:
                time.sleep(0.05)
        return
    pytest.skip("only on machines where the tests may make a control group")


def run_limited(folder: str, group: str) -> tuple[int, Run]:
    def enter() -> None:
        with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    child = subprocess.Popen(
        [sys.executable, "-m", "runner", "run", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=enter,
    )
    code, run, _ = finish(child)
    return code, run


@ROOT
@LINUX
@pytest.mark.parametrize("prefix", ["", "true && "])  # the command itself, and a shell around it
def test_out_of_memory(tmp_path: object, limited: str, prefix: str) -> None:
    hungry = "print('on', flush=True)\nkeep = []\nwhile True: keep.append(bytearray(10_000_000))\n"
    code, run = run_limited(
        project(tmp_path, f"{prefix}{sys.executable} hungry.py", **{"hungry.py": hungry}), limited
    )
    assert code == 137
    check(run, "FAILED", "memory", "SIGKILL")
    assert "out of memory" in run.end["message"]
    assert log_of(run) == "on\n"


@ROOT
@LINUX
def test_a_worker_out_of_memory_is_told_though_the_command_goes_on(tmp_path: object, limited: str) -> None:
    hungry = "keep = []\nwhile True: keep.append(bytearray(10_000_000))\n"
    folder = project(
        tmp_path, f"{sys.executable} hungry.py || echo going on; exit 6", **{"hungry.py": hungry}
    )
    code, run = run_limited(folder, limited)
    assert code == 6
    check(run, "FAILED", "exit")
    assert "out of memory" in run.end["message"]


# ---- a full disk -------------------------------------------------------------------------------------------


@pytest.fixture
def small_store(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store on a file system of 2 MB."""
    folder = os.path.join(str(tmp_path), "small")
    os.makedirs(folder)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("only on machines where the tests may mount a file system")
    monkeypatch.setenv("PROJ_STORE", os.path.join(folder, "store"))
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@ROOT
@LINUX
@pytest.mark.parametrize("end", [0, 7])
def test_output_fills_the_disk(tmp_path: object, small_store: str, end: int) -> None:
    done = proj("run", project(tmp_path, f"echo first; seq 1000000; exit {end}"))
    assert done.code == end
    assert done.out.endswith("1000000\n")  # the user sees it all
    run = only_run()
    check(run, "FAILED" if end else "FINISHED", "exit")
    assert "No space left" in run.end["message"]
    assert "output was not kept" in done.err
    assert run.sections["resources"]["peak_memory"] > 0
    assert log_of(run).startswith("first\n1\n")
    assert proj("runs").code == 0


@ROOT
@LINUX
def test_the_command_fills_the_disk_before_its_first_line(tmp_path: object, small_store: str) -> None:
    """Not one event of the running command can be written; those of its end are."""
    command = f"head -c 10000000 /dev/zero > {small_store}/fill; echo on; sleep 0.3; exit 3"
    done = proj("run", project(tmp_path, command))
    assert done.code == 3
    assert done.out == "on\n"
    run = only_run()
    check(run, "FAILED", "exit")
    assert "output was not kept" in run.end["message"]


@ROOT
@LINUX
def test_a_full_disk_before_the_run(tmp_path: object, small_store: str) -> None:
    file = os.open(os.path.join(small_store, "fill"), os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(file, b"\0" * 4096):
            pass
    except OSError:
        os.close(file)
    ran = os.path.join(str(tmp_path), "ran")
    done = proj("run", project(tmp_path, f"touch {ran}"))
    assert done.code == 125
    assert "No space left" in done.err
    assert "Traceback" not in done.err
    assert not os.path.exists(ran)
