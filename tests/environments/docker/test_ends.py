"""No container is left, whatever was killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from runner.containers import command, engine
from runner.host import process_tree
from tests.environments.docker.conftest import docker
from tests.helpers import make_tree, proj

pytestmark = pytest.mark.docker


def names() -> list[str]:
    """Containers of this test's runs: other tests use the same engine at the same time."""
    runs = os.listdir(os.path.join(os.environ["PROJ_HOME"], "store", "runs"))
    return [name for name in engine.containers(command.LABEL) if name.removeprefix("proj-") in runs]


def nothing_left(within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not names():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_program_and_it_may_clean_up(running: Any, number: signal.Signals) -> None:
    child = running()
    child.send_signal(number)
    out, err = child.communicate(timeout=20)
    assert "cleaned up" in out, err
    assert child.returncode == 143
    assert names() == []


def test_a_killed_supervisor_leaves_no_container(running: Any) -> None:
    child = running("--grace", "2")
    assert len(names()) == 1
    child.kill()
    assert nothing_left(10)


@pytest.mark.slow
def test_a_killed_supervisor_leaves_no_stubborn_container(running: Any) -> None:
    running("-e", "stubborn", "--grace", "1").kill()
    assert nothing_left(10)


def test_a_stubborn_container_is_ended_by_the_third_request(running: Any) -> None:
    child = running("-e", "stubborn")
    for _ in range(3):
        child.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    child.communicate(timeout=8)
    assert child.returncode > 128
    assert names() == []


def test_a_killed_client_leaves_no_container(running: Any) -> None:
    child = running("--grace", "1")
    name = names()[0]
    client = processes(b"run", name.encode())
    assert client
    for pid in client:
        os.kill(pid, signal.SIGKILL)
    child.communicate(timeout=20)
    assert child.returncode == 137
    assert names() == []


def test_a_container_whose_supervisor_and_guard_were_killed_is_removed_by_the_next_reader(
    running: Any,
) -> None:
    child = running()
    name = names()[0]
    child.send_signal(signal.SIGSTOP)  # so that it does nothing about the end of its guard
    (guard,) = (
        pid for pid in process_tree.descendants(child.pid) if _read(f"/proc/{pid}/comm") == b"proj-guard\n"
    )
    os.kill(guard, signal.SIGKILL)
    child.kill()
    child.wait()
    time.sleep(0.5)
    assert names() == [name]
    assert "KILLED" in proj("runs").out
    assert names() == []


def test_a_container_of_a_run_that_is_over_is_swept(image: str, job: Callable[..., Any]) -> None:
    over, alive = os.urandom(16).hex(), os.urandom(16).hex()
    for run_id in (over, alive):
        docker(
            "create",
            "--name",
            command.name_of(run_id),
            "--label",
            f"{command.LABEL}={run_id}",
            image,
            "true",
        )
    other = docker("create", image, "true")
    try:
        assert command.sweep(lambda run_id: run_id == over) == [over]
        assert engine.container(command.name_of(over)) is None
        assert engine.container(command.name_of(alive))
        assert engine.container(other)
    finally:
        docker("rm", "-f", other, command.name_of(alive))


def processes(*words: bytes) -> list[int]:
    """Those whose command line has all of these words."""
    lines = {int(pid): _read(f"/proc/{pid}/cmdline") for pid in os.listdir("/proc") if pid.isdigit()}
    return [pid for pid, line in lines.items() if all(word in line for word in words)]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_env_gc_removes_containers_of_runs_that_are_over(image: str, project: str) -> None:
    make_tree(project, {"MLproject": "name: p\nentry_points:\n  main: {command: 'true'}\n"})
    assert proj("run", project).code == 0
    (over,) = os.listdir(os.path.join(os.environ["PROJ_HOME"], "store", "runs"))
    unknown = "f" * 32  # perhaps a run of another store
    for run_id in (over, unknown):
        docker("create", "--name", f"proj-{run_id}", "--label", f"{command.LABEL}={run_id}", image, "true")
    try:
        done = proj("env", "gc")
        assert f"removed the container of run {over[:12]}" in done.out, done.err
        assert engine.container(f"proj-{over}") is None
        assert engine.container(f"proj-{unknown}") is not None
    finally:
        docker("rm", "-f", f"proj-{unknown}")
