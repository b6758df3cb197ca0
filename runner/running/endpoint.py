"""The endpoint of a run: bound before the command starts; its code is loaded when somebody connects.

    endpoint = bind()
    job variables: endpoint.variables(run_id, experiment_id)
    when endpoint.fileno() is readable: endpoint.accept(store_root, run_id), once: a thread serves from then
    at the end: endpoint.close()

From a container 127.0.0.1 is the container itself: bind to the address of the engine's bridge, as in
`bind("172.17.0.1")`, or to a path, as in `bind("/folder/socket")`, that is mounted there; and name the
host as the container sees it (`variables(..., host="host.docker.internal")`).
"""

from __future__ import annotations

import _socket
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from runner.values import Activation

if TYPE_CHECKING:
    from runner.running.service import Service
    from runner.text.secrets import Secrets

__all__ = ["Endpoint", "bind", "of_run"]

WAITING = 128
# The client would take these before the token.
OTHER_CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_AUTH")


class Endpoint:
    def __init__(self, listener: _socket.socket, host: str, port: int) -> None:
        self.host = host
        self.port = port  # 0: bound to a path
        self.token = os.urandom(24).hex()
        self._listener = listener
        self._service: Service | None = None

    def fileno(self) -> int:
        return self._listener.fileno()

    def variables(
        self, run_id: str, experiment_id: str, host: str = "", environ: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """For the command. `host`: by which it reaches us, when not by the one we are bound to."""
        host = host or self.host
        environ = os.environ if environ is None else environ
        made = {
            "MLFLOW_TRACKING_URI": f"http://{host}:{self.port}",
            "MLFLOW_TRACKING_TOKEN": self.token,
            "MLFLOW_RUN_ID": run_id,
            "MLFLOW_EXPERIMENT_ID": experiment_id,
            "PROJ_RUN_ID": run_id,
        }
        made.update((name, "") for name in OTHER_CREDENTIALS if environ.get(name))
        for name in ("NO_PROXY", "no_proxy"):  # what is on this machine must not be sought through a proxy
            if environ.get(name) or any(
                environ.get(other) for other in ("HTTP_PROXY", "http_proxy", "ALL_PROXY")
            ):
                made[name] = ",".join(filter(None, (environ.get(name), host)))
        return made

    def accept(self, store_root: str, run_id: str, secrets: Secrets | None = None) -> None:
        """Serves whoever connects, in a thread of its own, until `close`. `secrets` are masked in what is logged."""
        if self._service is None:
            from runner.running.service import Service

            self._service = Service(store_root, run_id, self.token, self.host, self._listener, secrets)

    @property
    def serving(self) -> bool:
        return self._service is not None

    @property
    def faults(self) -> list[str]:
        """Tracebacks of what went wrong in the endpoint itself, for a bug report."""
        return [] if self._service is None else self._service.faults

    def close(self) -> None:
        """Finishes what was begun, and ends the runs that clients left running."""
        if self._service is not None:
            self._service.close()
        self._listener.close()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def of_run(activation: Activation) -> Endpoint:
    """Bound where the command reaches it: a container with a network of its own does not see our loopback."""
    if "container" in activation.options:
        from runner.containers import command as container

        try:
            return bind(container.reachable(activation.options["container"]))
        except OSError:
            pass  # such as a bridge that is going away; most commands log nothing
    return bind()


def bind(host: str = "127.0.0.1", port: int = 0) -> Endpoint:
    """OSError when that is not possible."""
    if host.startswith("/"):
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        listener.bind(host)
        os.chmod(host, 0o600)
        name, port = "localhost", 0
    else:
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        listener.bind((host, port))
        name, port = host, listener.getsockname()[1]
    listener.listen(WAITING)
    return Endpoint(listener, name, port)
