"""What is shown of a file that nobody vouches for: text and tables, never its own markup or script."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from markupsafe import Markup

from runner.host.files import open_file
from runner.web import markdown
from runner.web.ansi import Span, spans
from runner.web.code import highlighted

__all__ = ["IMAGES", "TYPES", "Cell", "Preview", "Table", "ending", "of"]

HEAD = 256 * 1024  # bytes that are looked at
NOTEBOOK = 8 << 20  # bytes of a notebook: it is one JSON value, and has its pictures in it
ROWS, COLUMNS, WIDEST = 200, 50, 200  # of a page of a table; characters of a cell
FARTHEST = 5_000_000  # rows that are passed over at most
IMAGES = {
    "png": "png", "jpg": "jpeg", "jpeg": "jpeg", "gif": "gif", "webp": "webp", "bmp": "bmp", "svg": "svg+xml",
}  # fmt: skip
SOUNDS = {"wav": "wav", "mp3": "mpeg", "ogg": "ogg", "oga": "ogg", "flac": "flac", "m4a": "mp4"}
TYPES = {
    **{name: f"image/{kind}" for name, kind in IMAGES.items()},
    **{name: f"audio/{kind}" for name, kind in SOUNDS.items()},
    "html": "text/html; charset=utf-8", "htm": "text/html; charset=utf-8", "pdf": "application/pdf",
}  # fmt: skip


class Table(NamedTuple):
    header: list[str]
    rows: list[list[str]]
    first: int  # number of the first row, from 0
    more: bool
    total: int = -1  # rows; -1: nobody has counted them


class Output(NamedTuple):
    spans: list[Span]
    image: str  # address (data:)


class Cell(NamedTuple):
    """Of a notebook."""

    html: Markup  # of Markdown
    lines: list[Markup]  # of code
    outputs: list[Output]


class Preview(NamedTuple):
    kind: str  # image, html, pdf, audio, table, markdown, notebook, code, text, binary, absent
    size: int = -1  # bytes
    cut: bool = False  # only the beginning is shown
    text: str = ""
    lines: tuple[Markup, ...] = ()
    table: Table | None = None
    cells: tuple[Cell, ...] = ()
    html: Markup = Markup("")
    problem: str = ""


def ending(path: str) -> str:
    """In small letters, without the dot."""
    return os.path.splitext(path)[1].lstrip(".").lower()


def of(path: str, file: str, first: int = 0) -> Preview:
    """By its name. `file`: where it lies; `first`: row of a table."""
    kind = ending(path)
    try:
        with open_file(file) as opened:
            return _of(path, kind, opened, os.fstat(opened.fileno()).st_size, first)
    except (OSError, ValueError):
        return Preview("absent")


def _of(path: str, kind: str, file: BinaryIO, size: int, first: int) -> Preview:
    if kind in IMAGES or kind in SOUNDS or kind in ("html", "htm"):
        return Preview("image" if kind in IMAGES else "audio" if kind in SOUNDS else "html", size)
    if kind in ("parquet", "pq"):
        return _parquet(file, size, first)
    head = file.read(NOTEBOOK if kind == "ipynb" and size <= NOTEBOOK else HEAD)
    cut = size > len(head)
    if kind == "pdf" and head.startswith(b"%PDF-"):
        return Preview("pdf", size)
    if b"\0" in head:
        return Preview("binary", size)
    text = head.decode("utf-8", "backslashreplace")
    if kind in ("csv", "tsv"):
        return Preview("table", size, table=_csv(file, "\t" if kind == "tsv" else ",", first))
    if kind in ("md", "markdown"):
        return Preview("markdown", size, cut, html=markdown.html(text))
    if kind == "ipynb" and not cut:
        try:
            return Preview("notebook", size, cells=tuple(_cells(json.loads(text))))
        except (ValueError, RecursionError, TypeError, AttributeError, LookupError):
            return Preview(
                "text", size, len(text) > HEAD, text[:HEAD], problem="It is no notebook that can be read."
            )
    if kind == "json" and not cut:
        try:
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass  # shown as it is
    lines = highlighted(path, text)
    if len(lines) > 1 and any("<span" in line for line in lines[:50]):
        return Preview("code", size, cut, lines=tuple(lines))
    return Preview("text", size, cut, text)


def _csv(file: BinaryIO, delimiter: str, first: int) -> Table:
    file.seek(0)

    def lines() -> Iterator[str]:
        while line := file.readline(HEAD):
            yield line.decode("utf-8", "backslashreplace").replace("\0", "")

    rows: list[list[str]] = []
    header: list[str] = []
    try:
        reader = csv.reader(lines(), delimiter=delimiter)
        header = _cut(next(reader, []))
        rows = [_cut(row) for row in islice(reader, first, first + ROWS + 1)]
    except csv.Error:
        pass  # what was read until then
    return Table(header, rows[:ROWS], first, len(rows) > ROWS)


def _cut(row: list[str]) -> list[str]:
    return [value[:WIDEST] for value in row[:COLUMNS]]


def _parquet(file: BinaryIO, size: int, first: int) -> Preview:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        return Preview(
            "binary", size, problem="Parquet is shown where pyarrow is: pip install 'proj-runner[parquet]'"
        )
    try:
        found = parquet.ParquetFile(file)
        total = found.metadata.num_rows
        names = list(found.schema_arrow.names)[:COLUMNS]
        rows: list[list[str]] = []
        start = 0
        for group in range(found.num_row_groups):
            count = found.metadata.row_group(group).num_rows
            if start + count > first and len(rows) < ROWS:
                at = start
                for batch in found.iter_batches(ROWS, row_groups=[group], columns=names):
                    if at + batch.num_rows > first:
                        columns = [column.to_pylist() for column in batch.columns]
                        rows += [
                            ["" if value is None else str(value)[:WIDEST] for value in row]
                            for place, row in enumerate(zip(*columns, strict=True))
                            if at + place >= first
                        ]
                    at += batch.num_rows
                    if len(rows) >= ROWS:
                        break
            start += count
        table = Table(names, rows[:ROWS], first, first + ROWS < total, total)
    except Exception as error:  # noqa: BLE001 - a file from anywhere: pyarrow has errors of its own
        return Preview("binary", size, problem=f"It cannot be read as Parquet: {str(error)[:200]}")
    return Preview("table", size, table=table)


def _cells(notebook: Mapping[str, Any]) -> Iterator[Cell]:
    language = str((notebook.get("metadata") or {}).get("kernelspec", {}).get("language", "python"))
    name = {"python": "x.py", "r": "x.r", "R": "x.r", "julia": "x.jl"}.get(language, "x.py")
    for cell in notebook["cells"][:2000]:
        source = _joined(cell.get("source"))
        if cell.get("cell_type") == "markdown":
            yield Cell(markdown.html(source), [], [])
            continue
        outputs = [shown for each in cell.get("outputs") or [] for shown in _outputs(each)]
        yield Cell(Markup(""), highlighted(name, source), outputs)


def _joined(value: object) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _outputs(output: Mapping[str, Any]) -> Iterator[Output]:
    """Text and pictures; HTML and scripts are not run, their text is shown where there is one."""
    data = output.get("data") or {}
    for kind in ("png", "jpeg"):
        if data.get(f"image/{kind}"):
            encoded = "".join(_joined(data[f"image/{kind}"]).split())
            if all(character.isalnum() or character in "+/=" for character in encoded):
                yield Output([], f"data:image/{kind};base64,{encoded}")
                return
    text = _joined(output.get("text") or data.get("text/plain") or "\n".join(output.get("traceback") or []))
    if text:
        yield Output([each for line in text[:HEAD].splitlines(keepends=True) for each in spans(line)], "")
