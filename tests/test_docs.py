"""The documents: every command line in them is one that the program accepts, every page is built without a warning."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import Any

import pytest

from runner.cli.application import application
from runner.cli.commands import COMMANDS

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINE = re.compile(r"^\s*(?:\$ |- run: |- |[A-Z_]+=\S+ )*(proj +(?!:).*)$")


def documents() -> list[str]:
    found = [os.path.join(ROOT, name) for name in ("README.md", "CONTRIBUTING.md")]
    for folder in ("docs", "examples", "templates"):
        for place, _, names in os.walk(os.path.join(ROOT, folder)):
            found += [os.path.join(place, name) for name in names if name.endswith((".md", ".md.jinja"))]
    return found


def command_lines() -> list[tuple[str, str]]:
    """(file:line, command line) of every fenced block."""
    found = []
    for path in documents():
        fenced = False
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.lstrip().startswith("```"):
                    fenced = not fenced
                    continue
                match = LINE.match(line)
                if fenced and match:
                    # what follows a comment, a pipe, a redirection or && is the shell's
                    text = re.split(r"\s+(?:#|\||>|&&|;)(?:\s|$)", match[1].replace("   #", " # "))[0]
                    found.append((f"{os.path.relpath(path, ROOT)}:{number}", text.rstrip().rstrip(";")))
    return found


def accepted(words: list[str]) -> None:
    """Reads the words as the program would, down to the subcommand, without doing anything."""
    command: Any = application()
    context = command.make_context("proj", [], resilient_parsing=True)
    while words and not words[0].startswith("-") and hasattr(command, "get_command"):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name}"
        command, context = found, None
        if hasattr(command, "get_command"):
            context = command.make_context(name, [], parent=context, resilient_parsing=True)
    if words and words[0] in ("--version", "--help", "--install-completion"):
        return
    if "--" in words:
        words = words[: words.index("--")]
    if hasattr(command, "get_command"):
        return  # a group with a command of its own when none is named
    command.make_context("proj", words)


def test_there_are_command_lines() -> None:
    assert len(command_lines()) > 60
    assert {text.split()[1] for _, text in command_lines()} >= {
        "run",
        "runs",
        "show",
        "reproduce",
        "env",
        "new",
    }


@pytest.mark.parametrize(("place", "text"), [pytest.param(*each, id=each[0]) for each in command_lines()])
def test_every_command_line_is_accepted(place: str, text: str) -> None:
    text = re.sub(r"\$\{\{.*?\}\}", "X", text)  # GitHub's own placeholders
    accepted(shlex.split(text.replace("[", "").replace("]", "").replace("|", " "))[1:])


def test_every_command_is_described() -> None:
    text = ""
    for path in documents():
        with open(path, encoding="utf-8") as file:
            text += file.read()
    assert [name for name in COMMANDS if f"proj {name}" not in text] == []


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: object) -> None:
    words = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-q",
        "-f",
        os.path.join(ROOT, "mkdocs.yml"),
    ]
    done = subprocess.run(
        [*words, "-d", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with open(os.path.join(str(tmp_path), "reference", "commands", "index.html"), encoding="utf-8") as file:
        assert "--experiment-name" in file.read()
