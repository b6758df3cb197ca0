"""Arrays as NumPy stores them, read without NumPy: proj's own environment has none.

NPY: numpy.org/doc/stable/reference/generated/numpy.lib.format.html, types: .../arrays.interface.html.
"""

from __future__ import annotations

import ast
import struct
from math import prod
from typing import Any

from runner.reproduction.verdict.leaves import Array

__all__ = ["Fields", "layout", "npy", "simple"]

NUMBERS = {
    "f2": "e",
    "f4": "f",
    "f8": "d",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
    "b1": "?",
}
Fields = tuple[tuple[str, int, str], ...]  # (name, offset in an item, format of `struct`)


def npy(data: bytes, *_: object) -> Array:
    """Of NumPy's .npy, versions 1.0 to 3.0 (numpy.lib.format). ValueError, KeyError or struct.error for others."""
    if data[6] not in (1, 2, 3) or data[7]:
        raise ValueError("an unknown version")
    wide = data[6] > 1
    (length,) = struct.unpack_from("<I" if wide else "<H", data, 8)
    start = 12 if wide else 10
    header = ast.literal_eval(
        data[start : start + length].decode("utf-8" if data[6] > 2 else "latin-1").strip(" \n")
    )
    size, fields = layout(header["descr"])
    order = "F" if header["fortran_order"] else "C"
    return Array(tuple(header["shape"]), order, size, fields, data[start + length :])


def simple(descr: str) -> tuple[int, Fields]:
    """Bytes and fields of an item: `<f8` is a number, `<c16` are two; what is no number is compared as bytes."""
    order, kind = descr[0] if descr[0] in "<>" else "=", descr.lstrip("<>|=")
    if kind in ("c8", "c16"):
        half, code = int(kind[1:]) // 2, "f" if kind == "c8" else "d"
        return 2 * half, (("real", 0, order + code), ("imag", half, order + code))
    if kind in NUMBERS:
        return int(kind[1:]), (("", 0, order + NUMBERS[kind]),)
    if kind[0] == "O":
        raise ValueError("an array of objects")
    count = int(kind[1:].partition("[")[0] or 0) * (4 if kind[0] == "U" else 1)
    unit = kind if kind[0] in "Mm" else ""  # of times: 5 days are not 5 seconds
    return count, ((unit, 0, f"{count}s"),)


def layout(descr: Any) -> tuple[int, Fields]:
    """Of a type as NPY names it: text, or a list of (name, type[, shape]); unnamed fields are padding."""
    if isinstance(descr, str):
        return simple(descr)
    found: list[tuple[str, int, str]] = []
    at = 0
    for field in descr:
        name = field[0] if isinstance(field[0], str) else field[0][1]  # (title, name)
        size, inner = layout(field[1])
        for _ in range(prod(field[2]) if len(field) > 2 else 1):
            if name:
                found += [(f"{name}.{sub}".rstrip("."), at + offset, code) for sub, offset, code in inner]
            at += size
    return at, tuple(found)
