"""Patterns of paths: what they match is what glob finds, and what cannot be meant is refused."""

from __future__ import annotations

import glob
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from runner.text.globs import matcher, reversed_range
from tests.helpers import make_tree, proj

SIGNS = "abz1]-[!^*?\\&~|#("


@settings(deadline=None, max_examples=500)
@given(st.text(SIGNS, min_size=1, max_size=9), st.text(SIGNS, min_size=1, max_size=5))
@example("o[[]1", "o[1")
@example("[^1]", "^")
@example("[^1]", "2")
@example("[]a]", "]")
@example("[!]a]", "b")
@example("[a-]", "-")
@example("[--a]", "1")
@example("[a-c-z]", "-")
@example("[a&&b]", "&")
def test_one_name_is_matched_as_by_fnmatch(pattern: str, name: str) -> None:
    assume("**" not in pattern and not reversed_range(pattern))
    assert matcher([pattern])(name) == fnmatchcase(name, pattern)


@pytest.mark.parametrize(
    "pattern",
    ["o[[]1.txt", "[^1]", "[!1]", "[!^]", "d/[!x]", "d?a", "d[!x]a", "[d]/a", "*/[a-c]", ".[h]", "[.]h"],
)
def test_paths_are_matched_as_glob_finds_them(
    tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["o[1.txt", "o1.txt", "1", "2", "^", "d/a", "d/^", "e/b", ".h", "dxa"]
    monkeypatch.chdir(make_tree(tmp_path / "here", dict.fromkeys(names, "")))
    found = glob.glob(pattern)
    expected = {each for each in names if any(each == one or each.startswith(f"{one}/") for one in found)}
    assert {each for each in names if matcher([pattern])(each)} == expected


@pytest.mark.parametrize("key", ["inputs", "outputs", "code"])
def test_a_range_of_nothing_is_refused(tmp_path: Path, key: str) -> None:
    text = f'entry_points:\n  main: {{command: echo hello, {key}: ["a.txt", "o[z-a].txt"]}}\n'
    folder = make_tree(tmp_path / "p", {"MLproject": text, "a.txt": "a"})
    for words in (["check"], ["run"], ["run", "--workdir=fresh"]):
        done = proj(*words, folder)
        assert done.code == 2, done.out + done.err
        assert "[z-a] in o[z-a].txt stands for nothing" in done.out + done.err
        assert "Traceback" not in done.err


def test_a_bracket_in_a_set_is_collected_without_a_warning(tmp_path: Path) -> None:
    text = "entry_points: {main: {command: \"touch o1.txt 'o[1.txt'\", outputs: ['o[[]1.txt']}}\n"
    done = proj("run", make_tree(tmp_path / "p", {"MLproject": text}), "--workdir=fresh")
    assert done.code == 0, done.err
    assert "Warning" not in done.err
    assert (tmp_path / "p" / "o[1.txt").exists()
