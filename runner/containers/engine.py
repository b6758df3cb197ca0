"""Asks a container engine what it has: by its socket where it has one (2 ms), else by the `docker` program.

The docker package takes 115 ms to import: it is used for pulling and building, not on the way of a warm run.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple, TypeAlias

from runner.errors import EnvironmentFailure, ProjError
from runner.host import process

__all__ = ["Engine", "Image", "State", "address", "container", "containers", "image", "info", "is_there"]
__all__ += ["problem", "program", "remove"]

DEFAULT = "unix:///var/run/docker.sock"
TIMEOUT = 20.0  # s

Answer: TypeAlias = dict[str, Any]  # of the engine: JSON


class Engine(NamedTuple):
    version: str
    system: str  # such as Docker Desktop
    rootless: bool
    remapped: bool  # it maps the container's users to others
    init: bool  # it has an init of its own to start commands with
    nvidia: bool


class Image(NamedTuple):
    id: str
    platform: str  # os/architecture
    digests: tuple[str, ...]  # name@sha256:..., under which registries have it
    user: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    variables: tuple[str, ...]  # NAME=VALUE


class State(NamedTuple):
    """Of a container."""

    created: str  # UTC, 2024-01-31T12:00:00.0Z
    started: bool  # False: the engine could not even start it
    running: bool
    exit_code: int
    out_of_memory: bool
    message: str  # of the engine
    variables: tuple[str, ...]  # NAME=VALUE, that it was started with


def program() -> str:
    """The command-line client: PROJ_DOCKER_EXE, docker or podman; "" when there is none."""
    if chosen := os.environ.get("PROJ_DOCKER_EXE"):
        return process.find(chosen)
    return process.find("docker") or process.find("podman")


def address() -> str:
    """Where the engine listens, as `docker` decides it: DOCKER_HOST, the context, the usual socket."""
    if given := os.environ.get("DOCKER_HOST"):
        return given
    folder = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    context = os.environ.get("DOCKER_CONTEXT") or str(
        _json(os.path.join(folder, "config.json")).get("currentContext") or ""
    )
    if context and context != "default":
        from hashlib import sha256

        name = sha256(context.encode()).hexdigest()
        meta = _json(os.path.join(folder, "contexts", "meta", name, "meta.json"))
        return str(meta.get("Endpoints", {}).get("docker", {}).get("Host") or "")
    if os.path.basename(program()) == "podman":
        return ""  # has no engine that must be running
    return DEFAULT


def problem() -> str:
    """Why no container can be started, or ""."""
    if not program():
        name = os.environ.get("PROJ_DOCKER_EXE")
        return f"PROJ_DOCKER_EXE={name} is not there" if name else "neither docker nor podman is on PATH"
    try:
        info()
    except ProjError as error:
        return error.message
    return ""


def is_there() -> bool:
    """Whether an engine may be running, without asking it."""
    return not _socket() or os.path.exists(_socket())


def info() -> Engine:
    """What the engine says of itself. EnvironmentFailure when there is none."""
    if _socket():
        status, answer = _request("GET", "/info")
        if status != 200 or not isinstance(answer, dict):
            raise EnvironmentFailure(
                f"the container engine at {address()} answers {status}: {_message(answer)}", "docker info"
            )
    else:
        done = _client("info", "--format", "{{json .}}")
        answer = _loads(done.out)
        errors = answer.get("ServerErrors") if isinstance(answer, dict) else None
        if done.code or errors or not isinstance(answer, dict):
            said = str(errors[0]) if errors else done.err.strip() or done.out.strip()
            raise EnvironmentFailure(f"there is no container engine at {address()}: {said}", "docker info")
    security = " ".join(str(each) for each in answer.get("SecurityOptions") or ())
    return Engine(
        str(answer.get("ServerVersion") or ""),
        str(answer.get("OperatingSystem") or ""),
        "rootless" in security,
        "userns" in security,
        bool(answer.get("InitBinary")),
        "nvidia" in (answer.get("Runtimes") or {}) or bool(answer.get("DiscoveredDevices")),
    )


def image(name: str) -> Image | None:
    """By name or id; None when the engine has none."""
    found = _inspect("image", name)
    if found is None:
        return None
    config = found.get("Config") or {}
    return Image(
        str(found["Id"]),
        f"{found.get('Os')}/{found.get('Architecture')}",
        tuple(str(each) for each in found.get("RepoDigests") or ()),
        str(config.get("User") or ""),
        tuple(config.get("Entrypoint") or ()),
        tuple(config.get("Cmd") or ()),
        tuple(config.get("Env") or ()),
    )


def container(name: str) -> State | None:
    """By name or id; None when the engine has none."""
    found = _inspect("container", name)
    if found is None:
        return None
    state = found.get("State") or {}
    return State(
        str(found.get("Created") or ""),
        not str(state.get("StartedAt") or "0001").startswith("0001"),
        bool(state.get("Running")),
        int(state.get("ExitCode") or 0),
        bool(state.get("OOMKilled")),
        str(state.get("Error") or ""),
        tuple((found.get("Config") or {}).get("Env") or ()),
    )


def _inspect(kind: str, name: str) -> Answer | None:
    if _socket():
        status, answer = _request("GET", f"/{kind}s/{_quoted(name)}/json")
        if status == 404:
            return None
        if status == 200 and isinstance(answer, dict):
            return answer
        said = _message(answer)
    else:
        done = _client(kind, "inspect", name)
        found = _loads(done.out)
        if not done.code:
            return found[0] if isinstance(found, list) and found else None
        if "no such" in done.err.lower():
            return None
        said = done.err.strip()
    raise EnvironmentFailure(f"the container engine cannot tell about {kind} {name}: {said}", "docker info")


def remove(name: str) -> None:
    """Ends and removes a container; one that is not there is no error."""
    if _socket():
        status, answer = _request("DELETE", f"/containers/{_quoted(name)}?force=1&v=1")
        said = "" if status in (204, 200, 404, 409) else _message(answer)  # 409: it is being removed already
    else:
        done = _client("rm", "-f", "-v", name)
        said = done.err.strip() if done.code and "no such" not in done.err.lower() else ""
    if said:
        raise EnvironmentFailure(f"container {name} cannot be removed: {said}", f"docker rm -f {name}")


def containers(label: str) -> list[str]:
    """Names of all containers, ended ones too, that carry a label."""
    done = _client("ps", "-a", "--filter", f"label={label}", "--format", "{{.Names}}")
    return done.out.split() if done.code == 0 else []


def _quoted(name: str) -> str:
    """In a path of a request. urllib is imported only where there is something to quote."""
    if all(letter.isalnum() or letter in "/:@._-" for letter in name) and name.isascii():
        return name
    from urllib.parse import quote

    return quote(name, safe="/:@")


def _client(*arguments: str) -> process.Completed:
    found = program()
    if not found:
        raise EnvironmentFailure(problem(), "install Docker or Podman, or set PROJ_DOCKER_EXE")
    return process.run([found, *arguments], timeout=60)


def _socket() -> str:
    where = address()
    return where.removeprefix("unix://") if where.startswith("unix://") else ""


def _request(method: str, path: str) -> tuple[int, Any]:
    """One request over the engine's socket; HTTP/1.0, so the answer ends with the connection."""
    import _socket as socket  # the part that is needed: the rest of `socket` takes 2 ms to import

    where = _socket()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(TIMEOUT)
    try:
        connection.connect(where)
        connection.sendall(f"{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        parts = []
        while data := connection.recv(1 << 16):
            parts.append(data)
    except FileNotFoundError:
        raise EnvironmentFailure(
            f"there is no container engine: {where} is not there", "start Docker, or set DOCKER_HOST"
        ) from None
    except PermissionError:
        raise EnvironmentFailure(
            f"the container engine's socket {where} is not open to you",
            "join the group docker, or use a rootless engine",
        ) from None
    except OSError as error:
        said = "it does not answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise EnvironmentFailure(
            f"the container engine at {where} cannot be reached: {said}", "docker info"
        ) from None
    finally:
        connection.close()
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if any(line.lower().replace(" ", "") == "transfer-encoding:chunked" for line in lines[1:]):
        body = _joined(body)
    words = lines[0].split()
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return status, _loads(body.decode("utf-8", "replace"))


def _joined(body: bytes) -> bytes:
    """Chunks put together, for an engine that sends them in spite of HTTP/1.0."""
    parts = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if not length:
            break
        parts.append(rest[:length])
        body = rest[length + 2 :]
    return b"".join(parts)


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def _message(answer: object) -> str:
    return str(answer.get("message") if isinstance(answer, dict) else answer)


def _json(path: str) -> Answer:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
