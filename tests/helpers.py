"""What tests use to build small worlds: folders, git repositories, runs of the real program."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import pytest

from runner.host.process_tree import carrying
from tests import forked


def make_tree(directory: object, files: Mapping[str, str | bytes]) -> str:
    """Writes files under a folder and returns it. A name ending in `*` is made executable (without the `*`)."""
    root = str(directory)
    os.makedirs(root, exist_ok=True)
    for name, content in files.items():
        path = os.path.join(root, name.rstrip("*"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        if name.endswith("*"):
            os.chmod(path, 0o755)
    return root


def git(directory: object, *arguments: str) -> str:
    """Runs git in a folder and returns its output."""
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def make_repository(directory: object, files: Mapping[str, str | bytes]) -> str:
    """A git repository on branch main with one commit of these files."""
    root = make_tree(directory, files)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    return root


def survivors(run_id: str) -> list[int]:
    """Processes that were started within a run."""
    return carrying(f"PROJ_RUN_ID={run_id}".encode())


def examples(number: int) -> int:
    """How many a property is tried on: all of them in CI and with --slow, a quarter elsewhere."""
    return number if os.environ.get("PROJ_TEST_MANY") or os.environ.get("PROJ_TEST_ALL") else number // 4


def some(cases: Iterable[Any], quick: int) -> list[Any]:
    """Parameters of a test, of which the first few tell most: the others are tried in CI and with --slow."""
    found = list(cases)
    return found[:quick] + [pytest.param(case, marks=pytest.mark.slow) for case in found[quick:]]


def until(what: Callable[[], object], within: float = 40) -> None:
    """Looks until it is so, at most for `within` s: a machine may be busy."""
    deadline = time.monotonic() + within
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def serving(*arguments: str) -> subprocess.Popen[str]:
    """The real program, which goes on by itself; its stderr can be read."""
    if forked.can(arguments, os.environ):
        return forked.Process(arguments)  # type: ignore[return-value]
    argv = [sys.executable, "-m", "runner", *arguments]
    return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)


class Result(NamedTuple):
    code: int
    out: str
    err: str


def proj(*arguments: str, cwd: object = None, timeout: float = 100, **variables: str) -> Result:
    """Runs the real program in a process of its own."""
    variables = {**os.environ, **variables}
    try:
        folder = os.path.join(os.getcwd(), "" if cwd is None else str(cwd))
    except FileNotFoundError:  # the folder that we are in is gone
        folder = ""
    if folder and forked.can(arguments, variables):
        code, out, err = forked.call([*arguments], folder, variables, timeout)
    else:
        done = subprocess.run(
            [sys.executable, "-m", "runner", *arguments],
            cwd=None if cwd is None else str(cwd),
            env=variables,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    return Result(code, out.decode(errors="replace"), err.decode(errors="replace"))
