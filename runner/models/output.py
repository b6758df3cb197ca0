"""What the workers write: to our standard error, and into the record of the run."""

from __future__ import annotations

import os
import threading

from runner.backends.capture import Capture, Mask, limit

__all__ = ["Output"]

BLOCK = 1 << 16
STREAM = 2  # in the record: both streams of all workers are one here


class Output:
    """`with Output(record, secrets) as output`: `output.fd` is for the workers to write to."""

    def __init__(self, directory: str, secrets: tuple[bytes, ...] = (), quiet: bool = False) -> None:
        self._capture = Capture(directory, limit())
        self._mask = Mask(secrets)
        self._quiet = quiet
        self._ours, self.fd = os.pipe()
        self._thread = threading.Thread(target=self._read, name="output", daemon=True)

    def __enter__(self) -> Output:
        self._thread.start()
        return self

    def _read(self) -> None:
        while data := os.read(self._ours, BLOCK):
            self._keep(self._mask.feed(data))
        self._keep(self._mask.rest())

    def _keep(self, data: bytes) -> None:
        self._capture.write(data, STREAM)
        if not self._quiet:
            try:
                os.write(2, data)
            except OSError:
                pass  # nobody looks any more

    def __exit__(self, *error: object) -> None:
        """When all workers are gone: what a process of theirs still holds open is not waited for."""
        os.close(self.fd)
        self._thread.join(1)
        self._capture.close()
