"""Files, each thing in one place: whether one changed, and how one is replaced, locked, hashed, and opened when
it is not ours.
"""

from __future__ import annotations

import errno
import os
import stat as modes
import time
from collections.abc import Callable, Iterator
from io import TextIOWrapper

from runner.typed import TYPE_CHECKING, NamedTuple
from runner.values import Report, Silent

if TYPE_CHECKING:
    from typing import Any, BinaryIO, Protocol, TextIO

    class Readable(Protocol):
        def read(self, size: int, /) -> bytes: ...


__all__ = [
    "DRAFT", "Digest", "Draft", "Exclusive", "Hash", "IrregularError", "Stamp", "digest", "flock", "is_draft",
    "is_special", "lock", "names", "now", "open_file", "open_handle", "open_text", "read", "remove_tree", "settled",
    "stamp", "transfer", "try_lock", "unlock", "write",
]  # fmt: skip

# ---- whether a file changed --------------------------------------------------------------------------------

COARSE = 2_000_000_000  # ns: the coarsest clock of a file system in use, FAT's
FINE = 20_000_000  # ns: two ticks of the slowest clock of a kernel (100 Hz)
# file systems that give times from the kernel's own clock; others may be far away, with a clock of their own
LOCAL = tuple("ext2 ext3 ext4 xfs btrfs f2fs tmpfs overlay zfs bcachefs jfs reiserfs".split())
CLOCK_REALTIME_COARSE = 5  # of Linux, which takes the times of files from it


class Stamp(NamedTuple):
    """What of stat(2) changes when a file does. A program can put back all of it but `ctime_ns`."""

    size: int  # bytes
    mtime_ns: int
    ctime_ns: int  # of the last change, to its content or to what stat(2) says
    inode: int
    device: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


def stamp(path: str, *, follow: bool = True) -> Stamp | None:
    """None when there is nothing, or nothing that we may see."""
    try:
        return Stamp.of(os.stat(path, follow_symlinks=follow))
    except (OSError, ValueError):
        return None


def now() -> int:
    """ns since the epoch, by the clock that new files get their times from."""
    try:
        return time.clock_gettime_ns(CLOCK_REALTIME_COARSE)
    except (OSError, AttributeError):  # not Linux
        return time.time_ns()


def settled(found: Stamp, at: int) -> bool:
    """Whether every change from the moment `at` (`now()`, taken before the file was read) on shows in the stamp.

    One within the same tick of the file system's clock does not: a stamp so young must not be remembered.
    """
    age = at - max(found.mtime_ns, found.ctime_ns)
    return age > COARSE or (age > FINE and _is_fine(found))


def _is_fine(found: Stamp) -> bool:
    """Whether the file system's clock is known to tick at least as often as FINE says."""
    if not found.ctime_ns % 10_000_000:  # whole seconds, or hundredths
        return False
    if found.device not in _kinds:
        _kinds.update(_mounted())
    return _kinds.setdefault(found.device, "") in LOCAL


_kinds: dict[int, str] = {}  # device -> kind of file system; "" where that is not known


def _mounted() -> Iterator[tuple[int, str]]:
    """From /proc/self/mountinfo (proc(5)): `36 35 98:0 /root /place options ... - kind device options`."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            for line in file:
                major, _, minor = line.split(b" ", 3)[2].partition(b":")
                yield os.makedev(int(major), int(minor)), line.partition(b" - ")[2].split(b" ", 1)[0].decode()
    except (OSError, ValueError, IndexError):
        return


# ---- replaced as a whole -----------------------------------------------------------------------------------

DRAFT = ".proj-draft-"  # begins the name of what is being written


def is_draft(name: str) -> bool:
    """Whether a file is a Draft that is being written, or was left by a process that was killed."""
    return name.startswith(DRAFT)


class Draft:
    """`with Draft(path) as draft:` the file that is written at `draft` takes the place of `path` as a whole.

    When the block is left by an exception, the draft is removed and `path` stays as it was. The draft lies
    beside `path`, or in `folder` (of the same file system). `durable`: a power failure leaves one or the other.
    `parents`: the folder is made if there is none. A device or a pipe is not replaced: OSError.
    """

    def __init__(self, path: str, *, folder: str = "", durable: bool = False, parents: bool = True) -> None:
        self._target = path
        self._folder = folder or os.path.dirname(path) or "."
        self._durable = durable
        self._parents = parents
        self.path = os.path.join(self._folder, f"{DRAFT}{os.getpid()}-{os.urandom(4).hex()}")

    def __enter__(self) -> str:
        if self._parents:
            os.makedirs(self._folder, exist_ok=True)
        return self.path

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.put()
        else:
            self.drop()

    def put(self) -> None:
        """For those who write it over a longer time, and not in one block."""
        try:
            if is_special(self._target):  # as root, /dev/null would become a file
                raise OSError(errno.EINVAL, "it is a device or a pipe, not a file", self._target)
            if self._durable:
                _sync(self.path)
            os.replace(self.path, self._target)
            if self._durable:
                _sync(os.path.dirname(self._target) or ".")
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        remove_tree(self.path)


def write(path: str, data: str | bytes, *, folder: str = "", durable: bool = False) -> None:
    """Replaces a file as a whole, with the permissions of a new one; text as UTF-8."""
    with Draft(path, folder=folder, durable=durable) as draft, open(draft, "xb") as file:
        file.write(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)


def is_special(path: str) -> bool:
    """Whether there is something that is neither a file nor a folder."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (modes.S_ISREG(mode) or modes.S_ISDIR(mode))


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---- locked ------------------------------------------------------------------------------------------------


def flock(handle: int, *, shared: bool = False, wait: bool = True) -> bool:
    """Locks an open file until it is closed by all who have it open. False: another process has it."""
    import fcntl

    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def unlock(handle: int) -> None:
    """Gives the lock of a file back that stays open."""
    import fcntl

    fcntl.flock(handle, fcntl.LOCK_UN)


def lock(path: str) -> int:
    """The lock file `path`, made if there is none, open and locked: whoever closes it last gives it back.

    Waits for those who have it. OSError when it cannot be opened.
    """
    while True:
        handle = _locked(path, shared=False, wait=True)
        if handle is not None:
            return handle


def try_lock(path: str, *, shared: bool = False, inheritable: bool = False) -> int | None:
    """As lock(), without waiting: None when another process has it, or had it and removed it.

    A lock file that is to be `shared` is not made. `inheritable`: it is held as long as a child lives, too.
    """
    handle = _locked(path, shared=shared, wait=False)
    if handle is not None:
        os.set_inheritable(handle, inheritable)
    return handle


def _locked(path: str, *, shared: bool, wait: bool) -> int | None:
    flags = os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT
    handle = os.open(path, flags | os.O_CLOEXEC, 0o666)
    try:
        if flock(handle, shared=shared, wait=wait) and _is_at(path, handle):
            found, handle = handle, -1
            return found
    finally:
        if handle >= 0:
            os.close(handle)
    return None


def _is_at(path: str, handle: int) -> bool:
    """Whether the open file is still the one of that name: who had the lock before may have removed it."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


class Exclusive:
    """`with Exclusive(path, report, waiting) as handle:` holds a lock file; `waiting` is said when another has it."""

    def __init__(self, path: str, report: Report | None = None, waiting: str = "") -> None:
        self._path = path
        self._report = report or Silent()
        self._waiting = waiting
        self._handle = -1

    def __enter__(self) -> int:
        os.makedirs(os.path.dirname(self._path) or ".", exist_ok=True)
        handle = try_lock(self._path)
        if handle is None:
            with self._report.step(self._waiting):
                handle = lock(self._path)
        self._handle = handle
        return handle

    def __exit__(self, *error: object) -> None:
        os.close(self._handle)


# ---- removed -----------------------------------------------------------------------------------------------


def remove_tree(path: str) -> None:
    """Removes what can be removed; links are not followed, read-only folders are opened."""
    try:
        if not modes.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return
    except OSError:
        return
    for name in names(path):
        remove_tree(os.path.join(path, name))
    try:
        os.rmdir(path)
    except OSError:
        pass


def names(folder: str) -> list[str]:
    """What is in a folder of ours, which is opened for that if it must; [] when there is none."""
    try:
        return os.listdir(folder)
    except PermissionError:
        os.chmod(folder, 0o700)
        return os.listdir(folder)
    except OSError:
        return []


# ---- opened, when others may have put anything there -------------------------------------------------------


class IrregularError(OSError):
    """Neither a file nor a folder: a pipe, a device, a socket."""


def open_file(path: str, *, follow: bool = True) -> BinaryIO:
    """A regular file for reading. OSError for everything else: a pipe or a device would block, or act.

    Without `follow`, a symbolic link is refused too.
    """
    return open(open_handle(path, follow=follow), "rb")


def open_handle(path: str, *, follow: bool = True) -> int:
    """As open_file, for those who read by file descriptor."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        handle = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV):  # a socket, a device that is not there
            raise IrregularError(errno.EINVAL, "is no regular file", path) from None
        raise
    try:
        mode = os.fstat(handle).st_mode
        if modes.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder", path)
        if not modes.S_ISREG(mode):
            raise IrregularError(errno.EINVAL, "is no regular file", path)
        return handle
    except BaseException:
        os.close(handle)
        raise


def open_text(path: str, errors: str = "strict") -> TextIO:
    """A regular file as text in UTF-8; a byte order mark is not part of it."""
    return TextIOWrapper(open_file(path), "utf-8-sig", errors)


def read(path: str, most: int = -1) -> bytes:
    """The content of a regular file, up to `most` bytes of it."""
    with open_file(path) as file:
        return file.read(most)


# ---- hashed ------------------------------------------------------------------------------------------------

BLOCK = 1 << 20  # bytes


class Digest(NamedTuple):
    digest: str  # <algorithm>:<hex> of a file's bytes; tree-sha256:<hex> of a folder (see hashing.py)
    size: int  # bytes; of a folder: of all files in it

    @property
    def hex(self) -> str:
        return self.digest.partition(":")[2]


class Hash:
    """Of bytes that come piece by piece."""

    def __init__(self, algorithm: str = "sha256") -> None:
        import hashlib

        self._algorithm = algorithm
        self._value = hashlib.new(algorithm, usedforsecurity=False)  # also for md5, of old conda packages
        self._size = 0

    def update(self, data: bytes) -> None:
        self._value.update(data)
        self._size += len(data)

    def result(self) -> Digest:
        return Digest(f"{self._algorithm}:{self._value.hexdigest()}", self._size)


def transfer(
    file: Readable,
    write: Callable[[bytes], Any] | None = None,
    progress: Callable[[int], object] | None = None,
    algorithm: str = "sha256",
) -> Digest:
    """Reads an open file to its end, each block to `write`: the digest is of the bytes that were written.

    `progress` gets the size of each block.
    """
    total = Hash(algorithm)
    while block := file.read(BLOCK):
        total.update(block)
        if write is not None:
            write(block)
        if progress is not None:
            progress(len(block))
    return total.result()


def digest(path: str, progress: Callable[[int], object] | None = None, algorithm: str = "sha256") -> Digest:
    """Of a regular file, read to its end."""
    with open_file(path) as file:
        return transfer(file, None, progress, algorithm)
