"""Contents as trees of exact leaves, compared leaf by leaf: the one rule of sameness for files and metrics alike.

A tree is made of dicts and lists, of the nodes below, and of leaves, which are any other values. Nothing is left
out of a comparison but `Ignored` leaves and what `wording` masks in texts, both by name.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from math import prod
from reprlib import recursive_repr
from typing import Any

from runner.reproduction.verdict import wording
from runner.reproduction.verdict.wording import Circumstances
from runner.typed import NamedTuple

__all__ = [
    "ABSENT", "Array", "Cells", "Difference", "Ignored", "Item", "Number", "Packed", "Rows", "Text", "Time", "Walk",
]  # fmt: skip

BLOCK = 1 << 16  # bytes of arrays that are skipped at once when they are equal
PIECE = 64  # bytes of unknown content that make one leaf of several repetitions
PADDING = "padding between the fields of an array"
PROCESS_KEYS = ("pid", "ppid", "process_id")
SETS = ("set", "frozenset")  # their order is that of hashes
IMMUTABLE = ("tuple", "frozenset")  # whether two of these are one object makes no difference
Path = tuple[Any, ...]  # (path of the parent, key or index); () at the top


class Number(NamedTuple):
    """As it was written: `1` is not `1.0`, and 2**53 + 1 is not rounded."""

    text: str


class Time(NamedTuple):
    """A date or a time of day in a text."""

    text: str


class Text(NamedTuple):
    """Text without types: what looks like a number in it is one."""

    text: str


class Cells(NamedTuple):
    """A row of a table of text."""

    texts: list[str]


class Rows(NamedTuple):
    """A list whose items have a name: line 3, row 7."""

    label: str
    items: Sequence[Any]


class Ignored(NamedTuple):
    """A leaf that may differ, under the name by which the documentation lists it."""

    name: str
    value: object


class Packed(NamedTuple):
    """Content that is unpacked only where its bytes differ."""

    data: bytes
    unpack: Callable[[], Any]


class Array(NamedTuple):
    """Equal items in a row, as NumPy has them. Fields: (name, offset in an item, format of `struct`)."""

    shape: tuple[int, ...]
    order: str  # C or F
    size: int  # bytes of an item
    fields: tuple[tuple[str, int, str], ...]
    data: bytes
    scale: float = 1  # what a value is divided by


class Item:
    """An object of a pickle: its identity counts, and it may hold itself."""

    __slots__ = ("kind", "parts")

    def __init__(self, kind: str, parts: list[Any]) -> None:
        self.kind = kind
        self.parts = parts

    @recursive_repr()
    def __repr__(self) -> str:
        parts = sorted(map(repr, self.parts)) if self.kind in SETS else self.parts
        return f"{self.kind}{parts}"


class Absent:
    def __repr__(self) -> str:
        return "nothing"


ABSENT = Absent()


class Difference(NamedTuple):
    """A leaf that is not the same in all trees."""

    path: Path
    values: tuple[Any, ...]  # the recorded one first

    @property
    def where(self) -> str:
        """Such as `a.b[3]`, `row 7 column 2`."""
        found, path = "", self.path
        while path:
            path, key = path
            step = f"[{key}]" if isinstance(key, int) else key if key[:1] in (" ", "") else f".{key}"
            found = step + found
        return found.strip(" .")


class Walk:
    """One comparison of several trees; afterwards, `ignored` names what differed and did not count."""

    def __init__(self, places: Sequence[Circumstances]) -> None:
        self.ignored: set[str] = set()
        self._places = places
        self._seen: set[tuple[int, ...]] = set()
        self._known: list[dict[int, tuple[int, tuple[int, ...]]]] = [{} for _ in places]  # objects

    def differences(self, nodes: Sequence[Any], path: Path = ()) -> Iterator[Difference]:
        """Of values of several files at one place of their trees, `path`; types that differ are one difference."""
        first = nodes[0]
        kind = type(first)
        if any(type(each) is not kind for each in nodes):
            yield Difference(path, tuple(nodes))
            return
        walk = WALKS.get(kind)
        if walk is not None:
            yield from walk(self, nodes, path)
        elif (kind is float or any(each != first for each in nodes)) and len({*map(repr, nodes)}) > 1:
            yield from self._leaf(nodes, path)  # by repr: NaN is NaN, and 0.0 is not -0.0

    def _leaf(self, nodes: Sequence[Any], path: Path) -> Iterator[Difference]:
        named = bool(path) and str(path[1]).lower() in PROCESS_KEYS
        texts = [each.text if isinstance(each, Number) else str(each) for each in nodes]
        numeric = type(nodes[0]) in (int, Number) and all(each.isdigit() and len(each) < 11 for each in texts)
        if numeric and all(
            map(Circumstances.is_process, self._places, map(int, texts), [named] * len(nodes))
        ):
            self.ignored.add(wording.PID)
        else:
            yield Difference(path, tuple(nodes))

    def _dict(self, nodes: Sequence[dict[Any, Any]], path: Path) -> Iterator[Difference]:
        for key in dict.fromkeys(key for each in nodes for key in each):
            yield from self.differences([each.get(key, ABSENT) for each in nodes], (path, key))

    def _list(self, nodes: Sequence[Sequence[Any]], path: Path, label: str = "") -> Iterator[Difference]:
        for index, values in enumerate(zip(*nodes, strict=False)):
            if type(values[0]) in PLAIN and values.count(values[0]) == len(values):
                continue
            yield from self.differences(values, (path, f" {label} {index + 1}" if label else index))
        yield from self._lengths(nodes, path, label or "item")

    def _lengths(self, nodes: Sequence[Sequence[Any]], path: Path, label: str) -> Iterator[Difference]:
        if len(set(map(len, nodes))) > 1:
            yield Difference(path, tuple(f"{len(each)} {label}s" for each in nodes))

    def _rows(self, nodes: Sequence[Rows], path: Path) -> Iterator[Difference]:
        yield from self._list([each.items for each in nodes], path, nodes[0].label)

    def _ignored(self, nodes: Sequence[Ignored], path: Path) -> Iterator[Difference]:  # noqa: ARG002
        if any(each.value != nodes[0].value for each in nodes):
            self.ignored.add(nodes[0].name)
        return iter(())

    def _packed(self, nodes: Sequence[Packed], path: Path) -> Iterator[Difference]:
        if any(each.data != nodes[0].data for each in nodes):
            yield from self.differences([each.unpack() for each in nodes], path)

    # ---- text ------------------------------------------------------------------------------------------------

    def _text(self, nodes: Sequence[Text], path: Path) -> Iterator[Difference]:
        texts = [each.text for each in nodes]
        if texts.count(texts[0]) == len(texts):
            return
        if any("\n" in text for text in texts):
            yield from self._texts([text.split("\n") for text in texts], path, "line")
        else:
            yield from self._words(texts, path, Number)

    def _cells(self, nodes: Sequence[Cells], path: Path) -> Iterator[Difference]:
        yield from self._texts([each.texts for each in nodes], path, "column")

    def _texts(self, nodes: Sequence[list[str]], path: Path, label: str) -> Iterator[Difference]:
        for index, texts in enumerate(zip(*nodes, strict=False), 1):
            if texts.count(texts[0]) < len(texts):
                yield from self._text([*map(Text, texts)], (path, f" {label} {index}"))
        yield from self._lengths(nodes, path, label)

    def _string(self, nodes: Sequence[str], path: Path) -> Iterator[Difference]:
        yield from self._words(nodes, path, str)

    def _words(self, texts: Sequence[str], path: Path, number: Callable[[str], Any]) -> Iterator[Difference]:
        """Word by word where there are equally many: what varies in a line does not excuse the rest of it."""
        if texts.count(texts[0]) == len(texts):
            return
        masked, names = wording.plain(texts, self._places)
        self.ignored |= names
        if masked.count(masked[0]) == len(masked):
            return
        split = [wording.tokens(each) for each in masked]
        if any(between != split[0][0] for between, _ in split):
            yield from self._shifted(masked, texts, path)
            return
        for words in zip(*(words for _, words in split), strict=True):
            if words.count(words[0]) < len(words):
                makers = {"time": Time, "number": number}
                yield Difference(path, tuple(makers.get(kind, str)(word) for kind, word in words))

    def _shifted(self, masked: Sequence[str], texts: Sequence[str], path: Path) -> Iterator[Difference]:
        """Of texts with other words: what begins and ends all repetitions is a leaf by itself, and the rest is one."""
        old, *new = masked
        if len(new) > 1:
            start, end = _common(new), _common([text[::-1] for text in new])
            start, end = _before_repeats(start), _before_repeats(end)
            if not old.startswith(start):
                yield Difference((path, " beginning"), (old[: len(start)], *[start] * len(new)))
            if not old.endswith(end[::-1]):
                yield Difference((path, " end"), (old[-len(end) :], *[end[::-1]] * len(new)))
        yield Difference(path, tuple(texts))

    # ---- bytes and arrays --------------------------------------------------------------------------------------

    def _bytes(self, nodes: Sequence[bytes], path: Path) -> Iterator[Difference]:
        if len(set(nodes)) == 1:
            return
        if len(nodes) == 2 or len(set(map(len, nodes))) > 1:
            yield Difference(path, tuple(nodes))
            return
        for at in range(0, len(nodes[0]), PIECE):
            pieces = tuple(each[at : at + PIECE] for each in nodes)
            if len(set(pieces)) > 1:
                yield Difference((path, f" byte {at + 1}"), pieces)

    def _array(self, nodes: Sequence[Array], path: Path) -> Iterator[Difference]:
        first = nodes[0]
        if any(each._replace(data=b"") != first._replace(data=b"") for each in nodes):
            yield Difference(path, tuple(_shape(each) for each in nodes))
            return
        size, total = first.size, prod(first.shape) * first.size
        step = max(1, BLOCK // max(1, size)) * size
        for start in range(0, total, step or 1):
            blocks = [each.data[start : min(start + step, total)] for each in nodes]
            if blocks.count(blocks[0]) < len(blocks):
                for at in range(0, len(blocks[0]), size):
                    items = [block[at : at + size] for block in blocks]
                    if items.count(items[0]) < len(items):
                        yield from self._fields(first, items, (path, (start + at) // size))
        yield from self._bytes([each.data[total:] for each in nodes], path)

    def _fields(self, kind: Array, items: Sequence[bytes], path: Path) -> Iterator[Difference]:
        found = False
        for name, offset, code in kind.fields:
            raw = {item[offset : offset + struct.calcsize(code)] for item in items}
            if len(raw) > 1:
                found = True
                values = [struct.unpack_from(code, item, offset)[0] for item in items]
                if kind.scale != 1:
                    values = [value / kind.scale for value in values]
                yield Difference((path, name) if name else path, tuple(values))
        if not found:
            self.ignored.add(PADDING)

    # ---- objects of pickles ------------------------------------------------------------------------------------

    def _item(self, nodes: Sequence[Item], path: Path) -> Iterator[Difference]:
        """By structure: what is one object in one tree has to be one object in the others."""
        first, ids = nodes[0], tuple(map(id, nodes))
        if any(each.kind != first.kind for each in nodes):
            yield Difference(path, tuple(nodes))
            return
        if first.kind not in IMMUTABLE:
            found = [
                known.setdefault(one, (len(known), ids)) for known, one in zip(self._known, ids, strict=True)
            ]
            if any(partners != ids for _, partners in found):
                yield Difference(path, tuple(f"object {number + 1} of the file" for number, _ in found))
                return
        if ids in self._seen:
            return
        self._seen.add(ids)
        parts = [each.parts for each in nodes]
        if first.kind in SETS:
            parts = [sorted(each, key=repr) for each in parts]
        if first.kind == "dict":
            for index in range(0, min(map(len, parts)), 2):
                keys, values = [each[index] for each in parts], [each[index + 1] for each in parts]
                yield from self.differences(keys, (path, "key"))
                name = keys[0] if isinstance(keys[0], (str, int)) else repr(keys[0])
                yield from self.differences(values, (path, name))
            if len(set(map(len, parts))) > 1:
                yield Difference(path, tuple(f"{len(each) // 2} entries" for each in parts))
        else:
            yield from self._list(parts, path)


PLAIN = (str, bytes, Number, Text, Cells)  # equal ones are the same: no number of Python is in them
WALKS: dict[type, Callable[[Walk, Any, Path], Iterator[Difference]]] = {
    dict: Walk._dict,
    list: Walk._list,
    tuple: Walk._list,
    Rows: Walk._rows,
    Ignored: Walk._ignored,
    Packed: Walk._packed,
    Text: Walk._text,
    Cells: Walk._cells,
    str: Walk._string,
    bytes: Walk._bytes,
    Array: Walk._array,
    Item: Walk._item,
}


def _common(texts: Sequence[str]) -> str:
    """How all of them begin, to the end of a word."""
    low, high = min(texts), max(texts)
    count = next((at for at, (one, two) in enumerate(zip(low, high, strict=False)) if one != two), len(low))
    while count and low[count - 1].isalnum():
        count -= 1
    return low[:count]


def _before_repeats(text: str) -> str:
    """Without one word over and over at its end: how often it is there may be what varies."""
    *words, _ = text.split(" ")
    if len(words) < 2 or words[-1] != words[-2]:
        return text
    word = words[-1]
    while words and words[-1] == word:
        words.pop()
    return " ".join([*words, ""])


def _shape(array: Array) -> str:
    return f"{'+'.join(code for _, _, code in array.fields)}{list(array.shape)}{array.order}"
