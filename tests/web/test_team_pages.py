"""The pages of `proj server`: a token opens them, for what its role may, as long as it is good."""

from __future__ import annotations

import json
import os
import time

from runner.tracking.store import Store
from tests.helpers import proj
from tests.servers import Start
from tests.web.conftest import Browser


def token(store: str, role: str) -> str:
    return proj("server", "token", "create", "--store", store, "--role", role, "--name", role).out.strip()


def signed_in(port: int, text: str) -> Browser:
    browser = Browser(port)
    assert browser.post("/ui/enter", {"token": text}).status == 303
    assert browser.get("/ui/").status == 200
    return browser


def test_without_tokens_a_loopback_server_shows_all(start: Start) -> None:
    server = start()
    run_id = server.client().new_run()
    browser = Browser(server.port)
    assert browser.get("/").where == "/ui/"
    csrf = browser.get(f"/ui/runs/{run_id}").csrf
    assert browser.post(f"/ui/runs/{run_id}/note", {"note": "x", "csrf": csrf}).status == 303
    assert Store(server.store).read(run_id).tags["mlflow.note.content"] == "x"
    assert browser.post(f"/ui/runs/{run_id}/note", {"note": "y"}, Origin="http://evil.example").status == 403


def test_roles_in_several_processes(start: Start) -> None:
    server = start("--workers", "2")
    run_id = server.client().new_run()
    tokens = {role: token(server.store, role) for role in ("reader", "writer")}
    time.sleep(1.2)
    stranger = Browser(server.port)
    assert stranger.get("/ui/").where == "/ui/closed"
    assert 'type="password"' in stranger.get("/ui/closed").text
    refused = stranger.post("/ui/enter", {"token": "proj_0_0"})
    assert (refused.status, stranger.cookie) == (401, "")
    linked = Browser(server.port)
    assert linked.get(f"/ui/enter?code={tokens['writer']}").status == 401
    assert linked.cookie == ""
    reader, writer = (signed_in(server.port, tokens[role]) for role in ("reader", "writer"))
    for _ in range(8):  # whichever process answers
        page = reader.get(f"/ui/runs/{run_id}")
        assert page.status == 200
        assert "<textarea" not in page.text
        assert "<textarea" in writer.get(f"/ui/runs/{run_id}").text
    csrf = reader.get("/ui/").csrf
    assert 'value="delete"' not in reader.get("/ui/").text
    assert reader.post("/ui/runs", {"csrf": csrf, "run": [run_id], "do": "delete"}).status == 403
    assert reader.post(f"/ui/runs/{run_id}/note", {"csrf": csrf, "note": "x"}).status == 403
    assert reader.post("/ui/runs", {"csrf": csrf, "run": [run_id] * 2, "do": "compare"}).status == 303
    csrf = writer.get("/ui/").csrf
    some = {"csrf": csrf, "run": [run_id, "f" * 32], "do": "delete"}
    assert writer.post("/ui/runs", some).status == 404
    assert Store(server.store).read(run_id).lifecycle == "active"  # all or none
    assert writer.post("/ui/runs", {"csrf": csrf, "run": [run_id], "do": "delete"}).status == 303
    assert Store(server.store).read(run_id).lifecycle == "deleted"
    with open(os.path.join(server.store, "server", "audit.jsonl"), encoding="utf-8") as file:
        last = [json.loads(line) for line in file][-1]
    assert (last["what"], last["subject"]) == ("ui/delete", run_id)
    assert "writer" in last["who"]
    # the API takes no cookie
    assert writer.get("/api/2.0/mlflow/experiments/search?max_results=1").status == 401


def test_a_session_ends_with_its_token_or_when_it_is_left(start: Start) -> None:
    server = start("--workers", "2")
    texts = [token(server.store, "reader") for _ in range(2)]
    time.sleep(1.2)
    one, two, three = (signed_in(server.port, text) for text in (*texts, texts[1]))
    csrf = two.get("/ui/").csrf
    assert two.post("/ui/leave", {"csrf": "wrong", "do": "leave"}).status == 403
    kept = two.cookie
    assert two.post("/ui/leave", {"csrf": csrf, "do": "leave"}).where == "/ui/closed"
    two.cookie = kept
    assert proj("server", "token", "revoke", texts[0].split("_")[1], "--store", server.store).code == 0
    time.sleep(1.2)  # each process notices it within a second
    for _ in range(6):
        assert one.get("/ui/").status == 303
        assert two.get("/ui/").status == 303
        assert three.get("/ui/").status == 200


def test_wrong_tokens_are_counted_and_right_ones_are_not_kept_out(start: Start) -> None:
    server = start()
    right = token(server.store, "reader")
    time.sleep(1.2)
    seen = [
        Browser(server.port).post("/ui/enter", {"token": f"proj_x_{number}"}).status for number in range(25)
    ]
    assert set(seen) == {401, 429}
    signed_in(server.port, right)
