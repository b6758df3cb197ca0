"""Pickles, also those of joblib, read into trees: their instructions are followed, nothing in them is ever run.

Instructions: pickletools of the standard library. Calls are kept as calls; NumPy's arrays are taken out of theirs.
joblib (numpy_pickle.NumpyArrayWrapper) puts the bytes of an array right behind the object that describes it.
"""

from __future__ import annotations

import pickle
import pickletools
from io import BytesIO
from math import prod
from typing import Any, NamedTuple

from runner.reproduction.verdict.arrays import Fields, simple
from runner.reproduction.verdict.leaves import Array, Ignored, Item, Rows
from runner.values import JsonObject

__all__ = ["PLACING", "PROTOCOL", "Global", "read"]

PROTOCOL = "the protocol of a pickle"
VALUES = (
    "INT",
    "LONG",
    "FLOAT",
    "UNICODE",
    "BININT",
    "BINFLOAT",
    "BINUNICODE",
    "BINBYTES",
)  # and their sizes
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_LIST": "list", "EMPTY_TUPLE": "tuple", "EMPTY_DICT": "dict", "EMPTY_SET": "set"}
MARKED = {"LIST": "list", "TUPLE": "tuple", "DICT": "dict", "FROZENSET": "frozenset"}
WRAPPER = "NumpyArrayWrapper"
PLACED = ("allow_mmap", "numpy_array_alignment_bytes")  # are others in a file that is compressed
PLACING = "how joblib places an array in its file"


class Global(NamedTuple):
    """A class or function, by name."""

    module: str
    name: str


class Text2(NamedTuple):
    """A str of Python 2, which is bytes."""

    text: str


def read(data: bytes, *_: object) -> Rows:
    """All pickles of a file, one after the other. ValueError for what is none."""
    stream, found = BytesIO(data), []
    while stream.tell() < len(data):
        found.append(_Machine(stream).run())
    return Rows("object", found)


class _Machine:
    """Stack and memo of an unpickler, for one pickle."""

    def __init__(self, stream: BytesIO) -> None:
        self._stream = stream
        self._frame = 0  # where the frame ends that the instructions are in
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._protocol = 0

    def run(self) -> JsonObject:
        try:
            for operation, argument, _ in pickletools.genops(self._stream):
                if self._frame and self._stream.tell() >= self._frame:
                    self._end_frame()
                self._do(operation.name, argument)
            self._end_frame()
        except (IndexError, KeyError, AttributeError, TypeError, UnicodeError) as error:
            raise ValueError(f"no pickle: {error!r}") from None
        (result,) = self._stack
        return {"": result, "protocol": Ignored(PROTOCOL, self._protocol)}

    def _end_frame(self) -> None:
        """A reader takes as much at once as a frame says: it has to end where an instruction does."""
        if self._frame not in (0, self._stream.tell()):
            raise ValueError("a frame is too long or too short")
        self._frame = 0

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name.rstrip("0123456789").removeprefix("SHORT_") in VALUES:
            stack.append(argument)
        elif name.endswith("STRING"):
            stack.append(Text2(argument))
        elif name in EMPTY:
            stack.append(Item(EMPTY[name], []))
        elif name in MARKED:
            stack.append(Item(MARKED[name], self._marked()))
        elif name.startswith("TUPLE"):
            stack.append(Item("tuple", self._pop(int(name[5:]))))
        elif name == "MARK":
            self._marks.append(len(stack))
        elif name == "POP":
            self._marked() if self._marks and self._marks[-1] == len(stack) else stack.pop()
        elif name == "POP_MARK":
            self._marked()
        elif name == "DUP":
            stack.append(stack[-1])
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name.endswith("PUT"):
            self._memo[argument] = stack[-1]
        elif name.endswith("GET"):
            stack.append(self._memo[argument])
        elif name == "PROTO" and argument <= pickle.HIGHEST_PROTOCOL:
            self._protocol = argument
        elif name == "FRAME":
            self._end_frame()
            self._frame = self._stream.tell() + argument
        elif name != "STOP":
            self._build(name, argument)

    def _build(self, name: str, argument: Any) -> None:
        """Instructions that make objects, or put something into them."""
        stack = self._stack
        if name in ("APPEND", "SETITEM"):
            items = self._pop(1 if name == "APPEND" else 2)
            self._fill(stack[-1], name, items)
        elif name in ("APPENDS", "SETITEMS", "ADDITEMS"):
            items = self._marked()
            self._fill(stack[-1], name.rstrip("S"), items)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            names = argument.split(" ", 1) if name == "GLOBAL" else self._pop(2)
            stack.append(Global(*names))
        elif name == "BYTEARRAY8":
            stack.append(Item("bytearray", [bytes(argument)]))
        elif name in ("REDUCE", "NEWOBJ", "NEWOBJ_EX"):
            stack.append(_call(Item(name, self._pop(3 if name == "NEWOBJ_EX" else 2))))
        elif name == "OBJ":
            stack.append(Item(name, self._marked()))
        elif name == "INST":
            stack.append(Item(name, [Global(*argument.split(" ", 1)), *self._marked()]))
        elif name == "BUILD":
            state = stack.pop()
            stack[-1].parts += ["state", state]
            self._built(stack[-1], state)
        elif name == "BINPERSID":
            stack.append(Item("persistent", self._pop(1)))
        elif name in ("PERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"):
            stack.append(Item(name, [argument]))
        else:
            raise ValueError(f"{name} {argument} is not allowed here")

    def _fill(self, target: Item, name: str, items: list[Any]) -> None:
        """Of a list, dict or set, or of an object that behaves like one."""
        if target.kind not in ("list", "dict", "set"):
            items = [part for item in items for part in (name, item)]
        target.parts += items

    def _built(self, item: Item, state: Any) -> None:
        function = item.parts[0]
        if isinstance(function, Global) and function.name == WRAPPER:
            facts = dict(zip(state.parts[::2], state.parts[1::2], strict=True))
            item.parts.append(self._wrapped(facts))
            state.parts[1::2] = [
                Ignored(PLACING, value) if name in PLACED else value for name, value in facts.items()
            ]
        elif _is(function, "numpy", "_reconstruct"):
            version, shape, dtype, fortran, data = state.parts
            found = _array(shape, "F" if fortran else "C", dtype, data)
            item.parts[-1] = Item("tuple", [version, dtype, found])

    def _wrapped(self, facts: JsonObject) -> Any:
        """The array that follows in the file: of objects as a pickle of its own, else its bytes after padding."""
        self._end_frame()
        dtype = facts["dtype"]
        if dtype.parts[1].parts[0].startswith("O"):
            return _Machine(self._stream).run()
        if facts.get("numpy_array_alignment_bytes") is not None:
            self._stream.read(self._stream.read(1)[0])
        data = self._stream.read(prod(facts["shape"].parts) * _layout(dtype)[0])
        return _array(facts["shape"], facts["order"], dtype, data)

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise IndexError("stack underflow")
        found = self._stack[-count:]
        del self._stack[-count:]
        return found

    def _marked(self) -> list[Any]:
        at = self._marks.pop()
        found = self._stack[at:]
        del self._stack[at:]
        return found


def _is(function: object, package: str, name: str) -> bool:
    return isinstance(function, Global) and function.name == name and function.module.split(".")[0] == package


def _call(item: Item) -> Item:
    """A call; of NumPy's that hold the bytes of numbers, with the numbers instead of the bytes."""
    function, arguments = item.parts[:2]
    parts = arguments.parts if isinstance(arguments, Item) else []
    if _is(function, "numpy", "scalar") and len(parts) == 2:
        parts[1] = _array(Item("tuple", []), "C", parts[0], parts[1])
    elif _is(function, "numpy", "_frombuffer") and len(parts) == 4:
        data, dtype, shape, order = parts
        parts[0] = _array(shape, order, dtype, data.parts[0] if isinstance(data, Item) else data)
    elif function in (Global("builtins", "set"), Global("__builtin__", "set")) and len(parts) == 1:
        return Item("set", list(parts[0].parts))
    return item


def _array(shape: Item, order: str, dtype: Any, data: Any) -> Any:
    """The numbers of an array; objects, and types that are not understood, stay as they are."""
    if not isinstance(data, bytes):
        return data
    try:
        size, fields = _layout(dtype)
    except ValueError:
        return data
    if len(data) != prod(shape.parts) * size:
        raise ValueError("the pickle ends within an array")
    return Array(tuple(shape.parts), order, size, fields, data)


def _layout(dtype: Item) -> tuple[int, Fields]:
    """Of a pickled numpy.dtype: its name, and a state (version, byte order, base, names, fields, size, ...)."""
    name = dtype.parts[1].parts[0]
    state: list[Any] = dtype.parts[3].parts if len(dtype.parts) > 3 else [3, "|", None, None]
    if state[2] is not None:
        raise ValueError("a type that is an array itself")
    if state[3] is None:
        return simple(f"{state[1]}{name}")
    fields = dict(zip(state[4].parts[::2], state[4].parts[1::2], strict=True))
    found: list[tuple[str, int, str]] = []
    for field in state[3].parts:
        inner, offset = fields[field].parts[:2]
        found += [(f"{field}.{sub}".rstrip("."), offset + at, code) for sub, at, code in _layout(inner)[1]]
    return state[5], tuple(found)
