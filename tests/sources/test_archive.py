"""Archives: from disk and from a server, with what hostile ones try."""

from __future__ import annotations

import base64
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runner import paths, sources
from runner.errors import InputError, SourceError
from runner.snapshots import snapshot
from runner.sources import archive, unpack
from runner.values import Checkout, Silent

FILES = {"MLproject": "name: x\n", "run.sh": "#!/bin/sh\n", "sub/train.py": "t\n"}


def make_zip(path: Path, members: dict[str, str], modes: dict[str, int] | None = None) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (modes or {}).get(name, 0o100644) << 16
            file.writestr(info, content)
    return str(path)


def make_tar(path: Path, *members: tuple[str, bytes, str]) -> str:
    """(name, type, content or link target); an executable if the name ends in .sh."""
    name = str(path)
    mode = "w:" + {"gz": "gz", "tgz": "gz", "bz2": "bz2", "xz": "xz", "tar": ""}[name.rpartition(".")[2]]
    with tarfile.open(name, mode) as file:  # type: ignore[call-overload]
        for member, kind, text in members:
            info = tarfile.TarInfo(member)
            info.type = kind
            info.mode = 0o755 if member.endswith(".sh") else 0o644
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = text
                file.addfile(info)
            else:
                info.size = len(text) if kind == tarfile.REGTYPE else 0
                file.addfile(info, io.BytesIO(text.encode()))
    return name


def files(prefix: str = "") -> list[tuple[str, bytes, str]]:
    return [(prefix + name, tarfile.REGTYPE, text) for name, text in FILES.items()]


def fetched(uri: str, version: str = "") -> Checkout:
    return sources.fetch(uri, version, Silent())


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("top", ["", "project-1.0/"])
def test_kinds_of_archives(suffix: str, top: str, tmp_path: Path) -> None:
    path = tmp_path / f"project.{suffix}"
    if suffix == "zip":
        make_zip(path, {top + name: text for name, text in FILES.items()}, {f"{top}run.sh": 0o100755})
    else:
        make_tar(path, *files(top))
    for uri in (str(path), f"file://{path}", f"{path}#sub"):
        checkout = fetched(uri)
        assert (checkout.kind, checkout.temporary, checkout.commit) == ("archive", True, "")
        assert os.path.basename(checkout.root) == ("project-1.0" if top else "project")
        assert sorted(os.listdir(checkout.root)) == ["MLproject", "run.sh", "sub"]
        assert os.access(f"{checkout.root}/run.sh", os.X_OK)
        assert not os.access(f"{checkout.root}/MLproject", os.X_OK)
        assert checkout.directory == (f"{checkout.root}/sub" if "#" in uri else checkout.root)
        assert checkout.version.startswith("sha256:")
        sources.release(checkout)
    assert os.listdir(paths.cache("checkouts")) == []


def test_a_snapshot_of_an_archive_is_whole(tmp_path: Path) -> None:
    checkout = fetched(make_zip(tmp_path / "p.zip", FILES) + "#sub")
    pending = snapshot.begin(checkout)
    state = snapshot.take(pending, pending.finish(), str(tmp_path / "store")).finish()
    assert (state.commit, state.dirty) == ("", None)
    assert sorted(entry.path for entry in snapshot.files(str(tmp_path / "store"), state.tree)) == sorted(
        FILES
    )


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "a/../../evil", "..\\evil", "C:\\evil", "a/b/../../../evil"]
)
def test_members_that_escape(name: str, tmp_path: Path) -> None:
    for path in (
        make_zip(tmp_path / "e.zip", {"ok": "", name: "evil"}),
        make_tar(tmp_path / "e.tar", ("ok", tarfile.REGTYPE, ""), (name, tarfile.REGTYPE, "evil")),
    ):
        with pytest.raises(SourceError, match="leads out"):
            fetched(path)
    assert os.listdir(paths.cache("checkouts")) == []
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "members",
    [
        [("link", tarfile.SYMTYPE, "/etc"), ("x", tarfile.REGTYPE, "")],
        [("link", tarfile.SYMTYPE, "../.."), ("x", tarfile.REGTYPE, "")],
        [("a/up", tarfile.SYMTYPE, ".."), ("c", tarfile.SYMTYPE, "a/up/../.."), ("x", tarfile.REGTYPE, "")],
        [("link", tarfile.SYMTYPE, "sub"), ("link/x", tarfile.REGTYPE, "through")],
        [("copy", tarfile.LNKTYPE, "/etc/passwd")],
        [("copy", tarfile.LNKTYPE, "../../etc/passwd")],
        [("link", tarfile.SYMTYPE, "/etc/passwd"), ("copy", tarfile.LNKTYPE, "link")],
        [("pipe", tarfile.FIFOTYPE, "")],
        [("device", tarfile.CHRTYPE, "")],
        [("x", tarfile.REGTYPE, ""), ("x/y", tarfile.REGTYPE, "")],
    ],
)
def test_links_and_devices_that_escape(members: list[tuple[str, bytes, str]], tmp_path: Path) -> None:
    with pytest.raises((SourceError, OSError)) as caught:
        fetched(make_tar(tmp_path / "e.tar.gz", *members))
    assert isinstance(caught.value, SourceError), caught.value
    assert os.listdir(paths.cache("checkouts")) == []


def test_links_inside_are_kept(tmp_path: Path) -> None:
    path = make_tar(
        tmp_path / "p.tar.gz", ("p/a.txt", tarfile.REGTYPE, "a"), ("p/to_a", tarfile.SYMTYPE, "a.txt"),
        ("p/sub/up", tarfile.SYMTYPE, "../a.txt"), ("p/copy", tarfile.LNKTYPE, "p/a.txt"),
        ("p/a.txt", tarfile.REGTYPE, "again"),
    )  # fmt: skip
    root = Path(fetched(path).root)
    assert os.readlink(root / "sub/up") == "../a.txt"
    assert ((root / "to_a").read_text(), (root / "copy").read_text()) == ("again", "a")
    zipped = make_zip(tmp_path / "p.zip", {"a": "text", "link": "a"}, {"link": 0o120777})
    assert os.readlink(Path(fetched(zipped).root, "link")) == "a"


def test_git_folders_of_an_archive_are_left_out(tmp_path: Path) -> None:
    path = make_zip(
        tmp_path / "p.zip", {"a.py": "", ".git/config": "[core]\n\tfsmonitor = evil\n", "s/.git/HEAD": "x"}
    )
    checkout = fetched(path)
    assert sorted(os.listdir(checkout.root)) == ["a.py"]


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "bomb.zip", {f"{number}": "0" * 400_000 for number in range(4)})
    assert os.path.getsize(path) < 10_000
    monkeypatch.setattr(unpack, "MOST_BYTES", 1_000_000)
    with pytest.raises(SourceError, match="unpacks to more than"):
        fetched(path)
    monkeypatch.setattr(unpack, "MOST_MEMBERS", 2)
    with pytest.raises(SourceError, match="more than 2 members"):
        fetched(make_zip(tmp_path / "many.zip", {"a": "", "b": "", "c": ""}))
    assert os.listdir(paths.cache("checkouts")) == []


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar.xz", "x.tar.bz2", "x.tar"])
def test_damaged_archives(name: str, tmp_path: Path) -> None:
    for content in (b"", b"not an archive at all" * 50, b"PK\3\4 broken", b"\x1f\x8b\x08\0broken"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError):
            fetched(str(tmp_path / name))
    whole = Path(make_tar(tmp_path / "whole.tar.gz", *files(), ("big", tarfile.REGTYPE, "x" * 100_000)))
    (tmp_path / "cut.tar.gz").write_bytes(whole.read_bytes()[:-60])
    with pytest.raises(SourceError):
        fetched(str(tmp_path / "cut.tar.gz"))


def test_wrong_use(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "p.zip", FILES)
    with pytest.raises(InputError, match="one version only"):
        fetched(path, "v1")
    with pytest.raises(InputError, match="cannot be read"):
        fetched(str(tmp_path / "missing.zip"))
    with pytest.raises(InputError, match="no folder nowhere"):
        fetched(f"{path}#nowhere")
    with pytest.raises(InputError, match="leads out"):
        fetched(f"{path}#../..")


# ---- from a server -------------------------------------------------------------------------------------


class Server:
    def __init__(self) -> None:
        self.content = b""
        self.etag = ""
        self.status = 200
        self.requests: list[tuple[str, str]] = []  # (path, authorization)
        self.sent = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, self.headers.get("Authorization", "")))
                if server.status != 200:
                    self.send_error(server.status)
                    return
                if server.etag and self.headers.get("If-None-Match") == server.etag:
                    self.send_response(304)
                    self.end_headers()
                    return
                self.send_response(200)
                if server.etag:
                    self.send_header("ETag", server.etag)
                self.send_header("Content-Length", str(len(server.content)))
                self.end_headers()
                self.wfile.write(server.content)
                server.sent += 1

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()

    def stop(self) -> None:
        if self.thread.is_alive():
            self.http.shutdown()
            self.http.server_close()
            self.thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server()
    made.content = Path(make_zip(tmp_path / "p.zip", FILES)).read_bytes()
    yield made
    made.stop()


def test_from_a_server_and_then_from_the_cache(server: Server, tmp_path: Path) -> None:
    server.etag = '"one"'
    first = fetched(f"{server.url}/p.zip#sub")
    assert (first.uri, os.listdir(first.directory)) == (f"{server.url}/p.zip#sub", ["train.py"])
    assert fetched(f"{server.url}/p.zip").version == first.version
    assert (server.sent, len(server.requests)) == (1, 2)
    server.etag = '"two"'
    server.content = Path(make_zip(tmp_path / "q.zip", {**FILES, "new": "n"})).read_bytes()
    changed = fetched(f"{server.url}/p.zip")
    assert changed.version != first.version
    assert "new" in os.listdir(changed.root)
    server.stop()
    offline = fetched(f"{server.url}/p.zip")
    assert offline.version == changed.version
    assert "cannot be reached" in offline.notes[0]
    with pytest.raises(SourceError, match="cannot be downloaded"):
        fetched(f"{server.url}/other.zip")


def test_errors_of_a_server(server: Server) -> None:
    sources.release(fetched(f"{server.url}/p.zip"))
    server.status = 503
    assert "503" in fetched(f"{server.url}/p.zip").notes[0]
    for status in (404, 403):
        server.status = status
        with pytest.raises(SourceError, match=str(status)):
            fetched(f"{server.url}/p.zip")
    assert len(os.listdir(paths.cache("checkouts"))) == 1


def test_a_download_that_breaks_off(server: Server) -> None:
    class Short(bytes):
        def __len__(self) -> int:
            return super().__len__() + 1000

    server.content = Short(server.content)
    with pytest.raises(SourceError, match=r"connection ended|IncompleteRead"):
        fetched(f"{server.url}/p.zip")
    assert os.listdir(paths.cache("checkouts")) == []


def test_credentials_of_a_server_are_used_and_not_kept(server: Server) -> None:
    uri = server.url.replace("//", "//ada:hunter%2022@") + "/p.zip?X-Amz-Signature=abc123&part=1"
    checkout = fetched(uri)
    assert server.requests[0][1] == "Basic " + base64.b64encode(b"ada:hunter 22").decode()
    assert checkout.uri == f"{server.url}/p.zip?X-Amz-Signature=***&part=1"
    for top, _, names in os.walk(paths.home()):
        for name in names:
            data = Path(top, name).read_bytes()
            assert b"hunter" not in data
            assert b"abc123" not in data
    server.status = 404
    with pytest.raises(SourceError) as caught:
        fetched(uri + "&more=1")
    assert "hunter" not in str(caught.value)
    assert "abc123" not in str(caught.value)


def test_detect() -> None:
    assert archive.detect("https://host/x.TAR.GZ?download=1#sub")
    assert archive.detect("/nowhere/x.zip")
    assert not archive.detect("https://host/o/r")
    assert not archive.detect("git@host:o/r.git")
    assert not archive.detect("s3://bucket/x.zip")
