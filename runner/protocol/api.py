"""The protocol over a store: a Handler of the event loop. Who may ask is told by a Gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from runner.errors import InputError, ProjError
from runner.protocol.answer import ApiError, Response, error, reply
from runner.protocol.artifacts import Upload, download
from runner.protocol.entities import artifact_root
from runner.protocol.fields import body_fields, query_fields, validated
from runner.protocol.handler import Task
from runner.protocol.http import Head
from runner.protocol.live import LiveRuns
from runner.protocol.places import find, in_run, safe, writable
from runner.protocol.route import Asked
from runner.protocol.scope import Scope
from runner.protocol.table import Match, match
from runner.protocol.views import VERSION

if TYPE_CHECKING:
    from runner.protocol.handler import Sink
    from runner.tracking.store import Store

__all__ = ["Api", "Gate", "bearer"]

TEXT = "text/plain; charset=utf-8"
UPLOADS = ("/api/2.0/mlflow-artifacts/artifacts/", "/ajax-api/2.0/mlflow-artifacts/artifacts/")
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
SUBJECTS = ("run_id", "run_uuid", "experiment_id", "name")


class Gate(Protocol):
    def enter(self, head: Head, peer: str) -> Scope:
        """Who asks. ApiError when they may not."""

    def changed(self, scope: Scope, peer: str, what: str, subject: str) -> None:
        """For the audit: `what` (an endpoint) was done to `subject` (an id)."""

    def done(self, head: Head | None, response: Response, peer: str) -> None: ...

    def failed(self, problem: Exception) -> None: ...

    def tick(self, connections: int) -> None: ...

    def metrics(self) -> bytes:
        """In the format of Prometheus. ApiError where there are none."""


class Api:
    def __init__(self, store: Store, runs: LiveRuns, gate: Gate) -> None:
        self._store = store
        self._runs = runs
        self._gate = gate
        self._roots: dict[str, str] = {}  # of experiments: where their artifacts are never changes

    # ---- Handler of the loop

    def begin(self, head: Head, peer: str) -> Response | Sink | Task:
        """Refuses early, before a body is read."""
        if head.path == "/health" or head.path == "/version":
            return Response(b"OK" if head.path == "/health" else VERSION.encode(), type=TEXT)
        try:
            scope = self._gate.enter(head, peer)
            if head.method == "PUT" and head.path.startswith(UPLOADS):
                path = head.path.partition("/mlflow-artifacts/artifacts/")[2]
                place = find(self._store, path)
                writable(self._store, self._runs, scope, place)
                self._gate.changed(scope, peer, "artifacts", place.run_id or place.model_id or place.path)
                return Upload(place, self._runs)
            if head.path == "/openapi.json":
                return self._description()
            if head.path == "/metrics":
                return Response(self._gate.metrics(), type=PROMETHEUS)
            if head.path.endswith(("/get-artifact", "/upload-artifact")):
                return Task(lambda body: self._shielded(lambda: self._plain(head, body, scope)), slow=True)
            found = match(head.method, head.path)
        except ApiError as problem:
            return error(problem.code, problem.message, problem.status)
        return Task(
            lambda body: self._shielded(lambda: self._endpoint(head, body, scope, peer, found)),
            found.route.slow,
        )

    def _description(self) -> Response:
        from runner.protocol.openapi import description

        return reply(description())

    def _shielded(self, work: Callable[[], Response]) -> Response:
        try:
            return work()
        except ApiError as problem:
            return error(problem.code, problem.message, problem.status)
        except InputError as problem:
            return error("INVALID_PARAMETER_VALUE", problem.message)
        except ProjError as problem:
            return error("TEMPORARILY_UNAVAILABLE", problem.message)

    def done(self, head: Head | None, response: Response, peer: str) -> None:
        self._gate.done(head, response, peer)

    def failed(self, problem: Exception) -> None:
        self._gate.failed(problem)

    def tick(self, connections: int) -> None:
        self._gate.tick(connections)

    # ---- what is asked

    def _endpoint(self, head: Head, body: bytes, scope: Scope, peer: str, found: Match) -> Response:
        route, place = found
        raw: dict[str, Any]
        if head.method in ("GET", "HEAD"):
            raw = query_fields(head.query, route.message, self._store.secrets) if head.query else {}
        else:
            kind = head.headers.get("content-type")
            kind = kind if head.method == "POST" else "application/json"
            raw = body_fields(kind, body, self._store.secrets)
        values = validated(route.message, route.checks, raw) if route.message or route.checks else {}
        if "range" in head.headers:
            raw["range"] = head.headers["range"]
        response = route.handle(Asked(self._store, self._runs, scope, values, raw, self._root, place))
        if head.method not in ("GET", "HEAD") and not route.path.endswith(("/search", "graphql")):
            subject = next((str(values[name]) for name in SUBJECTS if values.get(name)), "")
            self._gate.changed(
                scope, peer, f"{head.method} {route.path}", subject or "/".join(place.values())
            )
        return response

    def _root(self, experiment_id: str) -> str:
        root = self._roots.get(experiment_id)
        if root is None:
            try:
                root = artifact_root(self._store.experiment(experiment_id))
            except ProjError:  # a run that was copied here without its experiment
                return f"mlflow-artifacts:/{experiment_id}"
            self._roots[experiment_id] = root
        return root

    def _plain(self, head: Head, body: bytes, scope: Scope) -> Response:
        """Endpoints of a UI, which have no JSON."""
        values = query_fields(head.query, {})
        run_id, path = values.get("run_uuid") or values.get("run_id") or "", values.get("path") or ""
        safe(path)
        if head.path == "/get-artifact" and head.method in ("GET", "HEAD"):
            self._runs.get(run_id).run()
            return download(in_run(self._store, run_id, path), head.headers.get("range", ""))
        if head.path == "/ajax-api/2.0/mlflow/upload-artifact" and head.method == "POST":
            return self._small_upload(run_id, path, body, scope)
        raise ApiError("ENDPOINT_NOT_FOUND", "There is no such endpoint.")

    def _small_upload(self, run_id: str, path: str, body: bytes, scope: Scope) -> Response:
        for name, value in (("run_uuid", run_id), ("path", path), ("data", body)):
            if not value:
                raise ApiError("INVALID_PARAMETER_VALUE", f"Request must specify {name}.")
        if len(body) > 10 * 1024 * 1024:
            raise ApiError("INVALID_PARAMETER_VALUE", "Artifact size is too large. Max size is 10MB.")
        place = in_run(self._store, run_id, path)
        writable(self._store, self._runs, scope, place)
        upload = Upload(place, self._runs)
        try:
            upload.write(body)
        except OSError:
            upload.abort()
            raise
        return upload.finish()


def bearer(headers: Mapping[str, str]) -> str:
    """The token of a request: as Bearer, or as the password of Basic. "" when there is none."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        import base64
        import binascii

        try:
            return base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[2]
        except binascii.Error:
            return ""
    return ""
