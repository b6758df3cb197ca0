"""The clean room: a folder with the exact code of a recorded run, and what the command sees of it."""

from __future__ import annotations

import os
import re

from runner.host.namespace import Bind, outside
from runner.reproduction.shell_paths import exchange
from runner.typed import NamedTuple
from runner.values import CodeState

__all__ = ["Room"]


class Room(NamedTuple):
    root: str  # what the snapshot was restored to
    directory: str  # the project in it
    code: CodeState
    moved: tuple[str, str]  # the folder of the recorded run, and the one that the command sees in its stead
    doubts: tuple[tuple[str, str], ...] = ()  # (cause, what is not as it was)
    binds: tuple[Bind, ...] = ()  # with which the command sees the room where the recorded run was

    @property
    def seen(self) -> str:
        """The project's folder by the name that the command sees; "" when that is `directory`."""
        inside = self.directory[len(self.root) :]
        return self.moved[0] + inside if self.binds else ""

    @property
    def recorded(self) -> str:
        """The folder that the snapshot is of, where the recorded run was."""
        return self.moved[0]

    @property
    def ready(self) -> str:
        return os.path.join(os.path.dirname(self.root), "ready")

    def outside(self, path: str) -> str:
        """Where a path that the command sees lies for us."""
        return outside(path, self.binds)

    def here(self, text: str) -> str:
        """Paths of the recorded folder in a text -> the same in the room."""
        old, new = self.moved
        if len(old) < 2:  # "/": every path would begin with it
            return text
        return re.sub(re.escape(old) + r"(?=$|[^\w.-])", lambda _: new, text)

    def command(self, text: str) -> str:
        """The same in what a shell reads."""
        return text if len(self.moved[0]) < 2 else exchange(text, *self.moved)
