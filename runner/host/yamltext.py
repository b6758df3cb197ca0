"""YAML read with the place of every key and value, and with all that can go wrong told in plain words."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.errors import Fault, InputError, ProjectError
from runner.values import Json, JsonObject

if TYPE_CHECKING:
    import yaml

__all__ = ["Entry", "Text", "load_entries", "read", "rewritten"]

LARGEST = 4_000_000  # bytes
DEEPEST = 60
MOST = 100_000  # values, with what aliases repeat: a few lines can stand for more than memory holds

# what the YAML library says -> what it means to the author of a file
MEANINGS = (
    ("a tab", "a tab cannot indent a line or begin a value", "use spaces"),
    (
        "mapping values are not allowed",
        "there is a `: ` where none is expected",
        "a value with `: ` in it needs quotes; see the line before too",
    ),
    (
        "could not find expected ':'",
        "this line is no `key: value`",
        "add the colon, or indent a text that goes on",
    ),
    (
        "did not find expected key",
        "this line does not fit to the lines before it",
        "check its indentation, and the quotes before it",
    ),
    (
        "did not find expected '-' indicator",
        "this line does not fit to the list before it",
        "check its indentation",
    ),
    ("found unexpected end of stream", "a quote is opened and never closed", "close it"),
    (
        "found undefined alias",
        "an alias of nothing that the file defines",
        "a value that begins with * needs quotes",
    ),
    (
        "found unknown escape character",
        "a backslash sequence that YAML does not know",
        "in single quotes a backslash is itself",
    ),
    ("cannot start any token", "a value cannot begin with this character", "put quotes around the value"),
    (
        "did not find expected node content",
        "a value is expected",
        "is a bracket not closed, or a comma too many?",
    ),
    ("another document", "the file has more than one document", "remove the line `---`"),
    (
        "could not determine a constructor",
        "a tag that nobody knows",
        "a value that begins with ! needs quotes",
    ),
    ("characters are not allowed", "there is a control character in the file", "is it a text file?"),
    (
        "did not find expected ',' or '}'",
        "a `{` is opened and not closed as expected",
        "check the commas; a value with { or } in it needs quotes",
    ),
    ("did not find expected ',' or ']'", "a `[` is opened and not closed as expected", "check the commas"),
)


class Entry(NamedTuple):
    """A key and its value, with their places. `key` is the text of the file: `on` stays "on"."""

    key: str
    value: Any
    line: int
    column: int
    value_line: int
    value_column: int
    children: tuple[Entry, ...] | None  # of a mapping
    items: tuple[Entry, ...] | None  # of a list, with empty keys
    text: str  # of a scalar, as written
    quoted: bool


class Text(NamedTuple):
    """A YAML file. `root` is None for an empty one."""

    file: str
    text: str
    root: Entry | None
    faults: list[Fault]  # warnings


def load_entries(path: str) -> tuple[tuple[Entry, ...], list[Fault]]:
    """The entries of a YAML or JSON file that holds one mapping, and warnings; those of JSON have no place."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if path.endswith(".json"):  # which may be indented with tabs, unlike YAML
        found = _json_mapping(path, data)
        return tuple(
            Entry(name, value, 0, 0, 0, 0, None, None, str(value), True) for name, value in found.items()
        ), []
    document = read(os.path.basename(path), data)
    root = document.root
    if root is not None and root.children is None and root.value is not None:
        raise InputError(f"{path}: a mapping is expected (name: value)")
    return (root.children or () if root else ()), document.faults


def rewritten(entry: Entry, texts_only: bool = False) -> str:
    """What YAML makes of a plain scalar that somebody may have meant as it is written: `no`, `3.10`, `010`; or "".

    `texts_only`: the value is used as a text, so that each difference counts; otherwise those of whole numbers do.
    """
    if entry.quoted or not entry.text or entry.children is not None or entry.items is not None:
        return ""
    if str(entry.value) == entry.text or entry.value is None:
        return ""
    if isinstance(entry.value, int) and not isinstance(entry.value, bool):
        if ":" in entry.text:
            return f"YAML reads {entry.text} as {entry.value} (base 60)"
        if entry.text.lstrip("+-")[:1] == "0":
            return f"YAML reads {entry.text} as {entry.value} (base {8 if entry.text.lstrip('+-')[1:2] != 'x' else 16})"
    return f"YAML reads {entry.text} as {entry.value}" if texts_only else ""


def _json_mapping(path: str, data: bytes) -> dict[str, Json]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: a mapping is expected ({{name: value}})")
    return value


def read(name: str, data: bytes) -> Text:
    """ProjectError when it is not YAML."""
    import yaml

    if len(data) > LARGEST:
        raise ProjectError([Fault(name, 0, 0, f"is larger than {LARGEST // 1_000_000} MB")])
    text, faults = _decode(name, data)
    parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_depth(name, yaml.parse(text, Loader=parser))
        loader = parser(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return Text(name, text, None, faults)
            reader = _Reader(name, loader, faults)
            return Text(name, text, reader.entry(None, node), faults)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise ProjectError([_fault(name, text, error)]) from None
    except RecursionError:
        raise ProjectError([Fault(name, 0, 0, "contains itself through an alias")]) from None


def _decode(name: str, data: bytes) -> tuple[str, list[Fault]]:
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace"), []
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        what = f"the byte 0x{data[error.start]:02x} is not UTF-8; the file is read as Windows-1252 (Latin-1)"
        return data.decode("cp1252", "replace"), [
            Fault(name, line, column, what, "save it as UTF-8", "warning")
        ]


def _check_depth(name: str, events: Iterable[Any]) -> None:
    """Before anything recursive is done with the text."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        if kind.endswith("StartEvent"):
            depth += 1
            if depth > DEEPEST:
                mark = event.start_mark
                raise ProjectError([Fault(name, mark.line + 1, mark.column + 1, "is nested too deeply")])
        elif kind.endswith("EndEvent"):
            depth -= 1


def _fault(name: str, text: str, error: yaml.YAMLError) -> Fault:
    said = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    mark = getattr(error, "problem_mark", None)
    if "cannot start any token" in said and mark is not None and _at(text, mark) == "\t":
        said = "a tab"
    message, hint = next(((what, hint) for problem, what, hint in MEANINGS if problem in said), (said, ""))
    if said.startswith("found unexpected end of stream"):
        mark = getattr(error, "context_mark", None) or mark  # where the quote is opened
    if mark is not None:
        return Fault(name, mark.line + 1, mark.column + 1, message, hint)
    position = getattr(error, "position", None)
    before = text[:position] if isinstance(position, int) else ""
    line = before.count("\n") + 1 if before else 0
    return Fault(name, line, len(before.rpartition("\n")[2]) + 1, message, hint)


def _at(text: str, mark: yaml.Mark) -> str:
    lines = text.split("\n")
    return lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""


class _Reader:
    """Turns the nodes of the YAML library into entries."""

    def __init__(self, name: str, loader: Any, faults: list[Fault]) -> None:
        self.name = name
        self.loader = loader
        self.faults = faults
        self.count = 0
        self.open: set[int] = set()
        self.told: set[int] = set()

    def entry(self, key: Any, node: Any) -> Entry:
        self.count += 1
        if self.count > MOST:
            raise ProjectError(
                [Fault(self.name, 0, 0, f"has more than {MOST} values (its aliases counted out)")]
            )
        if id(node) in self.open:
            raise RecursionError
        self.open.add(id(node))
        children = items = None
        value: Json = None
        text = ""
        if hasattr(node, "value") and node.id == "mapping":
            children = self.mapping(node)
            value = {child.key: child.value for child in children}
        elif node.id == "sequence":
            items = tuple(self.entry(None, item) for item in node.value)
            value = [item.value for item in items]
        else:
            text = node.value
            value = self.scalar(node)
        self.open.discard(id(node))
        at = (key or node).start_mark
        return Entry(
            key=_key(key),
            value=value,
            line=at.line + 1,
            column=at.column + 1,
            value_line=node.start_mark.line + 1,
            value_column=node.start_mark.column + 1,
            children=children,
            items=items,
            text=text,
            quoted=getattr(node, "style", None) in ("'", '"'),
        )

    def mapping(self, node: Any) -> tuple[Entry, ...]:
        if id(node) not in self.told:
            self.told.add(id(node))
            seen: JsonObject = {}
            for key, _ in node.value:
                text = _key(key)
                if text in seen and text != "<<":
                    mark, first = key.start_mark, seen[text].start_mark.line + 1
                    what = f"the key {text!r} is already in line {first}; this later one is used"
                    self.faults.append(Fault(self.name, mark.line + 1, mark.column + 1, what, "", "warning"))
                seen[text] = key
            self.loader.flatten_mapping(node)  # `<<: *other`
        last = {_key(key): self.entry(key, value) for key, value in node.value}
        return tuple(last.values())

    def scalar(self, node: Any) -> Json:
        try:
            value = self.loader.construct_object(node, deep=True)
        except (ValueError, LookupError, TypeError):  # !!int "a", or a date such as 2024-13-45
            value = node.value
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return str(value)  # a date


def _key(node: Any) -> str:
    if node is None:
        return ""
    return node.value if isinstance(node.value, str) else str(node.start_mark.line + 1)
