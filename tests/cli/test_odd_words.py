"""Every command with words that make no sense: an answer, or an error that says what is wrong; never a bug in proj."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Iterator

import pytest

from runner.cli.commands import COMMANDS, load
from runner.cli.options import Command, Group
from tests.cli.records import Program, make_run
from tests.helpers import make_tree

WORDS = (
    "", "a", "r1", "last", "last~99999999999999999999", "best:metrics.m", "best:", "best:-", "-1", "0", "1e999", "nan", "99999999999999999999999",
    "2d", "1h30", "2020-13-45", "x=y", "x=", "=", "=x", "x=nan", "s=\udcff", "\033[31m", "a\nb", "../..", "/dev/null", "/etc/passwd", "/nonexist/x",
    "file:///etc", "postgresql://x", "*", "[", "(", "metrics.m > 1", "metrics.`", "params.a = 'x", "csv", "table,", "name,metrics.m,zzz", "A" * 300, "A" * 5000,
    "5/0", "--", "-", "~", "${HOME}", "é漢字", "1XB", "-5s", "conda", "{}", '{"a":', "FINISHED", "main", ".", "\t", "'", '"',
)  # fmt: skip
# they serve for ever, wait, or become another program
NOT_TRIED = ("server", "ui", "watch", "wait", "cancel", "exec", "shell", "notebook")


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def commands(entry: Command | Group, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Command]]:
    if isinstance(entry, Command):
        if names != ("models", "events"):  # --follow goes on for ever
            yield names, entry
        return
    for name, inner in entry.commands.items():
        yield from commands(inner, (*names, name))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in NOT_TRIED])
def test_no_words_are_a_bug(name: str, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setattr("sys.stdin", io.StringIO("typed\n"))
    make_tree(
        os.getcwd(),
        {
            "MLproject": "entry_points:\n  main: {parameters: {x: {type: float, default: 1}}, command: 'true {x}'}\n"
        },
    )
    for number in range(2):
        make_run(f"r{number}", metrics={"m": [number]}, params={"a": number})
    chance = random.Random(name)
    for names, command in commands(load(name), (name,)):
        for _ in range(12):
            words = list(names)
            for option in command.options:
                if chance.random() > (0.2 if option.names or option.default is not None else 0.8):
                    continue
                word = chance.choice(WORDS)
                if not option.names:
                    words.append(word)
                elif option.kind == "flag":
                    words.append(option.names[0])
                else:
                    words.append(f"{option.names[-1]}={word}" if chance.random() < 0.5 else word)
            if name == "run":
                words.append("--dry-run")
            try:
                done = program(*words)
            except SystemExit:
                continue
            assert "bug in proj" not in done.err, (words, done.err)
            assert done.code in (0, 1, 2, 125), (words, done)
