"""Small files of every format that is compared by content, and what an independent reader finds in them."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy
import pyarrow
from pyarrow import parquet

TABLE = b"name,zip\nada,01234\nbob,+4930\n"
ARRAY = numpy.array([[1.5, 2.25], [3.0, -4.0]])


def written(write: Callable[[io.BytesIO], Any]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def archive(
    kind: str, date: tuple[int, ...] = (2020, 1, 1, 0, 0, 0), method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    if kind == "zip":
        with zipfile.ZipFile(file := io.BytesIO(), "w", method) as packed:
            for name, content in (("a.csv", TABLE), ("b.txt", b"text\n")):
                packed.writestr(zipfile.ZipInfo(name, date), content, method)
        return file.getvalue()
    with tarfile.open(fileobj=(file := io.BytesIO()), mode="w") as tar:
        for name, content in (("a.csv", TABLE), ("b.txt", b"text\n")):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uid = len(content), date[0], date[1]
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()[:3072]  # without most of the padding


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(lines: list[bytes], header: tuple[int, ...], *more: bytes, level: int = 6) -> bytes:
    """`lines`: with the byte of their filter. `header`: width, bits, colour."""
    width, bits, colour = header
    size = struct.pack(">IIBBBBB", width, len(lines), bits, colour, 0, 0, 0)
    packed = zlib.compress(b"".join(lines), level)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + b"".join(more)
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def table(**columns: Any) -> bytes:
    return written(lambda file: parquet.write_table(pyarrow.table(columns), file))


def database(value: Any = "a", kind: str = "", vacuum: bool = False, more: str = "") -> bytes:
    """Of SQLite. `vacuum`: with the same rows, in another layout."""
    with TemporaryDirectory() as folder, closing(sqlite3.connect(f"{folder}/a.db")) as made:
        made.execute(f"CREATE TABLE t (a {kind}, b REAL)")
        made.executemany("INSERT INTO t VALUES (?, ?)", [(value, 0.5), (None, float("inf")), (b"\xff", 2)])
        if vacuum:
            made.execute("CREATE TABLE gone (x)")
            made.execute("DROP TABLE gone")
        if more:
            made.execute(more)
        made.commit()
        with open(f"{folder}/a.db", "rb") as file:
            return file.read()


def notebook(count: int = 1, mark: str = "a", output: Any = "0.5") -> bytes:
    cell = {
        "cell_type": "code", "id": mark, "metadata": {"execution": mark}, "execution_count": count, "source": ["1/2"],
        "outputs": [{"output_type": "execute_result", "data": {"text/plain": [output] if output == "0.5" else output}, "metadata": {}, "execution_count": count}],
    }  # fmt: skip
    return json.dumps(
        {"cells": [cell], "metadata": {"kernel": mark}, "nbformat": 4, "nbformat_minor": 5}
    ).encode()


def streams(*parts: tuple[str, str]) -> bytes:
    """A notebook whose cell printed this, to streams of these names."""
    found = json.loads(notebook())
    outputs = [{"output_type": "stream", "name": name, "text": text} for name, text in parts]
    found["cells"][0]["outputs"] = outputs
    return json.dumps(found).encode()


MODEL = {"weights": ARRAY, "name": "ada", "steps": [1, 2, (3.5, None)], "tags": {"x", "y"}}
SAMPLES: dict[str, bytes] = {
    "a.txt": "Müller\r\nloss 0.5 at 10:00:03\n".encode("latin-1"),
    "script.sh": b"#!/bin/sh\necho 1\n",
    "a.bin": b"\0\1\2payload",
    "a.json": b'{"a": [1.0, 9007199254740993, "x"],\n "b": {"c": null, "d": true}}',
    "a.jsonl": b'{"a": 1.5}\n\n{"a": [2, "y"]}\n',
    "a.csv": TABLE,
    "a.tsv": b'a\tb\n1.0\t"x y"\n',
    "a.ipynb": notebook(),
    "a.npy": written(lambda file: numpy.save(file, ARRAY)),
    "a.npz": written(lambda file: numpy.savez(file, weights=ARRAY, bias=numpy.arange(3))),
    "a.parquet": table(id=[1, 2**53 + 1], zip=["01234", None], loss=[0.5, float("nan")]),
    "a.db": database(),
    "a.png": png([b"\1\1\2\3\4", b"\2\0\1\0\1"], (2, 16, 0), chunk(b"gAMA", b"\0\0\1\2")),
    "a.tiff": b"II*\0" + bytes(range(60)),
    "a.gif": b"GIF89a" + bytes(range(60)),
    "a.pdf": b"%PDF-1.4\n1 0 obj << /CreationDate (D:2020) /Pages 2 0 R >>\nstream\0\1\2",
    "a.svg": b"<svg><dc:date>2020-01-01</dc:date><path d='M 0 1'/></svg>",
    "MLmodel": b"flavors:\n  sklearn: {}\nrun_id: 1\nutc_time_created: '2020'\n",
    "a.pkl": pickle.dumps(MODEL),
    "b.pkl": pickle.dumps({"header": 1}) + pickle.dumps({"accuracy": 0.5}, protocol=2),
    "c.pkl": pickle.dumps(OrderedDict(a=[1, True, -2.5], b=("x", None)), protocol=0),
    "a.joblib": written(lambda file: joblib.dump(MODEL, file)),
    "b.joblib": written(lambda file: joblib.dump(MODEL, file, compress=("zlib", 3))),
    "a.csv.gz": gzip.compress(TABLE, mtime=1),
    "a.csv.bz2": bz2.compress(TABLE),
    "a.csv.xz": lzma.compress(TABLE),
    "a.zip": archive("zip"),
    "a.tar": archive("tar"),
}  # fmt: skip


class NoClasses(pickle.Unpickler):
    """Only arrays are made: what a changed pickle asks for otherwise is refused."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = (
            "_reconstruct",
            "ndarray",
            "dtype",
            "scalar",
            "_frombuffer",
            "NumpyArrayWrapper",
            "OrderedDict",
        )
        if name not in allowed and (module, name) != ("__builtin__", "set"):
            raise pickle.UnpicklingError(name)
        return super().find_class(module, name)


def unpickled(data: bytes) -> str:
    file, found = io.BytesIO(data), []
    while file.tell() < len(data):
        found.append(NoClasses(file).load())
    return shown(found)


def shown(value: Any) -> str:
    """With types and all digits."""
    if isinstance(value, numpy.ndarray):
        return f"{value.dtype}{value.shape}{value.tobytes()!r}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{shown(key)}:{shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple, set)):
        inner = map(shown, sorted(value) if isinstance(value, set) else value)
        return f"{type(value).__name__}({','.join(inner)})"
    return repr(value)


def unzipped(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        infos = packed.infolist()
        return packed.comment, sorted(
            (each.filename, packed.read(each), each.external_attr, each.comment) for each in infos
        )


def untarred(data: bytes) -> Any:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as packed:
        files = ((each, packed.extractfile(each)) for each in packed.getmembers())
        return sorted(
            (each.name, each.type, each.mode, each.linkname, file.read() if file else b"")
            for each, file in files
        )


def columns(data: bytes) -> Any:
    found = parquet.read_table(io.BytesIO(data))
    return str(found.schema), found.schema.metadata, [repr(column.to_pylist()) for column in found.columns]


def plain(data: bytes) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> Any:
        return sorted(found, key=repr)

    return json.loads(
        data,
        parse_int=lambda text: ("int", text),
        parse_float=lambda text: ("float", text),
        object_pairs_hook=pairs,
    )


def rows(delimiter: str) -> Callable[[bytes], Any]:
    return lambda data: list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=delimiter))


def outputs(data: bytes) -> Any:
    found = json.loads(data)
    found.pop("metadata", None)
    for cell in found["cells"]:
        for each in (cell, *cell["outputs"]):
            for key in ("metadata", "execution_count", "id"):
                each.pop(key, None)
    return found


def without(name: str, *stretches: bytes) -> Callable[[bytes], bytes]:
    """The bytes but for where the sample has these."""
    sample, kept = SAMPLES[name], [True] * len(SAMPLES[name])
    for stretch in stretches:
        at = -1
        while (at := sample.find(stretch, at + 1)) >= 0:
            kept[at : at + len(stretch)] = [False] * len(stretch)
    return lambda data: bytes(byte for byte, keep in zip(data, kept, strict=True) if keep)


# What an independent reader says of a file whose bytes have changed: where it says the same, a comparison may.
def dump(data: bytes) -> Any:
    with closing(sqlite3.connect(":memory:")) as made:
        made.deserialize(data[:18] + b"\1\1" + data[20:])
        made.text_factory = bytes
        settings = [made.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")]
        return (
            settings,
            made.execute("SELECT * FROM sqlite_schema").fetchall(),
            made.execute("SELECT * FROM t").fetchall(),
        )


READERS: dict[str, Callable[[bytes], Any]] = {
    "a.json": plain,
    "a.jsonl": lambda data: [plain(line) for line in data.split(b"\n") if line.strip()],
    "a.csv": rows(","),
    "a.tsv": rows("\t"),
    "a.ipynb": outputs,
    "a.npy": lambda data: shown(numpy.load(io.BytesIO(data))),
    "a.npz": unzipped,
    "a.parquet": columns,
    "a.db": dump,
    "a.pdf": without("a.pdf", b"D:2020"),
    "a.svg": without("a.svg", b"2020-01-01"),
    "MLmodel": without("MLmodel", b" 1", b" '2020'"),
    "a.pkl": unpickled,
    "b.pkl": unpickled,
    "c.pkl": unpickled,
    "a.joblib": lambda data: shown(joblib.load(io.BytesIO(data))),
    "b.joblib": lambda data: shown(joblib.load(io.BytesIO(data))),
    "a.csv.gz": gzip.decompress,
    "a.csv.bz2": bz2.decompress,
    "a.csv.xz": lzma.decompress,
    "a.zip": unzipped,
    "a.tar": untarred,
}  # fmt: skip
