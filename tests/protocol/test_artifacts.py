"""Files through the server: every way in, every way out, and no way around."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
import time

import pytest

from tests.helpers import proj
from tests.servers import FILES, World


def root(world: World) -> str:
    return f"0/{world.run_id}/artifacts"


def test_files_come_back_as_they_were(world: World) -> None:
    client = world.client
    data = os.urandom(3_000_001)
    assert client.put(f"{root(world)}/folder/ä b%20.bin", data).status == 200
    answer = client.file(f"{root(world)}/folder/ä b%20.bin")
    assert answer.body == data
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    part = client.file(f"{root(world)}/folder/ä b%20.bin", Range="bytes=10-19")
    assert (part.status, part.body) == (206, data[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(data)}"
    assert client.file(f"{root(world)}/folder/ä b%20.bin", Range="bytes=-5").body == data[-5:]
    assert client.file(f"{root(world)}/folder/ä b%20.bin", Range="bytes=9999999-").status == 416
    kept = world.store.read(world.run_id).artifacts["folder/ä b%20.bin"]
    assert kept == {"digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}


def test_listing(world: World) -> None:
    client = world.client
    client.put(f"{root(world)}/a.txt", b"abc")
    client.put(f"{root(world)}/d/empty", iter([b""]))  # chunked, as the client sends an empty file
    path = "/api/2.0/mlflow-artifacts/artifacts?path="
    assert client.call("GET", path + root(world)).json["files"] == [
        {"path": "a.txt", "is_dir": False, "file_size": 3},
        {"path": "d", "is_dir": True},
    ]
    assert client.call("GET", path + root(world) + "/d").json["files"] == [{"path": "empty", "is_dir": False}]
    assert client.call("GET", path + root(world) + "/a.txt").json == {}
    assert client.call("GET", path + root(world) + "/none").json == {}
    listed = client.get("artifacts/list", run_id=world.run_id, path="d").json
    assert listed["files"][0]["path"] == "d/empty"
    assert listed["root_uri"].endswith(root(world))
    shown = client.call("GET", f"/get-artifact?run_uuid={world.run_id}&path=a.txt")
    assert shown.body == b"abc"
    assert client.call("DELETE", f"/api/2.0/mlflow-artifacts/artifacts/{root(world)}/a.txt").status == 200
    assert client.file(f"{root(world)}/a.txt").status == 404
    assert "a.txt" not in world.store.read(world.run_id).artifacts


def test_a_page_uploads_and_shows_a_file(world: World) -> None:
    path = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={world.run_id}&path=notes/a.txt"
    assert world.client.call("POST", path, b"abc").json == {}
    shown = world.client.call("GET", f"/get-artifact?run_id={world.run_id}&path=notes/a.txt")
    assert (shown.status, shown.body) == (200, b"abc")
    head = world.client.call("HEAD", f"/get-artifact?run_id={world.run_id}&path=notes/a.txt")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "3")
    assert world.store.read(world.run_id).artifacts["notes/a.txt"]["size"] == 3
    for wrong in (path.replace("a.txt", ".."), path.partition("&")[0], path.partition("?")[0]):
        assert world.client.call("POST", wrong, b"abc").status == 400
    assert world.client.call("POST", path, b"x" * 10 * 1024 * 1024).status == 200
    assert world.client.call("POST", path, b"x" * (10 * 1024 * 1024 + 1)).status == 413
    assert world.client.call("POST", path.replace(world.run_id, "0" * 32), b"abc").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "..%2f..%2fx",
        "%2e%2e/%2e%2e/events.jsonl",
        "%252e%252e%252fevents.jsonl",
        "a/../../events.jsonl",
        "..%5c..%5cevents.jsonl",
        "a%00b",
        "a%23b",
        "",
        "x" * 300,
    ],
)
def test_no_way_out(world: World, path: str) -> None:
    before = world.store.read(world.run_id)
    base = f"/api/2.0/mlflow-artifacts/artifacts/{root(world)}/"
    for method in ("PUT", "GET", "DELETE"):
        answer = world.client.call(method, base + path, b"x" if method == "PUT" else None)
        assert answer.status in (400, 404), (method, answer)
        if method == "PUT":
            assert answer.status == 400
    assert world.store.read(world.run_id) == before


def test_a_link_is_not_followed_out_of_the_run(world: World) -> None:
    folder = os.path.join(world.store.run_directory(world.run_id), "artifacts")
    os.makedirs(folder, exist_ok=True)
    os.symlink("/etc", os.path.join(folder, "link"))
    assert world.client.file(f"{root(world)}/link/passwd").status == 400
    assert world.client.put(f"{root(world)}/link/x", b"x").status == 400


def test_an_upload_that_is_cut_leaves_nothing(world: World) -> None:
    head = (
        f"PUT /api/2.0/mlflow-artifacts/artifacts/{root(world)}/cut.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {world.endpoint.token}\r\nContent-Length: 1000000\r\n\r\n"
    )
    folder = os.path.join(world.store.run_directory(world.run_id), "artifacts")

    def wait(left: int) -> None:
        deadline = time.monotonic() + 10
        while len(os.listdir(folder) if os.path.isdir(folder) else []) != left:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    with socket.create_connection(("127.0.0.1", world.endpoint.port)) as link:
        link.sendall(head.encode() + b"x" * 5000)
        wait(1)
    wait(0)
    assert world.client.call("GET", "/health").status == 200


def test_files_that_are_no_files(world: World) -> None:
    """Pipes, sockets, devices, links that lead out or nowhere: a refusal at once, and nothing of them is opened."""
    folder = os.path.join(world.store.run_directory(world.run_id), "artifacts")
    assert world.client.put(f"{root(world)}/dir/a.txt", b"abc").status == 200
    os.mkfifo(f"{folder}/pipe")
    short = tempfile.mkdtemp(prefix="s")  # a socket's path is not long
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{short}/s")
        os.rename(f"{short}/s", f"{folder}/socket")
    links = {
        "zero": "/dev/zero",
        "tty": "/dev/tty",
        "out": "/etc/passwd",
        "loop": "loop",
        "fd": "/proc/self/fd/0",
        "to": "pipe",
    }
    for name, target in links.items():
        os.symlink(target, f"{folder}/{name}")
    api = "/api/2.0/mlflow/artifacts/list"
    for name in ("pipe", "socket", *links, "pipe/x", "dir/../pipe", "dir/a.txt/x"):
        for method, path, body in (
            ("GET", f"{FILES}/{root(world)}/{name}", None),
            ("GET", f"/get-artifact?run_uuid={world.run_id}&path={name}", None),
            ("GET", f"{api}?run_id={world.run_id}&path={name}", None),
            ("PUT", f"{FILES}/{root(world)}/{name}", b"x"),
        ):
            if (method, name) == ("PUT", "loop"):
                continue  # it is replaced
            began = time.monotonic()
            answer = world.client.call(method, path, body)
            assert time.monotonic() - began < 5, (method, path)
            assert answer.status in ((200, 400, 404) if path.startswith(api) else (400, 404)), (
                method,
                path,
                answer,
            )
    listed = world.client.get("artifacts/list", run_id=world.run_id).json["files"]
    assert {"pipe", "socket", "dir", "zero"} <= {each["path"] for each in listed}
    done = proj(
        "artifacts", "get", world.run_id, "dir", "--store", world.store.root, "-o", f"{short}/got", timeout=30
    )
    assert done.code == 0, done
    done = proj(
        "artifacts",
        "get",
        world.run_id,
        "pipe",
        "--store",
        world.store.root,
        "-o",
        f"{short}/got",
        timeout=30,
    )
    assert done.code != 0
    assert "bug in proj" not in done.err
    shutil.rmtree(short)


@pytest.mark.parametrize("name", ["MLproject", "MLmodel", "conda.yaml", "train.py", "a/MLproject"])
def test_files_of_a_project_are_shown_as_text(world: World, name: str) -> None:
    path = f"0/{world.run_id}/artifacts/{name}"
    assert world.client.put(path, b"name: x").status == 200
    assert world.client.file(path).headers["content-type"].startswith("text/plain")
