"""Getting started, as a stranger does it: each line is typed into a shell, and what it prints is what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import NamedTuple

import pytest

from tests.test_docs import ROOT

# what is another one each time
OWN = (
    (re.compile(r"\b[a-z]+-[a-z]+-\d+\b"), "NAME"),
    (re.compile(r"\b[0-9a-f]{12}(?:[0-9a-f]{20})?\b"), "ID"),
    (re.compile(r"\b\d+(?:\.\d+)? (?:ms|s|min)\b"), "TIME"),
)


class Typed(NamedTuple):
    line: str
    shown: list[str]


def typed(page: str) -> list[Typed]:
    """The lines behind `$` of all console blocks, with what the page shows after each."""
    found: list[Typed] = []
    inside = False
    with open(os.path.join(ROOT, "docs", page), encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("```"):
                inside = line == "```console"
            elif inside and line.startswith("$ "):
                found.append(Typed(line[2:], []))
            elif inside:
                found[-1].shown.append(line)
    return found


def plain(text: str) -> str:
    for pattern, name in OWN:
        text = pattern.sub(name, text)
    return text.rstrip()


def matches(shown: list[str], printed: list[str]) -> bool:
    """`...` stands for any number of lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(matches(shown[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and matches(shown[1:], printed[1:])


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_what_the_page_shows_is_what_is_seen(tmp_path: object) -> None:
    home, clone = str(tmp_path), os.path.join(str(tmp_path), "clone")
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{ROOT}", clone], check=True)
    lines = typed("getting-started.md")
    assert len(lines) > 15
    end = "END-OF-LINE"
    script = "".join(f"{each.line}\necho {end}\n" for each in lines)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PROJ_", "VIRTUAL_ENV"))
    }
    environ = {
        **kept,
        "HOME": home,
        "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
        "XDG_DATA_HOME": f"{home}/data",
    }
    done = subprocess.run(
        ["bash"], input=script, cwd=clone, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )  # fmt: skip
    parts = done.stdout.split(f"{end}\n")
    assert len(parts) == len(lines) + 1
    for each, part in zip(lines, parts, strict=False):
        printed, shown = part.splitlines(), each.shown
        assert matches(list(map(plain, shown)), list(map(plain, printed))), (each.line, part)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        (["a"], ["a", "b"], False),
        (["a", "..."], ["a", "b", "c"], True),
        (["...", "c"], ["a", "b", "c"], True),
        (["a", "...", "d"], ["a", "b", "c"], False),
        ([], [], True),
        ([], ["a"], False),
    ],
)
def test_what_counts_as_the_same(shown: list[str], printed: list[str], same: bool) -> None:
    assert matches(shown, printed) == same
