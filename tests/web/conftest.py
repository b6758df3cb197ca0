"""`proj ui` as a process, and one browser that it let in."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from runner import paths
from tests.browser import Tabs
from tests.helpers import serving


class Page(NamedTuple):
    status: int
    text: str
    headers: dict[str, str]
    path: str

    @property
    def where(self) -> str:
        """Where it redirects to, as a path."""
        found = urlsplit(urljoin(f"http://x{self.path}", self.headers["location"]))
        return found.path + (f"?{found.query}" if found.query else "")

    @property
    def links(self) -> list[str]:
        found: list[str] = []

        class Links(HTMLParser):
            def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
                for name, value in attrs:
                    if name in ("href", "src", "action") and value:
                        found.append(value)

        Links().feed(self.text)
        return [urljoin(f"http://x{self.path}", each) for each in found]

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="(\w+)"', self.text)
        return found[1] if found else ""


class Browser:
    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""

    def get(self, path: str, **headers: str) -> Page:
        return self.send("GET", path, None, headers)

    def post(self, path: str, fields: dict[str, object], **headers: str) -> Page:
        body = urlencode(fields, doseq=True)
        return self.send("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded", **headers})

    def send(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Page:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"Cookie": self.cookie, **headers} if self.cookie else headers
        link.request(method, path, body, sent)
        answer = link.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        if "set-cookie" in found:
            self.cookie = found["set-cookie"].partition(";")[0]
        page = Page(answer.status, answer.read().decode(), found, path)
        link.close()
        return page


class Ui(NamedTuple):
    process: subprocess.Popen[str]
    browser: Browser
    link: str  # its path and query


@pytest.fixture
def ui() -> Iterator[Ui]:
    os.makedirs(paths.store(), exist_ok=True)
    process = serving("ui", "--no-browser")
    assert process.stderr
    line = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)(/\S+)", line)
    assert found, line
    yield Ui(process, Browser(int(found[1])), found[2])
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    said = process.stderr.read()
    process.stderr.close()
    assert said == "  ^C ends it\n"  # no fault of ours was met


@pytest.fixture
def browser(ui: Ui) -> Browser:
    assert ui.browser.get(ui.link).status == 303
    return ui.browser


@pytest.fixture
def tabs(chromium: Any, browser: Browser) -> Iterator[Tabs]:
    """Tabs of a real browser that `proj ui` let in."""
    found = Tabs(chromium, browser.port, browser.cookie)
    yield found
    found.close()
