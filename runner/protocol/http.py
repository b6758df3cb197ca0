"""HTTP/1.1 on the wire: the head of a request, a chunked body, the head of a response. No sockets."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from runner.protocol.answer import Response

__all__ = ["BadRequestError", "Chunks", "Head", "parse_head", "render"]

REASONS = {
    200: "OK", 201: "Created", 206: "Partial Content", 304: "Not Modified", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    411: "Length Required", 413: "Content Too Large", 416: "Range Not Satisfiable", 417: "Expectation Failed",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
    501: "Not Implemented", 503: "Service Unavailable", 505: "HTTP Version Not Supported",
}  # fmt: skip
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY"))
SINGLE = frozenset(("content-length", "host", "authorization", "content-type", "transfer-encoding"))


class BadRequestError(Exception):
    """Not a request that we can answer and go on: the connection is closed after the error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Head(NamedTuple):
    method: str
    path: str  # decoded once
    query: str  # as sent
    headers: Mapping[str, str]  # names in lower case
    keep: bool
    length: int  # of the body; -1: chunked
    started: float  # time.monotonic()


def parse_head(data: bytes) -> Head:
    """`data` ends before the blank line."""
    lines = data.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        raise BadRequestError(400, "The request line is malformed.")
    method, target, version = words
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequestError(505, f"{version[:20]} is not spoken here.")
    if method not in METHODS:
        raise BadRequestError(501, "The method is not known.")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or not TOKEN.issuperset(name) or "\n" in value or "\0" in value:
            raise BadRequestError(400, "A header is malformed.")
        name = name.lower()
        if name in headers:
            if name in SINGLE:
                raise BadRequestError(400, f"The header {name} is there twice.")
            headers[name] += ", " + value.strip()
        else:
            headers[name] = value.strip()
    connection = headers.get("connection", "").lower()
    keep = "close" not in connection and (version == "HTTP/1.1" or "keep-alive" in connection)
    path, query = _target(target)
    return Head(method, path, query, headers, keep, _length(headers), time.monotonic())


def _target(target: str) -> tuple[str, str]:
    if not target.startswith("/"):
        if "://" not in target:
            raise BadRequestError(400, "The request target is malformed.")
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    return (unquote(path) if "%" in path else path.encode("latin-1").decode("utf-8", "replace")), query


def _length(headers: Mapping[str, str]) -> int:
    """Of the body. Saying it in two ways is refused: that is how requests are smuggled past a proxy."""
    encoding = headers.get("transfer-encoding")
    given = headers.get("content-length")
    if encoding is not None:
        if given is not None or encoding.lower() != "chunked":
            raise BadRequestError(400 if given is not None else 501, "The transfer encoding is not known.")
        return -1
    if given is None:
        return 0
    if not given.isascii() or not given.isdigit() or len(given) > 18:
        raise BadRequestError(400, "Content-Length is not a number.")
    return int(given)


class Chunks:
    """Takes a chunked body apart. `feed` returns the data, and whether that was all; `rest` follows."""

    def __init__(self) -> None:
        self.rest = bytearray()
        self._left = 0  # of the current chunk with its line end
        self._last = False

    def feed(self, data: bytes | bytearray) -> tuple[list[bytes], bool]:
        buffer = self.rest
        buffer += data
        parts: list[bytes] = []
        while True:
            if self._left > 2:
                piece = bytes(buffer[: self._left - 2])
                if not piece:
                    return parts, False
                parts.append(piece)
                del buffer[: len(piece)]
                self._left -= len(piece)
            if self._left:
                if len(buffer) < 2:
                    return parts, False
                if buffer[:2] != b"\r\n":
                    raise BadRequestError(400, "A chunk is malformed.")
                del buffer[:2]
                self._left = 0
            end = buffer.find(b"\r\n")
            if end < 0:
                if len(buffer) > 1024:
                    raise BadRequestError(400, "A chunk is malformed.")
                return parts, False
            line = bytes(buffer[:end])
            del buffer[: end + 2]
            if self._last:  # trailers up to a blank line
                if not line:
                    return parts, True
                continue
            size = line.partition(b";")[0].strip()
            try:
                if not size or len(size) > 15 or size[:1] in b"+-_" or b"_" in size:
                    raise ValueError("not a size")
                count = int(size, 16)
            except ValueError:
                raise BadRequestError(400, "A chunk is malformed.") from None
            if count:
                self._left = count + 2
            else:
                self._last = True


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_date = (0, "")


def _now() -> str:
    global _date
    second = int(time.time())
    if _date[0] != second:
        at = time.gmtime(second)
        day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[at.tm_wday]
        clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
        _date = second, f"{day}, {at.tm_mday:02} {MONTHS[at.tm_mon - 1]} {at.tm_year} {clock} GMT"
    return _date[1]


def render(response: Response, keep: bool) -> bytes:
    """The head of the response, and its body unless that comes from a file: one write."""
    length = len(response.body) if response.file is None else response.length
    head = (
        f"HTTP/1.1 {response.status} {REASONS.get(response.status, '-')}\r\n"
        f"Content-Type: {response.type}\r\nContent-Length: {length}\r\nDate: {_now()}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
    )
    for name, value in response.headers:
        head += f"{name}: {value}\r\n"
    if not keep:
        head += "Connection: close\r\n"
    head += "\r\n"
    return head.encode("latin-1", "replace") + (response.body if response.file is None else b"")
