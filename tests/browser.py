"""A real browser for the tests of pages: the system's Chromium, headless, driven by playwright.

Whatever a page complains of fails the test: errors in the console, what its security policy refused, scripts that
failed, and every request to another host.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A playwright Browser. For one module: its event loop runs on this thread, where other tests want their own."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("needs Chromium on PATH")
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=program, args=[*arguments, "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield found
        found.close()


class Tabs:
    """Tabs of one server: `problems` has what their pages complained of."""

    def __init__(self, chromium: Any, port: int, cookie: str = "") -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.problems: list[str] = []
        self.requests: list[str] = []  # addresses, in their order
        self._chromium = chromium
        self._cookie = cookie
        self._contexts: list[Any] = []

    def open(self, path: str = "", **options: Any) -> Any:
        """A Page in a profile of its own, signed in; `options` of new_context (viewport, color_scheme, ...)."""
        context = self._chromium.new_context(base_url=self.base, **options)
        self._contexts.append(context)
        if self._cookie:
            name, _, value = self._cookie.partition("=")
            context.add_cookies([{"name": name, "value": value, "url": self.base}])
        context.set_default_timeout(15_000)
        context.on("request", self._request)
        context.on("weberror", lambda found: self.problems.append(f"a script failed: {found.error}"))
        context.on("console", self._console)
        page = context.new_page()
        if path:
            page.goto(path)
        return page

    def _request(self, request: Any) -> None:
        self.requests.append(request.url)
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and f"{parts.scheme}://{parts.netloc}" != self.base:
            self.problems.append(f"a request to another host: {request.url}")

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(
                f"{message.type} in the console: {message.text} ({message.location.get('url', '')})"
            )

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        assert self.problems == []
