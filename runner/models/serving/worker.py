"""The worker of a served model: loads it by the mlflow of its own environment, and answers on a socket.

    python worker.py FD FOLDER

One file of the standard library in the syntax of Python 3.8: the model's environment decides what there is, and nothing
is added to it. `mlflow` is imported here only; what a request means and how it is answered is its own scoring server's.

A frame, both ways, is `!QI` (bytes that follow, number of items) and for each item `!HHQ` (status, bytes of its content
type, bytes of its body), the content type and the body. The first frame that is sent says whether the model was loaded
(status 0, with JSON: mlflow, python) or why not (status 1, with a text). After that each frame of requests is answered
by one with as many answers. The end of the socket is the end of the worker.
"""

from __future__ import annotations

import os
import sys

if sys.path and os.path.abspath(sys.path[0]) == os.path.dirname(os.path.abspath(__file__)):
    del sys.path[0]  # what lies beside this file is no module of the model's

import importlib
import io
import json
import platform
import signal
import socket
import struct
import threading
import time
import traceback
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

FRAME = struct.Struct("!QI")
ITEM = struct.Struct("!HHQ")
JSON, TEXT = "application/json", "text/plain; charset=utf-8"
WATCH = 1.0  # s between looks whether the front is still there


class Item(NamedTuple):
    status: int  # of a request 0
    type: str
    body: bytes


Score = Callable[[bytes, str], Item]


# ---- frames ----------------------------------------------------------------------------------------------------


def pack(items: List[Item]) -> bytes:
    parts = []
    for item in items:
        kind = item.type.encode("latin-1", "replace")
        parts += [ITEM.pack(item.status, len(kind), len(item.body)), kind, item.body]
    return FRAME.pack(sum(map(len, parts)), len(items)) + b"".join(parts)


def unpack(data: bytes, count: int) -> List[Item]:
    items, place = [], 0
    for _ in range(count):
        status, kind, body = ITEM.unpack_from(data, place)
        place += ITEM.size
        start, end = place + kind, place + kind + body
        items.append(Item(status, data[place:start].decode("latin-1"), data[start:end]))
        place = end
    return items


def receive(link: socket.socket, size: int) -> bytes:
    """EOFError at the end."""
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        count = link.recv_into(view[done:])
        if not count:
            raise EOFError
        done += count
    return bytes(data)


# ---- scoring, by mlflow's own server ------------------------------------------------------------------------------


def load(folder: str) -> Tuple[Any, Any]:
    """(the model, mlflow's scoring server)."""
    pyfunc = importlib.import_module("mlflow.pyfunc")
    server = importlib.import_module("mlflow.pyfunc.scoring_server")
    loader = getattr(server, "load_model_with_mlflow_config", None) or pyfunc.load_model
    model = loader(folder)
    if hasattr(server, "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"):  # as its own server says to the model
        os.environ[server._MLFLOW_IS_IN_SERVING_ENVIRONMENT.name] = "true"
    return model, server


def scorer(model: Any, server: Any) -> Score:
    """What answers as MLflow's own server would: a function of it or, until MLflow 2, its application of WSGI."""
    if hasattr(server, "invocations") and not hasattr(server, "flask"):
        return Direct(model, server)
    return Wsgi(server.init(model))


class Direct:
    def __init__(self, model: Any, server: Any) -> None:
        self._model = model
        self._invocations = server.invocations
        self._schema = model.metadata.get_input_schema()
        self._error = server.MlflowException

    def __call__(self, body: bytes, kind: str) -> Item:
        try:
            found = self._invocations(body, kind, self._model, self._schema)
        except self._error as error:
            return Item(error.get_http_status_code(), JSON, error.serialize_as_json().encode())
        return Item(
            found.status, TEXT if found.mimetype == "text/plain" else found.mimetype, found.response.encode()
        )


class Wsgi:
    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, body: bytes, kind: str) -> Item:
        said: List[Any] = []
        environ = {
            "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/invocations", "QUERY_STRING": "",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost",
            "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr, "wsgi.multithread": False, "wsgi.multiprocess": True, "wsgi.run_once": False,
        }  # fmt: skip

        def start(status: str, headers: List[Tuple[str, str]], _: Any = None) -> None:
            said[:] = [int(status[:3]), {name.lower(): value for name, value in headers}]

        pieces = self._application(environ, start)
        try:
            data = b"".join(pieces)
        finally:
            getattr(pieces, "close", int)()
        return Item(said[0], said[1].get("content-type", JSON), data)


def safely(score: Score, item: Item) -> Item:
    """A fault of the model's, or of mlflow's, is told in the log, and nothing of it to who asked."""
    try:
        return score(item.body, item.type)
    except Exception:
        traceback.print_exc()
        return Item(500, TEXT, b"Internal Server Error")


# ---- the process --------------------------------------------------------------------------------------------------


def told(server: Any) -> Dict[str, Any]:
    return {"mlflow": str(getattr(server, "VERSION", "")), "python": platform.python_version()}


def serve(link: socket.socket, folder: str) -> None:
    try:
        model, server = load(folder)
        score = scorer(model, server)
    except BaseException as error:
        traceback.print_exc()
        link.sendall(
            pack([Item(1, TEXT, "{}: {}".format(type(error).__name__, error).encode("utf-8", "replace"))])
        )
        return
    link.sendall(pack([Item(0, JSON, json.dumps(told(server)).encode())]))
    while True:
        length, count = FRAME.unpack(receive(link, FRAME.size))
        items = unpack(receive(link, length), count)
        link.sendall(pack([safely(score, item) for item in items]))


def watch(parent: int) -> None:
    """Ends with the front also while the model is busy."""
    while os.getppid() == parent:
        time.sleep(WATCH)
    os._exit(1)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is for the front, which lets us finish
    threading.Thread(target=watch, args=(os.getppid(),), daemon=True).start()
    with socket.socket(fileno=int(sys.argv[1])) as link:
        try:
            serve(link, sys.argv[2])
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass  # the front is done with us
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of the model's libraries keep nobody waiting


if __name__ == "__main__":
    main()
