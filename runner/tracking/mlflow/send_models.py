"""Logged models, and versions of registered ones, on their way to another server.

A model is noted when the run says that it made it; its files, tags and status come later, and what is noted of it
tells whether there is more to send. It has another id over there, and is found again by its tag `proj.model_id`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from runner.host import files
from runner.tracking import models, segments
from runner.tracking.artifact_paths import inside
from runner.tracking.events import Facts
from runner.tracking.mlflow.rest import Refused, Rest
from runner.tracking.mlflow.sent import sizes
from runner.tracking.models import LoggedModel

if TYPE_CHECKING:
    from runner.tracking.mlflow.sent import Sent
    from runner.tracking.store import Store

__all__ = ["ID_TAG", "link", "named", "proxied", "register", "tell", "upload", "visit"]

ID_TAG = "proj.model_id"
VERSION_TAG = "proj.version"
PENDING, READY = "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY"


def link(store: Store, sent: Sent, rest: Rest, model_id: str, step: int) -> Sent:
    """The run made the model: it is made over there, and sent as far as it is there."""
    sent = named(store, sent, rest, model_id)
    output = {"model_id": sent.models[model_id]["id"], "step": step}
    rest.post("runs/outputs", {"run_id": sent.remote_id, "models": [output]})
    return sent


def named(store: Store, sent: Sent, rest: Rest, model_id: str) -> Sent:
    """With how the model is called over there, where it is found or made. StoreError when it is not in the store."""
    if model_id in sent.models:
        return sent
    info = _found(sent, rest, model_id) or _made(sent, rest, models.get(store.root, model_id))
    known = {"id": info["model_id"], "place": proxied(info["artifact_uri"]), "files": {}, "offsets": {}}
    return sent._replace(models={**sent.models, model_id: known})


def _found(sent: Sent, rest: Rest, model_id: str) -> Facts | None:
    query = {"experiment_ids": [sent.experiment_id], "filter": f"tags.`{ID_TAG}` = '{model_id}'"}
    found = rest.post("logged-models/search", query).get("models")
    return found[0]["info"] if found else None


def _made(sent: Sent, rest: Rest, model: LoggedModel) -> Facts:
    body = {
        "experiment_id": sent.experiment_id,
        "name": model.name,
        "model_type": model.model_type,
        "params": _pairs(model.params),
        "tags": _pairs({**model.tags, ID_TAG: model.model_id}),
    }
    if model.run_id in ("", sent.run_id):
        body["source_run_id"] = sent.remote_id
    info: Facts = rest.post("logged-models", body)["model"]["info"]
    return info


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def visit(store: Store, sent: Sent, rest: Rest, model_id: str, ended: Callable[[], bool]) -> Sent:
    """Sends what there is more of a model. While it is being written its files wait, until its run has `ended`."""
    known = dict(sent.models[model_id])
    thing = models.directory(store.root, model_id)
    offsets = segments.read(thing).offsets
    model = models.get(store.root, model_id)
    place = f"logged-models/{known['id']}"
    if model.status == PENDING and not ended():
        return sent
    found = sizes(thing)
    for name, size in sorted(found.items()):
        if known["files"].get(name) != size:
            upload(rest, inside(os.path.join(thing, "artifacts"), name), f"{known['place']}/{name}")
    there = rest.get(place)["model"]
    status, tags = there["info"].get("status"), _texts(there["info"].get("tags", ()))
    params = _texts(there.get("data", {}).get("params", ()))
    if new := {key: value for key, value in model.tags.items() if tags.get(key) != value}:
        rest.post(f"{place}/tags", {"tags": _pairs(new)}, "PATCH")
    if new := {key: value for key, value in model.params.items() if key not in params}:
        rest.post(f"{place}/params", {"params": _pairs(new)})
    if status != model.status and model.status != PENDING:
        rest.post(place, {"model_id": known["id"], "status": model.status}, "PATCH")
    known |= {"files": found, "offsets": offsets}
    return sent._replace(models={**sent.models, model_id: known})


def _texts(given: object) -> dict[str, str]:
    return {each["key"]: each.get("value", "") for each in given} if isinstance(given, list) else {}


def upload(rest: Rest, path: str, place: str) -> None:
    try:
        file = files.open_file(path)
    except FileNotFoundError:
        return  # deleted since; its event follows
    with file:
        rest.put_file(place, file, os.fstat(file.fileno()).st_size)


def proxied(uri: str) -> str:
    """The path of an artifact root below the server's proxy."""
    scheme, _, rest = uri.partition(":")
    if scheme != "mlflow-artifacts":
        raise Refused("", f"artifacts at {uri} are not kept through the server; they are not sent", 400)
    return rest.lstrip("/") if not rest.startswith("//") else rest[2:].partition("/")[2]


# ---- registered models -------------------------------------------------------------------------------------


def register(store: Store, sent: Sent, rest: Rest, version: Facts) -> Sent:
    """A version over there, of the model that was sent before; once, by a tag that says which of ours it is."""
    name, model_id = version["name"], version.get("model_id") or ""
    ours = f"{sent.run_id}/{version['version']}"
    body = {"name": name, "run_id": sent.remote_id, "tags": _pairs({VERSION_TAG: ours})}
    if model_id:
        sent = visit(store, named(store, sent, rest, model_id), rest, model_id, lambda: True)
        remote = sent.models[model_id]["id"]
        body |= {"model_id": remote, "source": f"models:/{remote}"}
    else:
        _, ours_is, path = str(version["source"]).partition(f"{sent.run_id}/")
        path = path.removeprefix("artifacts/")
        body["source"] = f"{sent.artifact_uri}/{path}" if ours_is else version["source"]
    try:
        rest.post("registered-models/create", {"name": name})
    except Refused as refused:
        if refused.code != "RESOURCE_ALREADY_EXISTS":
            raise
    found = rest.get("model-versions/search", filter=f"tags.`{VERSION_TAG}` = '{ours}'")
    if not any(each["name"] == name for each in found.get("model_versions", ())):
        rest.post("model-versions/create", body)
    return sent


TOLD = {
    "alias": ("POST", "registered-models/alias"),
    "unalias": ("DELETE", "registered-models/alias"),
    "stage": ("POST", "model-versions/transition-stage"),
    "tag": ("POST", "model-versions/set-tag"),
    "untag": ("DELETE", "model-versions/delete-tag"),
    "describe": ("PATCH", "model-versions/update"),
}


def tell(sent: Sent, rest: Rest, change: Facts) -> None:
    """What the run did to a version of its own is done to that over there, too. Refused."""
    method, path = TOLD[change["do"]]
    ours = f"{sent.run_id}/{change['version']}"
    found = rest.get("model-versions/search", filter=f"tags.`{VERSION_TAG}` = '{ours}'")
    for each in found.get("model_versions", ()):
        if each["name"] == change["name"]:
            body = {"name": each["name"], "version": str(each["version"]), **change["facts"]}
            if body.get("archive_existing_versions"):
                body["archive_existing_versions"] = body["archive_existing_versions"] == "true"
            rest.post(path, body, method)
