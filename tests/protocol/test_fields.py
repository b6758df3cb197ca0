"""A batch is read field by field where that gives what reading its messages one by one gives."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.protocol import fields
from runner.protocol.metrics import POINT
from tests.helpers import examples

VALUES = {
    "key": st.sampled_from(["a", "b", 1, None, ""]),
    "value": st.sampled_from([0.5, 1e308, 2, "3", "NaN", True, None]),
    "timestamp": st.sampled_from([0, 1, -1, (1 << 63) - 1, 1 << 63, "1", 1.0]),
    "step": st.sampled_from([0, -5, "2"]),
    "other": st.just(1),
}


def item(good: bool) -> Any:
    point = {"key": "a", "value": 0.5, "timestamp": 1, "step": 0}
    names = ["key", "value", "timestamp", "step"] if good else sorted(VALUES)
    changed = st.tuples(st.sampled_from(names), st.booleans()).flatmap(
        lambda choice: VALUES[choice[0]].map(
            lambda value: (
                {k: v for k, v in point.items() if k != choice[0]}
                if choice[1]
                else {**point, choice[0]: value}
            )
        )
    )
    return changed if not good else st.just(point)


@given(
    st.lists(item(True) | item(False), min_size=fields.FEW + 1, max_size=12)
    | st.lists(item(True), min_size=9)
)
@settings(max_examples=examples(400), deadline=None)
def test_by_fields_as_one_by_one(items: list[Any]) -> None:
    def read(given: list[Any]) -> Any:
        try:
            return fields._list(POINT, given)
        except fields.MappingError:
            return "wrong"

    try:
        one_by_one: Any = [fields._value(POINT, each) for each in items]
    except fields.MappingError:
        one_by_one = "wrong"
    assert repr(read(items)) == repr(one_by_one)
    assert not fields._is_typed(POINT, items) or one_by_one == items


def test_what_is_no_message_is_refused() -> None:
    for items in ([1] * 20, [{"key": "a"}] * 10 + [None], [[]] * 20):
        try:
            fields._list(POINT, items)
        except fields.MappingError:
            continue
        raise AssertionError(items)
