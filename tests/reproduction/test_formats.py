"""Files compared by content: what is not left out by name counts to the last byte."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import json
import os
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import h5py
import joblib
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.reproduction.verdict import formats, hdf5, images, leaves, pickles, wording
from runner.reproduction.verdict.closeness import SPREAD, Finding
from runner.reproduction.verdict.tolerance import EXACT, Tolerance
from runner.reproduction.verdict.wording import NOWHERE, Circumstances
from tests.helpers import make_tree, some
from tests.reproduction.samples import (
    ARRAY,
    READERS,
    SAMPLES,
    TABLE,
    archive,
    chunk,
    database,
    notebook,
    png,
    streams,
    table,
    written,
)

CLOSE = Tolerance(0.01)


def compared(
    folder: object,
    name: str,
    *contents: bytes | str,
    within: Tolerance | None = EXACT,
    places: tuple[Circumstances, ...] = (),
) -> Finding:
    paths = [
        f"{make_tree(f'{folder}/{number}', {name: each})}/{name}" for number, each in enumerate(contents)
    ]
    return formats.files(paths, places or [NOWHERE] * len(paths), within)


@pytest.mark.parametrize("name", some(SAMPLES, 14))
def test_a_changed_byte_is_a_difference(tmp_path: object, name: str) -> None:
    """Unless another reader finds the same in the file."""
    sample, reader = SAMPLES[name], READERS.get(name)
    for at, flip in zip(
        range(0, len(sample), len(sample) // 400 + 1), itertools.cycle((1, 0x20, 0x80, 0xFF))
    ):
        changed = sample[:at] + bytes([sample[at] ^ flip]) + sample[at + 1 :]
        if compared(tmp_path, name, sample, changed).same:
            assert reader is not None, (at, flip)
            assert reader(changed) == reader(sample), (at, flip)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_cut_off_or_continued_is_different(tmp_path: object, name: str) -> None:
    sample = SAMPLES[name]
    assert not compared(tmp_path, name, sample, sample[: len(sample) // 2]).same
    assert not compared(tmp_path, name, sample, sample + b"more").same


def h5(track: bool = False, **datasets: Any) -> bytes:
    def write(file: io.BytesIO) -> None:
        with h5py.File(file, "w") as made:
            for name, value in datasets.items():
                made.create_dataset(f"group/{name}", data=value, track_times=track).attrs["unit"] = "m"
            made["link"] = h5py.SoftLink("/group")

    return written(write)


def dumped_by_joblib(compress: Any, value: int = 0) -> bytes:
    return written(lambda file: joblib.dump({"w": ARRAY + value, "o": [1, "x"]}, file, compress=compress))


def dumped(value: Any, protocol: int = 4) -> bytes:
    return pickle.dumps(value, protocol)


HOME, ROOM = (
    Circumstances(root="/home/ada/demo", pid=4711),
    Circumstances(root="/cache/checkouts/x1/demo", pid=4822),
)
# name of the file, two contents, how the difference is called that does not count
PERMITTED = [
    ("a.json", '{"a": [1.0, "\\u00fc"], "b": 2}', '{"b":2,\n"a":[1.0,"ü"]}', "order of keys"),
    ("a.jsonl", '{"a": 1}\n{"b": 2}\n', '{"a":1}\n\n{"b":2}', "empty lines"),
    ("a.csv", 'a,b\n"1.0",x\n', "a,b\r\n1.0,x\r\n", "ends of lines"),
    ("a.ipynb", notebook(1, "a"), notebook(7, "b"), formats.NOTEBOOK),
    ("a.ipynb", notebook(output=["a\n", "b"]), notebook(output="a\nb"), "spaces"),
    ("a.ipynb", streams(("out", "a\n"), ("out", "b")), streams(("out", "a\nb")), "spaces"),
    ("MLmodel", "run_id: a\nflavor: x\n", "run_id: b\nflavor: x\n", formats.MODEL),
    ("a.mat", b"MATLAB 5.0 MAT-file, Fri 1".ljust(130), b"MATLAB 5.0 MAT-file, Sat 2".ljust(130), formats.DOCUMENT),
    ("a.db", database(), database(vacuum=True), hdf5.LAYOUT),
    ("a.svg", "<dc:date>2020</dc:date><path/>", "<dc:date>2021</dc:date><path/>", formats.DOCUMENT),
    ("a.pdf", b"%PDF-1 /ModDate (D:1)\0", b"%PDF-1 /ModDate (D:2)\0", formats.DOCUMENT),
    ("a.png", png([b"\0ab"], (2, 8, 0), chunk(b"tEXt", b"Date\0now")), png([b"\0ab"], (2, 8, 0)), images.NOTES),
    ("a.png", png([b"\0abcd" * 9] * 9, (45, 8, 0)), png([b"\0abcd" * 9] * 9, (45, 8, 0), level=1), "packed"),
    ("a.pkl", dumped({"a": 1}, 4), dumped({"a": 1}, 2), pickles.PROTOCOL),
    ("a.pkl", dumped(["ab" * 2, "abab"]), dumped(["abab"] * 2), "one object"),
    ("a.csv.gz", gzip.compress(TABLE, mtime=1), gzip.compress(TABLE, mtime=2), formats.HEADER),
    ("a.csv.gz", gzip.compress(TABLE, 9, mtime=1), gzip.compress(TABLE.replace(b"\n", b"\r\n"), 9, mtime=1), "compressed"),
    ("a.csv.bz2", bz2.compress(TABLE), bz2.compress(TABLE, 1), "compressed"),
    ("a.zip", archive("zip"), archive("zip", (2021, 5, 5, 5, 5, 5)), formats.ARCHIVE),
    ("a.zip", archive("zip"), archive("zip", method=0), formats.ARCHIVE),
    ("a.tar", archive("tar"), archive("tar", (99, 5)), formats.ARCHIVE),
    ("a.joblib", SAMPLES["a.joblib"], SAMPLES["a.joblib"].replace(b"\xff" + ARRAY.tobytes(), b"\0" + ARRAY.tobytes()), "padding"),
    *(
        ("a.joblib", dumped_by_joblib(one), dumped_by_joblib(two), formats.PACKING)
        for one, two in itertools.pairwise([0, 3, ("gzip", 1), ("bz2", 1), ("xz", 1), ("lzma", 1), 0])
    ),
    ("a.h5", h5(a=[1.0, 2.0]), h5(True, a=[1.0, 2.0]), "packed"),
    ("a.txt", "in /home/ada/demo/a.csv", "in /cache/checkouts/x1/demo/a.csv", wording.FOLDER),
    ("a.txt", "to /tmp/tmpk3_9xz1a/m", "to /tmp/tmpq0w8ert_/m", wording.TEMPORARY),
    ("a.txt", "to /tmp/tmp.Ab3dE9xYz0", "to /tmp/tmp.000AAAbbb1", wording.TEMPORARY),
    ("a.txt", "worker 4711 started", "worker 4822 started", wording.PID),
    ("a.log", "[pid 4713] ok", "[pid 4899] ok", wording.PID),
    ("a.json", '{"pid": 4713}', '{"pid": 4899}', wording.PID),
    ("a.txt", "<object at 0x7f3a00aa>", "<object at 0x7f3b11bb>", wording.ADDRESS),
    ("a.pkl", dumped({"p": "/home/ada/demo/m"}), dumped({"p": "/cache/checkouts/x1/demo/m"}), wording.FOLDER),
    ("a.pkl", dumped([4711]), dumped([4822]), wording.PID),
    ("a.joblib", dumped({"p": "/tmp/tmpk3_9xz1a"}), dumped({"p": "/tmp/tmpq0w8ert_"}), wording.TEMPORARY),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "left_out"), PERMITTED)
def test_what_is_left_out_has_a_name(
    tmp_path: object, name: str, old: bytes | str, new: bytes | str, left_out: str
) -> None:
    found = compared(tmp_path, name, old, new, places=(HOME, ROOM))
    assert found.same, found
    assert left_out in found.detail


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('a pickle was run')",))


SHARED = [1]
WITHIN = numpy.array([(1, 2.0)], [("a", "i1"), ("b", "<f8")])
DIFFERENT = [
    ("a.json", '{"n": 9007199254740992}', '{"n": 9007199254740993}'),
    ("a.json", '{"n": 1}', '{"n": 1.0}'),
    ("a.json", '{"n": 1}', '{"n": "1"}'),
    ("a.json", '{"n": 0.1}', '{"n": 0.1000000000000000001}'),
    ("a.json", '{"n": 1e400}', '{"n": 1e500}'),
    ("a.json", '{"n": true}', '{"n": 1}'),
    ("a.json", '{"n": 0, "n": 1}', '{"n": 2, "n": 1}'),
    ("a.json", '{"n": null}', "{}"),
    ("a.json", '{"place": "/home/ada/demo"}', '{"place": "/home/ada/demo2"}'),
    ("a.csv", "n\n01234\n", "n\n1234\n"),
    ("a.csv", "n\n+4930\n", "n\n4930\n"),
    ("a.csv", "n\n1E5\n", "n\n100000\n"),
    ("a.csv", "n\nnan\n", "n\nNaN\n"),
    ("a.csv", "n\n\n1\n", "n\n1\n"),
    ("a.csv", b"n\n\xfc\n", b"n\n\xf6\n"),
    ("a.txt", b"\xfc", b"\xf6"),
    ("a.txt", b"\xc8\xff", b"\xff\xc8"),
    ("run.sh", "echo 1\n", "echo 1\r\n"),
    ("a.txt", "1", "1\n"),
    ("a.txt", "to /tmp/results_a", "to /tmp/results_b"),
    ("a.txt", "port 4711", "port 4712"),
    ("a.txt", "port 4713", "port 4899"),
    ("a.json", '{"pid": 33}', '{"pid": 34}'),  # of patients
    ("a.txt", "in /data/tmp_outputs", "in /data/tmp_results"),
    ("a.parquet", table(n=[2**53]), table(n=[2**53 + 1])),
    ("a.parquet", table(n=[1]), table(n=[1.0])),
    ("a.parquet", table(n=["1"], m=[1]), table(m=[1], n=["1"])),
    ("a.parquet", table(n=[None, 1]), table(n=[0, 1])),
    ("a.npy", SAMPLES["a.npy"], written(lambda file: numpy.save(file, ARRAY.T.copy()))),
    ("a.npy", SAMPLES["a.npy"], written(lambda file: numpy.save(file, numpy.asfortranarray(ARRAY)))),
    ("a.npy", written(lambda file: numpy.save(file, [0.0])), written(lambda file: numpy.save(file, [-0.0]))),
    ("a.h5", h5(a=[1.0]), h5(a=numpy.float32([1.0]))),
    ("a.h5", h5(a=[2**53]), h5(a=[2**53 + 1])),
    ("a.h5", h5(a=["x"]), h5(a=["y"])),
    ("a.h5", h5(a=1), h5(b=1)),
    ("a.h5", h5(a=WITHIN), h5(a=numpy.array([(1, 3.0)], WITHIN.dtype))),
    ("a.png", png([b"\0\1\0\1\1"], (2, 16, 0)), png([b"\0\1\0\1\2"], (2, 16, 0))),  # 16 bits a pixel
    ("a.png", png([b"\0ab"], (2, 8, 0)), png([b"\0ab"], (2, 8, 3), chunk(b"PLTE", bytes(range(99, 105))))),
    ("a.png", png([b"\0ab"], (2, 8, 0), chunk(b"gAMA", b"1234")), png([b"\0ab"], (2, 8, 0))),
    ("a.tiff", b"II*\0" + bytes(50), b"II*\0" + bytes(49) + b"\1"),
    ("a.gif", b"GIF89a" + bytes(50), b"GIF89a" + bytes(49) + b"\1"),
    ("a.pkl", dumped(1) + dumped({"accuracy": 0.9}), dumped(1) + dumped({"accuracy": 0.1})),
    ("a.pkl", dumped([a := [1], b := [2], a]), dumped([a, b, b])),
    ("a.pkl", dumped([SHARED, SHARED]), dumped([SHARED, [1]])),
    ("a.pkl", dumped([2**53]), dumped([2**53 + 1])),
    ("a.pkl", dumped([1]), dumped([1.0])),
    ("a.pkl", dumped([1]), dumped([True])),
    ("a.pkl", dumped([b"a"]), dumped(["a"])),
    ("a.pkl", dumped((1,)), dumped([1])),
    ("a.pkl", dumped(OrderedDict(a=1, b=2)), dumped(OrderedDict(b=2, a=1))),
    ("a.pkl", dumped({1, 2}), dumped({1, 3})),
    ("a.pkl", dumped(numpy.float32(1)), dumped(numpy.float64(1))),
    ("a.pkl", dumped(1), dumped(Bomb())),
    ("a.joblib", SAMPLES["a.joblib"], written(lambda file: joblib.dump([ARRAY], file))),
    ("a.ipynb", notebook(output="0.5"), notebook(output="0.6")),
    ("MLmodel", "run_id: a\nflavor: x\n", "run_id: a\nflavor: y\n"),
    ("a.csv.gz", gzip.compress(TABLE, mtime=1), gzip.compress(TABLE.replace(b"01234", b"1234"), mtime=1)),
    ("a.zip", archive("zip"), b"#!/bin/sh\n" + archive("zip")),
    ("a.bin", b"\0\1", b"\0\2"),
    ("a.npy", written(lambda file: numpy.save(file, numpy.array([5], "M8[D]"))),
     written(lambda file: numpy.save(file, numpy.array([5], "M8[s]")))),
    ("a.ipynb", notebook(output=["a", "b"]), notebook(output="a\nb")),
    ("a.ipynb", streams(("out", "a\n"), ("err", "b")), streams(("out", "a\nb"))),
    ("a.ipynb", streams(("out", "a"), ("err", "b")), streams(("err", "b"), ("out", "a"))),
    ("a.joblib", dumped_by_joblib(0), dumped_by_joblib(3, 1)),
    ("a.mat", b"MATLAB 5.0 MAT-file".ljust(130), b"MATLAB 5.0 MAT-file".ljust(129) + b"x"),
    ("a.db", database(), database("b")),
    ("a.db", database(), database(kind="TEXT")),
    ("a.db", database(), database(more="PRAGMA user_version = 2")),
    ("a.db", database(), database(more="CREATE INDEX i ON t (a)")),
    ("a.db", database(), database(1)),
    ("a.db", database(1), database(1.0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new"), DIFFERENT)
def test_what_is_not_the_same(tmp_path: object, name: str, old: bytes | str, new: bytes | str) -> None:
    found = compared(tmp_path, name, old, new, places=(HOME, ROOM))
    assert not found.same, found
    assert found.detail


NUMPY = {"a": numpy.array([1.0, 2.0]), "b": numpy.float32(3), "c": numpy.array([1 + 2j])}
NEAR = {"a": numpy.array([1.0, 2.001]), "b": numpy.float32(3.001), "c": numpy.array([1.001 + 2j])}
WRITERS: dict[str, Callable[[Any], bytes]] = {
    "a.json": lambda value: json.dumps({"a": value, "b": "x"}).encode(),
    "a.jsonl": lambda value: json.dumps([value]).encode() + b"\n",
    "a.csv": lambda value: f"name,value\nx,{value}\n".encode(),
    "a.txt": lambda value: f"step 3: loss={value}, 12ms\n".encode(),
    "a.npy": lambda value: written(lambda file: numpy.save(file, [1, value])),
    "b.npy": lambda value: written(lambda file: numpy.save(file, numpy.array([(1, value)], WITHIN.dtype))),
    "c.npy": lambda value: written(lambda file: numpy.save(file, numpy.array([value], ">f4"))),
    "a.npz": lambda value: written(lambda file: numpy.savez(file, w=[1, value])),
    "a.pkl": lambda value: dumped({"w": [value], "n": 1}),
    "b.pkl": lambda value: dumped({"w": numpy.array([[value, 1]])}),
    "c.pkl": lambda value: dumped(numpy.float64(value), 5),
    "d.pkl": lambda value: dumped(numpy.array([(1, value)], WITHIN.dtype)),
    "e.pkl": lambda value: dumped({"w": numpy.array([[value, 1]])}, 5),
    "a.joblib": lambda value: written(lambda file: joblib.dump({"w": numpy.array([value, 1])}, file)),
    "b.joblib": lambda value: written(lambda file: joblib.dump([numpy.array([value])], file, compress=3)),
    "c.joblib": lambda value: written(lambda file: joblib.dump([numpy.array([value])], file, compress=("xz", 1))),
    "d.joblib": lambda value: written(lambda file: joblib.dump([numpy.array([value, "x"], object)], file)),
    "a.parquet": lambda value: table(n=["x"], w=[value]),
    "a.db": database,
    "a.ipynb": lambda value: notebook(output=[f"loss: {value}"]),
    "a.h5": lambda value: h5(w=[value, 1.0]),
    "a.csv.gz": lambda value: gzip.compress(f"a\n{value}\n".encode()),
    "a.png": lambda value: png([b"\1%c\0" % int(value * 100), b"\4\1\1"], (2, 8, 0)),
    "b.png": lambda value: png([b"\3\2\1%c\0" % int(value * 100)], (2, 16, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_numbers_within_a_tolerance(tmp_path: object, name: str) -> None:
    old, near, far = map(WRITERS[name], (1.0, 1.01, 1.7))
    tolerance = Tolerance(0.02)
    assert not compared(tmp_path, name, old, near).same
    within = compared(tmp_path, name, old, near, within=tolerance)
    assert within.same, within
    assert 0 < within.absolute <= 0.02
    assert not compared(tmp_path, name, old, far, within=tolerance).same


@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
@pytest.mark.parametrize(("old", "new"), [("01234", "1234"), ("+4930", "4930"), ("v1.2.3", "v1.2.4"), ("12:30:01", "12:30:02"), ("2024-01-10", "2024-01-11"), ("a1", "a2")])  # fmt: skip
def test_names_that_look_like_numbers_have_no_tolerance(
    tmp_path: object, name: str, old: str, new: str
) -> None:
    assert not compared(tmp_path, name, f"x\n{old}\n", f"x\n{new}\n", within=Tolerance(1e9)).same


# ---- any content ---------------------------------------------------------------------------------------------

LEAF = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
VALUE = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)


def places(value: Any) -> list[tuple[Any, ...]]:
    """Of all leaves."""
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if inner is None:
        return [()]
    return [(key, *rest) for key, each in inner for rest in places(each)]


def replaced(value: Any, place: tuple[Any, ...], leaf: Any) -> Any:
    if not place:
        return leaf
    copy = value.copy()
    copy[place[0]] = replaced(value[place[0]], place[1:], leaf)
    return copy


@pytest.mark.parametrize("form", ["a.json", "a.jsonl", 0, 2, 5])
@settings(deadline=None)
@given(data=st.data())
def test_one_other_leaf_is_a_difference(form: str | int, data: st.DataObject) -> None:
    value = {"top": data.draw(VALUE)}
    place = data.draw(st.sampled_from(places(value) or [()]))
    other = replaced(value, place, data.draw(LEAF))

    def tree(content: Any) -> Any:
        if isinstance(form, int):
            return pickles.read(pickle.dumps(content, form))
        return formats.read(json.dumps(content).encode(), form)

    differences = list(leaves.Walk([NOWHERE] * 2).differences([tree(value), tree(other)]))
    assert bool(differences) == (repr(value) != repr(other))
    assert not list(leaves.Walk([NOWHERE] * 2).differences([tree(value), tree(value)]))


@given(st.lists(st.lists(st.text(max_size=4), min_size=1, max_size=3), min_size=1, max_size=3), st.data())
def test_one_other_cell_is_a_difference(cells: list[list[str]], data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(cells) - 1))
    column = data.draw(st.integers(0, len(cells[row]) - 1))
    other = [list(each) for each in cells]
    other[row][column] = data.draw(st.text(max_size=4))

    def tree(rows: list[list[str]]) -> Any:
        quoted = (
            "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in each) for each in rows)
        ).encode("utf-8", "surrogatepass")
        return formats.read(quoted, "a.csv")

    differences = list(leaves.Walk([NOWHERE] * 2).differences([tree(cells), tree(other)]))
    assert bool(differences) == (cells != other)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_text_are_kept(content: bytes) -> None:
    other = content.replace(b"\xfc", b"\xf6") + b"\xe9"
    for name in ("a.txt", "a.json", "a.csv", "a.pkl", "a.zip"):
        trees = [formats.read(each, name) for each in (content, other)]
        assert list(leaves.Walk([NOWHERE] * 2).differences(trees))


# ---- pickles ---------------------------------------------------------------------------------------------------


def test_a_pickle_that_holds_itself(tmp_path: object) -> None:
    one: list[Any] = [1]
    one.append(one)
    other: list[Any] = [1, [1]]
    other[1].append(other[1])
    assert compared(tmp_path, "a.pkl", dumped(one, 2), dumped(one)).same
    assert not compared(tmp_path, "a.pkl", dumped(one), dumped(other)).same


def test_padding_in_an_array_is_chance(tmp_path: object) -> None:
    dtype = numpy.dtype([("a", "i1"), ("b", "<f8")], align=True)
    raw = bytearray(numpy.array([(1, 2.0)], dtype).tobytes())
    raw[3] = 7  # between a and b
    arrays = [numpy.array([(1, 2.0)], dtype), numpy.frombuffer(bytes(raw), dtype).copy()]
    found = compared(tmp_path, "a.pkl", *map(dumped, arrays))
    assert found.same
    assert leaves.PADDING in found.detail


def test_a_damaged_pickle_is_none(tmp_path: object) -> None:
    good = dumped({"a": 1})
    assert "cannot be read as pickle" in compared(tmp_path, "a.pkl", good, good[:-5]).detail
    assert not compared(tmp_path, "a.pkl", b"\x80\x04.", b"\x80\x04N.").same
    deep = b"\x80\x04" + b"]" * 5000 + b"a" * 4999 + b"."
    assert not compared(tmp_path, "a.pkl", deep, deep.replace(b"]", b"}", 1)).same


# ---- archives --------------------------------------------------------------------------------------------------


def test_an_archive_that_unpacks_to_too_much(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "LARGE", 10_000)
    one, two = (gzip.compress(bytes(50_000) + end) for end in (b"a", b"b"))
    assert "too large" in compared(tmp_path, "a.gz", one, two).detail


def test_without_a_library_it_says_so(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, content in (("pyarrow", "a.parquet", table(n=[1])), ("h5py", "a.h5", h5(a=1))):
        monkeypatch.setitem(sys.modules, module, None)
        found = compared(tmp_path, name, content, content + b"\0")
        assert not found.same
        assert module in found.detail


# ---- repetitions -------------------------------------------------------------------------------------------------

VARYING = {
    "a.json": lambda label, noise, mark: json.dumps({"label": label, "loss": noise, "time": mark}).encode(),
    "a.csv": lambda label, noise, mark: f"label,loss,time\n{label},{noise},{mark}\n".encode(),
    "a.txt": lambda label, noise, mark: f"{label} with loss {noise}, id {mark}\n".encode(),
    "a.pkl": lambda label, noise, mark: dumped({"label": label, "loss": noise, "time": mark}),
    "a.npz": lambda label, noise, mark: written(lambda file: numpy.savez(file, a=[noise], b=[label, mark])),
    "a.parquet": lambda label, noise, mark: table(label=[label], loss=[noise], time=[mark]),
    "a.h5": lambda label, noise, mark: h5(label=label, loss=noise, time=mark),
    "a.zip": lambda label, noise, mark: archive("zip").replace(b"a.csv", f"{label}.csv".encode()[-5:]) + b"",
    "a.bin": lambda label, noise, mark: b"\0" * 60 + label.encode() + bytes(60) + mark.encode() + struct.pack("d", noise),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in VARYING if name not in ("a.zip", "a.bin")])
def test_what_does_not_vary_must_be_as_recorded(tmp_path: object, name: str) -> None:
    """A mark that is never twice the same, and noise, excuse themselves and nothing else."""
    write = VARYING[name]
    new = [write("dog", 0.5 + number / 1000, mark) for number, mark in enumerate(("k3f", "zu8", "m1a"))]
    assert compared(tmp_path, name, write("dog", 0.5015, "a1b"), *new, within=SPREAD).same
    other = compared(tmp_path, name, write("cat", 0.5015, "a1b"), *new, within=SPREAD)
    assert not other.same
    assert "cat" in other.detail or "bytes" in other.detail
    shifted = compared(tmp_path, name, write("dog", 0.9, "a1b"), *new, within=SPREAD)
    assert not shifted.same, "a stable shift is no noise"


def test_bytes_of_no_known_format_that_do_not_vary(tmp_path: object) -> None:
    write = VARYING["a.bin"]
    new = [write("dog", 0.5, mark) for mark in ("k3f", "zu8", "m1a")]
    assert compared(tmp_path, "a.bin", write("dog", 0.5, "a1b"), *new, within=SPREAD).same
    assert not compared(tmp_path, "a.bin", write("cat", 0.5, "a1b"), *new, within=SPREAD).same


def test_every_name_is_in_the_documentation() -> None:
    with open(os.path.join(os.path.dirname(__file__), "../../docs/reproduce.md"), encoding="utf-8") as file:
        text = " ".join(file.read().split())
    names = {formats.HEADER, formats.ARCHIVE, formats.NOTEBOOK, formats.MODEL, formats.DOCUMENT, hdf5.LAYOUT}
    names |= {
        formats.PACKING,
        images.NOTES,
        pickles.PLACING,
        pickles.PROTOCOL,
        leaves.PADDING,
        *wording.ANYWHERE,
    }
    names |= {each.spelling for each in formats.FORMATS} - {""}
    assert [name for name in names if name not in text] == []
