"""Completion in real shells: each is driven through a terminal, and its line is read back after TAB."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from runner.cli import completion
from tests.cli.records import make_run
from tests.helpers import make_tree
from tests.servers import IN_CI

MLPROJECT = """\
name: demo
entry_points:
  main:
    parameters:
      rate: {type: float, default: 0.1}
      model: {type: string, choices: [ridge]}
    command: "true"
"""
PROMPT = "READY> "
STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PS1='{p}'; source {s}; bind 'set bell-style none'"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "PS1='{p}'; unsetopt prompt_sp prompt_cr zle_bracketed_paste; autoload -Uz compinit; compinit -u -d {s}.dump; source {s}",
    ),
    "fish": (["fish", "--no-config", "-i"], "function fish_prompt; echo -n '{p}'; end; source {s}"),
}
TIME = 30.0  # s: each TAB starts a Python


class Shell:
    """A shell with the completion script, on a terminal of its own."""

    def __init__(self, name: str, folder: str) -> None:
        argv, setup = STARTS[name]
        path = os.path.join(folder, f"proj.{name}")
        with open(path, "w") as file:
            file.write(completion.script(name))
        ours = os.path.join(folder, "bin")
        os.makedirs(ours, exist_ok=True)
        with open(os.path.join(ours, "proj"), "w") as file:
            file.write(f'#!/bin/sh\nexec "{sys.executable}" -m runner "$@"\n')
        os.chmod(os.path.join(ours, "proj"), 0o755)
        self.master, slave = pty.openpty()
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        environ = {
            **os.environ, "TERM": "dumb" if name != "fish" else "xterm", "COLUMNS": "200", "HOME": folder,
            "PATH": f"{ours}:{os.environ['PATH']}", "PYTHONPATH": root, "XDG_CONFIG_HOME": folder,
            "XDG_DATA_HOME": folder, "LANG": "C.UTF-8", "fish_greeting": "",
        }  # fmt: skip
        # a session whose terminal this is: fish wants one
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *argv], stdin=slave, stdout=slave, stderr=slave, env=environ
        )
        os.close(slave)
        self.seen = ""
        self.type(setup.format(p=PROMPT, s=path) + "\r")
        self.wait(lambda text: text.rstrip(" ").endswith(PROMPT.rstrip()))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def wait(self, good: object, seconds: float = TIME) -> str:
        """The screen once it is as it should be; what it is when it does not become so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.master, 65536).decode("utf-8", "replace")
                except OSError:
                    raise AssertionError(f"the shell has ended: {self.seen}") from None
            elif callable(good) and good(plain(self.seen)):
                break
        return plain(self.seen)

    def completed(self, line: str, expected: str) -> str:
        """What the line is after TAB."""
        self.type("\x15")  # nothing is left of the last one
        self.wait(lambda _: True, 1.0)
        self.seen = ""
        self.type(f"{line}\t")
        self.wait(lambda text: expected in text)
        time.sleep(0.2)
        return self.wait(lambda _: True, 1.0)

    def close(self) -> None:
        os.close(self.master)  # which hangs up
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def plain(text: str) -> str:
    """Without the escapes by which a terminal is steered; what is written over is there twice."""
    text = re.sub(r"\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[\[?(][0-9;?=>]*[ -/]*[@-~]|\x1b[=>]", "", text)
    while "\b" in text:
        text = re.sub(r"[^\b]\b|^\b", "", text, count=1)
    return text.replace("\r", "").replace("\a", "")


@pytest.fixture(params=list(STARTS))
def shell(request: pytest.FixtureRequest, tmp_path: object) -> Iterator[Shell]:
    if shutil.which(request.param) is None and not IN_CI:
        pytest.skip(f"{request.param} is not installed")
    make_tree(os.getcwd(), {"MLproject": MLPROJECT})
    run_id = make_run(
        "first-run", params={"rate": 1}, metrics={"rmse": [1.0], "mae": [2.0]}, experiment="exp"
    )
    make_tree(os.path.join(os.environ["PROJ_HOME"], "store/runs", run_id, "artifacts"), {"plots/a.png": "x"})
    made = Shell(request.param, str(tmp_path))
    yield made
    made.close()


@pytest.mark.slow
def test_a_shell_completes(shell: Shell) -> None:
    """Parameters without a space behind `=`, their values, metrics behind `best:`, and what else is known."""
    for line, expected in (
        ("proj expo", "proj export "),
        ("proj run . -P ra", "proj run . -P rate="),
        ("proj run . -P model=", "proj run . -P model=ridge "),
        ("proj run . -P rate=", "proj run . -P rate=0.1 "),
        ("proj show best:metrics.r", "proj show best:metrics.rmse "),
        ("proj show best:m", "proj show best:metrics."),
        ("proj show fir", "proj show first-run "),
        ("proj new skl", "proj new sklearn "),
        ("proj runs --order-by metrics.r", "proj runs --order-by metrics.rmse "),
        ("proj runs --columns name,stat", "proj runs --columns name,status "),
        ("proj artifacts get first-run pl", "proj artifacts get first-run plots/"),
    ):
        shown = shell.completed(line, expected)
        assert expected in shown, (line, shown)
        if not expected.endswith(" "):
            assert f"{expected} " not in shown, (line, shown)


@pytest.mark.parametrize("name", completion.SHELLS)
def test_installing(name: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice is once, and what was in the shell's own file stays."""
    monkeypatch.setenv("HOME", str(tmp_path))
    make_tree(str(tmp_path), {".bashrc": "alias x=y", ".zshrc": "alias x=y\n"})
    for _ in range(2):
        path = completion.install(name)
    with open(path) as file:
        assert file.read() == completion.script(name)
    if name != "fish":
        with open(os.path.join(str(tmp_path), f".{name}rc")) as file:
            before, *added = file.read().splitlines()
        assert (before, len(added)) == ("alias x=y", 1)
