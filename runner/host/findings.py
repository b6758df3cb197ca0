"""Collects everything that is wrong with a YAML file, each with its place."""

from __future__ import annotations

from collections.abc import Iterable

from runner.errors import Fault
from runner.host.yamltext import Entry

__all__ = ["Findings", "kind", "text", "texts"]
MOST = 300  # characters of a message


class Findings:
    """`strict`: what MLflow lets pass, although it cannot be meant, is an error too (`proj check`)."""

    def __init__(self, file: str, strict: bool = False) -> None:
        self.file = file
        self.strict = strict
        self.faults: list[Fault] = []
        self.misspelt: list[Fault] = []  # those of them that are keys
        self.refused: list[Fault] = []  # those that nothing can be run with

    def error(
        self, entry: Entry, message: str, hint: str = "", severity: str = "error", value: bool = True
    ) -> Fault:
        """At the place of the entry's value, or without `value` of its key."""
        line, column = (entry.value_line, entry.value_column) if value else (entry.line, entry.column)
        fault = Fault(self.file, line, column, _cut(message), _cut(hint), severity)
        self.faults.append(fault)
        return fault

    def warn(self, entry: Entry, message: str, hint: str = "", value: bool = True) -> Fault:
        return self.error(entry, message, hint, "warning", value)

    def doubt(self, entry: Entry, message: str, hint: str = "", value: bool = True) -> Fault:
        """A mistake that does not keep MLflow from running the project."""
        return self.error(entry, message, hint, "error" if self.strict else "warning", value)

    def refuse(self, entry: Entry, message: str, hint: str = "", value: bool = True) -> Fault:
        """A mistake in what MLflow does not look at: the project loads, but what it is a part of is not run."""
        fault = self.doubt(entry, message, hint, value)
        self.refused.append(fault)
        return fault

    def unknown(self, entry: Entry, what: str, known: Iterable[str]) -> list[Fault]:
        """The keys that nobody knows: one close to a known key is a mistake, others are for other tools."""
        from difflib import get_close_matches

        found = []
        names = list(known)
        given = {child.key for child in entry.children or ()}
        for child in entry.children or ():
            if child.key in names:
                continue
            word, colon, rest = child.key.partition("=" if "=" in child.key else ":")
            word = word.strip()
            if colon and word in names and child.value is None:
                lacking = "a colon, not =" if colon == "=" else "a space after the colon"
                hint = f"write {lacking}: `{word}: {rest.strip()}`"
                found.append(self.doubt(child, f"{child.key!r} is no key of {what}", hint, value=False))
                continue
            word = child.key.lower().strip()
            left = [name for name in names if name not in given]
            close = get_close_matches(word, left, 1, 0.75)
            close = close or [name for name in left if sorted(name) == sorted(word)]  # mni
            if close:
                text = f"{child.key!r} is no key of {what}"
                found.append(self.doubt(child, text, f"did you mean {close[0]!r}?", value=False))
            else:
                self.warn(child, f"{child.key!r} is no key of {what}; it is ignored", value=False)
        self.misspelt += found
        return found


def _cut(message: str) -> str:
    """It may quote a value of any length; and the file may be a link to anything, which nobody wants in a log."""
    return message if len(message) <= MOST else f"{message[: MOST - 60]} ... {message[-50:]}"


def kind(entry: Entry) -> str:
    """What a value is, in words."""
    if entry.children is not None:
        return "a mapping"
    if entry.items is not None:
        return "a list"
    if entry.value is None:
        return "empty"
    if isinstance(entry.value, bool):
        return f"{entry.text!r} (true or false)"
    return f"the {'text' if isinstance(entry.value, str) else 'number'} {entry.text!r}"


def text(entry: Entry | None, findings: Findings) -> str:
    """A plain text; "" with a finding where a list or a mapping stands."""
    if entry is None or entry.value is None:
        return ""
    if entry.children is not None or entry.items is not None:
        findings.doubt(entry, f"{entry.key} is a text, not {kind(entry)}")
        return ""
    return entry.text


def texts(entry: Entry | None, findings: Findings) -> tuple[str, ...]:
    """A list of texts; a single one is taken for a list of one."""
    if entry is None or entry.value is None:
        return ()
    items = entry.items if entry.items is not None else (entry,)
    if entry.children is not None or any(
        item.items is not None or item.children is not None for item in items
    ):
        findings.doubt(entry, f"{entry.key} is a list of texts, not {kind(entry)}")
        return ()
    return tuple(item.text for item in items)
