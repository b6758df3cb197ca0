"""The picture of the README: small, well formed, and silent about the web and the machine that made it."""

from __future__ import annotations

import importlib.util
import os
import xml.etree.ElementTree
from typing import Any

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture
def terminal() -> Any:
    spec = importlib.util.spec_from_file_location("terminal", os.path.join(ROOT, "docs", "terminal.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_that_is_there(terminal: Any) -> None:
    with open(os.path.join(ROOT, "docs", "images", "terminal.svg"), encoding="utf-8") as file:
        picture = file.read()
    terminal.check(picture)
    text = "".join(xml.etree.ElementTree.fromstring(picture).itertext()).replace("\xa0", " ")
    for command, _ in terminal.COMMANDS:
        assert command in text, f"{command}: make it again with python docs/terminal.py"


def test_a_picture_with_a_host_is_refused(terminal: Any) -> None:
    with pytest.raises(SystemExit):
        terminal.check('<svg><style>@import "https://fonts.example.org/a.css"</style></svg>')
    with pytest.raises(SystemExit):
        terminal.check(f"<svg>{ROOT}/x</svg>")


def test_what_a_terminal_shows_is_recorded(terminal: Any, tmp_path: object, monkeypatch: Any) -> None:
    monkeypatch.setattr(terminal, "DEMO", str(tmp_path))
    assert terminal.output_of("test -t 1 && stty size && id -un >/dev/null && echo $USER") == "50 100\nada"
    assert "<svg" in terminal.drawn(terminal.Text("hello"))
