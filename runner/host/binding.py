"""Other folders at some paths, for the process that asks for it and what it starts: mount(2), unshare(2).

    python -I -S binding.py READY DIRECTORY {SOURCE TARGET MODE}...

tries it and ends; namespace.py says when that is asked for. MODE is `rw` or `ro`. Status 125, with the reason on
stderr, when the kernel refuses.
"""

from __future__ import annotations

import ctypes
import os
import sys

TYPE_CHECKING = False  # the guard of a run imports this, but nothing that takes its time
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["bind", "failure"]

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
REFUSED = 125  # exit status


def bind(binds: Sequence[tuple[str, str, bool]], directory: str, ready: str) -> None:
    """In a mount namespace of its own (and a user namespace, where we are not root) each source is bound to its target.

    `binds`: (source, target, whether it is read-only), bound in their order. Sources are opened before the first is
    bound: one may hide another. This process, which has one thread, goes to `directory`, and `ready`, a file, is made
    when all is in place. OSError when the kernel refuses (user_namespaces(7)); then this process is good for nothing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _enter(libc)
    _call(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "/")
    sources = [os.open(source, os.O_PATH | os.O_CLOEXEC) for source, _, _ in binds]
    for source, (_, target, read_only) in zip(sources, binds, strict=True):
        place = os.fsencode(target)
        _call(libc.mount(f"/proc/self/fd/{source}".encode(), place, None, MS_BIND | MS_REC, None), target)
        if read_only:
            _read_only(libc, place, target)
        there, wanted = os.stat(target), os.fstat(source)
        if (there.st_dev, there.st_ino) != (wanted.st_dev, wanted.st_ino):
            raise OSError(0, f"{target} is not what was bound there")
    os.chdir(directory)  # by its name: the folder that we were started in is hidden now
    os.close(os.open(ready, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def failure(error: OSError) -> str:
    """A line for stderr."""
    return f"proj: the clean room cannot be made: {error}\n"


def _enter(libc: ctypes.CDLL) -> None:
    """Root needs no user namespace, unless it is a container's root; who the command runs as stays as it was."""
    if os.geteuid() == 0 and libc.unshare(CLONE_NEWNS) == 0:
        return
    user, group = os.geteuid(), os.getegid()
    _call(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "a user namespace")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _read_only(libc: ctypes.CDLL, place: bytes, target: str) -> None:
    flags = MS_REMOUNT | MS_BIND | MS_RDONLY
    kept = os.statvfs(target).f_flag & (
        os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC
    )  # locked in a user namespace
    _call(libc.mount(None, place, None, flags | kept, None), target)


def _call(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def main(words: list[str]) -> None:
    ready, directory, *rest = words
    bind([(rest[at], rest[at + 1], rest[at + 2] == "ro") for at in range(0, len(rest), 3)], directory, ready)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.stderr.write(failure(error))
        sys.exit(REFUSED)
