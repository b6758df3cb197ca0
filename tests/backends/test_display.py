"""Whoever reads the output of a run may be slow, pause, or go: the record has it all, and the reader what it took."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import runner
from runner import paths
from runner.backends import display
from runner.errors import StoreError
from runner.tracking.fold import Run
from runner.tracking.store import Store
from tests.backends.test_jobs import Terminal
from tests.helpers import make_tree, until

ROOT = os.path.dirname(os.path.dirname(runner.__file__))
PROJ = [sys.executable, "-m", "runner", "run", ".", "-q"]
LINE = b"0123456789abcdefghijklmnopqrstuvwxyz-./\n"
WRITE = f"import sys; sys.stdout.write({LINE.decode()!r} * int(sys.argv[1])); sys.stderr.write('told')"


@pytest.fixture
def project(tmp_path: object) -> str:
    nested = f"{sys.executable} -m runner run . -q -e write -P lines={{lines}}"
    entry_points = {
        name: {"parameters": {"lines": "int"}, "command": command}
        for name, command in (("write", f"{sys.executable} write.py {{lines}}"), ("nested", nested))
    }
    text = json.dumps({"name": "display", "entry_points": entry_points})
    return make_tree(f"{tmp_path}/p", {"MLproject": text, "write.py": WRITE})


# the same, but whoever takes nothing is given up after 1 s
HASTY = """\
from runner.backends import supervise
from runner.cli.main import entry
supervise.PATIENCE = 1.0
entry()
"""


def start(
    project: str, lines: int, *words: str, entry: str = "write", program: list[str] = PROJ, **options: Any
) -> Any:
    argv = [*program, "-e", entry, "-P", f"lines={lines}", *words]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return popen(argv, project, **given)


_started: list[subprocess.Popen[bytes]] = []


def popen(argv: list[str], folder: str, **options: Any) -> Any:
    _started.append(subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, **options))
    return _started[-1]


@pytest.fixture(autouse=True)
def _close_pipes() -> Iterator[None]:
    yield
    while _started:
        child = _started.pop()
        child.kill()
        for stream in (child.stdout, child.stderr):
            if stream:
                stream.close()
        child.wait()


def runs() -> list[Run]:
    store = Store(paths.store())
    return [store.read(name) for name in os.listdir(os.path.join(paths.store(), "runs"))]


def log_of(run: Run) -> bytes:
    with open(os.path.join(paths.store(), "runs", run.run_id, "output.log"), "rb") as file:
        return file.read()


def only_run() -> Run:
    (run,) = runs()
    return run


def wait_until_over() -> Run:
    """The run, as soon as its end is recorded."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        try:
            run = only_run()
            if run.status not in ("RUNNING", "SCHEDULED"):
                return run
        except (FileNotFoundError, ValueError, StoreError):
            pass  # its folder is there before its first event
        time.sleep(0.05)
    raise AssertionError("the run does not end")


def read_at(stream: Any, rate: float) -> bytes:
    """To the end, `rate` bytes a second."""
    began, data = time.monotonic(), bytearray()
    while piece := os.read(stream.fileno(), 4096):
        data += piece
        time.sleep(max(0.0, len(data) / rate - (time.monotonic() - began)))
    return bytes(data)


@pytest.mark.parametrize(
    ("entry", "rate", "lines"),
    [
        ("write", 0.3, 12_000),
        ("write", 20, 250_000),
        ("nested", 0.1, 4_000),
        pytest.param("write", 0.1, 4_000, marks=pytest.mark.slow),
        pytest.param("write", 2, 60_000, marks=pytest.mark.slow),
        pytest.param("nested", 6, 100_000, marks=pytest.mark.slow),
        pytest.param("nested", 0.3, 25_000, marks=pytest.mark.slow),
        pytest.param("nested", 20, 250_000, marks=pytest.mark.slow),
    ],
)
def test_a_slow_reader_gets_all_and_so_does_the_record(
    project: str, entry: str, rate: float, lines: int
) -> None:
    child = start(project, lines, entry=entry)
    data = read_at(child.stdout, rate * 1e6)
    assert len(data) == lines * len(LINE)
    assert data == LINE * lines
    assert child.stderr.read() == b"told"
    assert child.wait(20) == 0
    for run in runs():
        assert run.status == "FINISHED"
        assert log_of(run).replace(b"told", b"") == data
    assert len(runs()) == (2 if entry == "nested" else 1)


def test_a_reader_that_stops_keeps_no_run_from_its_end_and_loses_nothing(project: str) -> None:
    child = start(project, 25_000, program=[sys.executable, "-c", HASTY, "run", ".", "-q"])
    run = wait_until_over()  # though nobody has read a byte
    assert run.status == "FINISHED"
    assert log_of(run).replace(b"told", b"") == LINE * 25_000
    assert child.wait(10) == 0
    assert child.stdout.read() == LINE * 25_000


def test_what_proj_says_comes_behind_what_waits(project: str) -> None:
    """`2>&1 | less`: neither in the middle of a line, nor does the end of `proj` wait for it."""
    program = [sys.executable, "-c", HASTY, "run", "."]
    child = start(project, 25_000, program=program, stderr=subprocess.STDOUT)
    assert wait_until_over().status == "FINISHED"
    assert child.wait(20) == 0
    _, lines, last = child.stdout.read().replace(b"told", b"").partition(LINE * 25_000)
    assert lines
    assert last.startswith(b"proj: run ")
    assert b" finished after " in last


def test_a_reader_that_pauses_is_waited_for(project: str) -> None:
    child = start(project, 2_000)
    head = os.read(child.stdout.fileno(), 4096)
    time.sleep(1.5)
    assert head + child.stdout.read() == LINE * 2_000
    assert child.wait(10) == 0


def test_a_stopped_reader_of_one_stream_does_not_hold_the_other(tmp_path: object) -> None:
    program = "import sys; sys.stdout.write('x' * 900_000); sys.stdout.flush(); sys.stderr.write('after'); sys.stderr.flush()"
    folder = make_tree(f"{tmp_path}/p", {"main.py": program})
    child = popen(PROJ, folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ready, _, _ = select.select([child.stderr], [], [], 20)
    assert ready
    assert os.read(child.stderr.fileno(), 100) == b"after"
    assert len(child.stdout.read()) == 900_000
    assert child.wait(20) == 0


LINES = "import sys\nfor i in range(3000): sys.stdout.write('o' * 99 + chr(10)); sys.stdout.flush(); sys.stderr.write('e' * 99 + chr(10))\n"


def small_pipe() -> tuple[int, int]:
    ours, theirs = os.pipe()
    fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, 4096)
    return ours, theirs


def lines_of(data: bytes) -> dict[bytes, int]:
    return dict(Counter(data.splitlines()))


def test_the_order_of_both_streams_is_kept_for_one_slow_reader(tmp_path: object) -> None:
    """Lines of two streams that are one pipe are not put into each other."""
    ours, theirs = small_pipe()
    popen(PROJ, make_tree(f"{tmp_path}/p", {"main.py": LINES}), stdout=theirs, stderr=theirs)
    os.close(theirs)
    with open(ours, "rb") as reader:
        data = read_at(reader, 400_000)
    assert lines_of(data) == {b"o" * 99: 3000, b"e" * 99: 3000}


def test_lines_stay_whole_however_much_has_piled_up(tmp_path: object) -> None:
    """While `proj` was not scheduled both streams were filled, with more than it used to read at once."""
    wait = f"import os, time\nopen('ready', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.01)\n{LINES}open('written', 'w').close()\n"
    folder = make_tree(f"{tmp_path}/p", {"main.py": wait})
    child = popen(PROJ, folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until(lambda: os.path.exists(f"{folder}/ready"))
    child.send_signal(signal.SIGSTOP)
    make_tree(folder, {"go": ""})
    until(lambda: os.path.exists(f"{folder}/written"))
    child.send_signal(signal.SIGCONT)
    whole = {b"o" * 99: 3000, b"e" * 99: 3000}
    assert lines_of(child.stdout.read()) == whole
    assert child.wait(20) == 0
    assert lines_of(log_of(only_run())) == whole


@pytest.mark.parametrize("kind", ["file", "null", "socket", "closed"])
def test_what_is_no_pipe_gets_all_too(project: str, tmp_path: object, kind: str) -> None:
    path, lines, data = f"{tmp_path}/out", 50_000, b""
    if kind == "socket":  # as a program of Node.js would start us
        ours, theirs = socket.socketpair()
        child = start(project, lines, stdout=theirs)
        theirs.close()
        with ours:
            while piece := ours.recv(65536):
                data += piece
                time.sleep(0.01)
    elif kind == "closed":
        child = start(project, lines, stdout=None, preexec_fn=lambda: os.close(1))
    else:
        with open(os.devnull if kind == "null" else path, "wb") as file:
            child = start(project, lines, stdout=file)
    assert child.wait(20) == 0
    if kind == "file":
        with open(path, "rb") as file:
            data = file.read()
    assert data == (LINE * lines if kind in ("file", "socket") else b"")
    assert log_of(only_run()).replace(b"told", b"") == LINE * lines


def test_a_reader_that_goes_ends_neither_the_run_nor_the_record(project: str) -> None:
    child = start(project, 100_000)
    head = subprocess.run(["head", "-n", "1"], stdin=child.stdout, capture_output=True, check=True)
    child.stdout.close()
    assert head.stdout == LINE
    assert child.wait(20) == 0
    assert log_of(only_run()).replace(b"told", b"") == LINE * 100_000


@pytest.mark.skipif(not shutil.which("less"), reason="only on systems with less")
def test_a_pager_shows_the_end_however_late_it_is_asked_for(project: str) -> None:
    make_tree(project, {"hasty.py": HASTY})
    program = f"PYTHONPATH={ROOT} {sys.executable} hasty.py run . -q"
    terminal = Terminal(("bash", "--norc", "--noprofile", "-i"), project)
    try:
        terminal.expect("$ ")
        terminal.type(f"{program} -e write -P lines=50000 2>/dev/null | less\n")
        terminal.expect("0123456789")
        wait_until_over()
        time.sleep(0.3)
        terminal.type("G")
        terminal.expect("(END)")
        terminal.type("q")
        terminal.type("echo codes-${PIPESTATUS[0]}\n")
        terminal.expect("codes-0")
    finally:
        terminal.close()
    assert (
        log_of(only_run()) == b"told" + LINE * 50_000
        or log_of(only_run()).replace(b"told", b"") == LINE * 50_000
    )


def test_what_the_command_left_behind_says_its_last(tmp_path: object) -> None:
    """`> >(tee)`: the shell does not wait for it."""
    command = "seq 30000 > >(while read -r line; do echo $line; done | tail -n 5000; echo told) ; exit 3"
    folder = make_tree(
        f"{tmp_path}/p", {"MLproject": json.dumps({"entry_points": {"main": {"command": command}}})}
    )
    done = subprocess.run(PROJ, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 3
    assert done.stdout == log_of(only_run())


def test_the_time_out_does_not_wait_for_a_reader(project: str) -> None:
    child = start(project, 1_000_000, "--timeout", "1", "--grace", "1")
    began = time.monotonic()
    assert child.wait(40) in (143, 137)
    assert time.monotonic() - began < 30
    assert only_run().end["reason"] == "timeout"


def test_a_second_signal_ends_the_wait_for_a_reader(project: str) -> None:
    child = start(project, 10_000)
    whole = 10_000 * len(LINE) + len("told")
    until(
        lambda: [os.path.getsize(each) for each in glob.glob(f"{paths.store()}/runs/*/output.log")] == [whole]
    )
    time.sleep(1)  # it has ended by itself, its output waits
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0
    run = only_run()
    assert run.status == "FINISHED"
    assert log_of(run).replace(b"told", b"") == LINE * 10_000


def test_a_display_gives_its_reader_no_more_than_it_takes() -> None:
    """Of a pipe that could not be opened anew, such as another user's: no write may block."""
    ours, theirs = os.pipe()
    shown = display.Display(theirs)
    os.close(shown.fd)
    shown.fd, shown._patient = theirs, True
    shown.show(b"x" * 300_000)
    assert shown.size > 200_000
    data = b""
    while shown.size:
        data += os.read(ours, 50_000)
        shown.push()
    os.close(theirs)
    while piece := os.read(ours, 50_000):
        data += piece
    assert data == b"x" * 300_000
    os.close(ours)
