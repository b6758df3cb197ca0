"""Protected aliases and stages, asked over HTTP: by tokens with roles, and by clients that know of no policy."""

from __future__ import annotations

import os
import socket
import time

import pytest

from runner.server import tokens
from runner.tracking import registry
from runner.tracking.registry.decisions import set_policy
from runner.tracking.store import Store
from tests.helpers import make_tree
from tests.servers import Client, Start, World, run_flow

POLICY = "needs: [{approvals: {count: 1, role: approver, not_author: true}}]"


def version(store: Store, name: str = "m", by: str = "") -> registry.Version:
    """Of files that are in the store."""
    make_tree(os.path.join(store.root, "files", "x"), {"MLmodel": "flavors: {}"})
    registry.create(store.root, name)
    from runner.tracking.registry.sources import StatedSource, resolve

    found = resolve(store, lambda _: "", StatedSource("mlflow-artifacts:/x"))
    return registry.register(store.root, name, found._replace(user=by))


@pytest.fixture
def people(start: Start, tmp_path: object) -> dict[str, Client]:
    """Clients of a server with a protected alias and a protected stage, by their roles."""
    store = Store(os.path.join(str(tmp_path), "team"))
    os.makedirs(store.root)
    given = {
        role: tokens.create(store.root, role, role) for role in ("reader", "writer", "approver", "admin")
    }
    given["limited"] = tokens.create(store.root, "limited", "approver", models=("other*",))
    given["other admin"] = tokens.create(store.root, "limited", "admin", models=("other*",))
    author = f"{given['admin'].split('_')[1]} admin"
    for _ in range(2):
        version(store, by=author)
    for target in ("champion", "stage:Production"):
        set_policy(store, "m", target, POLICY, "somebody")
    server = start("--store", store.root)
    return {role: server.client(token) for role, token in given.items()}


MOVE = {"name": "m", "version": "2", "target": "champion"}


def test_every_other_way_is_refused(people: dict[str, Client]) -> None:
    admin = people["admin"]
    stage = {"name": "m", "version": "2", "stage": "production"}
    for path, body in (
        ("registered-models/alias", {"name": "m", "version": "2", "alias": "champion"}),
        ("model-versions/transition-stage", stage),
        ("model-versions/promote", MOVE),
    ):
        answer = admin.post(path, body)
        assert (answer.status, answer.json["error_code"]) == (403, "PERMISSION_DENIED"), answer.body
    said = admin.post("model-versions/transition-stage", stage).json["message"]
    assert "proj models promote m/2 stage:Production" in said
    assert admin.ok("registered-models/alias", {"name": "m", "version": "2", "alias": "other"}) == {}
    assert admin.post("model-versions/promote", {**MOVE, "target": "other"}).status == 400


def test_who_approves(people: dict[str, Client]) -> None:
    for role, status in (("reader", 403), ("writer", 403), ("limited", 403), ("admin", 400)):
        answer = people[role].post("model-versions/approve", MOVE)
        assert answer.status == status, (role, answer.body)  # admin: its author
    assert (
        people["reader"].post("registered-models/alias", {"name": "m", "version": "1", "alias": "a"}).status
        == 403
    )
    assert people["approver"].ok("model-versions/approve", {**MOVE, "why": "fine"}) == {"missing": []}
    assert people["writer"].ok("model-versions/promote", MOVE) == {"missing": []}
    found = people["reader"].get("registered-models/alias", name="m", alias="champion").json
    assert found["model_version"]["version"] == "2"
    for method, path, body in (
        ("DELETE", "registered-models/alias", {"name": "m", "alias": "champion"}),
        ("DELETE", "model-versions/delete", {"name": "m", "version": "2"}),
        ("DELETE", "registered-models/delete", {"name": "m"}),
    ):
        assert people["admin"].call(method, f"/api/2.0/mlflow/{path}", body).status == 403
    people["approver"].ok("model-versions/reject", {**MOVE, "version": "1", "why": "no"})
    refused = people["writer"].post("model-versions/promote", {**MOVE, "version": "1"})
    assert (refused.status, "rejected by" in refused.json["message"]) == (403, True)


def test_what_was_approved_stays_as_it_was(people: dict[str, Client]) -> None:
    """A writer neither replaces the files of a protected version nor adds to them; those of others yes."""
    writer = people["writer"]
    assert writer.put("x/MLmodel", b"flavors: {}").status == 200
    people["approver"].ok("model-versions/approve", MOVE)
    writer.ok("model-versions/promote", MOVE)
    for path in ("x/MLmodel", "x/more"):
        answer = writer.put(path, b"other")
        assert (answer.status, "m@champion" in answer.json["message"]) == (403, True), answer.body
    assert writer.call("DELETE", "/api/2.0/mlflow-artifacts/artifacts/x").status == 403
    assert writer.put("xy/MLmodel", b"other").status == 200


def test_an_upload_that_began_before_the_approval_changes_nothing(
    people: dict[str, Client], tmp_path: object
) -> None:
    writer, path = people["writer"], "/api/2.0/mlflow-artifacts/artifacts/x/MLmodel"
    link = socket.create_connection(("127.0.0.1", writer.port))
    head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {writer.token}\r\nContent-Length: 4\r\n\r\n"
    link.sendall(head.encode() + b"evi")
    folder = os.path.join(str(tmp_path), "team", "files", "x")
    until = time.monotonic() + 20
    while len(os.listdir(folder)) < 2 and time.monotonic() < until:
        time.sleep(0.01)  # it is on its way
    assert people["approver"].ok("model-versions/approve", MOVE) == {"missing": []}
    writer.ok("model-versions/promote", MOVE)
    link.sendall(b"l")
    assert b" 403 " in link.recv(1000)
    link.close()
    with open(os.path.join(folder, "MLmodel")) as file:
        assert file.read() == "flavors: {}"
    assert os.listdir(folder) == ["MLmodel"]


def test_a_flipped_byte_is_seen_when_it_is_asked_for(people: dict[str, Client], tmp_path: object) -> None:
    people["approver"].ok("model-versions/approve", MOVE)
    people["writer"].ok("model-versions/promote", MOVE)
    with open(os.path.join(str(tmp_path), "team", "files", "x", "MLmodel"), "r+b") as file:
        file.write(b"F")
    reader = people["reader"]
    found = reader.get("registered-models/alias", name="m", alias="champion").json["model_version"]
    assert found["status"] == "FAILED_REGISTRATION"
    assert found["status_message"] == "its files are not those that were registered"
    answer = reader.get("model-versions/get-download-uri", name="m", version="2")
    assert (answer.status, answer.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_person_with_several_tokens_is_one(start: Start, tmp_path: object) -> None:
    store = Store(os.path.join(str(tmp_path), "team"))
    os.makedirs(store.root)
    alice = {role: tokens.create(store.root, "alice", role) for role in ("writer", "approver", "admin")}
    bob = [tokens.create(store.root, "bob", "approver") for _ in range(2)]
    version(store, by=f"{alice['writer'].split('_')[1]} alice")
    version(store, by="alice")  # in a shell
    set_policy(store, "m", "champion", POLICY.replace("count: 1", "count: 2"), "somebody")
    server = start("--store", store.root)
    for number in ("1", "2"):
        move = {**MOVE, "version": number}
        for role in ("approver", "admin"):
            answer = server.client(alice[role]).post("model-versions/approve", move)
            assert (answer.status, "author" in answer.json["message"]) == (400, True), answer.body
        for token in bob:
            missing = server.client(token).ok("model-versions/approve", move)["missing"]
            assert "1 approval missing" in str(missing)


def test_a_name_is_not_taken_from_what_is_protected(people: dict[str, Client]) -> None:
    """Nor given one that the token may not use."""
    renamed = people["admin"].post("registered-models/rename", {"name": "m", "new_name": "n"})
    assert (renamed.status, "proj models policy m champion --remove" in renamed.json["message"]) == (
        403,
        True,
    )
    people["admin"].ok("registered-models/create", {"name": "other-1"})
    for new, status in (("mine", 403), ("other-2", 200)):
        body = {"name": "other-1", "new_name": new}
        assert people["other admin"].post("registered-models/rename", body).status == status, new


def test_the_token_of_a_run_names_only_what_it_made(world: World) -> None:
    """And a protected alias not even for that."""
    theirs = version(world.store, by="somebody")
    client = world.client
    root = f"0/{world.run_id}/artifacts"
    client.put(f"{root}/model/MLmodel", b"flavors: {}")
    source = f"mlflow-artifacts:/{root}/model"
    made = client.ok("model-versions/create", {"name": "m", "source": source})["model_version"]["version"]
    assert client.ok("registered-models/alias", {"name": "m", "version": made, "alias": "fresh"}) == {}
    for path, body in (
        ("registered-models/alias", {"version": str(theirs.number), "alias": "fresh"}),
        ("registered-models/rename", {"new_name": "n"}),
        ("registered-models/set-tag", {"key": "a", "value": "b"}),
        ("model-versions/set-tag", {"version": str(theirs.number), "key": "a", "value": "b"}),
        ("model-versions/approve", {"version": made, "target": "champion"}),
    ):
        assert client.post(path, {"name": "m", **body}).status == 403, path
    set_policy(world.store, "m", "champion", POLICY, "somebody")
    assert (
        client.post("registered-models/alias", {"name": "m", "version": made, "alias": "champion"}).status
        == 403
    )


@pytest.mark.mlflow
@pytest.mark.slow
@pytest.mark.parametrize("client_python", ["3", "2.9"], indirect=True)
def test_an_unmodified_client_is_told_what_to_type(people: dict[str, Client], client_python: str) -> None:
    variables = {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{people['admin'].port}",
        "MLFLOW_TRACKING_TOKEN": people["admin"].token,
    }
    assert "proj models promote m/2 champion" in run_flow(client_python, "protected", variables)
