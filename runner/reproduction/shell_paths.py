"""A folder in a shell command exchanged for another, whatever quotes stand around it."""

from __future__ import annotations

import re
import shlex

from runner.typed import NamedTuple

__all__ = ["exchange"]

SAFE = re.compile(r"[\w@%+=:,./-]*", re.ASCII)  # means the same in quotes and out of them
ESCAPED = '"$`\\'  # by a backslash in double quotes


class Character(NamedTuple):
    """One that the shell gives to the program."""

    start: int  # where it begins in the command
    end: int
    quote: str  # ', " or "" around it


def exchange(command: str, old: str, new: str) -> str:
    """Every path in `old` is made one in `new`: `'/it'"'"'s/here'` too, and quoted where `new` needs it."""
    characters, text = _read(command)
    found, done = [], 0
    for match in re.finditer(re.escape(old) + r"(?=$|[^\w.-])", text):
        first, last = characters[match.start()], characters[match.end() - 1]
        found.append(command[done : first.start])
        if first.quote == last.quote and SAFE.fullmatch(new):
            found.append(new)
        else:  # out of the quotes, and into them again
            found.append(f"{first.quote}{shlex.quote(new)}{last.quote}")
        done = last.end
    return "".join((*found, command[done:]))


def _read(command: str) -> tuple[list[Character], str]:
    characters, text = [], []
    quote, at = "", 0
    while at < len(command):
        letter, width = command[at], 1
        if quote == letter or (not quote and letter in "'\""):
            quote = "" if quote else letter
            at += 1
            continue
        following = command[at + 1 : at + 2]
        if letter == "\\" and following and (not quote or (quote == '"' and following in ESCAPED)):
            letter, width = following, 2
        characters.append(Character(at, at + width, quote))
        text.append(letter)
        at += width
    return characters, "".join(text)
