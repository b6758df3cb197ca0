"""How the command of a run becomes a container, and how that is ended, whatever happened to its client.

A container outlives the client that started it. So it is not removed by itself (`--rm`): the supervisor asks
how it ended and removes it (`finish`); the guard does that when the supervisor was killed (`farewell`); and
what both could not do, because the machine went down, is found by its label (`sweep`).
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Sequence, Set
from typing import NamedTuple

from runner.containers import engine
from runner.errors import BackendError, ProjError
from runner.host.process_tree import MARK
from runner.values import Container, Job

__all__ = [
    "CODE",
    "RECORD",
    "Finished",
    "argv",
    "carries",
    "entering",
    "farewell",
    "finish",
    "name_of",
    "reachable",
    "sweep",
]

CODE = "/mlflow/projects/code"  # where the project is, as in images that MLflow builds
RECORD = "/proj/run"  # where the run's record is
LABEL = "proj.run"
HOST = "host.docker.internal"  # our machine, seen from a container that has a network of its own
BRIDGES = (b"docker0", b"podman0", b"cni-podman0")
SIOCGIFADDR = 0x8915
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PASSED = (
    "PROJ_",
    "MLFLOW_",
)  # variables that tell the command about its run; secret parameters are among them
KEPT_BACK = (
    "PROJ_HOME",
    "PROJ_STORE",
    "PROJ_CACHE",
    "PROJ_INDEX",
    "PROJ_RUN_DIR",
    "PROJ_DOCKER_EXE",
)  # folders of this machine, and who may use a database
# The command is one word for a shell inside: nothing of it is ever read by a shell of the host. All processes get
# a signal; when the command's shell ends by it, what is left has the rest of the grace to end too.
_BEGIN = """
exec 3>&2 2>/dev/null
shell=sh
command -v bash >/dev/null && shell=bash
"""
_END = """
while [ -n "$told" ] && kill -0 -1; do sleep 0.05 || sleep 1 || break; done
exit $code
"""
# where the engine's init passes signals on to all processes
SHELL = f"""{_BEGIN}
trap told=1 HUP INT QUIT TERM
(exec 2>&3 3>&-; exec "$shell" -c "$0")
code=$?
{_END}"""
# Where it has none that does (Podman), this shell is the first process. What runs in a shell's background ignores
# SIGINT, so every signal is passed on as SIGTERM.
SHELL_FIRST = f"""{_BEGIN}
trap 'told=1; kill -TERM -1' HUP INT QUIT TERM
(exec 2>&3 3>&-; exec "$shell" -c "$0") <&0 &
wait $!
code=$?
while kill -0 $!; do wait $!; code=$?; done
{_END}"""


class Finished(NamedTuple):
    """How the engine says that a container ended."""

    exit_code: int = 0
    started: bool = True  # False: the engine could not even start it
    out_of_memory: bool = False
    killed: bool = False  # it was still running, and was ended with its removal
    message: str = ""


def name_of(run_id: str) -> str:
    return f"proj-{run_id}"


def argv(job: Job) -> list[str]:
    """The client's command line. What may be secret is named on it; the client's environment has the value."""
    container = job.activation.container
    program = engine.program()
    if container is None or not program:
        raise BackendError(engine.problem(), "install Docker or Podman, or set PROJ_DOCKER_EXE")
    given = {name for name, _ in container.flags}
    words = [program, "run", "--name", name_of(job.run_id), "--label", f"{LABEL}={job.run_id}"]
    words += _around(container, given)
    words += ["--mount", _mount(job.record, RECORD)]
    words += [word for volume in container.volumes for word in ("-v", volume)]
    words += [*_variables(job, container), *_flags(container)]
    return [*words, container.image, "/bin/sh", "-c", SHELL if container.init else SHELL_FIRST, job.command]


def entering(container: Container, command: Sequence[str], terminal: bool) -> list[str]:
    """The engine's command line for a command that belongs to no run: in a container that goes when it ends.

    In the project's folder it begins where we are.
    """
    program = engine.program()
    if not program:
        raise BackendError(engine.problem(), "install Docker or Podman, or set PROJ_DOCKER_EXE")
    words = [program, "run", "--rm", "-i", *(["-t"] if terminal else [])]
    words += _around(container, {name for name, _ in container.flags})
    words += [word for volume in container.volumes for word in ("-v", volume)]
    words += [word for name, value in container.constants.items() for word in ("-e", f"{name}={value}")]
    words += [word for name in container.copied for word in ("-e", name)]
    words += _flags(container)
    here = (
        os.path.relpath(os.getcwd(), os.path.realpath(container.directory)) if container.directory else ".."
    )
    if here != "." and not here.startswith(".."):
        words += ["--workdir", f"{container.place}/{here}"]
    return [*words, container.image, *command]


def _around(container: Container, given: Set[str]) -> list[str]:
    """Who the command is, its network and its folder; `given`: names of the user's own flags."""
    words: list[str] = []
    if container.init:
        words += ["-e", "TINI_KILL_PROCESS_GROUP=1", *([] if "init" in given else ["--init"])]
    if container.user and not given & {"user", "u"}:
        words += ["--user", container.user]
        words += [word for group in container.groups for word in ("--group-add", group)]
    if container.remapped and "userns" not in given:
        words += ["--userns", "host"]
    if not has_own_network(container) and not given & {"network", "net"}:
        words += ["--network", "host"]
    if container.place and not given & {"workdir", "w"}:
        words += ["--workdir", container.place]
    if container.directory:
        words += ["--mount", _mount(container.directory, container.place)]
    return words


def _flags(container: Container) -> Iterator[str]:
    for name, value in container.flags:
        yield f"-{name}" if len(name) == 1 else f"--{name}"
        if value is not None:
            yield value


def _variables(job: Job, container: Container) -> Iterator[str]:
    own_network = has_own_network(container)
    for name, value in job.variables.items():
        if not name.startswith(PASSED) or name in KEPT_BACK or name in container.constants:
            continue
        if own_network and _to_loopback(value):
            yield from ("-e", f"{name}={rewritten(value)}")
        else:
            yield from ("-e", name)
    if own_network and sys.platform == "linux" and any(map(_to_loopback, job.variables.values())):
        yield from ("--add-host", f"{HOST}:host-gateway")
    for name in container.copied:
        if name in job.variables and not name.startswith(PASSED):
            yield from ("-e", name)
    for name, value in {"PROJ_RUN_DIR": RECORD, **container.constants}.items():
        yield from ("-e", f"{name}={value}")


def has_own_network(container: Container) -> bool:
    """Whether 127.0.0.1 in there is not ours."""
    for name, value in container.flags:
        if name in ("network", "net"):
            return value != "host"
    return sys.platform != "linux"


def reachable(container: Container) -> str:
    """The address of this machine that a run's port is bound to, so that its container can reach it.

    With a network of its own, on Linux: that of the engine's bridge, if there is one. Elsewhere the engine leads
    `host.docker.internal` to our loopback.
    """
    if sys.platform == "linux" and has_own_network(container):
        from socket import AF_INET, SOCK_DGRAM, inet_ntoa, socket

        with socket(AF_INET, SOCK_DGRAM) as probe:
            for bridge in BRIDGES:
                try:
                    found = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, bridge.ljust(40, b"\0"))
                except OSError:
                    continue  # no such interface, or one without an address
                return inet_ntoa(found[20:24])
    return "127.0.0.1"


def _to_loopback(value: str) -> bool:
    return value.startswith("http://") and value.partition("://")[2].startswith(LOOPBACK)


def rewritten(url: str) -> str:
    """A URL of this machine as a container with a network of its own reaches it."""
    scheme, _, rest = url.partition("://")
    for name in LOOPBACK:
        if rest.startswith(name):
            return f"{scheme}://{HOST}{rest[len(name) :]}"
    return url


def _mount(source: str, target: str) -> str:
    """`--mount` takes paths with colons, which `-v` does not; they are fields of CSV."""
    fields = ["type=bind", f"source={source}", f"target={target}"]
    return ",".join('"' + each.replace('"', '""') + '"' if set(each) & set(',"') else each for each in fields)


def finish(run_id: str) -> Finished:
    """Asks how the container ended, ends it if it has not, and removes it, when its client has ended."""
    name = name_of(run_id)
    found = engine.container(name)
    if found is None:
        return Finished(started=False)
    engine.remove(name)
    return Finished(found.exit_code, found.started, found.out_of_memory, found.running, found.message)


def carries(run_id: str, token: str) -> bool:
    """Whether there is a container of that run, started with that token: its name says no more than the run's id."""
    found = engine.container(name_of(run_id))
    return found is not None and f"{MARK}={token}" in found.variables


def farewell(run_id: str) -> list[str]:
    """The command that ends and removes the container, for the guard of a supervisor that was killed."""
    return [engine.program(), "rm", "-f", "-v", name_of(run_id)]


def farewell_variables() -> dict[str, str]:
    """What the client needs to find the engine."""
    names = "PATH HOME XDG_RUNTIME_DIR XDG_CONFIG_HOME CONTAINER_HOST CONTAINERS_CONF SSH_AUTH_SOCK".split()
    return {name: value for name, value in os.environ.items() if name in names or name.startswith("DOCKER_")}


def sweep(over: Callable[[str], bool]) -> list[str]:
    """Removes the containers of runs of which `over` says that they are; returns the ids of these runs."""
    gone = []
    for name in engine.containers(LABEL):
        run_id = name.removeprefix("proj-")
        if name != run_id and over(run_id):
            try:
                engine.remove(name)
            except ProjError:
                continue
            gone.append(run_id)
    return gone
