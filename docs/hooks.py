"""Fills reference/commands.md with the help of every command, so that it cannot differ from the program."""

from __future__ import annotations

import subprocess
import sys
from typing import Any


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    if page.file.src_uri != "reference/commands.md":
        return markdown
    from runner.cli.commands import COMMANDS

    parts = [markdown]
    for name in COMMANDS:
        parts.append(f"## proj {name}\n\n```text\n{_help(name)}```\n")
        for inner in _subcommands(name):
            parts.append(f"### proj {name} {inner}\n\n```text\n{_help(name, inner)}```\n")
    return "\n".join(parts)


def _help(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "runner", *words, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=_environment(),
    )
    return done.stdout.strip() + "\n"


def _subcommands(name: str) -> list[str]:
    lines = _help(name).partition("\nCommands:\n")[2].splitlines()
    return [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")]


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
