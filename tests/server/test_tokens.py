"""Who may do what on a team's server, and that it is on record: tokens, proxies, places of artifacts, the audit."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from runner import paths
from runner.errors import InputError
from runner.server.locations import check_location
from runner.server.tokens import create, revoke
from tests.helpers import proj, some
from tests.servers import Start, World

ROOTS = ("/srv/models", "/data")


def tokens_file() -> str:
    (found,) = pathlib.Path(paths.home(), "server").glob("*/tokens.jsonl")
    return str(found)


def audit(store: str) -> list[Any]:
    with open(os.path.join(store, "server", "audit.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_wrong_tokens_keep_no_right_one_out(start: Start) -> None:
    server = start()
    good = create(server.store, "team", "writer")
    time.sleep(1.1)
    wrong, right = server.client("proj_00000000_wrong"), server.client(good)
    statuses = []
    for _ in range(40):
        statuses.append(wrong.post("runs/search").status)
        assert right.post("runs/search").status == 200
    assert (statuses[0], statuses[-1]) == (401, 429)


def test_a_proxy_tells_who_asks(start: Start) -> None:
    """The last address of the header is the proxy's word; what stands before it is the client's."""
    server = start("--proxy-header", "X-Forwarded-For")
    good = create(server.store, "team", "writer")
    time.sleep(1.1)
    wrong = server.client("proj_00000000_wrong")
    for number in range(40):
        wrong.post("runs/search", **{"X-Forwarded-For": f"10.0.0.{number}, 10.9.9.9"})
    spoofed = {"X-Forwarded-For": "10.1.1.1, 10.9.9.9"}
    assert wrong.post("runs/search", **spoofed).status == 429
    assert wrong.post("runs/search", **{"X-Forwarded-For": "10.1.1.1"}).status == 401
    made = server.client(good).post("runs/create", {}, **spoofed)
    assert made.status == 200
    assert [each["peer"] for each in audit(server.store)] == ["10.9.9.9"]


def test_revoking_the_last_token_opens_nothing(start: Start) -> None:
    server = start()
    token = create(server.store, "only", "admin")
    revoke(server.store, "only")
    time.sleep(1.1)
    anyone = server.client()
    assert anyone.post("runs/create").status == 401
    assert server.client(token).post("runs/create").status == 401
    os.unlink(tokens_file())
    time.sleep(1.1)
    assert anyone.post("runs/create").status == 401
    create(server.store, "another", "admin", expires=1)
    assert start().client().post("runs/create").status == 401
    assert start("--no-auth").client().post("runs/create").status == 200
    refused = proj("server", "--host", "0.0.0.0", "--no-auth", "--store", server.store)
    assert (refused.code, "--no-auth is for 127.0.0.1" in refused.err) == (2, True)


def test_lines_that_are_no_tokens_open_nothing(start: Start) -> None:
    server = start()
    good = create(server.store, "team", "writer")
    digest = hashlib.sha256(b"a").hexdigest()
    whole = {
        "type": "token",
        "id": "0000000a",
        "name": "n",
        "role": "admin",
        "digest": digest,
        "time": 1,
        "expires": 0,
    }
    wrong = [{**whole, **each} for each in (
        {"role": "god"}, {"role": 5}, {"digest": 5}, {"digest": None}, {"expires": "never"}, {"time": None}, {"id": ["0000000a"]},
        {"name": {}}, {"type": "tokens"},
    )]  # fmt: skip
    with open(tokens_file(), "ab") as file:
        file.write(b"\xff\n[]\n5\nnull\n" + b"".join(json.dumps(each).encode() + b"\n" for each in wrong))
        file.write(b'{"type": "revoked", "id": "0000000b"}\n{"type": "tok')
    time.sleep(1.1)
    assert server.client("proj_0000000a_a").post("runs/create").status == 401
    assert server.client(good).post("runs/create").status == 200
    create(server.store, "after a torn line", "reader")
    assert len(json.loads(proj("server", "token", "list", "--json", "--store", server.store).out)) == 2


def test_two_processes_notice_a_revoked_token(start: Start) -> None:
    server = start("--workers", "2")
    create(server.store, "keeps", "writer")
    token = create(server.store, "goes", "writer")
    time.sleep(1.1)
    clients = [server.client(token) for _ in range(12)]
    assert {client.post("runs/create").status for client in clients} == {200}
    revoke(server.store, "goes")
    time.sleep(1.2)
    assert {client.post("runs/create").status for client in clients} == {401}


@pytest.mark.parametrize("workers", some(["2", "1"], 1))
def test_what_a_killed_server_acknowledged_is_in_its_audit(start: Start, workers: str) -> None:
    for _ in range(3):
        server = start("--workers", workers)
        made: list[str] = []

        def work(server: Any = server, made: list[str] = made) -> None:
            client = server.client()
            try:
                while True:
                    run_id = client.new_run()
                    made.append(run_id)
                    client.ok("runs/set-tag", {"run_id": run_id, "key": "a", "value": "b"})
                    made.append(f"tag {run_id}")
            except Exception:  # noqa: BLE001  killed
                pass

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        while len(made) < 40 and time.monotonic() < deadline:
            time.sleep(0.005)
        children = f"/proc/{server.process.pid}/task/{server.process.pid}/children"
        with open(children, encoding="ascii") as file:
            pids = [int(each) for each in file.read().split()]
        for pid in (server.process.pid, *(pids if workers != "1" else ())):
            os.kill(pid, signal.SIGKILL)
        for thread in threads:
            thread.join()
        lines = audit(server.store)
        known = {each["subject"] for each in lines if each["what"] == "POST runs/create"}
        tagged = {f"tag {each['subject']}" for each in lines if each["what"] == "POST runs/set-tag"}
        assert len(made) >= 40
        assert set(made) <= known | tagged


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_nothing_is_acknowledged_that_the_audit_cannot_take(
    start: Start, make: Callable[[str], None]
) -> None:
    """A folder in its place; or a pipe, which would make the whole server wait for a reader."""
    server = start()
    os.makedirs(os.path.join(server.store, "server"), exist_ok=True)
    make(os.path.join(server.store, "server", "audit.jsonl"))
    answer = server.client().post("runs/create")
    assert answer.status == 503
    assert server.client().post("runs/search").status == 200


@pytest.mark.parametrize(
    "location",
    [
        *("s3://bucket/folder", "gs://bucket", "abfss://container@account.dfs.core.windows.net/a", "sftp://me@host/a"),
        *("/srv/models", "/srv/models/a/b", "file:///data/a", "file:/data/a", "file://localhost/data", "mlflow-artifacts:/a"),
    ],
)  # fmt: skip
def test_places_for_artifacts(location: str) -> None:
    check_location(location, ROOTS)


@pytest.mark.parametrize(
    "location",
    [
        *("/etc", "/srv/models/../../etc", "/srv/modelsx", "/", "relative", "srv/models/a", "", "/srv/models/\0/a"),
        *("file:///etc", "FILE:///etc", "file://elsewhere/data", "file:///data/%2e%2e/etc", "file:data/a", "file:"),
        *("simplecache::file:///etc", "simplecache::s3://b", "s3::file:///etc", "s3://b::file:///etc", "zip://a::s3://b"),
        *("local:///etc", "memory://a", "http://host/a", "https://host/a", "ftp://host/a", "github://a:b@c/", "javascript:/a"),
        *("s3://user@bucket/a", "s3://key:secret@bucket/a", "sftp://me:secret@host/a", "gs://a?token=b@c", "s3:bucket"),
        *("s3://bucket/a\nb", "s3://bucket/\x00", "file://[x", "reference://a", "dir::/etc", "blockcache::/etc"),
    ],
)  # fmt: skip
def test_no_places_for_artifacts(location: str) -> None:
    if location == "gs://a?token=b@c":  # no user: what is before @ belongs to the query
        check_location(location, ROOTS)
        return
    with pytest.raises(InputError):
        check_location(location, ROOTS)


def test_a_link_leads_out_of_no_root(tmp_path: Any) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to("/etc")
    check_location(str(tmp_path / "root" / "new"), [str(tmp_path / "root")])
    with pytest.raises(InputError):
        check_location(str(tmp_path / "root" / "link" / "a"), [str(tmp_path / "root")])


def test_artifact_locations_of_a_server(start: Start, tmp_path: Any) -> None:
    """As ever on one's own machine without tokens; with tokens only what the server was told."""
    server = start("--artifact-root", str(tmp_path / "root"))
    anyone = server.client()
    assert anyone.post("experiments/create", {"name": "a", "artifact_location": "/etc"}).status == 200
    writer = server.client(create(server.store, "team", "writer"))
    time.sleep(1.1)
    good = str(tmp_path / "root" / "a")
    for number, (location, status) in enumerate(
        [(good, 200), ("s3://bucket/a", 200), ("/etc", 400), ("simplecache::file:///etc", 400), ("rel", 400)]
    ):
        body = {"name": f"with {number}", "artifact_location": location}
        answer = writer.post("experiments/create", body)
        assert answer.status == status, (location, answer)
        if status == 400:
            assert writer.get("experiments/get-by-name", experiment_name=body["name"]).status == 404


def test_default_artifact_root(start: Start) -> None:
    server = start("--default-artifact-root", "s3://bucket/runs/")
    client = server.client()
    made = client.ok("experiments/create", {"name": "one"})["experiment_id"]
    shown = client.get("experiments/get", experiment_id=made).json["experiment"]
    assert shown["artifact_location"] == f"s3://bucket/runs/{made}"
    run_id = client.new_run()
    assert client.run(run_id)["info"]["artifact_uri"] == f"s3://bucket/runs/0/{run_id}/artifacts"
    other = client.ok("experiments/create", {"name": "two", "artifact_location": "s3://other"})[
        "experiment_id"
    ]
    shown = client.get("experiments/get", experiment_id=other).json["experiment"]
    assert shown["artifact_location"] == "s3://other"
    for wrong in ("s3://me:secret@bucket", "simplecache::s3://b", "http://host/a"):
        assert proj("server", "--default-artifact-root", wrong, "--store", server.store).code == 2


def test_what_a_run_may_do_to_experiments(world: World) -> None:
    """Its own token makes experiments, not with a place for artifacts; and tags its own, not foreign ones."""
    client = world.client
    placed = client.post("experiments/create", {"name": "placed", "artifact_location": "/tmp/x"})
    assert (placed.status, placed.json["error_code"]) == (403, "PERMISSION_DENIED")
    foreign = world.store.create_experiment("foreign", "", {"a": "b"})
    made = client.ok("experiments/create", {"name": "mine"})["experiment_id"]
    for experiment_id, status in ((foreign, 403), (made, 200), ("0", 200)):
        client.get("experiments/get", experiment_id=experiment_id)  # looking it up changes nothing
        body = {"experiment_id": experiment_id, "key": "k", "value": "v"}
        assert client.post("experiments/set-experiment-tag", body).status == status
        assert client.post("experiments/delete-experiment-tag", body).status == status
    assert world.store.experiment(foreign).tags == {"a": "b"}
