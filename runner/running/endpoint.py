"""The endpoint of a run: bound before the command starts; its code is loaded when somebody connects.

    endpoint = bind()
    job variables: endpoint.variables(run_id, experiment_id, store_root=...)
    when endpoint.fileno() is readable: endpoint.accept(store_root, run_id), once: a thread serves from then
    at the end: endpoint.close()

The runs of one process share the port and the thread: the token says which run is meant. Who forks does so before
the first `accept` or `warm`.

From a container 127.0.0.1 is the container itself: bind to the address of the engine's bridge, as in
`bind("172.17.0.1")`, or to a path, as in `bind("/folder/socket")`, that is mounted there; and name the
host as the container sees it (`variables(..., host="host.docker.internal")`).
"""

from __future__ import annotations

import _socket
import os
from _thread import allocate_lock, start_new_thread
from collections.abc import Mapping

from runner.typed import TYPE_CHECKING
from runner.values import Activation

if TYPE_CHECKING:
    import socket

    from runner.running.service import Service
    from runner.text.secrets import Secrets

__all__ = ["Endpoint", "bind", "of_run", "warm"]

WAITING = 128
LOADING = 10.0  # s, at most, until the code is there
# The client would take these before the token.
OTHER_CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_AUTH")


class _Listener:
    """A bound socket, for all runs of this process that were given its address."""

    def __init__(self, bound: _socket.socket, host: str, port: int) -> None:
        self.bound = bound
        self.host = host
        self.port = port  # 0: bound to a path
        self.users = 0
        self.copy: socket.socket | None = None  # that the service listens on
        self.served = False


class _Process:
    """What the runs of this process share."""

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.runs: dict[str, Endpoint] = {}  # by token
        self.listeners: dict[str, _Listener] = {}  # by host, with a port that was chosen for us
        self.service: Service | None = None
        self._loaded = allocate_lock()  # held until there is a service, or a failure
        self._loading = False
        self.failure: list[str] = []

    def serve(self, listener: _Listener) -> None:
        with self.lock:
            if listener.served:
                return
            listener.served = True
            if self.service is not None:
                listener.copy = self.service.listen(listener.bound.fileno())
            elif not self._loading:
                self._loading = True
                self._loaded.acquire()
                start_new_thread(self._load, ())

    def _load(self) -> None:
        try:
            from runner.running.service import Service

            with self.lock:
                self.service = Service(self.runs)
                for listener in {each.listener for each in self.runs.values() if each.listener.served}:
                    listener.copy = self.service.listen(listener.bound.fileno())
                self.service.server.start()
        except BaseException:  # noqa: BLE001  a thread's end is told to nobody
            import traceback

            self.failure.append(traceback.format_exc())
        finally:
            self._loading = False
            self._loaded.release()

    def loaded(self) -> Service | None:
        """Waits for what is being loaded."""
        if self._loaded.acquire(timeout=LOADING):
            self._loaded.release()
        return self.service

    def leave(self, endpoint: Endpoint) -> None:
        listener, service = endpoint.listener, self.loaded()
        with self.lock:
            if self.runs.pop(endpoint.token, None) is None:
                return  # closed before
            listener.users -= 1
            last = not self.runs
            if not listener.users:
                listener.bound.close()
                if self.listeners.get(listener.host) is listener:
                    del self.listeners[listener.host]
                if service is not None and listener.copy is not None:
                    service.server.unlisten(listener.copy)
            if last:
                self.service = None
        if service is not None:
            service.leave(endpoint, last)


_process = _Process()


class Endpoint:
    def __init__(self, listener: _Listener) -> None:
        self.listener = listener
        self.host, self.port = listener.host, listener.port
        self.hosts: tuple[str, ...] = (self.host,)
        self.token = os.urandom(24).hex()
        self.store_root = self.run_id = ""
        self.secrets: Secrets | None = None

    def fileno(self) -> int:
        """Readable when somebody connects; -1 when that is already served."""
        return -1 if self.listener.served else self.listener.bound.fileno()

    def variables(
        self,
        run_id: str,
        experiment_id: str,
        host: str = "",
        environ: Mapping[str, str] | None = None,
        store_root: str = "",
        secrets: Secrets | None = None,
    ) -> dict[str, str]:
        """For the command. `host`: by which it reaches us, when not by the one we are bound to.

        `store_root` and `secrets` are needed where several runs share the process: whoever connects may not come to
        us first.
        """
        if store_root:
            self.store_root, self.run_id, self.secrets = store_root, run_id, secrets
        host = host or self.host
        self.hosts = (self.host, host)
        environ = os.environ if environ is None else environ
        made = {
            "MLFLOW_TRACKING_URI": f"http://{host}:{self.port}",
            "MLFLOW_TRACKING_TOKEN": self.token,
            "MLFLOW_RUN_ID": run_id,
            "MLFLOW_EXPERIMENT_ID": experiment_id,
            "PROJ_RUN_ID": run_id,
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # of a page that is not there
        }
        if environ.get(
            "MLFLOW_REGISTRY_URI"
        ):  # that server does not know this run yet: it is told of it at the end
            made["MLFLOW_REGISTRY_URI"] = made["MLFLOW_TRACKING_URI"]
        made.update((name, "") for name in OTHER_CREDENTIALS if environ.get(name))
        for name in ("NO_PROXY", "no_proxy"):  # what is on this machine must not be sought through a proxy
            if environ.get(name) or any(
                environ.get(other) for other in ("HTTP_PROXY", "http_proxy", "ALL_PROXY")
            ):
                made[name] = ",".join(filter(None, (environ.get(name), host)))
        return made

    def accept(self, store_root: str, run_id: str, secrets: Secrets | None = None) -> None:
        """Serves whoever connects, in a thread of its own, until `close`. `secrets` are masked in what is logged."""
        self.store_root, self.run_id, self.secrets = store_root, run_id, secrets
        _process.serve(self.listener)

    @property
    def faults(self) -> list[str]:
        """Tracebacks of what went wrong in the endpoints of this process, for a bug report."""
        return _process.failure + (_process.service.faults if _process.service is not None else [])

    def close(self) -> None:
        """Finishes what was begun, and ends the runs that clients left running."""
        _process.leave(self)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def of_run(activation: Activation) -> Endpoint:
    """Bound where the command reaches it: a container with a network of its own does not see our loopback."""
    if activation.container:
        from runner.containers import command as container

        try:
            return bind(container.reachable(activation.container))
        except OSError:
            pass  # such as a bridge that is going away; most commands log nothing
    return bind()


def bind(host: str = "127.0.0.1", port: int = 0) -> Endpoint:
    """OSError when that is not possible."""
    with _process.lock:
        listener = _process.listeners.get(host) if not port else None
        if listener is None:
            listener = _bound(host, port)
            if listener.port and not port:
                _process.listeners[host] = listener
        listener.users += 1
        endpoint = Endpoint(listener)
        _process.runs[endpoint.token] = endpoint
    return endpoint


def _bound(host: str, port: int) -> _Listener:
    if host.startswith("/"):
        bound = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        bound.bind(host)
        os.chmod(host, 0o600)
        listener = _Listener(bound, "localhost", 0)
    else:
        bound = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        bound.bind((host, port))
        listener = _Listener(bound, host, port or bound.getsockname()[1])
    bound.listen(WAITING)
    return listener


def warm() -> None:
    """Loads the code in the background, for a command that will log: the first answer then comes sooner."""
    start_new_thread(_import, ())


def _import() -> None:
    import runner.running.service  # noqa: F401
