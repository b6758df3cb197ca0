"""Files of runs and models: kept as they come, listed, sent in pieces."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from runner.host.files import Draft, Hash, IrregularError, is_draft, open_file
from runner.host.search import held_inside
from runner.protocol.answer import EMPTY, ApiError, Response, invalid, reply
from runner.protocol.artifact_paths import check_free, file_of, find, in_run, safe, writable
from runner.protocol.bounds import ENTRIES
from runner.protocol.fields import need
from runner.protocol.route import Asked, Route, checks
from runner.protocol.runs import RUN_ID
from runner.text.encoding import visible
from runner.text.secrets import Search
from runner.tracking import events
from runner.tracking.artifact_paths import ArtifactPath
from runner.tracking.artifacts import withhold
from runner.values import JsonObject

if TYPE_CHECKING:
    from runner.protocol.live import LiveRuns

__all__ = ["FILES", "ROUTES", "SHOWN", "Upload"]

# of what is no file that we may read; other errors are ours
ABSENT = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ELOOP,
    errno.ENAMETOOLONG,
)
# shown as text, as MLflow's pages want them
TEXTS = frozenset(
    "txt log err cfg conf cnf cf ini properties prop hocon toml yaml yml xml json js py py3 csv tsv md rst ipynb"
    " MLmodel MLproject".split()
)


class Upload:
    """Writes a file beside its place and moves it there when it is whole."""

    def __init__(self, place: ArtifactPath, runs: LiveRuns) -> None:
        if not place.path:
            raise invalid("Invalid path")
        self._place = place
        self._runs = runs
        self._target = file_of(place)
        self._search = Search(runs.store.secrets) if runs.store.secrets else None
        if self._search is not None:
            self._search.feed(f"{place.path}\n".encode("utf-8", "surrogateescape"))
            if self._search.found:
                raise invalid(f"Invalid path: it holds the value of {self._search.found}")
        folder = os.path.dirname(self._target)
        try:
            os.makedirs(folder, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise invalid("Invalid path: a part of it is a file") from None
        if os.path.isdir(self._target):
            raise invalid("Invalid path: it is a folder")
        if os.path.exists(self._target) and not os.path.isfile(self._target):
            raise invalid("Invalid path: it is a pipe or a device")
        self._draft = Draft(self._target)
        self._file = open(self._draft.path, "xb", buffering=0)  # noqa: SIM115
        self._hash = Hash()

    def write(self, data: bytes) -> None:
        """A piece of the body, in order. OSError for a full disk."""
        if self._search is not None:
            self._search.feed(data)
            if self._search.found:
                return
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]

    def finish(self) -> Response:
        """A file that holds a secret is not kept, which is said at the end of the run: the program goes on."""
        self._file.close()
        if whose := self._whose():
            self._draft.drop()
            if run_id := self._run_id():
                withhold(self._runs.get(run_id).writer, self._place.path, whose)
            return EMPTY
        check_free(self._runs.store, self._place)  # it may have been approved while this was on its way
        self._draft.put()
        if self._place.run_id:
            digest, size = self._hash.result()
            self._runs.get(self._place.run_id).writer.append(events.artifact(self._place.path, digest, size))
        return EMPTY

    def _whose(self) -> str:
        """Secret it holds; "" for none."""
        secrets = self._runs.store.secrets
        if self._search is None or secrets is None:
            return ""
        return self._search.found or held_inside(secrets, self._draft.path)

    def _run_id(self) -> str:
        """Of the run that it is about; "" for none."""
        if self._place.model_id:
            from runner.tracking import models

            return models.get(self._runs.store.root, self._place.model_id).run_id
        return self._place.run_id

    def abort(self) -> None:
        """Nothing is left of it."""
        self._file.close()
        self._draft.drop()


def listing(place: ArtifactPath, prefix: str = "") -> list[JsonObject]:
    """What is in a folder; [] for a file, or when there is nothing."""
    found: list[JsonObject] = []
    try:
        with os.scandir(file_of(place)) as entries:
            for entry in entries:
                if is_draft(entry.name):
                    continue
                found.append(_entry(entry, prefix))
                ENTRIES.check(len(found))
    except OSError:
        return []
    return sorted(found, key=lambda info: str(info["path"]))


def _entry(entry: os.DirEntry[str], prefix: str) -> JsonObject:
    """A link that leads nowhere, or to itself, is shown as an empty file."""
    info: JsonObject = {"path": prefix + visible(entry.name), "is_dir": False}
    try:
        info["is_dir"] = entry.is_dir()
        size = 0 if info["is_dir"] else entry.stat().st_size
    except OSError:
        size = 0
    if size:
        info["file_size"] = size
    return info


def download(place: ArtifactPath, wanted: str = "") -> Response:
    """The file, or the range of it that a Range header wants."""
    import mimetypes

    path = file_of(place)
    name = os.path.basename(path)
    try:
        file = open_file(path)
        info = os.fstat(file.fileno())
    except (OSError, ValueError) as error:
        absent = isinstance(error, ValueError | IrregularError) or error.errno in ABSENT
        if not absent:
            raise
        raise ApiError("RESOURCE_DOES_NOT_EXIST", f"No such artifact: '{place.path}'") from None
    name = visible(name)
    quoted = quote(name, safe="!#$&+-.^_`|~")
    plain = f"filename={name}" if quoted == name else f"filename*=UTF-8''{quoted}"
    headers = [("Content-Disposition", f"attachment; {plain}"), ("Accept-Ranges", "bytes")]
    if (os.path.splitext(name)[1] or name).lstrip(".") in TEXTS:
        kind = "text/plain"
    else:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    first, last = _range(wanted, info.st_size)
    if first > last and info.st_size:
        file.close()
        return Response(b"", 416, headers=(("Content-Range", f"bytes */{info.st_size}"),), type="text/plain")
    status = 200
    if (first, last) != (0, info.st_size - 1):
        headers.append(("Content-Range", f"bytes {first}-{last}/{info.st_size}"))
        status = 206
        file.seek(first)
    return Response(b"", status, kind, tuple(headers), file, last - first + 1)


def _range(wanted: str, size: int) -> tuple[int, int]:
    """First and last byte. What is not one plain range means the whole file."""
    whole = (0, size - 1)
    unit, _, span = wanted.partition("=")
    first, dash, last = span.strip().partition("-")
    if unit.strip() != "bytes" or not dash or "," in span or not size:
        return whole
    try:
        if not first:
            return (max(0, size - int(last)), size - 1) if int(last) > 0 else (1, 0)
        return int(first), min(int(last) if last else size - 1, size - 1)
    except ValueError:
        return whole


# ---- below /api/2.0/mlflow-artifacts/


def list_files(asked: Asked) -> Response:
    place = find(asked.store, asked.values.get("path", ""))
    files = listing(place)
    return reply({"files": files} if files else {})


def delete_file(asked: Asked) -> Response:
    """A file, or a folder with all that is in it."""
    import shutil

    place = find(asked.store, asked.place["path"])
    writable(asked.store, asked.runs, asked.scope, place)
    path = file_of(place)
    if not place.path and not (place.run_id or place.model_id):
        raise invalid("Invalid path")
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            raise ApiError("RESOURCE_DOES_NOT_EXIST", f"No such artifact: '{place.path}'") from None
    if place.run_id:
        asked.runs.get(place.run_id).writer.append(events.artifact_removed(place.path))
    return EMPTY


def get_file(asked: Asked) -> Response:
    return download(find(asked.store, asked.place["path"]), asked.raw.get("range", ""))


def show_file(asked: Asked) -> Response:
    """For pages: by the run and the path in it."""
    run_id, path = need(asked.values, "run_uuid", "run_id"), safe(asked.values.get("path", ""))
    asked.runs.get(run_id).run()
    return download(in_run(asked.store, run_id, path), asked.raw.get("range", ""))


SHOWN = Route("GET", "get-artifact", show_file, {**RUN_ID, "path": "string"}, slow=True)
FILES = (
    Route("GET", "artifacts", list_files, {"path": "string"}, blocks=True),
    Route("GET", "artifacts/{path*}", get_file),
    Route("DELETE", "artifacts/{path*}", delete_file, blocks=True),
)


# ---- below /api/2.0/mlflow/


def list_of_run(asked: Asked) -> Response:
    run = asked.runs.get(need(asked.values, "run_id", "run_uuid")).run()
    path = safe(asked.values.get("path", ""))
    files = listing(in_run(asked.store, run.run_id, path), f"{path}/" if path else "")
    answer: JsonObject = {"root_uri": f"{asked.root(run.experiment_id).rstrip('/')}/{run.run_id}/artifacts"}
    if files:
        answer["files"] = files
    return reply(answer)


def list_of_model(asked: Asked) -> Response:
    from runner.protocol.models import find as find_model

    model = find_model(asked, asked.place["model_id"])
    path = safe(asked.values.get("artifact_directory_path", ""))
    root = os.path.join(asked.store.root, "models", model.model_id, "artifacts")
    files = listing(ArtifactPath(root, path), f"{path}/" if path else "")
    uri = f"{asked.root(model.experiment_id).rstrip('/')}/models/{model.model_id}/artifacts"
    return reply({"root_uri": uri, **({"files": files} if files else {})})


ROUTES = (
    Route(
        "GET",
        "artifacts/list",
        list_of_run,
        {**RUN_ID, "path": "string", "page_token": "string"},
        checks("run_id string required", "path string", "page_token string"),
        blocks=True,
    ),
    Route(
        "GET",
        "logged-models/{model_id}/artifacts/directories",
        list_of_model,
        {"artifact_directory_path": "string", "page_token": "string"},
        checks("artifact_directory_path string"),
        blocks=True,
    ),
)
