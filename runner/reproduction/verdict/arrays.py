"""NumPy's files, PNG images and pickles, read without their libraries: proj's own environment has none of them.

NPY: numpy.org/doc/stable/reference/generated/numpy.lib.format.html. PNG: w3.org/TR/png.
"""

from __future__ import annotations

import array
import ast
import struct
import sys
import zipfile
import zlib
from typing import Any, BinaryIO, NamedTuple

from runner.reproduction.verdict.closeness import Finding, numbers
from runner.reproduction.verdict.tolerance import Tolerance

__all__ = ["npy", "npz", "pickle_steps", "png"]

# kind and size of NumPy -> type code of array; half and extended floats, complex and structured ones have none
CODES = {
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
    "b1": "B",
}
MEMORY = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET", "FRAME", "PROTO")


class Array(NamedTuple):
    dtype: str
    shape: tuple[int, ...]
    data: bytes


def npy(old: str, new: str, tolerance: Tolerance) -> Finding:
    with open(old, "rb") as one, open(new, "rb") as two:
        return _compare(_read(one), _read(two), tolerance, "")


def npz(old: str, new: str, tolerance: Tolerance) -> Finding:
    with zipfile.ZipFile(old) as one, zipfile.ZipFile(new) as two:
        if sorted(one.namelist()) != sorted(two.namelist()):
            return Finding(False, f"arrays {sorted(two.namelist())} instead of {sorted(one.namelist())}")
        absolute = relative = 0.0
        for name in one.namelist():
            with one.open(name) as first, two.open(name) as second:
                found = _compare(_read(first), _read(second), tolerance, name.removesuffix(".npy"))
            if not found.same:
                return found
            absolute, relative = max(absolute, found.absolute), max(relative, found.relative)
    return Finding(True, "", absolute, relative)


def _compare(old: Array, new: Array, tolerance: Tolerance, name: str) -> Finding:
    if (old.dtype, old.shape) != (new.dtype, new.shape):
        return Finding(False, f"{new.dtype}{list(new.shape)} instead of {old.dtype}{list(old.shape)}")
    if old.data == new.data:
        return Finding(True)
    one, two = _values(old), _values(new)
    if one is None or two is None:
        return Finding(False, f"{name or 'the array'} of {old.dtype} differs")
    return numbers(one, two, tolerance, name)


def _read(file: BinaryIO | Any) -> Array:
    if file.read(6) != b"\x93NUMPY":
        raise ValueError("no NPY header")
    major = file.read(2)[0]
    (length,) = struct.unpack("<H", file.read(2)) if major == 1 else struct.unpack("<I", file.read(4))
    header = ast.literal_eval(file.read(length).decode("utf-8" if major >= 3 else "latin-1").strip())
    order = "F" if header["fortran_order"] else ""
    return Array(f"{header['descr']}{order}", tuple(header["shape"]), file.read())


def _values(found: Array) -> Any:
    """As an array of numbers; None for a type that has no plain numbers."""
    dtype = found.dtype.removesuffix("F")
    code = CODES.get(dtype[1:])
    if code is None or array.array(code).itemsize != int(dtype[2:]):
        return None
    values = array.array(code)
    values.frombytes(found.data)
    if dtype[0] in "<>" and (dtype[0] == "<") != (sys.byteorder == "little"):
        values.byteswap()
    return values


def png(path: str) -> tuple[tuple[int, ...], bytes]:
    """((width, height, bits, colour, ...), filtered scan lines and palette): equal for equal images of one encoder."""
    header: tuple[int, ...] = ()
    image, other = [], []
    with open(path, "rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            raise ValueError("no PNG header")
        while head := file.read(8):
            length, kind = struct.unpack(">I4s", head)
            data = file.read(length)
            file.read(4)
            if kind == b"IHDR":
                header = struct.unpack(">IIBBBBB", data)
            elif kind == b"IDAT":
                image.append(data)
            elif kind in (b"PLTE", b"tRNS"):
                other.append(data)
    return header, b"".join(other) + zlib.decompress(b"".join(image))


def pickle_steps(path: str) -> list[Any]:
    """The instructions of a pickle with their arguments, without those that only arrange memory."""
    import pickletools

    with open(path, "rb") as file:
        data = file.read()
    steps = []
    for operation, argument, _ in pickletools.genops(data):
        if operation.name not in MEMORY:
            steps.append([operation.name, argument.hex() if isinstance(argument, bytes) else argument])
    return steps
