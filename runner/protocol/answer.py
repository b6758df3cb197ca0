"""What a handler returns or raises: a Response, or an ApiError in MLflow's error format."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

from runner.text.encoding import visible, visible_values
from runner.values import JsonMapping

__all__ = ["EMPTY", "STATUS", "ApiError", "Response", "error", "invalid", "reply", "reply_list"]

STATUS = {
    "INVALID_PARAMETER_VALUE": 400,
    "BAD_REQUEST": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "RESOURCE_CONFLICT": 409,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "INVALID_STATE": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
}

MESSAGE = 4000  # characters: a message quotes what it refuses

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class Response(NamedTuple):
    """With a `file`, `length` bytes of it from its current position are the body; then it is closed."""

    body: bytes = b"{}"
    status: int = 200
    type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    file: BinaryIO | None = None
    length: int = 0
    subject: str = ""  # id of what was made, for the audit


EMPTY = Response()


class ApiError(Exception):
    """`status` only where it is not the one that belongs to the code."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or STATUS[code]


def invalid(message: str) -> ApiError:
    return ApiError("INVALID_PARAMETER_VALUE", message)


def reply(value: JsonMapping) -> Response:
    """JSON, in which a lone surrogate, which is not UTF-8, is shown as an escape."""
    text = _encode(value)
    try:
        return Response(text.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return Response(_encode(visible_values(value)).encode())


def reply_list(name: str, items: Iterable[JsonMapping], token: str = "") -> Response:
    """A page of a list. Each item is encoded by itself: other threads get their turn."""
    parts = [reply(item).body for item in items]
    body = b'{"%s":[%s]' % (name.encode(), b",".join(parts)) if parts else b"{"
    if token:
        body += b'%s"next_page_token":%s' % (b"," if parts else b"", json.dumps(token).encode())
    return Response(body + b"}")


def error(code: str, message: str, status: int = 0, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """MLflow's format; a message of more than MESSAGE characters is cut."""
    if len(message) > MESSAGE:
        message = f"{message[:MESSAGE]}..."
    body = json.dumps({"error_code": code, "message": visible(message)}).encode()
    return Response(body, status or STATUS[code], headers=headers)
