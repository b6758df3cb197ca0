"""Every signal that a user or a batch system may send to a run reaches its command, once, and the command decides."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from typing import Any

import pytest

from runner import paths
from runner.backends import local
from runner.host import interrupts
from runner.host.interrupts import Interrupted, Interrupts, Listening
from runner.tracking.fold import Run
from runner.tracking.store import Store
from runner.values import Ended, Silent
from tests.backends.test_local import Watching, log_of, make_job
from tests.helpers import make_tree

# Says what it hears, and goes on; ends at SIGTERM.
LISTEN = """
import signal, sys, time
def heard(number, frame):
    print("heard", number, flush=True)
    if number == signal.SIGTERM: sys.exit(0)
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, heard)
print("on", flush=True)
while True: time.sleep(0.1)
"""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
OTHERS = sorted(set(interrupts.PASSED) - {*ENDING, signal.SIGTSTP})
# what the kernel sends us for faults of our own, and what a terminal sends
LEFT_OUT = sorted(
    {int(each) for each in signal.valid_signals()} - {*interrupts.PASSED, signal.SIGKILL, signal.SIGSTOP}
)


def only_run() -> Run:
    (name,) = os.listdir(os.path.join(paths.store(), "runs"))
    return Store(paths.store()).read(name)


def start(tmp_path: object, program: str = LISTEN, *words: str, **options: Any) -> Any:
    folder = make_tree(f"{tmp_path}/p", {"main.py": program})
    argv = [sys.executable, "-m", "runner", "run", folder, "-q", *words]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **options)
    assert child.stdout
    assert child.stdout.readline() == b"on\n"
    return child


def test_every_signal_is_passed_on_once(tmp_path: object) -> None:
    """A command that handles them goes on; one line for each."""
    with start(tmp_path) as child:
        for number in OTHERS:
            child.send_signal(number)
            assert child.stdout.readline() == b"heard %d\n" % number
        child.terminate()
        rest = child.stdout.read()
        assert child.wait(10) == 143
    assert rest.count(b"heard %d\n" % signal.SIGTERM) == 1
    run = only_run()
    assert (run.status, run.end["reason"]) == ("KILLED", "interrupted")


def test_what_is_left_out_is_named() -> None:
    names = {signal.Signals(number).name for number in LEFT_OUT}
    assert names <= {f"SIG{name}" for name in "ILL BUS FPE SEGV SYS CHLD PIPE XFSZ TTIN TTOU".split()}


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU", "SIGRTMIN"])
def test_a_command_that_does_not_know_it_is_ended_by_it(tmp_path: object, name: str) -> None:
    number = getattr(signal, name)
    with start(tmp_path, "import time; print('on', flush=True); time.sleep(100)") as child:
        child.send_signal(number)
        assert child.wait(10) == 128 + number
    run = only_run()
    assert (run.status, run.end["reason"], run.end["signal"]) == ("KILLED", "signal", name)


def test_a_command_that_ends_by_its_own_alarm_has_failed(tmp_path: object) -> None:
    with start(
        tmp_path, "import signal, time; print('on', flush=True); signal.alarm(1); time.sleep(9)"
    ) as child:
        assert child.wait(10) == 128 + signal.SIGALRM
    run = only_run()
    assert (run.status, run.end["reason"], run.end["signal"]) == ("FAILED", "signal", "SIGALRM")


def test_a_signal_that_comes_before_the_command_waits_for_it(tmp_path: object) -> None:
    """Here while the input is hashed; the command is told as soon as it is on."""
    folder = make_tree(f"{tmp_path}/p", {"main.py": LISTEN, "pipe": ""})
    program = "import os, signal, sys, runner.sources as s\nfetch = s.fetch\n"
    program += (
        "def late(*a):\n    os.kill(os.getpid(), signal.SIGUSR1)\n    return fetch(*a)\ns.fetch = late\n"
    )
    program += "from runner.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    argv = [sys.executable, "-c", program, "run", folder, "-q"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30)
    assert done.returncode == 128 + signal.SIGUSR1, done.stderr
    assert only_run().end["signal"] == "SIGUSR1"


def test_what_we_were_told_to_ignore_the_command_ignores_too(tmp_path: object) -> None:
    program = (
        "import os, signal\nprint('on', flush=True)\nos.kill(os.getpid(), signal.SIGUSR1)\nprint('alive')"
    )
    ignore = lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # noqa: E731
    with start(tmp_path, program, preexec_fn=ignore) as child:
        child.send_signal(signal.SIGUSR1)
        assert child.stdout.read() == b"alive\n"
        assert child.wait(10) == 0


def test_a_handler_of_the_program_around_us_stays(tmp_path: object) -> None:
    """Such as that of a test runner, which keeps time by SIGALRM."""
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, _: heard.append(number))
    try:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR2)).start()
        job = make_job(tmp_path, "sleep 1")
        ended = local.wait(local.submit(job, Silent()), job, Watching())
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert heard == [signal.SIGUSR2]
    assert ended.status == "FINISHED"


def test_all_handlers_are_given_back(tmp_path: object) -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    job = make_job(tmp_path, "true")
    with Interrupts():
        local.wait(local.submit(job, Silent()), job, Watching())
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before


def test_several_runs_of_one_process_all_hear_and_the_main_thread_too(tmp_path: object) -> None:
    """Runs in threads: each command is told, and whoever waits for them all is interrupted."""
    ended: dict[int, Ended] = {}
    jobs = [make_job(f"{tmp_path}/{number}", f"{sys.executable} -u -c '{LISTEN}'") for number in range(3)]

    def run(number: int) -> None:
        job = jobs[number]
        ended[number] = local.wait(local.submit(job, Silent()), job, Watching())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    with Interrupts():
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        while not all(os.path.exists(f"{job.record}/output.log") and b"on\n" in log_of(job) for job in jobs):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.3)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
    for number, job in enumerate(jobs):
        assert log_of(job) == b"on\nheard %d\nheard %d\n" % (signal.SIGUSR1, signal.SIGTERM)
        assert (ended[number].status, ended[number].reason) == ("KILLED", "interrupted")


def test_a_run_in_a_thread_changes_nothing_of_the_process(tmp_path: object) -> None:
    before = (os.getcwd(), dict(os.environ), {n: signal.getsignal(n) for n in signal.valid_signals()})
    files = set(os.listdir("/proc/self/fd"))
    job = make_job(tmp_path, "pwd; sleep 0.5")
    seen: list[Any] = []

    def run() -> None:
        handle = local.submit(job, Silent())
        seen.append((os.getcwd(), dict(os.environ), {n: signal.getsignal(n) for n in signal.valid_signals()}))
        local.wait(handle, job, Watching())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
    assert log_of(job).decode() == f"{job.directory}\n"
    assert len(set(os.listdir("/proc/self/fd")) - files) <= 2  # the pipe that the next run uses


def test_a_listener_that_is_gone_gets_nothing() -> None:
    with Listening() as first:
        pipe = first.fd
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.01)
        assert first.read() == bytes([signal.SIGUSR1])
        os.kill(os.getpid(), signal.SIGUSR2)
        time.sleep(0.01)
    with Listening() as second:
        assert second.fd == pipe
        assert second.read() == b""


def test_a_new_size_of_the_terminal_reaches_the_command(tmp_path: object) -> None:
    """Also while the command is in the foreground, when the terminal does not tell us."""
    program = "import os, signal, sys, time\nsignal.signal(signal.SIGWINCH, lambda *a: print('size', os.get_terminal_size(1).columns, flush=True))\nprint('on', flush=True)\nfor _ in range(60): time.sleep(0.1)"
    folder = make_tree(f"{tmp_path}/p", {"main.py": program})
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "runner", "run", folder, "-q"])
    try:
        seen = b""
        while b"on" not in seen:
            seen += os.read(terminal, 4096)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        while b"size 77" not in seen:
            seen += os.read(terminal, 4096)
    finally:
        os.kill(pid, signal.SIGTERM)
        os.close(terminal)
        os.waitpid(pid, 0)
