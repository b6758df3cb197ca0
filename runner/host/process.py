"""The only module that starts helper processes (git, uv, docker, ...); the run's own command is backends/'s.

`run` waits for a helper; `start` lets a quick one work while we do something else, without the 11 ms that
importing subprocess costs.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence

from runner.errors import ProjError
from runner.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import subprocess
    from typing import IO

__all__ = [
    "Completed",
    "Pending",
    "environment",
    "find",
    "is_small",
    "pid_start",
    "run",
    "start",
    "written_by",
]

# Inherited variables that make a helper, or a run's command, look at the wrong place.
DANGEROUS = tuple(
    (
        "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES "
        "GIT_COMMON_DIR GIT_NAMESPACE GIT_PREFIX PYTHONHOME PYTHONSTARTUP PYTHONEXECUTABLE "
        "__PYVENV_LAUNCHER__"
    ).split()
)

MARK = "PROJ_HELPER"  # in the environment of a helper and of what it starts
SMALL = 32 << 20  # bytes of memory


class Completed(NamedTuple):
    code: int  # negative: the signal that ended it
    out: str
    err: str


def environment(changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Our environment without the DANGEROUS variables, with `changes` (None removes)."""
    result = {key: value for key, value in os.environ.items() if key not in DANGEROUS}
    for key, value in (changes or {}).items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def find(name: str, path: str | None = None) -> str:
    """The executable `name` on PATH (or on `path`), or ""."""
    if os.sep in name:
        return name if os.access(name, os.X_OK) else ""
    for folder in (os.environ.get("PATH", os.defpath) if path is None else path).split(os.pathsep):
        candidate = os.path.join(folder or ".", name)
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    return ""


def run(
    argv: Sequence[str],
    *,
    cwd: str | None = None,
    variables: Mapping[str, str | None] | None = None,
    input: str | None = None,  # noqa: A002
    timeout: float | None = None,
    on_line: Callable[[str], None] | None = None,
    pass_fds: Sequence[int] = (),
    drawing: bool = False,
) -> Completed:
    """Runs a helper to its end. With `on_line`, each line of its stderr is handed over as it comes.

    `drawing`: its stderr is a terminal, on which it draws its progress; what it draws over is a line, too.
    A helper that cannot be found is a ProjError; a failing one is for the caller to judge by its code.
    """
    import subprocess

    mark = _new_mark()
    ours, theirs = _terminal() if drawing else (-1, subprocess.PIPE)
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**environment(variables), MARK: mark},
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=theirs,
            pass_fds=tuple(pass_fds),
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError:
        if cwd and not os.path.isdir(cwd):
            raise ProjError(f"the folder {cwd} is not there") from None
        raise ProjError(f"{argv[0]} is not on PATH", "proj doctor  shows what is missing") from None
    except BaseException:  # interrupted while it was starting
        _kill_marked(mark)
        raise
    finally:
        if drawing:
            os.close(theirs)
    if drawing:  # closed with the child's other ends
        child.stderr = open(ours, encoding="utf-8", errors="replace")  # noqa: SIM115
    with child:
        try:
            if on_line is None:
                out, err = child.communicate(input, timeout=timeout)
            else:
                out, err = _follow(child, on_line, input)
        except subprocess.TimeoutExpired:
            _kill_all(child, mark)
            raise ProjError(f"{argv[0]} did not end within {timeout:g} s") from None
        except BaseException:
            _kill_all(child, mark)
            raise
    return Completed(child.returncode, out, err)


def _terminal() -> tuple[int, int]:
    """Our side of a pseudo-terminal and the helper's, so wide that no line is broken."""
    import fcntl
    import struct
    import termios

    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 50, 400, 0, 0))
    os.set_inheritable(ours, False)
    return ours, theirs


def _kill_all(child: subprocess.Popen[str], mark: str) -> None:
    child.kill()
    _kill_marked(mark)


def _new_mark() -> str:
    return f"{os.getpid()}.{os.urandom(6).hex()}"


def _kill_marked(mark: str) -> None:
    """A helper with what it started: a build would go on for minutes."""
    from runner.host import process_tree

    process_tree.kill_carrying(f"{MARK}={mark}".encode())


def _follow(
    child: subprocess.Popen[str], on_line: Callable[[str], None], text: str | None
) -> tuple[str, str]:
    import threading

    collected: list[str] = []
    stdout, stderr = child.stdout, child.stderr
    assert stdout is not None  # noqa: S101 - both are pipes
    assert stderr is not None  # noqa: S101
    reader = threading.Thread(target=lambda: collected.append(stdout.read()), daemon=True)
    reader.start()
    feeder = threading.Thread(target=_feed, args=(child.stdin, text), daemon=True)
    feeder.start()
    lines = []
    try:
        for line in stderr:
            lines.append(line)
            on_line(line.rstrip("\n"))
    except OSError:
        pass  # EIO: nobody has the other side of the terminal any more
    reader.join()
    feeder.join()
    child.wait()
    return "".join(collected), "".join(lines)


def _feed(stdin: IO[str] | None, text: str | None) -> None:
    if text is None or stdin is None:
        return
    try:
        with stdin:
            stdin.write(text)
    except BrokenPipeError:
        pass  # it did not want to hear the rest


class Pending:
    """A helper that was started; `finish()` waits for it. Its stdin is empty."""

    def __init__(self, argv: Sequence[str], variables: Mapping[str, str | None] | None = None) -> None:
        program = find(argv[0])
        if not program:
            raise ProjError(f"{argv[0]} is not on PATH", "proj doctor  shows what is missing")
        self._pipes = [os.pipe(), os.pipe()]
        (out_read, out_write), (err_read, err_write) = self._pipes
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, out_write, 1),
            (os.POSIX_SPAWN_DUP2, err_write, 2),
        ]
        self._mark = _new_mark()
        marked = {**environment(variables), MARK: self._mark}
        try:
            self.pid = os.posix_spawn(program, list(argv), marked, file_actions=actions)
        except BaseException:  # interrupted while it was starting
            _kill_marked(self._mark)
            raise
        finally:
            os.close(out_write)
            os.close(err_write)
        self._ends = (out_read, err_read)

    def available(self) -> str:
        """What it has written to stdout since, without waiting for more. ASCII."""
        poll = select.poll()
        poll.register(self._ends[0], select.POLLIN)
        pieces = []
        while any(events & select.POLLIN for _, events in poll.poll(0)):
            pieces.append(os.read(self._ends[0], 1 << 16))
        return b"".join(pieces).decode("ascii", "replace")

    def kill(self) -> None:
        """Ends it at once; what it said or would still say is lost."""
        self.finish(timeout=0)

    def finish(self, timeout: float | None = None, most: int | None = None) -> Completed:
        """Waits for it. After `timeout` seconds, or `most` bytes of stdout, it is killed, whatever its own children
        do: code -9."""
        try:
            return self._finish(timeout, most)
        except BaseException:
            _kill_marked(self._mark)
            raise

    def _finish(self, timeout: float | None, most: int | None) -> Completed:
        deadline = None if timeout is None else time.monotonic() + timeout
        collected: dict[int, list[bytes]] = {end: [] for end in self._ends}
        poll = select.poll()
        for end in self._ends:
            poll.register(end, select.POLLIN | select.POLLHUP)
        open_ends, left = set(self._ends), most
        while open_ends:
            ready = (
                []
                if left is not None and left < 0
                else poll.poll(None if deadline is None else max(0, (deadline - time.monotonic()) * 1000))
            )
            if not ready:
                os.kill(self.pid, 9)
                for end in open_ends:  # a child of it may hold the other side
                    os.close(end)
                break
            for end, _ in ready:
                data = os.read(end, 1 << 18)
                if data:
                    collected[end].append(data)
                    if left is not None and end == self._ends[0]:
                        left -= len(data)
                else:
                    poll.unregister(end)
                    open_ends.discard(end)
                    os.close(end)
        _, status = os.waitpid(self.pid, 0)
        out, err = (b"".join(collected[end]).decode("utf-8", "surrogateescape") for end in self._ends)
        return Completed(os.waitstatus_to_exitcode(status), out, err)


def start(argv: Sequence[str], variables: Mapping[str, str | None] | None = None) -> Pending:
    return Pending(argv, variables)


def is_small() -> bool:
    """Whether this process can be forked safely and at little cost."""
    try:
        with open("/proc/self/statm", "rb") as file:
            size = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return size < SMALL and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False  # not Linux


def pid_start(pid: int) -> str:
    """What tells this process from a later one with the same pid: its start time, as the system counts it.

    "" when there is no such process (or it is a zombie).
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
    except FileNotFoundError:
        if os.path.exists("/proc/self/stat"):
            return ""
    except OSError:
        return ""
    done = run(["ps", "-o", "lstart=", "-p", str(pid)])  # macOS
    return done.out.strip()


def written_by(pid: int) -> list[str]:
    """Paths of the files that a process has open to write to them. Empty also where that cannot be seen."""
    found = []
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                with open(f"/proc/{pid}/fdinfo/{name}", encoding="utf-8") as file:
                    flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
                if flags & os.O_ACCMODE != os.O_RDONLY:
                    found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
            except (OSError, StopIteration):
                continue  # closed by now
    except OSError:
        pass
    return found
