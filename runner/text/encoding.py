"""Text that UTF-8 cannot write: lone surrogates, which stand for the bytes of a name that is not UTF-8 (PEP 383).

A log keeps them by JSON's own escape, exactly. Whoever reads it gets them `visible`, as `\\xff` or `\\ud800`, so that
what a store says can be written anywhere; what is to be acted on (a file, an argument) is `restored`.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["is_encodable", "restored", "visible", "visible_values"]

CODE = r"x[89a-f][0-9a-f]|ud[89a-f][0-9a-f]{2}"  # what follows the backslash of an escape


def is_encodable(text: str) -> bool:
    """Whether it is UTF-8: it has no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def visible(text: str) -> str:
    """`text` itself if UTF-8 can write it; else its surrogates are escapes, with all backslashes before any twice."""
    if is_encodable(text):
        return text
    return re.sub(rf"(\\*)([\ud800-\udfff])|(\\+)(?={CODE})", _escape, text)


def _escape(found: re.Match[str]) -> str:
    if found[3]:
        return found[3] * 2
    code = ord(found[2])
    return found[1] * 2 + (f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}")


def restored(text: str) -> str:
    """The opposite, exactly, for a text that `visible` had to change."""
    return re.sub(rf"(\\+)({CODE})", _unescape, text) if "\\" in text else text


def _unescape(found: re.Match[str]) -> str:
    before, code = found.groups()
    half, odd = divmod(len(before), 2)
    number = int(code[1:], 16) + (0xDC00 if code[0] == "x" else 0)
    return "\\" * half + (chr(number) if odd else code)


def visible_values(value: object) -> Any:
    """A JSON value whose texts are visible, keys too; itself where nothing has to be changed."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list | tuple):
        return [visible_values(item) for item in value]
    if isinstance(value, dict):
        return {visible(str(key)): visible_values(item) for key, item in value.items()}
    return value
