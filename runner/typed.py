"""What a warm run needs of typing, without importing it, which took a tenth of it.

To mypy these are typing's own. NamedTuple does what collections.namedtuple does, at a quarter of its price: typing
compiles each annotation that is a string, as it is under `from __future__ import annotations`, and collections a
constructor for each class. We never ask for the annotations again, and classes with as many fields share its code.
"""

from __future__ import annotations

__all__ = ["TYPE_CHECKING", "NamedTuple", "Protocol", "cast"]

TYPE_CHECKING = False  # checkers know it by its name

if TYPE_CHECKING:
    from typing import NamedTuple, Protocol, cast
else:
    from collections import _tuplegetter  # a C type, or what stands for it
    from functools import cache
    from types import FunctionType

    Protocol = object

    def cast(kind, value):  # noqa: ARG001
        return value

    class _Tuple(tuple):
        """What is the same in all of them."""

        __slots__ = ()

        @classmethod
        def _make(cls, values):
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
            return made

        def _replace(self, /, **changes):
            made = self._make(map(changes.pop, self._fields, self))
            if changes:
                raise ValueError(f"Got unexpected field names: {list(changes)!r}")
            return made

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            fields = (f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({', '.join(fields)})"

        def __getnewargs__(self):
            return tuple(self)

    @cache
    def _constructor(count):
        """Code of a `__new__` with so many fields, whose names are still to be given."""
        names = "".join(f"_{number}, " for number in range(count))
        return eval(f"lambda _cls, {names}: _new(_cls, ({names}))").__code__  # noqa: S307 - nothing from outside

    class _Making(type):
        def __new__(cls, name, _bases, body):
            """A class of tuples with the fields, defaults, properties and methods in `body`."""
            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body[field] for field in fields if field in body}
            if tuple(defaults) != fields[len(fields) - len(defaults) :]:
                raise TypeError(f"{name}: a field without a default follows one with a default")
            code = _constructor(len(fields)).replace(co_varnames=("_cls", *fields), co_name="__new__")
            new = FunctionType(code, {"_new": tuple.__new__}, "__new__", tuple(defaults.values()))
            new.__qualname__ = f"{name}.__new__"
            own = {"__slots__": (), "__new__": new, "__match_args__": fields}
            own |= {"_fields": fields, "_field_defaults": defaults}
            getters = {field: _tuplegetter(at, None) for at, field in enumerate(fields)}
            return type.__new__(type, name, (_Tuple,), {**body, **own, **getters})

    NamedTuple = type.__new__(_Making, "NamedTuple", (), {})
