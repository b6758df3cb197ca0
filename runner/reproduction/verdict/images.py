"""PNG images (w3.org/TR/png) read to pixels. Other images are compared byte by byte."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from runner.reproduction.verdict.leaves import Array, Ignored, Packed
from runner.values import JsonObject

__all__ = ["NOTES", "png"]

NOTES = "texts and dates beside the pixels"
TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf")
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by colour type; 3 are indices of a palette


def png(data: bytes, *_: object) -> JsonObject:
    """Header, pixels, and all chunks but texts. ValueError when a checksum is wrong or something follows the end."""
    at, packed = 8, b""
    chunks: list[tuple[str, bytes]] = []
    notes: list[bytes] = []
    while at < len(data) and (not chunks or chunks[-1][0] != "IEND"):
        length, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", data, at + 8 + length)
        if check != zlib.crc32(kind + content):
            raise ValueError(f"the checksum of {kind!r} is wrong")
        at += 12 + length
        if kind == b"IDAT":
            packed += content
        elif kind in TEXTS:
            notes.append(kind + content)
        else:
            chunks.append((kind.decode("latin-1"), content))
    if at != len(data):
        raise ValueError("something follows its end")
    header = struct.unpack(">IIBBBBB", chunks[0][1])
    unpacker = zlib.decompressobj()
    scan = unpacker.decompress(packed)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("the pixels are cut off")
    return {
        "size": f"{header[0]}x{header[1]} pixels",
        "chunks": [f"{kind} {content.hex()}" for kind, content in chunks],
        "pixels": Packed(scan, lambda: _pixels(header, scan)),
        "notes": Ignored(NOTES, notes),
    }


def _pixels(header: tuple[int, ...], scan: bytes) -> Any:
    """Values from 0 to 1; interlaced images, palettes and less than a byte a pixel only as they are packed."""
    width, height, bits, colour, _, _, interlaced = header
    if interlaced or bits < 8 or colour not in CHANNELS:
        return scan
    size = bits // 8
    pixel = CHANNELS[colour] * size
    line = width * pixel
    if len(scan) != height * (line + 1):
        raise ValueError("the pixels are cut off")
    found, above = [], bytearray(line)
    for row in range(height):
        start = row * (line + 1)
        current = bytearray(scan[start + 1 : start + 1 + line])
        _unfilter(scan[start], current, above, pixel)
        found.append(current)
        above = current
    fields = (("", 0, ">H" if size == 2 else "B"),)
    return Array((height, width, CHANNELS[colour]), "C", size, fields, b"".join(found), 256**size - 1)


def _unfilter(kind: int, current: bytearray, above: bytearray, pixel: int) -> None:
    """Undoes the filter of a scan line, in place."""
    for index in range(len(current) if kind else 0):
        left = current[index - pixel] if index >= pixel else 0
        up, corner = above[index], above[index - pixel] if index >= pixel else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        elif kind == 4:
            to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
            guess = (
                left if to_left <= to_up and to_left <= to_corner else up if to_up <= to_corner else corner
            )
        else:
            raise ValueError(f"no filter {kind}")
        current[index] = (current[index] + guess) & 255
