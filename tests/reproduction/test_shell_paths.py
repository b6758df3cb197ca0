"""Folders in commands: what a real shell gives to the program is what counts."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from runner.reproduction.shell_paths import exchange

NAMES = ["/a/demo", "/a/my demo", "/a/it's", '/a/"x" $HOME', "/a/\\b;c", "/a/ünï"]


@pytest.mark.parametrize("old", NAMES)
@pytest.mark.parametrize("new", NAMES)
def test_in_any_quotes(old: str, new: str) -> None:
    ways = [shlex.quote(f"{old}/f"), shlex.quote(f"--data={old}/f")]
    if "'" not in old:
        ways += [f"'{old}'/f", f"x'{old}/f'"]
    double = "".join(f"\\{letter}" if letter in '"$`\\' else letter for letter in old)
    ways += [f'"{double}/f"', f'"{double}"/f']
    shown = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {exchange(' '.join(ways), old, new)}"],
        capture_output=True,
        text=True,
        check=True,
    )
    plain = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {' '.join(ways)}"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == plain.stdout.replace(old, new)


def test_only_whole_names() -> None:
    command = "cat /a/demo /a/demo/x /a/demo2 /a/demo-x '/a/demo' && echo done"
    assert exchange(command, "/a/demo", "/b") == "cat /b /b/x /a/demo2 /a/demo-x '/b' && echo done"
    assert exchange("cat '/a/demo", "/a/demo", "/b") == "cat '/b"
