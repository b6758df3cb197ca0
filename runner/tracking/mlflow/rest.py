"""A client of the MLflow REST protocol, on http.client: what sending runs to a server and fetching them needs."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit

from runner.errors import InputError, ProjError
from runner.text.credentials import without
from runner.tracking.events import Facts

__all__ = ["DEEPEST", "Listed", "Refused", "Rest", "Unreachable", "without_credentials"]

RETRIED = (408, 429, 500, 502, 503, 504)
PIECE = 1 << 20
DEEPEST = 100  # folders in folders
LARGEST = 500_000_000  # bytes of an answer that is no file


class Listed(NamedTuple):
    """A file or a folder in a folder of artifacts."""

    name: str  # of one part
    is_folder: bool


AGAIN = "is this its address, and is it running? The same command tries again"


class Unreachable(ProjError):
    """The server is away, slow, or has a fault of its own: the same may work later."""


class Refused(ProjError):
    """The server understood, and does not want it."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def without_credentials(uri: str) -> str:
    """The address by which a server is known: also without query and fragment."""
    return without(uri).partition("?")[0].partition("#")[0].rstrip("/")


def _meant(environ: Mapping[str, str]) -> list[str]:
    """The servers that the environment names: its token and password are for them, and no other one gets these."""
    found = (environ.get(name, "") for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PROJ_STORE"))
    return [uri for uri in found if uri.startswith(("http://", "https://"))]


def _place(uri: str) -> tuple[str, int]:
    """Host and port; all names of this machine's loopback are one."""
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", 0
    return "localhost" if host in ("127.0.0.1", "::1") else host, port


class Rest:
    """One connection, opened again when it was cut. Credentials: as MLflow's own client takes them."""

    def __init__(self, uri: str, environ: Mapping[str, str] | None = None, timeout: float = 60) -> None:
        environ = os.environ if environ is None else environ
        try:
            parts = urlsplit(uri)
            port, known = parts.port, parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:  # http://[::1, or :99999
            known = False
        if not known:
            raise InputError(
                f"{without_credentials(uri)!r} is not the address of a tracking server", "http://host:port"
            )
        self.uri = without_credentials(uri)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = port or (443 if self._secure else 80)
        self._base = parts.path.rstrip("/")
        self._timeout = timeout
        self._insecure = environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
        self._headers = {"User-Agent": "proj", "Accept": "application/json"}
        user = unquote(parts.username or "") or environ.get("MLFLOW_TRACKING_USERNAME", "")
        password = unquote(parts.password or "") or environ.get("MLFLOW_TRACKING_PASSWORD", "")
        token = environ.get("MLFLOW_TRACKING_TOKEN", "")
        if user and password:
            secret = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {secret}"
        elif token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._elsewhere = ""  # whose the credentials are that were not sent
        others = [] if parts.username and parts.password else _meant(environ)
        if others and _place(uri) not in map(_place, others):
            self._elsewhere = without_credentials(others[0])
            self._headers.pop("Authorization", None)
        self._link: http.client.HTTPConnection | None = None

    def __enter__(self) -> Rest:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def get(self, path: str, **query: str | int | None) -> Facts:
        text = urlencode({key: value for key, value in query.items() if value not in (None, "")}, doseq=True)
        return self._json("GET", f"/api/2.0/mlflow/{path}" + (f"?{text}" if text else ""), None)

    def post(self, path: str, body: Facts, method: str = "POST") -> Facts:
        """The answer, as JSON. Unreachable when there is none, Refused for what the server does not take."""
        data = json.dumps(body).encode()
        return self._json(method, f"/api/2.0/mlflow/{path}", data)

    def put_file(self, path: str, file: BinaryIO, size: int) -> None:
        """To the artifact proxy."""
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        self._ask("PUT", f"{FILES}/{quote(path)}", file, headers)

    def delete_file(self, path: str) -> None:
        self._ask("DELETE", f"{FILES}/{quote(path)}", b"{}", {"Content-Type": "application/json"})

    def list_files(self, path: str) -> list[Listed]:
        """What a folder has in it. Refused when a name leads out of it: files are written by these names."""
        found = []
        answer = self._json("GET", f"{FILES}?{urlencode({'path': path})}", None)
        with self.understood():
            listed = [(str(each["path"]), bool(each.get("is_dir"))) for each in answer.get("files", [])]
        for inner, is_folder in listed:
            name = inner.rpartition("/")[2]
            if name in ("", ".", "..") or "\0" in name:
                raise Refused("", f"{self.uri} names a file {inner!r}, which leads out of its folder", 200)
            found.append(Listed(name, is_folder))
        return found

    def get_file(self, path: str) -> Iterator[bytes]:
        """In pieces of PIECE bytes. Unreachable when the connection breaks."""
        answer = self._send("GET", f"{FILES}/{quote(path)}", None, {})
        if answer.status != 200:
            self._judge(answer.status, answer.read())
        try:
            while piece := answer.read(PIECE):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._away(error) from error

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Around what reads its answers: one that lacks what it must have is none of a tracking server."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            raise self._odd() from error

    def _odd(self) -> Unreachable:
        return Unreachable(f"{self.uri} does not answer like a tracking server", "is this its address?")

    def _json(self, method: str, path: str, data: bytes | None) -> Facts:
        text = self._ask(method, path, data, {"Content-Type": "application/json"} if data is not None else {})
        try:
            value = json.loads(text or b"{}")
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
        raise self._odd()

    def _ask(
        self, method: str, path: str, data: bytes | BinaryIO | None, headers: Mapping[str, str]
    ) -> bytes:
        answer = self._send(method, path, data, headers)
        try:
            text = answer.read(LARGEST)
            if len(text) == LARGEST:
                self.close()
                raise self._odd()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._away(error) from error
        if answer.status != 200:
            self._judge(answer.status, text)
        return text

    def _send(
        self, method: str, path: str, data: bytes | BinaryIO | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        try:
            if self._link is None:
                self._link = self._connect()
            self._link.request(method, self._base + path, data, {**self._headers, **headers})
            return self._link.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._away(error) from error
        except ValueError:  # its message has the token in it
            self.close()
            what = "the address or the credentials have characters that HTTP does not allow"
            raise InputError(f"{self.uri} cannot be asked: {what}") from None

    def _connect(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        context = ssl.create_default_context(
            cafile=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or None
        )
        if self._insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)

    def _away(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self.uri} cannot be reached: {str(error) or type(error).__name__}", AGAIN)

    def _judge(self, status: int, text: bytes) -> None:
        try:
            value = json.loads(text)
            code, message = str(value["error_code"]), str(value.get("message", ""))
        except (ValueError, KeyError, TypeError):
            code, message = "", text[:200].decode("utf-8", "replace")
        if status in (401, 403) and self._elsewhere:
            message += (
                f" (the credentials in the environment are those of {self._elsewhere}; they were not sent)"
            )
        if status in RETRIED:
            raise Unreachable(f"{self.uri} answered {status}: {message[:300]}", AGAIN)
        raise Refused(code, f"{self.uri}: {message[:1000] or status}", status)


FILES = "/api/2.0/mlflow-artifacts/artifacts"
