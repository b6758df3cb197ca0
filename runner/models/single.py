"""One worker that is asked by one who waits: to check a model, without a server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping

from runner.errors import ProjError
from runner.models.serving import worker as frames
from runner.models.serving.starting import Command, start
from runner.models.serving.worker import Item

__all__ = ["Single"]


class Single:
    """`with Single(command) as model:` loads it. ProjError when it cannot be loaded, or its process dies."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self.facts: Mapping[str, str] = {}  # mlflow, python

    def __enter__(self) -> Single:
        try:
            self._process, self._link = start(self._command)
        except OSError as error:
            raise ProjError(f"{self._command.python} cannot be started: {error.strerror}") from error
        try:
            said = self._receive()
            if said.status:
                raise ProjError(f"the model cannot be loaded: {said.body.decode('utf-8', 'replace')}")
            self.facts = json.loads(said.body)
        except BaseException:
            self.__exit__()
            raise
        return self

    def ask(self, body: bytes, kind: str = frames.JSON) -> Item:
        self._link.sendall(frames.pack([Item(0, kind, body)]))
        return self._receive()

    def _receive(self) -> Item:
        try:
            length, count = frames.FRAME.unpack(frames.receive(self._link, frames.FRAME.size))
            return frames.unpack(frames.receive(self._link, length), count)[0]
        except (EOFError, ConnectionError):
            code = self._process.wait()
            how = f"it was ended by signal {-code}" if code < 0 else f"it exited with {code}"
            raise ProjError(f"the model's process is gone: {how}") from None

    def __exit__(self, *error: object) -> None:
        self._link.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
