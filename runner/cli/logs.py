"""`proj logs`: what a run wrote."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from runner.cli import reference
from runner.cli.options import Option
from runner.errors import InputError

if TYPE_CHECKING:
    from runner.tracking.output import Line, Piece, Reader

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    Option(
        "run", ("run",), reference.RUNS_BY, default="last", metavar="[RUN]", complete=reference.COMPLETE_RUNS
    ),
    Option("follow", ("-f", "--follow"), "Go on until the run has ended.", "flag", False),
    Option("timestamps", ("-t", "--timestamps"), "Begin each line with its time.", "flag", False),
    Option("stream", ("--stream",), "Only this one: 1 (stdout) or 2 (stderr).", "int", 0, metavar="1|2"),
    Option("lines", ("-n", "--lines"), "Only the last lines.", "int", 0, metavar="N"),
    reference.STORE,
    Option("json", ("--json",), "Print one JSON object a line.", "flag", False),
)
LOOK = 0.2  # s between looks for more
ALIVE = 1.0  # s between looks whether the run is still on


def command(values: dict[str, Any]) -> int:
    """Print what a run wrote, as bytes. Without RUN, the last one."""
    from runner.running.reconcile import current
    from runner.tracking.output import Reader

    given = reference.take(values)
    if given["lines"] < 0:
        raise InputError(f"--lines {given['lines']} is less than 0")
    if given["stream"] not in (0, 1, 2):
        raise InputError(f"--stream {given['stream']} is not 1 (stdout) or 2 (stderr)")
    with reference.open_store(given["store"]) as store:
        run = reference.find(store, given["run"])
        reader = Reader(store.run_directory(run.run_id))

        def running() -> bool:
            return current(store, run.run_id).status == "RUNNING"

        pieces = follow(reader, running) if given["follow"] else chain(reader.read(), reader.tail())
        if given["stream"]:
            pieces = (piece for piece in pieces if piece.stream == given["stream"])
        if given["timestamps"] or given["json"] or given["lines"]:
            show_lines(pieces, given)
        else:
            for piece in pieces:
                write(piece.data)
    return 0


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


def show_lines(pieces: Iterator[Piece], given: dict[str, Any]) -> None:
    from collections import deque

    from runner.tracking.output import Line, by_line

    kept: dict[int, tuple[int, bytes]] = {}

    def whole() -> Iterator[Line]:
        yield from by_line(pieces, kept)
        for stream, (moment, text) in kept.items():
            yield Line(moment, stream, text, False)

    lines: Iterator[Line] = whole()
    if given["lines"]:
        if given["follow"]:
            raise InputError("--follow and --lines exclude each other")
        lines = iter(deque(lines, maxlen=given["lines"]))
    for line in lines:
        write(as_bytes(line, given["timestamps"], given["json"]))


def as_bytes(line: Line, stamped: bool, as_json: bool) -> bytes:
    from runner.cli.render_values import iso

    if as_json:
        import json

        text = line.text.decode("utf-8", "replace")
        return json.dumps({"time": iso(line.time), "stream": line.stream, "text": text}).encode() + b"\n"
    prefix = f"{iso(line.time) if line.time else '-'} ".encode() if stamped else b""
    return prefix + line.text + (b"\n" if line.ended or stamped else b"")


def write(data: bytes) -> None:
    """Past sys.stdout: output need not be text. BrokenPipeError is for main."""
    import sys

    sys.stdout.flush()
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # replaced in a test
        sys.stdout.write(data.decode("utf-8", "replace"))
        return
    while data:
        data = data[os.write(descriptor, data) :]
