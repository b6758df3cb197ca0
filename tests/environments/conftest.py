"""A package index of the tests' own, and reports that can be looked at."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from runner.environments import cache
from runner.host import files
from runner.host.files import Stamp
from runner.values import Step
from tests.environments.packages import make_wheel


class Recorder:
    """A Report that remembers (also its own Step)."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def step(self, text: str) -> Step:
        self.steps.append(text)
        return self

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def __enter__(self) -> Step:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, text: str, done: float = 0, total: float = 0) -> None:
        pass


def settle(*paths: str) -> None:
    """Waits until what is known of these files may be remembered."""
    while not all(files.settled(Stamp.of(os.stat(path)), files.now()) for path in paths):
        time.sleep(0.01)


@pytest.fixture
def report() -> Recorder:
    return Recorder()


@pytest.fixture(autouse=True)
def index(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where packages come from: a folder with tiny 1.0, tiny 2.0 and other 1.0 (which wants tiny<2)."""
    folder = os.path.join(str(tmp_path), "index")
    make_wheel(folder, "tiny", "1.0")
    make_wheel(folder, "tiny", "2.0")
    make_wheel(folder, "other", "1.0", ["tiny<2"])
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) and name != "UV_CACHE_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", folder)
    yield folder
    for prefix in list(cache._held):
        cache.release(os.path.basename(prefix))
