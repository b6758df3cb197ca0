"""Our NamedTuple does what collections.namedtuple does, method by method."""

from __future__ import annotations

import copy
import pickle
from collections import namedtuple
from typing import Any

import pytest

from runner.typed import NamedTuple


class Ours(NamedTuple):
    """Said of the class."""

    first: Any
    second: int = 2
    third: tuple[str, ...] = ()

    @property
    def doubled(self) -> int:
        return self.second * 2

    def __str__(self) -> str:
        return f"<{super().__str__()}>"


Theirs = namedtuple("Theirs", "first second third", defaults=(2, ()))


def shown(of: Any) -> object:
    """What it gives or raises, whichever of the two it is."""
    try:
        return repr(of()).replace("Ours", "X").replace("Theirs", "X")
    except (TypeError, ValueError) as error:
        return type(error), str(error).replace("Ours", "X").replace("Theirs", "X")


@pytest.mark.parametrize(
    "what",
    [
        lambda kind: kind(1),
        lambda kind: kind(first=1, third=("a",)),
        lambda kind: kind(1, 2, 3),
        lambda kind: kind(),
        lambda kind: kind(1, 2, 3, 4),
        lambda kind: kind(1, fourth=4),
        lambda kind: kind(1)._replace(second=5, first="x"),
        lambda kind: kind(1)._replace(fourth=4),
        lambda kind: kind._make("abc"),
        lambda kind: kind._make("ab"),
        lambda kind: kind(1)._asdict(),
        lambda kind: (kind._fields, kind._field_defaults, kind.__match_args__, kind.__new__.__defaults__),
        lambda kind: (kind(1) == (1, 2, ()), kind(1) < (2,), hash(kind(1)) == hash((1, 2, ())), len(kind(1))),
        lambda kind: (kind(1).first, kind(1)[1], kind(1)[1:], [*kind(1)]),
        lambda kind: pickle.loads(pickle.dumps(kind([1]))),
        lambda kind: copy.deepcopy(kind([1])),
        lambda kind: kind.first.__get__(kind(7)),
    ],
)
def test_it_is_as_the_usual_one(what: Any) -> None:
    assert shown(lambda: what(Ours)) == shown(lambda: what(Theirs))


def test_what_the_class_adds() -> None:
    one = Ours("a", 3)
    assert one.doubled == 6
    assert str(one) == "<Ours(first='a', second=3, third=())>"
    assert Ours.__doc__ == "Said of the class."
    with pytest.raises(AttributeError):
        one.first = 1  # type: ignore[misc]
    with pytest.raises(AttributeError):
        one.other = 1  # type: ignore[attr-defined]


def test_defaults_come_last() -> None:
    with pytest.raises(TypeError, match="a field without a default follows one with a default"):

        class Wrong(NamedTuple):  # type: ignore[misc]
            first: int = 1
            second: int  # type: ignore[misc]
