"""Git over HTTP with a password, against git's own server program."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runner import paths, sources
from runner.errors import SourceError
from runner.sources.git import messages, mirror
from runner.values import Silent
from tests.helpers import git, make_repository

BACKEND = os.path.join(
    subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip(),
    "git-http-backend",
)
pytestmark = pytest.mark.skipif(not os.path.exists(BACKEND), reason="git-http-backend is not installed")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a server that has `private`, for ada with the password "hunter 22/@"."""
    work = make_repository(tmp_path / "work", {"version.txt": "1\n"})
    git(tmp_path, "clone", "-q", "--bare", work, str(tmp_path / "srv/private.git"))
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "http:file")
    allowed = "Basic " + base64.b64encode(b"ada:hunter 22/@").decode()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            if self.headers.get("Authorization") != allowed:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            done = subprocess.run(
                [BACKEND], input=body, capture_output=True, check=False,
                env={"GIT_PROJECT_ROOT": str(tmp_path / "srv"), "GIT_HTTP_EXPORT_ALL": "1", "PATH": os.environ["PATH"],
                     "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
                     "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_USER": "ada",
                     "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")},
            )  # fmt: skip
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{http.server_address[1]}"
    http.shutdown()
    http.server_close()
    thread.join()


def test_complaint_786_a_private_repository(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = sources.fetch(f"http://ada:hunter%2022%2F%40@{server}/private.git@main", "", Silent())
    assert Path(checkout.root, "version.txt").read_text() == "1\n"
    assert checkout.repository == f"http://{server}/private.git"
    assert "hunter" not in repr(checkout)
    for top, _, names in os.walk(paths.home()):
        for name in names:
            assert b"hunter" not in Path(top, name).read_bytes()
    monkeypatch.delattr(mirror, "update")
    monkeypatch.delattr(mirror, "Asked")
    again = sources.fetch(f"http://{server}/private.git@main", "", Silent(), offline=True)
    assert again.commit == checkout.commit
    assert "as it was at the last fetch" in again.notes[0]
    for address, message in (("private.git@v9", "does not have v9"), ("other.git", "is not in the cache")):
        with pytest.raises(SourceError, match=f"{message}, and --offline asks no server") as caught:
            sources.fetch(f"http://{server}/{address}", "", Silent(), offline=True)
        assert "without --offline" in caught.value.hint
    assert sources.fetch(f"http://{server}/private.git", checkout.commit, Silent()).commit == checkout.commit


@pytest.mark.parametrize("user", ["", "ada@", "ada:wrong-secret@"])
def test_wrong_credentials_are_said_without_a_question(user: str, server: str) -> None:
    with pytest.raises(SourceError) as caught:
        sources.fetch(f"http://{user}{server}/private.git", "", Silent())
    text = caught.value.message + caught.value.hint
    assert "credential helper" in text
    assert "wrong-secret" not in text


def test_a_repository_that_is_not_there(server: str) -> None:
    with pytest.raises(SourceError, match="not found"):
        sources.fetch(f"http://ada:hunter%2022%2F%40@{server}/other.git", "", Silent())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (("ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote repository.\n\n"
          "Please make sure you have the correct access rights\nand the repository exists.\n"),
         "ssh: connect to host h port 22: Connection refused"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.\n",
         "git@h: Permission denied (publickey)"),
        ("fatal: unable to access 'https://u:pw@h/r/': Could not resolve host: h\n", "Could not resolve host: h"),
        ("remote: Repository not found.\nfatal: repository 'https://h/r/' not found\n", "repository 'https://h/r/' not found"),
        ("", "git gave no reason"),
    ],
)  # fmt: skip
def test_git_in_short(text: str, said: str) -> None:
    assert messages.last_line(text) == said
