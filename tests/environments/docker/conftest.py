"""A real engine (DOCKER_HOST), a base image that needs no registry, and projects that run in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runner import environments
from runner.containers import command as container
from runner.containers import engine
from runner.values import Activation, Environment, EnvironmentOptions, EnvironmentSpec, Job
from tests.environments.conftest import Recorder
from tests.helpers import make_tree

IMAGE = "proj-test/python:services"
BUILD = {"context": ".", "network": "host"}  # the engine of the tests may have no bridge
SERVICES = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "services"
)


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def variant(image: str, name: str) -> str:
    """Another image under this name, for which nothing has to be built; returns its id."""
    made = docker("create", image, "true")
    found = docker("commit", "--change", f"LABEL made={os.urandom(4).hex()}", made, name)
    docker("rm", made)
    return found


@pytest.fixture(scope="session")
def image() -> str:
    """A small image with Python, bash and busybox."""
    trouble = engine.problem()
    if trouble:
        pytest.skip(f"no container engine: {trouble}")
    if engine.image(IMAGE) is None:
        script = os.path.join(SERVICES, "docker-image.sh")
        done = subprocess.run([script, IMAGE], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return IMAGE


@pytest.fixture
def project(tmp_path: object) -> str:
    folder = os.path.join(str(tmp_path), "My Project")
    os.makedirs(folder)
    return folder


Prepare = Callable[..., Environment]


@pytest.fixture
def prepare(project: str, report: Recorder) -> Prepare:
    """Prepares docker_env (given as keywords) for the project; what begins with `_` is an option of the command line."""

    def call(**stated: Any) -> Environment:
        options = {name.lstrip("_"): stated.pop(name) for name in list(stated) if name.startswith("_")}
        return environments.prepare(
            EnvironmentSpec("docker", "", stated), project, EnvironmentOptions(**options), report
        )

    return call


@pytest.fixture
def job(tmp_path: object, project: str) -> Callable[..., Job]:
    def make(command: str, activation: Activation | None = None, **variables: str) -> Job:
        record = os.path.join(str(tmp_path), "record")
        os.makedirs(record, exist_ok=True)
        run_id = os.urandom(16).hex()
        complete = {**os.environ, "PROJ_RUN_ID": run_id, "PROJ_RUN_DIR": record, **variables}
        return Job(run_id, command, project, complete, activation or Activation("docker"), record)

    return make


class Ran(tuple[int, str, str]):
    code = property(lambda self: self[0])
    out = property(lambda self: self[1])
    err = property(lambda self: self[2])


@pytest.fixture
def run(job: Callable[..., Job]) -> Callable[..., Ran]:
    """Runs a command in a prepared environment, as the local backend does, and removes the container."""

    def call(environment: Environment, command: str, **variables: str) -> Ran:
        made = job(command, environment.activation, **variables)
        try:
            done = subprocess.run(
                container.argv(made),
                env=dict(made.variables),
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        finally:
            container.finish(made.run_id)
        return Ran((done.returncode, done.stdout, done.stderr))

    return call


@pytest.fixture(scope="session")
def podman_socket(image: str) -> Iterator[str]:
    if not which("podman"):
        pytest.skip("podman is not installed")
    folder = tempfile.mkdtemp(prefix="podman-")  # Podman takes 50 characters at the most
    script = os.path.join(SERVICES, "podman-up.sh")
    done = subprocess.run([script, folder], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    host = done.stdout.strip().partition("=")[2]
    made = subprocess.run(
        [os.path.join(SERVICES, "docker-image.sh"), IMAGE],
        env={**os.environ, "DOCKER_HOST": host},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    yield host
    with open(os.path.join(folder, "podman.pid"), encoding="utf-8") as file:
        os.kill(int(file.read()), 15)
    with open("/proc/mounts", encoding="utf-8") as file:  # Podman keeps its storage mounted
        mounted = [line.split()[1] for line in file]
    for path in reversed([each for each in mounted if each.startswith(folder)]):
        subprocess.run(["umount", "-l", path], check=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def podman(podman_socket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The image, in Podman, which is from here on the engine."""
    monkeypatch.setenv("DOCKER_HOST", podman_socket)
    return IMAGE


def which(name: str) -> bool:
    return any(
        os.access(os.path.join(folder, name), os.X_OK) for folder in os.environ["PATH"].split(os.pathsep)
    )


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory, image: str) -> Iterator[str]:
    """A real registry that wants a login; it has `team/base:1`. Yields its host and port."""
    folder = str(tmp_path_factory.mktemp("registry"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if not which("docker-registry"):
        pytest.skip("docker-registry is not installed")
    script = os.path.join(SERVICES, "docker-registry.sh")
    done = subprocess.run(
        [script, folder, str(port)], stdout=subprocess.PIPE, text=True, check=True, timeout=20
    )
    host = done.stdout.strip()
    login = os.path.join(folder, "login")
    docker("--config", login, "login", "-u", "ada", "-p", "lovelace", host)
    variant(image, f"{host}/team/base:1")
    docker("--config", login, "push", "-q", f"{host}/team/base:1")
    docker("rmi", f"{host}/team/base:1")
    yield host
    with open(os.path.join(folder, "registry.pid"), encoding="utf-8") as file:
        os.kill(int(file.read()), 15)


@pytest.fixture
def login(registry: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """The user's own docker configuration, with a login to the registry."""
    folder = os.path.join(str(tmp_path), "docker-config")
    docker("--config", folder, "login", "-u", "ada", "-p", "lovelace", registry)
    monkeypatch.setenv("DOCKER_CONFIG", folder)
    return folder


PROGRAM = """
import os, signal, sys, time
def end(number, frame):
    time.sleep(0.3)
    os.write(1, b"cleaned up\\n")
    sys.exit(3)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in sys.argv else end)
signal.signal(signal.SIGINT, signal.SIG_IGN if "stubborn" in sys.argv else end)
os.write(1, b"up\\n")
time.sleep(60)
"""


@pytest.fixture
def running(image: str, project: str) -> Any:
    """Starts `proj run` and waits until its command is up."""
    make_tree(
        project,
        {
            "MLproject": f"name: p\ndocker_env: {{image: '{image}'}}\nentry_points:\n"
            "  main: {command: 'python a.py; echo after'}\n"
            "  stubborn: {command: \"trap '' TERM INT; python a.py stubborn\"}\n",
            "a.py": PROGRAM,
        },
    )
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-m", "runner", "run", project, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        assert child.stdout
        assert child.stdout.readline() == "up\n", child.stderr and child.stderr.read()
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()
