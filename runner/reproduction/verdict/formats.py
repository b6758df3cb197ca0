"""Files of known formats read into trees. A format is how it is recognised, how it is read, and what it leaves out.

What is left out has a name: an `Ignored` leaf, or `spelling`, which a reader cannot see any more. All names are in
docs/reproduce.md. A file that is not what its name says is compared as text, or byte by byte.
"""

from __future__ import annotations

import bz2
import csv
import json
import lzma
import os
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO, StringIO
from typing import Any, NamedTuple

from runner.reproduction.verdict import arrays, closeness, hdf5, images, pickles, sqlite
from runner.reproduction.verdict.closeness import Finding
from runner.reproduction.verdict.leaves import Cells, Ignored, Number, Rows, Text
from runner.reproduction.verdict.tolerance import Tolerance
from runner.reproduction.verdict.wording import Circumstances
from runner.values import JsonObject

__all__ = ["FORMATS", "Format", "files", "read"]

LARGE = 200_000_000  # bytes, also unpacked; larger files are compared bit by bit only
DEPTH = 4  # archives in archives
FAULTS = (
    ValueError, OSError, EOFError, LookupError, ArithmeticError, TypeError, AttributeError, RuntimeError, SyntaxError,
    csv.Error, struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError,
)  # fmt: skip
VOLATILE = b"run_id|utc_time_created|model_uuid|model_id|artifact_path|mlflow_version"
HEADER = "the header of a compressed file"
ARCHIVE = "times, owners, order and packing in an archive"
NOTEBOOK = "metadata, ids and execution counts of a notebook"
MODEL = "ids, times, paths and versions in an MLmodel"
DOCUMENT = "dates and programs in a document"


class Format(NamedTuple):
    name: str
    read: Callable[[bytes, str, int], Any]  # bytes, name, depth in archives -> tree
    suffixes: tuple[str, ...] = ()  # or whole names
    magic: tuple[bytes, ...] = ()
    at: int = 0  # where the magic is
    spelling: str = ""  # what a tree does not show of how it was written

    def fits(self, name: str, data: bytes) -> bool:
        """`data`: the first bytes of the file are enough."""
        named = not self.suffixes or f"/{name.lower()}".endswith(self.suffixes)
        return named and (not self.magic or data.startswith(self.magic, self.at))


def files(paths: Sequence[str], places: Sequence[Circumstances], tolerance: Tolerance | None) -> Finding:
    """The recorded file first. They are not bit-identical."""
    if max(map(os.path.getsize, paths)) > LARGE:
        return Finding(False, "the bytes differ (too large to compare by content)")
    contents = []
    for path in paths:
        with open(path, "rb") as file:
            contents.append(file.read())
    names = [os.path.basename(path) for path in paths]
    fitting = [each for each in FORMATS if all(map(each.fits, names, contents))]
    problem = ""
    for each in fitting[:1]:
        try:
            nodes = [each.read(data, names[0], 0) for data in contents]
            found = closeness.compare(nodes, places, tolerance)
            if found.exact:
                detail = f"the same values, written differently ({each.spelling})"
                found = found._replace(detail=detail)
            return found
        except ImportError as error:
            problem = f"with {error.name} installed, the values could be compared"
        except FAULTS as error:
            problem = f"it cannot be read as {each.name}: {error}"
    found = closeness.compare([raw(data) for data in contents], places, tolerance)
    return found._replace(detail=f"{found.detail}; {problem}") if problem and not found.same else found


def read(data: bytes, name: str, depth: int = 0) -> Any:
    """The tree of a file in another one; raw where it is of no known format."""
    if depth < DEPTH:
        for each in FORMATS:
            if each.fits(name, data):
                try:
                    return each.read(data, name, depth)
                except (ImportError, *FAULTS):
                    break
    return raw(data)


def raw(data: bytes) -> Any:
    """Text by lines, also in other encodings than UTF-8: no byte of it is lost. All else as bytes."""
    return data if b"\0" in data else Text(data.decode("utf-8", "surrogateescape"))


# ---- text ------------------------------------------------------------------------------------------------------


def _json(data: bytes, *_: object) -> Any:
    return json.loads(
        data.decode("utf-8"),
        parse_int=Number,
        parse_float=Number,
        parse_constant=Number,
        object_pairs_hook=_object,
    )


def _object(pairs: list[tuple[str, Any]]) -> Any:
    """With a key twice, which a dict would lose, as a list."""
    found = dict(pairs)
    return found if len(found) == len(pairs) else Rows("entry", [list(pair) for pair in pairs])


def _json_lines(data: bytes, *_: object) -> Any:
    return Rows("line", [_json(line) for line in data.split(b"\n") if line.strip()])


def _csv(data: bytes, name: str, *_: object) -> Any:
    """Cells are text: 01234 is not 1234. Strictly, as two spellings of something broken may read alike."""
    lines = StringIO(data.decode("utf-8", "surrogateescape"), newline="")
    rows = csv.reader(lines, delimiter="\t" if name.lower().endswith(".tsv") else ",", strict=True)
    return Rows("row", [*map(Cells, rows)])


def _notebook(data: bytes, *_: object) -> Any:
    """Without what `nbdime --ignore-metadata --ignore-id --ignore-details` leaves out."""
    found = _json(data)
    for each in (
        found,
        *found["cells"],
        *(out for cell in found["cells"] for out in cell.get("outputs", ())),
    ):
        for key in ("metadata", "execution_count", *(["id"] if "cell_type" in each else [])):
            each[key] = Ignored(NOTEBOOK, each.get(key))
    for cell in found["cells"]:
        _join(cell, "source", str)
        for out in cell.get("outputs", ()):
            _join(out, "text", str)
            _join_data(out.get("data"))
        if "outputs" in cell:
            cell["outputs"] = _streams(cell["outputs"])
        for attached in (cell.get("attachments") or {}).values():
            _join_data(attached)
    return found


def _streams(outputs: list[JsonObject]) -> list[JsonObject]:
    """With what follows in one stream as one output: where a kernel cuts it is chance."""
    found: list[JsonObject] = []
    for out in outputs:
        before = found[-1] if found else {}
        alike = all(
            each.get("output_type") == "stream" and isinstance(each.get("text"), str)
            for each in (before, out)
        )
        if alike and before.get("name") == out.get("name"):
            before["text"] += out["text"]
        else:
            found.append(out)
    return [
        {**each, "text": Text(each["text"])} if isinstance(each.get("text"), str) else each for each in found
    ]


def _join_data(data: Any) -> None:
    for kind in data or ():
        if not kind.endswith("json"):  # which is no text but a value
            _join(data, kind, Text if kind.startswith("text/") else str)


def _join(place: JsonObject, key: str, make: Callable[[str], Any]) -> None:
    """nbformat's multiline strings are a string, or a list of its lines."""
    value = place.get(key)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = "".join(value)
    if isinstance(value, str):
        place[key] = make(value)


def _mat(data: bytes, *_: object) -> Any:
    """MATLAB's files begin with a text of 116 bytes that says when and by what they were made."""
    return {"": raw(data[116:]), "header": Ignored(DOCUMENT, data[:116])}


def _masked(name: str, *patterns: bytes) -> Callable[[bytes, str, int], Any]:
    """Text and bytes but for what the patterns find."""
    pattern = re.compile(b"|".join(patterns), re.MULTILINE)

    def read_masked(data: bytes, *_: object) -> Any:
        return {"": raw(pattern.sub(b"-", data)), name: Ignored(name, pattern.findall(data))}

    return read_masked


# ---- packed ------------------------------------------------------------------------------------------------------


def _unpacked(data: bytes, unpacker: Callable[[], Any]) -> bytes:
    """All streams of a compressed file. Its library's error, or ValueError, for what follows them."""
    found = b""
    while data:
        stream = unpacker()
        found += stream.decompress(data, LARGE - len(found) + 1)
        if len(found) > LARGE:
            raise ValueError("too large when it is unpacked")
        if not stream.eof:
            raise ValueError("it is cut off")
        data = stream.unused_data
    return found


def _inside(name: str) -> str:
    """What a compressed file is called without its last suffix."""
    stem, suffix = os.path.splitext(name)
    return stem + ".tar" if suffix.lower() == ".tgz" else stem


def _gzip(data: bytes, name: str, depth: int) -> Any:
    content = _unpacked(data, lambda: zlib.decompressobj(16 + zlib.MAX_WBITS))
    return {"": read(content, _inside(name), depth + 1), "header": Ignored(HEADER, data[:10])}


def _compressed(unpacker: Callable[[], Any]) -> Callable[[bytes, str, int], Any]:
    return lambda data, name, depth: read(_unpacked(data, unpacker), _inside(name), depth + 1)


def _pickle(data: bytes, *_: object) -> Any:
    """As joblib.load takes it: plain, or compressed in any of its ways."""
    for name, magic in UNREADABLE.items():
        if data.startswith(magic):
            raise ValueError(f"it is compressed with {name}, which is not read")
    for magics, unpacker in PACKINGS:
        if data.startswith(magics):
            content = _unpacked(data, unpacker)
            return {"": pickles.read(content), "packing": Ignored(PACKING, (magics, data[:10]))}
    return {"": pickles.read(data), "packing": Ignored(PACKING, "")}


def _zip(data: bytes, _: str, depth: int) -> Any:
    found: JsonObject = {}
    with zipfile.ZipFile(BytesIO(data)) as archive:
        infos = archive.infolist()
        if sum(info.file_size for info in infos) > LARGE:
            raise ValueError("too large when it is unpacked")
        for info in infos:
            content = read(archive.read(info), info.filename, depth + 1)
            member = {"": content, "mode": info.external_attr, "comment": info.comment}
            _add(found, info.filename, member, (info.date_time, info.compress_type, info.extra))
        if data[-22 - len(archive.comment) :][:4] != b"PK\5\6":
            raise ValueError("something follows its end")
        comment, before = archive.comment, data[: min((info.header_offset for info in infos), default=0)]
    order = Ignored(ARCHIVE, [info.filename for info in infos])
    return {"": found, "order": order, "comment": comment, "before": before}


def _tar(data: bytes, _: str, depth: int) -> Any:
    found: JsonObject = {}
    with tarfile.open(fileobj=BytesIO(data), mode="r:") as archive:
        infos = archive.getmembers()
        for info in infos:
            file = archive.extractfile(info) if info.isreg() else None
            content = read(file.read(), info.name, depth + 1) if file else None
            more = {key: text for key, text in info.pax_headers.items() if not key.endswith(("time", "name"))}
            member = {"": content, "kind": info.type, "mode": info.mode, "link": info.linkname, "more": more}
            _add(found, info.name, member, (info.mtime, info.uid, info.gid, info.uname, info.gname))
        if data[archive.offset :].strip(b"\0"):
            raise ValueError("something follows its end")
    return {"": found, "order": Ignored(ARCHIVE, [info.name for info in infos])}


def _add(found: JsonObject, name: str, member: JsonObject, header: object) -> None:
    """An archive may have several files of one name."""
    key, number = name, 1
    while key in found:
        number += 1
        key = f"{name} #{number}"
    found[key] = {**member, "header": Ignored(ARCHIVE, header)}


# ---- tables and objects ------------------------------------------------------------------------------------------


def _parquet(data: bytes, *_: object) -> Any:
    """Values and types of columns; times as the numbers that they are stored as."""
    from pyarrow import BufferReader, parquet, types  # type: ignore[import-not-found,import-untyped,unused-ignore]

    file = parquet.ParquetFile(BufferReader(data))
    table, facts = file.read(), file.metadata
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        values = (
            column.cast("int64") if types.is_timestamp(field.type) or types.is_time64(field.type) else column
        )
        kind = f"{field.name}: {field.type}{'' if field.nullable else ' not null'}"
        columns.append([kind, dict(field.metadata or {}), Rows("row", values.to_pylist())])
    layout = [facts.created_by, facts.format_version, facts.num_row_groups, facts.serialized_size, len(data)]
    return {
        "columns": [kind for kind, _, _ in columns],
        "metadata": dict(table.schema.metadata or {}),
        **{f"column {number}": column[1:] for number, column in enumerate(columns, 1)},
        "layout": Ignored(hdf5.LAYOUT, layout),
    }


PACKED = "how it is compressed"
FRAMES = "its frames and padding, the order of sets, and which equal texts and numbers are one object"
PICKLES = (".pkl", ".pickle", ".joblib", ".sav")
PACKING = "how a pickle is compressed"
PACKINGS: tuple[tuple[tuple[bytes, ...], Callable[[], Any]], ...] = (
    ((b"\x1f\x8b",), lambda: zlib.decompressobj(16 + zlib.MAX_WBITS)),
    ((b"BZh",), bz2.BZ2Decompressor),
    ((b"\xfd7zXZ\0", b"\x5d\0\0"), lzma.LZMADecompressor),
    ((b"x\1", b"x^", b"x\x9c", b"x\xda"), zlib.decompressobj),
)
UNREADABLE = {"LZ4": b"\x04\x22\x4d\x18", "Zstandard": b"\x28\xb5\x2f\xfd"}
FORMATS = (
    Format("NPY", arrays.npy, magic=(b"\x93NUMPY",), spelling="spaces in its header"),
    Format("PNG", images.png, magic=(b"\x89PNG\r\n\x1a\n",), spelling="how pixels are packed"),
    Format("PDF", _masked(DOCUMENT, rb"/(?:CreationDate|ModDate|Producer|Creator) ?\([^)]*\)", rb"/ID ?\[[^\]]*\]"),
           magic=(b"%PDF-",)),
    Format("Parquet", _parquet, magic=(b"PAR1",), spelling="how values are packed"),
    Format("HDF5", hdf5.read, magic=(b"\x89HDF\r\n\x1a\n",), spelling="how values are packed"),
    Format("SQLite database", sqlite.read, magic=(b"SQLite format 3\0",), spelling="how values are packed"),
    Format("MAT-file", _mat, magic=(b"MATLAB 5.0 MAT-file",)),
    Format("pickle", _pickle, PICKLES, spelling=FRAMES),
    Format("gzip", _gzip, magic=(b"\x1f\x8b",), spelling=PACKED),
    Format("bzip2", _compressed(bz2.BZ2Decompressor), magic=(b"BZh",), spelling=PACKED),
    Format("xz", _compressed(lzma.LZMADecompressor), magic=(b"\xfd7zXZ\0", b"\x5d\0\0"), spelling=PACKED),
    Format("zip", _zip, magic=(b"PK\3\4", b"PK\5\6"), spelling=PACKED),
    Format("tar", _tar, magic=(b"ustar",), at=257, spelling="how it is padded"),
    Format("pickle", pickles.read, magic=tuple(b"\x80%c" % number for number in range(2, 6)),
           spelling=FRAMES),
    Format("notebook", _notebook, (".ipynb",), spelling="spaces, order of keys, escapes"),
    Format("JSON", _json, (".json", ".geojson"), spelling="spaces, order of keys, escapes"),
    Format("JSON lines", _json_lines, (".jsonl", ".ndjson"), spelling="spaces, empty lines, order of keys, escapes"),
    Format("CSV", _csv, (".csv", ".tsv"), spelling="quotes that are not needed, ends of lines"),
    Format("MLmodel", _masked(MODEL, rb"^[ \t]*(?:%s):.*$" % VOLATILE), ("/mlmodel",)),
    Format("SVG", _masked(DOCUMENT, rb"<dc:date>[^<]*</dc:date>"), (".svg",)),
    Format("office document", _masked(DOCUMENT, rb"<dcterms:(created|modified)[^>]*>[^<]*<"), ("/docprops/core.xml",)),
)  # fmt: skip
