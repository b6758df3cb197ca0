"""Starts a worker (worker.py): for a server, and for one who asks it alone."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from runner.models.serving import worker

__all__ = ["Command", "start"]


class Command(NamedTuple):
    """How a worker is started."""

    python: str
    folder: str  # of the model
    variables: Mapping[str, str]
    output: int  # file descriptor for what it writes
    batch: int = 1  # requests that it is sent at once, at most


def start(command: Command) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process, and our end of its socket. OSError when it cannot be started."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            more = ["batch"] if command.batch > 1 else []
            link = str(theirs.fileno())
            process = subprocess.Popen(
                [command.python, os.path.abspath(worker.__file__), link, command.folder, *more],
                env=dict(command.variables),
                stdin=subprocess.DEVNULL,
                stdout=command.output,
                stderr=command.output,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # signals of the terminal are for us
            )
    except BaseException:
        ours.close()
        raise
    return process, ours
