"""Runs as CSV: RFC 4180 but for line ends, which are \\n."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from runner.tables import columns

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = ["lines", "write"]


class Text(Protocol):
    def write(self, text: str, /) -> object: ...


def write(
    file: Text, runs: Iterable[Run], names: Sequence[str], known: Mapping[str, str], spreadsheet: bool = False
) -> None:
    """`known`: names of experiments. For a spreadsheet, a text that it would calculate begins with `'`."""
    for line in lines(runs, names, known, spreadsheet):
        file.write(line)


def lines(
    runs: Iterable[Run], names: Sequence[str], known: Mapping[str, str], spreadsheet: bool = False
) -> Iterator[str]:
    """The names of the columns, and each run."""
    import csv

    written: list[str] = []

    class Lines:  # the csv module quotes a \r only where it ends the lines
        write = staticmethod(lambda line: written.append(line[:-2] + "\n"))

    writer = csv.writer(Lines, lineterminator="\r\n")
    cell = _guarded if spreadsheet else str
    writer.writerow(map(cell, names))
    for run in runs:
        writer.writerow([cell(columns.flat(run, name, known)) for name in names])
        yield "".join(written)
        written.clear()
    yield "".join(written)


def _guarded(text: str) -> str:
    """https://owasp.org/www-community/attacks/CSV_Injection; a number stays one."""
    if not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text
