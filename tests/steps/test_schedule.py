"""The order of steps, whatever the graph and whatever becomes of them, against an oracle that walks the graph down."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import InputError
from runner.parameters.types import convert
from runner.steps.expand import Files, Step, expand, is_pipeline
from runner.steps.schedule import DONE, Schedule, State
from runner.values import EntryPoint, Json, Parameter
from tests.helpers import examples

ENDS = ("finished", "cached", "failed", "skipped")


@st.composite
def graphs(draw: Any) -> dict[str, list[str]]:
    names = [f"s{number}" for number in range(draw(st.integers(1, 9)))]
    return {
        name: draw(st.lists(st.sampled_from(names[:at]), unique=True, max_size=3)) if at else []
        for at, name in enumerate(names)
    }


@given(graphs(), st.data())
@settings(max_examples=examples(600), deadline=None)
def test_what_is_run_is_what_the_oracle_says(needs: dict[str, list[str]], data: Any) -> None:
    ends = {name: data.draw(st.sampled_from(ENDS)) for name in needs}
    jobs, order = data.draw(st.integers(1, 4)), data.draw(st.randoms(use_true_random=False))
    schedule, on, run = Schedule(needs, keep_going=True), list[str](), list[str]()
    while not schedule.is_over:
        while len(on) < jobs and (name := schedule.take()):
            assert all(schedule.states[each].name in DONE for each in needs[name])
            on.append(name)
            run.append(name)
        assert on, "neither over nor anything to do"
        name = on.pop(order.randrange(len(on)))
        schedule.ended(name, State(ends[name]))
    found = schedule.finish()

    def oracle(name: str) -> str:
        above = [oracle(each) for each in needs[name]]
        if all(each in DONE for each in above):
            return ends[name]
        return "skipped" if "skipped" in above and not {"failed", "not run"} & set(above) else "not run"

    assert len(run) == len(set(run))
    for name in needs:
        expected = oracle(name)
        above = {oracle(each) for each in needs[name]}
        if {"skipped"} < above - set(DONE) or "skipped" in {
            found[each].name for each in needs[name]
        }:  # a skipped and a failed one: either reason is true
            assert found[name].name in ("skipped", "not run")
        else:
            assert found[name].name == expected
        assert (name in run) == all(oracle(each) in DONE for each in needs[name])


@given(graphs(), st.data())
@settings(max_examples=examples(200), deadline=None)
def test_a_failure_ends_it_unless_it_keeps_going(needs: dict[str, list[str]], data: Any) -> None:
    fails = data.draw(st.sampled_from(list(needs)))
    schedule, run = Schedule(needs), list[str]()
    while name := schedule.take():
        run.append(name)
        schedule.ended(name, State("failed" if name == fails else "finished"))
    assert schedule.is_over
    assert run[-1] == fails
    assert set(schedule.finish()) == set(needs)
    assert all(state.name == "not run" for name, state in schedule.states.items() if name not in run)


# ---- from entry points to steps ----------------------------------------------------------------------------


def made(points: list[EntryPoint], target: str, given: dict[str, Json] | None = None) -> dict[str, Step]:
    known = {point.name: point for point in points}

    def files(name: str, values: Any) -> Files:
        def filled(patterns: tuple[str, ...]) -> tuple[str, ...]:
            texts = {**(given or {}), **values}
            return tuple(_filled(each, texts) for each in patterns)

        return Files(filled(known[name].inputs), filled(known[name].outputs))

    return {step.name: step for step in expand(points, target, given or {}, files)}


def _filled(pattern: str, values: dict[str, Json]) -> str:
    for name, value in values.items():
        pattern = pattern.replace("{" + name + "}", str(value))
    return pattern


K = (Parameter("k", "int"),)
PREPARE = EntryPoint("prepare", "x", outputs=("data/",))
TRAIN = EntryPoint(
    "train", "x", K, inputs=("data/train.csv",), outputs=("m/{k}.json",), matrix=(("k", (1, 2)),)
)
TEST = EntryPoint("test", "x", K, outputs=("t/{k}.json",), needs=("train",), matrix=(("k", (1, 2)),))
REPORT = EntryPoint("report", "x", inputs=("t/*.json",), outputs=("r.html",))
POINTS = [REPORT, TEST, TRAIN, PREPARE]


def test_a_matrix_is_expanded_and_aligned() -> None:
    found = made(POINTS, "report")
    assert {name: set(step.needs) for name, step in found.items()} == {
        "prepare": set(), "train[1]": {"prepare"}, "train[2]": {"prepare"}, "test[1]": {"train[1]"},
        "test[2]": {"train[2]"}, "report": {"test[1]", "test[2]"},
    }  # fmt: skip
    assert list(made(POINTS, "train")) == ["prepare", "train[1]", "train[2]"]
    assert list(made(POINTS, "report", {"k": 2})) == ["prepare", "train[2]", "test[2]", "report"]
    assert not is_pipeline(POINTS, "prepare")
    assert is_pipeline(POINTS, "report")
    assert is_pipeline([TRAIN], "train")
    assert convert(K[0], "2") == 2


def test_two_steps_do_not_write_one_path() -> None:
    with pytest.raises(InputError, match=r"train\[1\] and train\[2\] both write m.json"):
        made([TRAIN._replace(outputs=("m.json",)), TEST], "test")
    with pytest.raises(InputError, match="both write"):
        made([PREPARE, TRAIN._replace(outputs=("data/{k}",)), TEST], "test")
    with pytest.raises(InputError, match="a -> b -> a"):
        made([EntryPoint("a", "x", needs=("b",)), EntryPoint("b", "x", needs=("a",))], "a")


def test_ten_thousand_steps_are_expanded_in_a_moment() -> None:
    many = EntryPoint("many", "x", K, outputs=("m/{k}",), matrix=(("k", tuple(range(10_000))),))
    assert len(made([many, EntryPoint("all", "x", needs=("many",))], "all")["all"].needs) == 10_000
