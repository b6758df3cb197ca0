"""How close numbers have to be: as given, or as repetitions are to each other."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import InputError
from runner.reproduction.verdict import closeness, tolerance
from runner.reproduction.verdict.closeness import SPREAD
from runner.reproduction.verdict.leaves import ABSENT, Text, Walk
from runner.reproduction.verdict.tolerance import EXACT, Tolerance
from runner.reproduction.verdict.wording import NOWHERE, Circumstances


def within(*nodes: Any, places: list[Circumstances] | None = None) -> bool:
    return closeness.compare(nodes, places or [NOWHERE] * len(nodes), SPREAD).same


def test_tolerances() -> None:
    found = tolerance.parse(["1e-3", "rmse=rel:0.1", "val_*=0", "val_loss=5"])
    assert found.of("mae") == Tolerance(0.001, 0, "1e-3")
    assert found.of("rmse") == Tolerance(0, 0.1, "rel:0.1")
    assert found.of("val_acc") == Tolerance(0, 0, "0")
    assert found.of("val_loss") == Tolerance(5, 0, "5")
    assert tolerance.parse(["a=1"]).of("b") is None
    for wrong in ("", "=1", "a=", "a=b", "-1", "nan", "a=rel:"):
        with pytest.raises(InputError):
            tolerance.parse([wrong])


def test_numbers_that_are_none() -> None:
    assert EXACT.allows(math.nan, math.nan)
    assert EXACT.allows(math.inf, math.inf)
    assert not Tolerance(1e9).allows(math.inf, -math.inf)
    assert not Tolerance(1e9).allows(1.0, math.nan)


def test_all_repetitions_have_to_be_within_a_tolerance() -> None:
    nodes, places = [1.0, 1.001, 1.2], [NOWHERE] * 3
    assert not closeness.compare(nodes, places, Tolerance(0.01)).same
    assert closeness.compare(nodes, places, Tolerance(0.3)).same


@pytest.mark.parametrize("recorded", [1, 2, 5, 9, 40])
def test_how_often_a_word_is_there_is_no_beginning(recorded: int) -> None:
    """A record with more or less of it than all repetitions is explained by what varies, what is around it is not."""

    def texts(data: str) -> list[Text]:
        return [
            Text(f"<a {'x ' * count}> {end}")
            for count, end in ((recorded, data), (7, "1"), (6, "1"), (9, "1"))
        ]

    places = [NOWHERE] * 4
    assert [each.path for each in Walk(places).differences(texts("1"))] == [()]
    assert len(list(Walk(places).differences(texts("2")))) == 2


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=8))
def test_the_spread_holds_its_own_values(values: list[float]) -> None:
    mean, width = tolerance.spread(values)
    assert all(abs(value - mean) <= width + 1e-6 + 1e-9 * abs(value) for value in values)


@pytest.mark.parametrize(
    ("degrees", "outside", "quantile"),
    [
        (1, 0.01, 63.657),
        (2, 0.01, 9.925),
        (3, 0.01, 5.841),
        (10, 0.01, 3.169),
        (2000, 0.01, 2.578),
        (4, 1e-8, 156.498),
    ],
)
def test_student(degrees: int, outside: float, quantile: float) -> None:
    assert tolerance.student(degrees, outside) == pytest.approx(quantile, abs=0.001)


def test_of_many_numbers_one_may_be_far_off() -> None:
    """Of a hundred good ones, each at 99 %, one would fail."""
    import random

    chance = random.Random(3)
    runs = [[chance.gauss(0, 1) for _ in range(1000)] for _ in range(6)]
    assert within(*runs)
    assert not within([*runs[0][:-1], 300.0], *runs[1:])


def test_few_outcomes_and_such_as_never_come_twice() -> None:
    assert within("A", "B", "A", "B")
    assert not within("C", "B", "A", "B")
    assert not within("A", "B", "B", "B")
    assert within("a7", "b1", "c9", "d4")
    assert within(ABSENT, "x", ABSENT)
    assert not within(ABSENT, "x", "x")
    assert within(Text("at 10:00:03"), Text("at 11:00:03"), Text("at 11:00:03"), Text("at 11:00:04"))
    assert not within(Text("at 10:00:03"), Text("at 11:00:03"), Text("at 11:00:03"))


def test_a_number_that_is_the_time_of_its_run() -> None:
    places = [
        Circumstances(began=at * 1000, ended=at * 1000 + 500)
        for at in (1_700_000_000, 1_700_090_000, 1_700_090_002)
    ]
    for unit in (1, 1000, 10**6, 10**9):
        assert within(*(place.began // 1000 * unit for place in places), places=places)
    assert not within(5, *(place.began for place in places[1:]), places=places)


def test_signs_and_what_is_within_lists() -> None:
    for one, two in (([0.0], [-0.0]), ([(1, 0.0)], [(1, -0.0)]), ([(1,)], [(True,)]), ([1], [1.0])):
        found = closeness.compare([one, two], [NOWHERE] * 2)
        assert not found.same
        assert not closeness.compare([one, two], [NOWHERE] * 2, Tolerance(1, 0, "1")).exact


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_everything_is_like_itself(value: Any) -> None:
    assert closeness.compare([value, value, value], [NOWHERE] * 3).exact
