"""What a handler returns or raises: a Response, or an ApiError in MLflow's error format."""

from __future__ import annotations

import json
from typing import BinaryIO, NamedTuple

from runner.values import JsonMapping

__all__ = ["EMPTY", "STATUS", "ApiError", "Response", "error", "invalid", "reply"]

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

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class Response(NamedTuple):
    """With a `file`, `length` bytes of it from its current position are the body; then it is closed."""

    body: bytes = b"{}"
    status: int = 200
    type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    file: BinaryIO | None = None
    length: int = 0


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
    text = _encode(value)
    try:
        return Response(text.encode())
    except UnicodeEncodeError:  # a lone surrogate, kept as JSON's own escape
        return Response(json.dumps(value).encode())


def error(code: str, message: str, status: int = 0, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    body = json.dumps({"error_code": code, "message": message}).encode()
    return Response(body, status or STATUS[code], headers=headers)
