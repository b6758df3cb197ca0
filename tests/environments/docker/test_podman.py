"""Podman behind its docker-compatible socket: the same projects, the same ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from runner.values import Environment
from tests.environments.docker.conftest import BUILD
from tests.environments.docker.test_ends import names, nothing_left
from tests.helpers import make_tree

pytestmark = [pytest.mark.docker, pytest.mark.slow]
Prepare = Callable[..., Environment]


def test_complaint_5716_projects_run_in_podman(podman: str, project: str, prepare: Prepare, run: Any) -> None:
    make_tree(project, {"a.txt": "code"})
    environment = prepare(image=podman, environment=[["A", "b c"]])
    done = run(environment, "id -u; cat a.txt; echo $A; echo result > out.txt; exit 3")
    assert (done.code, done.out.split()) == (3, [str(os.getuid()), "codeb", "c"]), done.err
    assert os.path.exists(os.path.join(project, "out.txt"))


def test_podman_builds(podman: str, project: str, prepare: Prepare, run: Any) -> None:
    make_tree(project, {"Dockerfile": f"FROM {podman}\nRUN echo made > /made\n", "a.txt": "1"})
    assert run(prepare(build=BUILD), "cat /made").out == "made\n"
    assert run(prepare(image=podman, _build_image=True), "cat a.txt").out == "1"


def test_signals_reach_the_program_in_podman(podman: str, running: Any) -> None:
    child = running("--grace", "60")  # its client is slow on a loaded machine
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=90)
    assert "cleaned up" in out, err
    assert names() == []


def test_a_killed_supervisor_leaves_no_container_in_podman(podman: str, running: Any) -> None:
    running("--grace", "1").kill()
    assert nothing_left(60)  # its client is slow on a loaded machine
