"""A package index over HTTP, which may ask for a user and a password."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(folder: str, user: str = "", password: str = "") -> Iterator[str]:
    """Serves the wheels of a folder as a simple index under /simple; yields host:port."""
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if user and self.headers.get("Authorization") != expected:
                self.answer(401, b"who are you?")
                return
            parts = self.path.strip("/").split("/")
            if parts[0] == "simple" and len(parts) == 2:
                names = [name for name in sorted(os.listdir(folder)) if name.startswith(f"{parts[1]}-")]
                if not names:
                    self.answer(404, b"")
                    return
                links = "".join(f'<a href="/files/{name}">{name}</a>\n' for name in names)
                self.answer(200, f"<html><body>{links}</body></html>".encode())
                return
            with open(os.path.join(folder, os.path.basename(self.path)), "rb") as file:
                self.answer(200, file.read())

        def answer(self, code: int, body: bytes) -> None:
            self.send_response(code)
            if code == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.send_header(
                "Content-Type", "text/html" if self.path.startswith("/simple") else "application/zip"
            )
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
