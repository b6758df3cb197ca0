"""Artifacts at a URL (s3://, sftp://, gs://, abfs://, hdfs://, memory://), through fsspec."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from runner.errors import StoreError
from runner.host.files import Digest, open_file, transfer
from runner.tracking.local_artifacts import Progress

__all__ = ["RemoteRepository"]

T = TypeVar("T")
READ_BACK = 8 << 20  # bytes; a file up to this size is read again after it was sent
TRIES = 3
EXTRAS = {"s3": "s3", "s3a": "s3", "sftp": "sftp", "ssh": "sftp", "gs": "gs", "gcs": "gs"} | dict.fromkeys(
    ("abfs", "abfss", "az", "adl"), "abfs"
)


class RemoteRepository:
    def __init__(self, url: str) -> None:
        self.url = url
        self._system, self.root = _open(url)
        self.root = self.root.rstrip("/")

    def size(self, path: str) -> int | None:
        """None when there is no such file."""
        try:
            found = self._try(lambda: self._system.info(self._inside(path)))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise StoreError(f"{self.url} cannot be reached: {error}") from error
        return None if found["type"] == "directory" else int(found["size"])

    def put(self, source: str, path: str, progress: Progress, immutable: bool = False) -> Digest:  # noqa: ARG002
        """Sent, then looked at: its size, and of a small file its bytes. StoreError when they differ."""
        target = self._inside(path)

        counted = 0

        def count(size: int) -> None:
            nonlocal counted
            counted += size
            progress(size)

        def send() -> Digest:
            nonlocal counted
            if counted:  # again
                progress(-counted)
                counted = 0
            self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
            with open_file(source) as reading, self._system.open(target, "wb") as writing:
                sent = transfer(reading, writing.write, count)
            if self.size(path) != sent.size:
                raise OSError(f"{sent.size} bytes were sent and {self.size(path)} arrived")
            if sent.size <= READ_BACK and _read_back(self._system, target).digest != sent.digest:
                raise OSError("other bytes arrived than were sent")
            return sent

        try:
            return self._try(send)
        except Exception as error:
            raise StoreError(
                f"{source} cannot be stored at {self.url}/{path}: {error}",
                "what is stored is skipped next time",
            ) from error

    def get(self, path: str, target: str, progress: Progress) -> Digest:
        """StoreError when it cannot be fetched, after some tries."""

        def fetch() -> Digest:
            with self._system.open(self._inside(path), "rb") as reading, open(target, "wb") as writing:
                return transfer(reading, writing.write, progress)

        try:
            return self._try(fetch)
        except Exception as error:
            raise StoreError(f"{self.url}/{path} cannot be fetched: {error}") from error

    def link(self, path: str, target: str) -> None:
        """There are none there; the event of the output says where it led."""

    def delete(self, path: str) -> None:
        try:
            self._try(lambda: self._system.rm_file(self._inside(path)))
        except Exception as error:
            raise StoreError(f"{self.url}/{path} cannot be removed: {error}") from error

    def files(self, path: str) -> Iterator[tuple[str, int]]:
        """All files below a folder, or the file itself: (path from the root, size)."""
        try:
            found = self._try(lambda: self._system.find(self._inside(path), detail=True))
        except FileNotFoundError:
            return
        except Exception as error:
            raise StoreError(f"{self.url} cannot be listed: {error}") from error
        start = self._system._strip_protocol(self.root).rstrip("/") + "/"
        for name in sorted(found):
            if name.startswith(start):
                yield name[len(start) :], int(found[name]["size"] or 0)

    def _inside(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def _try(self, action: Callable[[], T]) -> T:
        """Again after a moment when the connection failed; a missing file or a missing right is final."""
        for left in range(TRIES - 1, -1, -1):
            try:
                return action()
            except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError):
                raise
            except Exception:
                if not left:
                    raise
                time.sleep(0.5 * (TRIES - left))
        raise AssertionError


def _open(url: str) -> tuple[Any, str]:
    if (
        "::" in url
    ):  # fsspec would read what it names on this machine: reference::file:///..., simplecache::...
        raise StoreError(f"{url} is a chain of addresses, and no place where a store keeps artifacts")
    protocol = url.partition("://")[0]
    extra = EXTRAS.get(protocol, "artifacts")
    try:
        import fsspec.core

        system, target = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise StoreError(
            f"{protocol}:// needs a library: {error}", f"pip install 'proj-runner[{extra}]'"
        ) from None
    except Exception as error:
        raise StoreError(f"{url} cannot be reached: {error}") from error
    return system, target


def _read_back(system: Any, target: str) -> Digest:
    with system.open(target, "rb") as reading:
        return transfer(reading)
