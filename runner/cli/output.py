"""How results reach the terminal: tables, JSON, plain text when piped. rich is imported when it draws."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager

from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Literal, TextIO

__all__ = [
    "Guarded", "colours", "emit_json", "emit_lines", "harmless", "is_terminal", "json_text", "own_stdout", "paint", "result",
    "status", "table", "width",
]  # fmt: skip

TELLING = 14  # characters of a long text that still tell something
STATUS = {"RUNNING": 36, "SCHEDULED": 36, "FINISHED": 32, "FAILED": 31, "KILLED": 33}  # SGR


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether the stream (stdout) is one that draws; TERM=dumb, as in an editor, is none."""
    return (stream or sys.stdout).isatty() and os.environ.get("TERM") != "dumb"


def colours(stream: TextIO | None = None) -> bool:
    """https://no-color.org; FORCE_COLOR for CI logs."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream)


def paint(text: str, code: str | int, colour: bool) -> str:
    """`code`: an SGR parameter, such as 31 for red and 1 for bold; `colour`: whether colours are wanted."""
    return f"\033[{code}m{text}\033[0m" if colour and code else text


def status(text: str, colour: bool) -> str:
    return paint(text, STATUS.get(text, ""), colour)


@contextmanager
def own_stdout(wanted: bool) -> Iterator[None]:
    """While it holds, what commands print on file descriptor 1 goes to stderr: our output is our own result."""
    if not wanted:
        yield
        return
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(real, 1)
        os.close(real)


def width() -> int:
    """Columns of the terminal; as good as endless when piped."""
    import shutil

    return shutil.get_terminal_size().columns if is_terminal() else 10_000


def result(as_json: bool, value: object, lines: Iterable[str]) -> int:
    """What most commands end with: the value as JSON, or lines to read; returns the exit code 0."""
    if as_json:
        emit_json(value)
    else:
        emit_lines(lines)
    return 0


def emit_json(value: object) -> None:
    """A NamedTuple is an object with its fields; so is each one of a list."""
    if isinstance(value, (list, tuple)) and not hasattr(value, "_asdict"):
        value = [_fields(each) for each in value]
    sys.stdout.write(json_text(_fields(value), 2) + "\n")


def json_text(value: object, indent: int | None = None) -> str:
    """Always to be encoded and printed: what is not is told by JSON's escapes, or made visible."""
    from runner.text.encoding import is_encodable, visible_values
    from runner.text.terminal import json_printable

    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    if not is_encodable(text):
        text = json.dumps(visible_values(json.loads(text)), indent=indent, ensure_ascii=False)
    return json_printable(text)


def _fields(value: object) -> object:
    return value._asdict() if hasattr(value, "_asdict") else value


def emit_lines(lines: Iterable[str], stream: TextIO | None = None) -> None:
    """Each is one line, whatever is in it."""
    from runner.text.terminal import printable

    coloured = colours(stream)
    if text := "".join(f"{printable(line, colours=coloured)}\n" for line in lines):
        (stream or sys.stdout).write(text)  # not even nothing: a terminal that was closed refuses that


class Guarded(io.TextIOWrapper):
    """A terminal that no text steers: the last guard, for what reaches it unseen (help, other libraries)."""

    def write(self, text: str) -> int:
        if text.isprintable():
            return super().write(text)
        from runner.text.terminal import printable

        own = "\r\033[K" if text.startswith("\r\033[K") else ""  # of the live line: see terminal.py
        return super().write(own + printable(text[len(own) :], lines=True, colours=True))


class Harmless:
    """A stream of data, whose lines are no commands to the job of GitHub Actions that reads them."""

    def __init__(self, stream: TextIO, html: bool) -> None:
        self._stream = stream
        self._html = html

    def write(self, text: str, /) -> int:
        from runner.text.terminal import defused

        return self._stream.write(defused(text, self._html))


def harmless(stream: TextIO, html: bool = False) -> TextIO | Harmless:
    """The stream itself, unless it is stdout and a job of GitHub Actions reads it; a file there gets all as it is."""
    from runner.text.terminal import in_github

    if stream is not sys.stdout or not in_github():
        return stream
    try:
        in_file = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:
        in_file = False
    return stream if in_file else Harmless(stream, html)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = (), spare: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> Iterator[str]:  # fmt: skip
    """The lines of a table that fits the terminal's width; tab-separated with a header line when piped.

    `right` names the columns that are aligned to the right (numbers), `spare` those that a narrow terminal does
    without, the first one first, `whole` those that are not cut, for they are to be typed.
    """
    columns, right = [_cell(name) for name in columns], [_cell(name) for name in right]
    texts = [[_cell(value) for value in row] for row in rows]
    if not is_terminal():
        for row in [columns, *texts]:
            yield "\t".join(row)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [
        [Text(text, _style(name, text)) for name, text in zip(columns, row, strict=True)] for row in texts
    ]
    console = Console(color_system="auto" if colours() else None, highlight=False)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    natural = [
        max(len(name), *(row[place].cell_len for row in cells), 0) for place, name in enumerate(columns)
    ]
    told = [any(row[place] for row in texts) for place in range(len(columns))]
    going = sorted((columns.index(name) for name in spare), key=told.__getitem__)
    widths = _without_spare(natural, going, console.width, [columns.index(name) for name in whole])
    for place, width in widths.items():
        side: Literal["left", "right"] = "right" if columns[place] in right else "left"
        drawn.add_column(columns[place], justify=side, overflow="ellipsis", no_wrap=True, width=width)
    for cell in cells:
        drawn.add_row(*(cell[place] for place in widths))
    with console.capture() as captured:
        console.print(drawn)
    yield from captured.get().splitlines()


def _without_spare(
    natural: Sequence[int], spare: Iterable[int], width: int, whole: Container[int] = ()
) -> dict[int, int]:
    """Place -> width of the columns that stay: a spare one goes while another is cut to what tells little."""
    left, kept = iter(spare), list(range(len(natural)))
    while True:
        least = [natural[place] if place in whole else 4 for place in kept]
        fitting = _fitting([natural[place] for place in kept], width, least)
        cut = any(room < min(natural[place], TELLING) for place, room in zip(kept, fitting, strict=True))
        wide = sum(fitting) + 2 * (len(fitting) - 1) > width
        going = next(left, None) if cut or wide else None
        if going is None:
            return dict(zip(kept, fitting, strict=True))
        kept.remove(going)


def _fitting(widths: Sequence[int], width: int, least: Sequence[int] = ()) -> list[int]:
    """What does not fit is taken from the widest columns that are wider than they must be."""
    fitting, least = list(widths), least or [4] * len(widths)
    excess = sum(fitting) + 2 * (len(fitting) - 1) - width
    while excess > 0 and (free := [at for at, most in enumerate(fitting) if most > least[at]]):
        fitting[max(free, key=fitting.__getitem__)] -= 1
        excess -= 1
    return fitting


def _style(column: str, text: str) -> str:
    """rich counts the colours of a terminal from 0, SGR from 30."""
    return f"color({STATUS[text] - 30})" if column == "status" and text in STATUS else ""


def _cell(value: object) -> str:
    from runner.text.terminal import printable

    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value)).replace("\t", " ")
