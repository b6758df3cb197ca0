"""Files compared by what they mean, numbers within their tolerance."""

from __future__ import annotations

import array
import json
import math
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import InputError
from runner.reproduction.verdict import comparators, tolerance
from runner.reproduction.verdict.closeness import Finding
from runner.reproduction.verdict.tolerance import EXACT, Tolerance
from tests.helpers import make_tree

CLOSE = Tolerance(0.01)


def compared(
    tmp_path: object, name: str, old: bytes | str, new: bytes | str, within: Tolerance = EXACT
) -> Finding:
    one, two = make_tree(f"{tmp_path}/old", {name: old}), make_tree(f"{tmp_path}/new", {name: new})
    return comparators.files(f"{one}/{name}", f"{two}/{name}", within)


@pytest.mark.parametrize(
    ("name", "old", "same", "near", "far"),
    [
        ("m.json", '{"a": [1.0, "x"], "b": null}', '{"b":null,\n"a":[1.0,"x"]}', '{"a": [1.001, "x"], "b": null}', '{"a": [1.0, "y"], "b": null}'),
        ("m.jsonl", '{"a": 1.0}\n{"a": 2}\n', '{"a":1.0}\n\n{"a":2}\n', '{"a": 1.005}\n{"a": 2}\n', '{"a": 1.0}\n'),
        ("t.csv", "a,b\n1.0,x\n", 'a,b\r\n1.0,"x"\r\n', "a,b\n1.002,x\n", "a,b\n1.0,y\n"),
        ("t.tsv", "a\tb\n1.0\tx\n", 'a\tb\n1.00\tx\n', "a\tb\n1.002\tx\n", "a\tb\n"),
    ],
)  # fmt: skip
def test_text_formats(tmp_path: object, name: str, old: str, same: str, near: str, far: str) -> None:
    assert compared(tmp_path, name, old, same).same
    assert compared(tmp_path, name, old, near, CLOSE).same
    found = compared(tmp_path, name, old, near)
    assert not found.same
    assert found.absolute > 0
    assert not compared(tmp_path, name, old, far, CLOSE).same


def npy(values: list[float], dtype: str = "<f8", shape: str = "") -> bytes:
    code = {"<f8": "d", "<f4": "f", "<i8": "q"}[dtype]
    header = (
        f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({shape or f'{len(values)},'}), }}".encode()
    )
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    data = array.array(code, [int(v) for v in values] if code == "q" else values).tobytes()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def test_numpy_files(tmp_path: object) -> None:
    assert compared(tmp_path, "w.npy", npy([1, 2]), npy([1, 2.005]), CLOSE).same
    far = compared(tmp_path, "w.npy", npy([1, 2]), npy([1, 3]), CLOSE)
    assert not far.same
    assert far.absolute == 1
    assert not compared(tmp_path, "w.npy", npy([1, 2]), npy([1, 2], "<f4"), CLOSE).same
    assert not compared(tmp_path, "w.npy", npy([1, 2]), b"no array", CLOSE).same


def test_numpy_archives(tmp_path: object) -> None:
    def npz(values: list[float], name: str = "a.npy") -> bytes:
        path = f"{tmp_path}/made.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, npy(values))
        with open(path, "rb") as file:
            return file.read()

    assert compared(tmp_path, "w.npz", npz([1]), npz([1.001]), CLOSE).same
    assert not compared(tmp_path, "w.npz", npz([1]), npz([2]), CLOSE).same
    assert not compared(tmp_path, "w.npz", npz([1]), npz([1], "b.npy"), CLOSE).same


def png(pixels: bytes, text: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + pixels[at : at + 2] for at in range(0, len(pixels), 2))
    header = struct.pack(">IIBBBBB", 2, len(pixels) // 2, 8, 0, 0, 0, 0)
    comment = chunk(b"tEXt", b"Date\0" + text) if text else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + comment
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def test_images_by_their_pixels(tmp_path: object) -> None:
    assert compared(tmp_path, "p.png", png(b"abcd", b"today"), png(b"abcd", b"tomorrow")).same
    assert not compared(tmp_path, "p.png", png(b"abcd"), png(b"abce")).same
    assert not compared(tmp_path, "p.png", png(b"abcd"), png(b"abcdef")).same


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('a pickle was run')",))


def test_pickles_are_read_and_not_run(tmp_path: object) -> None:
    one = pickle.dumps(OrderedDict(weights=[0.5, 0.25], name="x"))
    assert compared(
        tmp_path, "m.pkl", one, pickle.dumps(OrderedDict(weights=[0.501, 0.25], name="x")), CLOSE
    ).same
    assert not compared(
        tmp_path, "m.pkl", one, pickle.dumps(OrderedDict(weights=[0.6, 0.25], name="x")), CLOSE
    ).same
    assert compared(
        tmp_path, "m.pkl", one, pickle.dumps(OrderedDict(weights=[0.5, 0.25], name="x"), protocol=5)[:]
    ).same
    assert not compared(tmp_path, "m.pkl", one, pickle.dumps(Bomb())).same
    assert not compared(tmp_path, "m.pkl", one, one[:-5]).same


def test_other_files(tmp_path: object) -> None:
    assert not compared(tmp_path, "a.bin", b"\0\1", b"\0\2").same
    assert "line 2" in compared(tmp_path, "a.txt", "a\nb\n", "a\nc\n").detail
    assert compared(tmp_path, "MLmodel", "run_id: a\nflavor: x\n", "run_id: b\nflavor: x\n").same
    assert not compared(tmp_path, "MLmodel", "run_id: a\nflavor: x\n", "run_id: b\nflavor: y\n").same
    assert "cannot be read" in compared(tmp_path, "a.json", "{}", "{").detail


def test_without_a_library_it_says_so(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = compared(tmp_path, "a.parquet", b"1", b"2")
    assert not found.same
    assert "pyarrow" in found.detail


def test_tolerances() -> None:
    found = tolerance.parse(["1e-3", "rmse=rel:0.1", "val_*=0", "val_loss=5"])
    assert found.of("mae") == Tolerance(0.001, 0, "1e-3")
    assert found.of("rmse") == Tolerance(0, 0.1, "rel:0.1")
    assert found.of("val_acc") == Tolerance(0, 0, "0")
    assert found.of("val_loss") == Tolerance(5, 0, "5")
    assert tolerance.parse(["a=1"]).of("b") is None
    for wrong in ("", "=1", "a=", "a=b", "-1", "nan", "a=rel:"):
        with pytest.raises(InputError):
            tolerance.parse([wrong])


def test_numbers_that_are_none() -> None:
    assert EXACT.allows(math.nan, math.nan)
    assert EXACT.allows(math.inf, math.inf)
    assert not Tolerance(1e9).allows(math.inf, -math.inf)
    assert not Tolerance(1e9).allows(1.0, math.nan)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8))
def test_the_spread_holds_its_own_values(values: list[float]) -> None:
    mean, width = tolerance.spread(values)
    assert all(abs(value - mean) <= width + 1e-6 for value in values)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_everything_is_like_itself(value: Any) -> None:
    from runner.reproduction.verdict.closeness import compare

    assert compare(value, json.loads(json.dumps(value)), EXACT).same
