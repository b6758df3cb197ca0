"""NamedTuple without typing's look at each annotation, which took a tenth of a warm run.

typing compiles an annotation that is a string, as it is under `from __future__ import annotations`, and checks what
comes out; we never ask for it again. To mypy it is typing's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["NamedTuple"]

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from collections import namedtuple

    class _Making(type):
        def __new__(cls, name, _bases, body):
            """A class of tuples, as typing makes it: with the fields, defaults, properties and methods in `body`."""
            fields = body.get("__annotations__", {})
            defaults = [body[field] for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            for key, value in body.items():
                if key not in fields and key != "__module__":
                    setattr(made, key, value)
            return made

    NamedTuple = type.__new__(_Making, "NamedTuple", (), {})
