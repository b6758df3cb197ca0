"""`python -m runner` without the start of an interpreter: each call is forked from a process that has imported it already.

It is a process of its own as before, with its own variables, folder and files; what it saves is a fifth of the time of
the tests. Where everything must run (`IN_CI`), and for variables that an interpreter reads at its start, a real one is started.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence

__all__ = ["Process", "call", "can"]

# what a command may need; not typer, by which the program tells that it was not called by a plain line
COMMANDS = ("run", "reproduce", "show", "runs", "logs", "env", "log", "diff", "bundle")
LATER = {
    "new": ("copier", "runner.cli.new", "runner.scaffold.new"),
    "update": ("copier", "runner.cli.update", "runner.scaffold.new"),
}
# what serves is forked from a process of its own, or that of the others would be large
SERVING = ("server", "ui")
SERVERS = ("cli.server", "cli.ui", "server.team", "server.gate", "server.door", "server.webhooks", "web.local", "web.site",
           "protocol.application", "protocol.serving", "tracking.index.query", "tracking.index.sqlite")  # fmt: skip
LARGEST = 30_000  # characters of a request, which is one message
READ_AT_START = ("PYTHON", "LC_", "LANG")

# process, and whether for what serves -> its server, and what that read at its start
_servers: dict[tuple[int, bool], tuple[socket.socket, dict[str, str]]] = {}


def read_at_start(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(READ_AT_START)}


def server(command: str) -> tuple[socket.socket, dict[str, str]]:
    """The one of this process, which ends with it."""
    place = os.getpid(), command in SERVING
    if place not in _servers:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
            argv = [sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); from tests.forked import serve; serve(*map(int, sys.argv[2:]))"]  # fmt: skip
            process = subprocess.Popen(
                [*argv, root, str(theirs.fileno()), str(int(place[1]))], cwd="/", pass_fds=[theirs.fileno()]
            )
        process.returncode = 0  # nobody waits for it
        atexit.register(ours.close)
        _servers[place] = ours, read_at_start(os.environ)
    return _servers[place]


def can(arguments: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Whether a call does what an interpreter of its own would do."""
    if sys.platform != "linux" or os.environ.get("PROJ_TEST_ALL"):
        return False
    size = sum(map(len, (*arguments, *variables, *variables.values())))
    return size < LARGEST and read_at_start(variables) == server(arguments[0] if arguments else "")[1]


def call(
    arguments: list[str], folder: str, variables: Mapping[str, str], timeout: float
) -> tuple[int, bytes, bytes]:
    """Exit code (negative: the signal), stdout and stderr. subprocess.TimeoutExpired."""
    read, write = zip(os.pipe(), os.pipe(), strict=True)
    try:
        ours = begin(arguments, folder, variables, write)
    finally:
        for fd in write:
            os.close(fd)
    with ours, open(read[0], "rb") as out, open(read[1], "rb") as err:
        answer = ours.makefile("r")
        pid = int(answer.readline())
        texts = communicate([out.fileno(), err.fileno()], pid, arguments, timeout)
        status = int(answer.readline())
    return os.waitstatus_to_exitcode(status), texts[0], texts[1]


def begin(
    arguments: Sequence[str], folder: str, variables: Mapping[str, str], outputs: Sequence[int]
) -> socket.socket:
    """From which its process id can be read, and its status when it has ended; a line each."""
    ours, theirs = socket.socketpair()
    with theirs:
        request = json.dumps([arguments, folder, dict(variables)]).encode(errors="surrogatepass")
        files = array.array("i", [theirs.fileno(), *outputs])
        channel = server(arguments[0] if arguments else "")[0]
        channel.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    return ours


class Process:
    """A call that goes on, as tests use a subprocess.Popen."""

    def __init__(self, arguments: Sequence[str]) -> None:
        read, write = os.pipe()
        with open(os.devnull, "wb") as null:
            try:
                self._link = begin(arguments, os.getcwd(), os.environ, (null.fileno(), write))
            finally:
                os.close(write)
        self._answer = self._link.makefile("r")
        self.stderr = open(read, encoding="utf-8")  # noqa: SIM115
        self.pid = int(self._answer.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._link], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(self._answer.readline()))
            self._answer.close()
            self._link.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def communicate(files: list[int], pid: int, arguments: list[str], timeout: float) -> list[bytes]:
    """All that comes from both, to their ends."""
    deadline, texts = time.monotonic() + timeout, dict.fromkeys(files, b"")
    poll = select.poll()
    for fd in files:
        poll.register(fd, select.POLLIN)
    left = len(files)
    while left:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if not ready:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(arguments, timeout)
        for fd, _ in ready:
            data = os.read(fd, 1 << 16)
            texts[fd] += data
            if not data:
                poll.unregister(fd)
                left -= 1
    return [texts[fd] for fd in files]


# ---- the other side ----------------------------------------------------------------------------------------


def serve(number: int, serving: int) -> None:
    channel = socket.socket(fileno=number)
    others = *(f"cli.{name}" for name in COMMANDS), "running.run", "reproduction.reproduce", *SERVERS[-2:]
    for name in SERVERS if serving else others:
        importlib.import_module(f"runner.{name}")
    gc.freeze()
    while True:
        request, files, _, _ = socket.recv_fds(channel, 1 << 21, 3)
        if not request:
            return
        command = next(iter(json.loads(request.decode(errors="surrogatepass"))[0]), "")
        for name in LATER.pop(command, ()):
            importlib.import_module(name)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the process in between
        if os.fork() == 0:
            channel.close()
            between(request, files)
        for fd in files:
            os.close(fd)


def between(request: bytes, files: list[int]) -> None:
    """Tells the process id of the call, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    answer, out, err = files
    pid = os.fork()
    if pid == 0:
        os.close(answer)
        become(request, out, err)
    os.close(out)
    os.close(err)
    os.write(answer, f"{pid}\n".encode())
    os.write(answer, f"{os.waitpid(pid, 0)[1]}\n".encode())
    os._exit(0)


def become(request: bytes, out: int, err: int) -> None:
    from runner.cli.main import entry

    arguments, folder, variables = json.loads(request.decode(errors="surrogatepass"))
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    for fd in range(3, 64):
        try:
            os.close(fd)
        except OSError:
            continue
    for name, mode, number in (("stdin", "r", 0), ("stdout", "w", 1), ("stderr", "w", 2)):
        old = getattr(sys, name)
        new = open(number, mode, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, new)
    code = 1
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        sys.argv[:] = ["runner", *arguments]
        entry()
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
