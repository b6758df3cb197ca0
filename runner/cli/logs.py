"""`proj logs`: what a run wrote."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from runner.cli import reference
from runner.cli.options import Command, Option
from runner.errors import InputError
from runner.text.units import iso

if TYPE_CHECKING:
    from runner.tracking.output import Line, Piece, Reader

__all__ = ["COMMAND"]

LOOK = 0.2  # s between looks for more
ALIVE = 1.0  # s between looks whether the run is still on


def command(
    ref: str, following: bool, timestamps: bool, stream: int, last: int, location: str, as_json: bool
) -> int:
    """Print what a run wrote, as bytes. Without RUN, the last one."""
    from runner.running.reconcile import Watched
    from runner.tracking.output import Reader

    if last < 0:
        raise InputError(f"--lines {last} is less than 0")
    if stream not in (0, 1, 2):
        raise InputError(f"--stream {stream} is not 1 (stdout) or 2 (stderr)")
    if following and last:
        raise InputError("--follow and --lines exclude each other")
    with reference.open_store(location) as store, commands_stopped():
        run = reference.find(store, ref)
        reader = Reader(store.run_directory(run.run_id))
        watched = Watched(store, run.run_id)

        def running() -> bool:
            return watched.look().status == "RUNNING"

        pieces = follow(reader, running) if following else chain(reader.read(), reader.tail())
        if stream:
            pieces = (piece for piece in pieces if piece.stream == stream)
        if timestamps or as_json or last:
            for line in whole_lines(pieces, last):
                write(as_bytes(line, timestamps, as_json))
        else:
            for piece in pieces:
                write(piece.data)
    return 0


@contextmanager
def commands_stopped() -> Iterator[None]:
    """In a job of GitHub Actions nothing that a run once wrote is a command to it."""
    from runner.text.terminal import in_github

    if not in_github():
        yield
        return
    token = os.urandom(16).hex()
    write(f"::stop-commands::{token}\n".encode())
    try:
        yield
    finally:
        write(f"\n::{token}::\n".encode())


def follow(reader: Reader, running: Callable[[], bool]) -> Iterator[Piece]:
    """Pieces as they come, until the run has ended and all is read."""
    looked = 0.0
    while True:
        on = True
        if time.monotonic() - looked >= ALIVE:
            on, looked = running(), time.monotonic()
        yield from reader.read()
        if not on:
            return
        time.sleep(LOOK)


def whole_lines(pieces: Iterator[Piece], last: int) -> Iterable[Line]:
    """Pieces as lines; of these the `last` ones, 0 for all."""
    from runner.tracking.output import Line, by_line

    def lines() -> Iterator[Line]:
        kept: dict[int, tuple[int, bytes]] = {}
        yield from by_line(pieces, kept)
        for stream, (moment, text) in kept.items():
            yield Line(moment, stream, text, False)

    return deque(lines(), maxlen=min(last, 1 << 31)) if last else lines()


def as_bytes(line: Line, stamped: bool, as_json: bool) -> bytes:
    """As it was written, after its time if `stamped` (- where that is not known); or as a JSON object."""
    if as_json:
        text = line.text.decode("utf-8", "replace")
        return json.dumps({"time": iso(line.time), "stream": line.stream, "text": text}).encode() + b"\n"
    prefix = f"{iso(line.time) if line.time else '-'} ".encode() if stamped else b""
    return prefix + line.text + (b"\n" if line.ended or stamped else b"")


def write(data: bytes) -> None:
    """Past sys.stdout: output need not be text. BrokenPipeError is for main."""
    sys.stdout.flush()
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # replaced in a test
        sys.stdout.write(data.decode("utf-8", "replace"))
        return
    while data:
        data = data[os.write(descriptor, data) :]


COMMAND = Command(command, (
    reference.LAST,
    Option("following", ("-f", "--follow"), "Go on until the run has ended.", "flag"),
    Option("timestamps", ("-t", "--timestamps"), "Begin each line with its time.", "flag"),
    Option("stream", ("--stream",), "Only this one: 1 (stdout) or 2 (stderr).", "int", 0, metavar="1|2"),
    Option("last", ("-n", "--lines", "--tail"), "Only the last lines.", "int", 0, metavar="N"),
    reference.STORE,
    Option("as_json", ("--json",), "Print one JSON object a line.", "flag"),
))  # fmt: skip
