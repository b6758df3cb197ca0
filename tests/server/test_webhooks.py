"""Webhooks: each event arrives at least once, in order and signed, whoever was away meanwhile; to public addresses only."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from runner.errors import InputError
from runner.server import webhooks
from runner.tracking import registry, segments
from runner.tracking.registry import change, deliver, hooks
from runner.tracking.registry.hooks import Topic
from tests.servers import Client, Start, run_flow

SECRET = "a secret"


class Receiver:
    """Answers with what `statuses` say, then with 200; `got` are bodies with their headers."""

    def __init__(self, port: int, statuses: tuple[int, ...] = ()) -> None:
        self.got: list[tuple[Any, dict[str, str]]] = []
        left = list(statuses)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = left.pop(0) if left else 200
                if status == 200:
                    outer.check(body, dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def check(self, body: bytes, headers: dict[str, str]) -> None:
        signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
        value = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
        assert headers["X-MLflow-Signature"] == f"v1,{value}"
        self.got.append((json.loads(body), headers))

    def wait(self, count: int) -> list[Any]:
        end = time.monotonic() + 30
        while len(self.got) < count and time.monotonic() < end:
            time.sleep(0.05)
        return [body for body, _ in self.got]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


EVENTS = [
    {"entity": "REGISTERED_MODEL", "action": "CREATED"},
    {"entity": "MODEL_VERSION", "action": "CREATED"},
    {"entity": "MODEL_VERSION_TAG", "action": "SET"},
    {"entity": "MODEL_VERSION_TAG", "action": "DELETED"},
    {"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"},
    {"entity": "MODEL_VERSION_ALIAS", "action": "DELETED"},
]


def hook(client: Client, port: int, **more: Any) -> Any:
    body = {
        "name": "hook",
        "url": f"http://127.0.0.1:{port}/in?x=1",
        "events": EVENTS,
        "secret": SECRET,
        **more,
    }
    return client.ok("webhooks", body)["webhook"]


def work(client: Client, name: str) -> None:
    client.ok("registered-models/create", {"name": name, "description": "d"})
    client.ok("registered-models/set-tag", {"name": name, "key": "not", "value": "told"})
    client.ok("model-versions/create", {"name": name, "source": "s3://b/m"})
    version = {"name": name, "version": "1"}
    client.ok("model-versions/set-tag", {**version, "key": "k", "value": "v"})
    client.ok("registered-models/alias", {**version, "alias": "champion"})


def test_nothing_is_lost(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver is away, the server is killed, the receiver answers with errors first."""
    monkeypatch.setenv("PROJ_WEBHOOK_PRIVATE", "1")
    port = free_port()
    server = start()
    client = server.client()
    made = hook(client, port)
    assert "secret" not in json.dumps(made)
    work(client, "one")
    time.sleep(0.7)
    server.process.kill()
    server.process.wait()
    for folder, _, names in os.walk(server.store):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                assert SECRET.encode() not in file.read()
    receiver = Receiver(port, (500, 503))
    client = start().client()
    found = receiver.wait(4)
    assert [(each["entity"], each["action"]) for each in found] == [
        ("registered_model", "created"),
        ("model_version", "created"),
        ("model_version_tag", "set"),
        ("model_version_alias", "created"),
    ]
    assert found[1]["data"]["source"] == "s3://b/m"
    assert found[3]["data"] == {"name": "one", "version": "1", "alias": "champion"}
    path = f"/api/2.0/mlflow/webhooks/{made['webhook_id']}"
    tested = client.call("POST", f"{path}/test", {}).json["result"]
    assert (tested["success"], tested["response_status"]) == (True, 200)
    assert client.call("PATCH", path, {"status": "DISABLED"}).json["webhook"]["status"] == "DISABLED"
    assert client.call("GET", path).json["webhook"]["events"] == EVENTS
    work(client, "two")
    time.sleep(1.2)
    assert len(receiver.got) == 5
    client.call("PATCH", path, {"status": "ACTIVE"})
    assert [each["data"]["name"] for each in receiver.wait(9)[5:]] == ["two"] * 4
    assert client.call("DELETE", path, {}).status == 200
    assert client.call("GET", path).status == 404
    receiver.close()


def test_what_is_refused(start: Start) -> None:
    client = start().client()
    for change_, said in (
        ({"name": "-"}, "is invalid"),
        ({"url": "ftp://example.org"}, "must be https"),
        ({"url": "https://[::1"}, "Invalid webhook URL"),
        ({"url": "https://8.8.8.8:99999/x"}, "Invalid webhook URL"),
        ({"url": "https://8.8.8.8/ü"}, "ASCII"),
        ({"url": "http://127.0.0.1/x"}, "must be https"),
        ({"url": "https://localhost/x"}, "public"),
        ({"url": "https://[::ffff:10.0.0.1]/x"}, "public"),
        ({"url": "https://169.254.169.254/x"}, "public"),
        ({"events": []}, "events"),
        ({"events": [{"entity": "MODEL_VERSION", "action": "SET"}]}, "Invalid action"),
        ({"events": [{"entity": "X", "action": "SET"}]}, "Invalid webhook entity"),
    ):
        body = {"name": "hook", "url": "https://8.8.8.8/x", "events": EVENTS, **change_}
        answer = client.post("webhooks", body)
        assert (answer.status, said in answer.json["message"]) == (400, True), answer.body


def test_a_name_that_leads_inside_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was public when it was made is looked up, and checked, each time."""
    monkeypatch.delenv("PROJ_WEBHOOK_PRIVATE", raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.1.2.3", 443))])
    with pytest.raises(InputError, match="public"):
        deliver.check("https://example.org/x")
    made = hooks.Webhook("0" * 32, "h", "https://example.org/x", (Topic("MODEL_VERSION", "CREATED"),))
    answer = deliver.deliver(made, "", made.topics[0], {}, 0, "id")
    assert (answer.status, "public" in answer.text) == (0, True)


def test_one_that_cannot_be_told_holds_up_no_other(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """One kept by an earlier version, and one that raises what nobody foresaw."""
    from runner.server import webhooks

    monkeypatch.setenv("PROJ_WEBHOOK_PRIVATE", "1")
    root, topics = str(tmp_path), [Topic("REGISTERED_MODEL", "CREATED")]
    for name in ("ü", "bug", "good"):
        hooks.create(root, name, f"http://127.0.0.1/{name}", topics)
    time.sleep(0.01)  # what is done in the same millisecond may count as before it
    registry.create(root, "m")
    told: list[str] = []

    def send(hook: hooks.Webhook, *rest: Any) -> deliver.Answer:
        if hook.name == "bug":
            raise KeyError(hook.name)
        if hook.name == "good":
            told.append(hook.name)
            return deliver.Answer(200, "")
        return deliver.deliver(hook, *rest)

    monkeypatch.setattr(webhooks, "deliver", send)
    follower = webhooks.Follower(root)
    follower.look()
    follower.look()
    assert told == ["good"]


@pytest.mark.parametrize(
    "sent", [b"HTTP/1.1 200 OK\r\nA: ", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"]
)
def test_a_receiver_that_drips(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery has one deadline, however often something comes."""
    monkeypatch.setenv("PROJ_WEBHOOK_PRIVATE", "1")
    monkeypatch.setattr(deliver, "PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            link, _ = listener.accept()
            with link, contextlib.suppress(OSError):
                link.sendall(sent)
                for _ in range(300):
                    link.sendall(b"a")
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        made = hooks.Webhook("0" * 32, "h", url, (Topic("MODEL_VERSION", "CREATED"),))
        began = time.monotonic()
        answer = deliver.deliver(made, "", made.topics[0], {}, 0, "id")
    assert (answer.status, "longer than" in answer.text) == (0, True)
    assert time.monotonic() - began < 10


def test_what_is_done_in_the_ms_of_its_making_is_told(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids of one ms tell no order: what comes right after may sort before the webhook."""
    root, told = str(tmp_path), []

    def delivered(hook: object, secret: str, topic: Topic, data: Any, *_: object) -> deliver.Answer:
        told.append(data["name"])
        return deliver.Answer(200, "")

    monkeypatch.setattr(webhooks, "deliver", delivered)
    monkeypatch.setattr(segments, "now", lambda: 1_700_000_000_000)
    made = [f"{1_700_000_000_000:012x}7{number:03x}8{'0' * 15}" for number in range(0xFFF, 0, -1)]
    monkeypatch.setattr(segments, "new_run_id", lambda *_: made.pop(0))
    hooks.create(root, "hook", "https://example.org/", [Topic("REGISTERED_MODEL", "CREATED")])
    registry.create(root, "at once")
    webhooks.Follower(root).look()
    assert told == ["at once"]


def test_a_move_that_does_not_count_is_not_told(tmp_path: object) -> None:
    from runner.tracking.registry.decisions import set_policy
    from runner.tracking.registry.news import news
    from runner.tracking.registry.store import changing
    from runner.tracking.store import Store

    root = str(tmp_path)
    registry.create(root, "m")
    registry.register(root, "m", registry.Version("", 0, "s3://b/m", "s3://b/m"))
    set_policy(Store(root), "m", "champion", "needs: [{approvals: {count: 1}}]", "me")
    with changing(root, "m") as held:
        change.move(held, "champion", held.model.versions[1].version_id, "thief", "")
    assert [each.topic.entity for each in news(root, registry.get(root, "m"))] == [
        "REGISTERED_MODEL",
        "MODEL_VERSION",
    ]


@pytest.mark.mlflow
@pytest.mark.slow
@pytest.mark.parametrize("client_python", ["3"], indirect=True)
def test_an_unmodified_client(start: Start, client_python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJ_WEBHOOK_PRIVATE", "1")
    receiver = Receiver(free_port())
    url = f"http://127.0.0.1:{receiver.server.server_port}/x"
    assert run_flow(client_python, "webhooks", {"MLFLOW_TRACKING_URI": start().url}, url, SECRET) == "done\n"
    assert [each["entity"] for each in receiver.wait(2)] == ["registered_model", "registered_model"]
    receiver.close()
