"""A package index of the tests' own: no network."""

from __future__ import annotations

import os

import pytest

from tests.environments.packages import make_wheel


@pytest.fixture
def index(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder with factor 1.0, whose VALUE is 1; a test may add others."""
    folder = os.path.join(str(tmp_path), "index")
    make_wheel(folder, "factor", "1.0", modules={"factor.py": "VALUE = 1\n"})
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UV_CACHE_DIR", os.path.join(str(tmp_path), "uv-cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", folder)
    return folder
