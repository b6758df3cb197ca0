"""A run as a job of a shell on a real terminal: ^Z, fg, bg, prompts, pagers, and readers that pause."""

from __future__ import annotations

import glob
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from runner import paths
from tests.helpers import make_tree, proj, until

COMMANDS = """
entry_points:
  ask: {command: "python3 -u -c \\"print('name?'); print('GOT', input())\\""}
  password: {command: "python3 -c 'import getpass; print(\\"LENGTH\\", len(getpass.getpass()))'"}
  tick: {command: "for i in $(seq 60); do echo tick $i; sleep 0.2; done"}
  count: {command: "seq 5000"}
  endless: {command: "yes"}
"""
PROJ = f"{sys.executable} -m runner run ."


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, argv: Sequence[str], directory: str) -> None:
        self.seen = ""
        self._process, self._end = pty.fork()
        if self._process == 0:
            os.chdir(directory)
            os.execvpe(argv[0], list(argv), {**os.environ, "PS1": "$ ", "TERM": "xterm"})

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def expect(self, text: str, within: float = 45) -> str:
        """What came up to and with `text`; AssertionError when it does not come."""
        limit = time.monotonic() + within
        while text not in self.seen:
            ready, _, _ = select.select([self._end], [], [], max(0.0, limit - time.monotonic()))
            assert ready, f"{text!r} did not come; the terminal shows {self.seen!r}"
            try:
                self.seen += os.read(self._end, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"closed before {text!r}: {self.seen!r}") from None
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def in_foreground(self) -> None:
        """Waits until another than the program itself has the terminal."""
        until(lambda: os.tcgetpgrp(self._end) != self._process)

    def close(self) -> None:
        os.close(self._end)
        try:
            os.kill(self._process, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self._process, 0)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Terminal]:
    make_tree(tmp_path / "p", {"MLproject": COMMANDS})
    terminal = Terminal(("bash", "--norc", "--noprofile", "-i"), str(tmp_path / "p"))
    terminal.expect("$ ")
    yield terminal
    terminal.close()


def test_a_stopped_run_goes_on_in_the_background_without_taking_the_terminal(shell: Terminal) -> None:
    shell.type(f"{PROJ} -e tick\n")
    shell.expect("tick 2")
    shell.type("\x1a")
    shell.expect("Stopped")
    shell.type("bg\n")
    shell.expect("tick 4")
    shell.type("echo alive-$((1+1))\n")
    shell.expect("alive-2")
    shell.type("fg\n")
    shell.in_foreground()
    shell.type("\x03")
    shell.expect("(interrupted, SIGINT)")
    shell.type("echo code-$?\n")
    shell.expect("code-130")


def test_a_run_in_the_background_that_asks_is_stopped_and_asks_on_in_the_foreground(shell: Terminal) -> None:
    shell.type(f"{PROJ} -e ask &\n")
    shell.expect("name?")
    for _ in range(50):
        shell.type("jobs -s\n")
        time.sleep(0.1)
        if select.select([shell._end], [], [], 0)[0]:
            shell.seen += os.read(shell._end, 65536).decode()
        if "Stopped" in shell.seen:
            break
    shell.expect("Stopped")
    shell.type("fg\n")
    shell.in_foreground()
    shell.type("bob\n")
    shell.expect("GOT bob")


def test_a_password_is_asked_for_on_the_terminal_though_stdin_is_a_file(shell: Terminal) -> None:
    shell.type(f"{PROJ} -e password < /dev/null\n")
    shell.expect("Password:")
    time.sleep(0.3)
    shell.type("secret\n")
    shell.expect("LENGTH 6")


def test_a_pager_keeps_the_terminal(shell: Terminal) -> None:
    pager = "import os, sys; t = open('/dev/tty'); print('PAGER', len(sys.stdin.readlines()), t.readline())"
    shell.type(f'{PROJ} -q -e count | {sys.executable} -c "{pager}"\n')
    shell.expect("\n")
    time.sleep(1)
    shell.type("key\n")
    shell.expect("PAGER 5000 key")


def test_a_script_around_a_run_is_stopped_with_it(shell: Terminal) -> None:
    shell.type(f"bash -c '{PROJ} -e tick; true'\n")
    shell.expect("tick 2")
    shell.type("\x1a")
    shell.expect("Stopped")
    shell.type("fg\n")
    shell.expect("tick 4")
    shell.type("\x03")
    shell.expect("was ended")


def test_a_run_that_no_shell_could_continue_is_not_stopped(tmp_path: Path) -> None:
    make_tree(tmp_path / "p", {"MLproject": COMMANDS})
    terminal = Terminal([*PROJ.split(), "-e", "tick"], str(tmp_path / "p"))
    try:
        terminal.expect("tick 2")
        terminal.type("\x1a")
        terminal.expect("tick 6")
        terminal.type("\x03")
        terminal.expect("(interrupted, SIGINT)")
    finally:
        terminal.close()


@pytest.mark.parametrize("how", ["time-out", "signal"])
def test_a_reader_that_pauses_holds_nothing_up(tmp_path: Path, how: str) -> None:
    root = make_tree(tmp_path / "p", {"MLproject": COMMANDS})
    words = [
        *PROJ.split(),
        "-e",
        "endless",
        "--grace",
        "1",
        *(["--timeout", "1"] if how == "time-out" else []),
    ]
    began = time.monotonic()
    run = subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        if how == "signal":
            until(lambda: glob.glob(os.path.join(paths.store(), "runs", "*", "output.log")))
            run.terminate()
        assert run.wait(40) == 143  # nobody has read its output
        assert time.monotonic() - began < 30
    finally:
        run.kill()
        run.communicate()
    reason = "timeout" if how == "time-out" else "interrupted"
    assert reason in proj("show", "last", cwd=root).out


def test_a_stop_meant_for_the_command_alone_does_not_stop_the_run(tmp_path: Path) -> None:
    program = "import os, signal, time; print(os.getpid(), flush=True); time.sleep(1); print('END')"
    root = make_tree(tmp_path / "p", {"t.py": program})
    run = subprocess.Popen(
        [*PROJ.split(), "-e", "t.py"], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert run.stdout
    pid = int(run.stdout.readline())
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.3)
    with open(f"/proc/{run.pid}/stat", encoding="utf-8") as file:
        assert file.read().rpartition(")")[2].split()[0] in "SR"
    os.kill(pid, signal.SIGCONT)
    assert run.communicate(timeout=20)[0].strip() == b"END"


def test_an_interrupt_ends_the_loop_of_the_shell_too(shell: Terminal) -> None:
    shell.type(f"for i in 1 2 3; do {PROJ} -e tick; done; echo rest-$((20+3))\n")
    shell.expect("tick 2")
    shell.type("\x03")
    shell.expect("(interrupted, SIGINT)")
    shell.type("echo next-$((1+1))\n")
    between = shell.expect("next-2")
    assert "tick 1" not in between
    assert "interrupted" not in between


@pytest.mark.parametrize("wait", [0.0, 0.5])
def test_a_run_that_waits_for_a_terminal_ends_when_that_is_closed(tmp_path: Path, wait: float) -> None:
    """In the background, whether or not it is stopped itself by then."""
    make_tree(tmp_path / "p", {"MLproject": COMMANDS})
    shell = Terminal(("bash", "--norc", "--noprofile", "-i"), str(tmp_path / "p"))
    shell.expect("$ ")
    shell.type(f"{PROJ} -e ask &\n")
    shell.expect("name?")
    time.sleep(wait)
    shell.close()
    deadline = time.monotonic() + 20
    while "RUNNING" in proj("runs", cwd=tmp_path / "p").out:
        assert time.monotonic() < deadline
        time.sleep(0.2)
