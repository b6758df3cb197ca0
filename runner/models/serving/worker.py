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
import importlib.machinery
import inspect
import io
import itertools
import json
import platform
import signal
import socket
import struct
import threading
import time
import traceback
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

FRAME = struct.Struct("!QI")
ITEM = struct.Struct("!HHQ")
JSON, TEXT = "application/json", "text/plain; charset=utf-8"
WATCH = 1.0  # s between looks whether the front is still there


class Item(NamedTuple):
    status: int  # of a request 0
    type: str
    body: bytes


# whose models take a DataFrame as it is
LOADERS = ("mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.catboost", "mlflow.statsmodels")
# type of a signature -> what JSON may have there, and the type of NumPy ("": as pandas has it)
TYPES: Dict[str, Tuple[Any, str]] = {
    "double": ({int, float}, "float64"),
    "float": ({int, float}, "float32"),
    "long": ({int}, "int64"),
    "integer": ({int}, "int32"),
    "boolean": ({bool}, "bool"),
    "string": ({str}, ""),
}
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
    leave_as_it_is(folder)
    model = loader(folder)
    if hasattr(server, "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"):  # as its own server says to the model
        os.environ[server._MLFLOW_IS_IN_SERVING_ENVIRONMENT.name] = "true"
    return model, server


def leave_as_it_is(folder: str) -> None:
    """Python keeps what it compiled beside a module: not in the model, whose files have a digest."""
    loader = importlib.machinery.SourceFileLoader
    write, inside = loader.set_data, os.path.realpath(folder) + os.sep

    def elsewhere(self: Any, path: str, data: bytes, **more: Any) -> None:
        if not os.path.realpath(path).startswith(inside):
            write(self, path, data, **more)

    loader.set_data = elsewhere  # type: ignore[method-assign,assignment]


class Fast:
    """Plain tables, as most requests are: decoded once, and given to the model as its signature says.

    For models of libraries whose signature has named columns of simple types. `None` for whatever else is asked, and
    for what fails: MLflow's own function answers that, so that its words are MLflow's.
    """

    def __init__(self, model: Any, server: Any) -> None:
        """ValueError for a model that it is not for."""
        self._numpy = importlib.import_module("numpy")
        self._frame = importlib.import_module("pandas").DataFrame
        self._jsonable, self._encoder = server._get_jsonable_obj, server.NumpyEncoder
        metadata, schema = model.metadata, model.metadata.get_input_schema()
        if (
            metadata.flavors["python_function"]["loader_module"] not in LOADERS
            or metadata.get_params_schema()
        ):
            raise ValueError
        self._names = schema.input_names()
        self._columns = [TYPES[getattr(each, "name", "")] for each in schema.input_types()]
        if not self._names or len(set(self._names)) != len(self._names):
            raise ValueError
        self._doubles = all(each is TYPES["double"] for each in self._columns)
        self._index = self._frame({name: [1.0] for name in self._names}).columns
        self._predict = model._predict_fn
        params = inspect.signature(self._predict).parameters.get("params")
        self._more = {"params": None} if params and params.kind != inspect.Parameter.VAR_KEYWORD else {}

    @classmethod
    def of(cls, model: Any, server: Any) -> Optional["Fast"]:
        try:
            return cls(model, server)
        except Exception:  # another release of mlflow has it otherwise
            return None

    def __call__(self, body: bytes, kind: str) -> Optional[Item]:
        if kind not in (JSON, "application/json; charset=utf-8"):
            return None
        try:
            rows = self._rows(json.loads(body))
            if rows is None:
                return None
            found = self._predict(self._table(rows), **self._more)
            text = json.dumps(
                {"predictions": self._jsonable(found, pandas_orient="records")}, cls=self._encoder
            )
            return Item(200, JSON, text.encode())
        except Exception:
            return None

    def _rows(self, asked: Any) -> Optional[List[List[Any]]]:
        if type(asked) is not dict or len(asked) != 1:
            return None
        ((form, given),) = asked.items()
        if form == "dataframe_split":
            if type(given) is not dict or len(given) != 2 or given.get("columns") != self._names:
                return None
            given = given["data"]
        elif form == "dataframe_records":
            width = len(self._names)
            if type(given) is not list or any(type(each) is not dict or len(each) != width for each in given):
                return None
            given = [[each[name] for name in self._names] for each in given]
        else:
            return None
        if (
            type(given) is not list
            or set(map(type, given)) != {list}
            or set(map(len, given)) != {len(self._names)}
        ):
            return None
        return given

    def _table(self, rows: List[List[Any]]) -> Any:
        """ValueError for what is not plain."""
        if self._doubles:
            if not set(map(type, itertools.chain.from_iterable(rows))) <= {int, float}:
                raise ValueError
            return self._frame(self._numpy.array(rows, dtype="float64"), columns=self._index)
        columns = {}
        for name, values, (kinds, wanted) in zip(self._names, zip(*rows), self._columns):
            if not set(map(type, values)) <= kinds:
                raise ValueError
            columns[name] = self._column(list(values), wanted)
        return self._frame(columns)

    def _column(self, values: List[Any], wanted: str) -> Any:
        if not wanted:
            return values
        if wanted in ("float32", "int32"):  # made from what pandas would see
            found = self._numpy.array(values)
            if found.dtype.name not in ("float64", "int64"):
                raise ValueError
            return found.astype(wanted)
        return self._numpy.array(values, dtype=wanted)


def scorer(model: Any, server: Any) -> Score:
    """What answers as MLflow's own server would: a function of it or, until MLflow 2, its application of WSGI."""
    if hasattr(server, "invocations") and not hasattr(server, "flask"):
        own: Score = Direct(model, server)
    else:
        own = Wsgi(server.init(model))
    fast = Fast.of(model, server)
    return own if fast is None else lambda body, kind: fast(body, kind) or own(body, kind)


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
