"""`needs`, `matrix`, `code`, `retries` and `when`: how they are read, what they mean, and what is wrong with them."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.project import condition, graph
from runner.project.plain import from_plain, to_plain
from runner.project.reading import load, read
from runner.running.check import check
from runner.values import EntryPoint, Parameter, Retries
from tests.helpers import examples, make_tree, proj

WHOLE = """\
entry_points:
  prepare: {command: python prep.py, inputs: [raw.csv], outputs: [data/train.csv], code: [prep.py, lib/]}
  train:
    needs: prepare
    matrix: {model: [ridge, lasso], seed: 1..3}
    parameters: {model: string, seed: int}
    inputs: [data/train.csv]
    outputs: ["models/{model}-{seed}.json"]
    retries: {on: [lost, preempted], times: 3}
    command: "python train.py {model} {seed}"
  evaluate:
    needs: train
    parameters: {publish: {type: bool, default: false}}
    when: "{publish}"
    outputs: [report.json]
    command: echo done
  alone: {command: echo alone, retries: 2}
"""


def points(tmp_path: object, text: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in load(make_tree(tmp_path, {"MLproject": text})).entry_points}


def test_they_are_read_and_remembered(tmp_path: object) -> None:
    project = load(make_tree(tmp_path, {"MLproject": WHOLE}))
    assert from_plain(json.loads(json.dumps(to_plain(project)))) == project
    prepare, train, evaluate, alone = project.entry_points
    assert prepare.code == ("prep.py", "lib/")
    assert train.needs == ("prepare",)
    assert train.matrix == (("model", ("ridge", "lasso")), ("seed", (1, 2, 3)))
    assert train.retries == Retries(("lost", "preempted"), 3)
    assert evaluate.when == "{publish}"
    assert alone.retries.times == 2
    assert not any(point.faults or point.warnings for point in project.entry_points)
    assert graph.needed(project.entry_points) == {
        "prepare": (), "train": ("prepare",), "evaluate": ("train",), "alone": (),
    }  # fmt: skip


def test_edges_are_inferred_where_some_step_has_needs(tmp_path: object) -> None:
    text = """\
entry_points:
  a: {command: x, outputs: [out/]}
  b: {command: x, inputs: [out/part.csv], outputs: ["m-{k}.json"], parameters: {k: int}}
  c: {command: x, inputs: ["m-*.json"], outputs: [c.json]}
  d: {command: x}
"""
    found = points(tmp_path, text)
    assert set(graph.needed(tuple(found.values())).values()) == {()}
    found = points(tmp_path, text.replace("d: {", "d: {needs: c, "))
    assert graph.needed(tuple(found.values())) == {"a": (), "b": ("a",), "c": ("b",), "d": ("c",)}


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("needs: prepare", "needs: prepaer", "4:", "train needs prepaer, which is no entry point"),
        ("prepare: {", "prepare: {needs: evaluate, ", "2:", "prepare -> evaluate -> train -> prepare"),
        ("seed: 1..3", "seed: 3..1", "5:", "is no range"),
        ("seed: 1..3", "seed: 1..20000", "5:", "1..20000 has 20000 values"),
        ("model: [ridge, lasso]", "model: [ridge, ../x]", "5:", "leads out of its folder with model = ../x"),
        ("seed: 1..3", "size: 1..3", "5:", "is no parameter of it"),
        ("seed: 1..3", "seed: [1, x]", "5:", "'x', of the matrix for seed, is not an int"),
        ("seed: 1..3", "seed: [1, 1]", "5:", "twice"),
        ("seed: 1..3", "seed: []", "5:", "no values for seed"),
        ("matrix: {model: [ridge, lasso], seed: 1..3}", "matrix: [1]", "5:", "a mapping"),
        ("models/{model}-{seed}.json", "models/{model}.json", "8:", "each step of train writes models/{model}.json"),
        ("[report.json]", "[data]", "15:", "evaluate and prepare both write data"),
        ("on: [lost, preempted]", "on: [tired]", "9:", "'tired' is no reason"),
        ("times: 3", "times: many", "9:", "a number from 0 to 100"),
        ('when: "{publish}"', "when: {publish}", "14:", "YAML takes braces without quotes"),
        ('when: "{publish}"', "when: maybe", "14:", "true, false, a parameter or a comparison"),
        ('when: "{publish}"', 'when: "{model} == 1"', "14:", "model, in `when` of evaluate, is no parameter"),
        ("inputs: [raw.csv]", "inputs: [none.csv]", "2:", "prepare reads none.csv, which is not there, and no step"),
        ("times: 3", "tiems: 3", "9:", "did you mean 'times'?"),
    ],
)  # fmt: skip
def test_mistakes_have_a_place(tmp_path: object, old: str, new: str, place: str, message: str) -> None:
    assert old in WHOLE
    files = {"raw.csv": "", "prep.py": "", "train.py": ""}
    folder = make_tree(tmp_path, {**files, "MLproject": WHOLE})
    assert [each.text for each in check(folder) if each.severity == "error"] == []
    make_tree(tmp_path, {"MLproject": WHOLE.replace(old, new)})
    told = [each.text for each in check(folder) if each.severity == "error"]
    assert any(f"MLproject:{place}" in text and message in text for text in told), told
    assert len(told) == 1 or ".." not in new, told  # one mistake is told once


def test_a_step_with_a_mistake_is_not_run_and_mlflow_still_reads_the_file(tmp_path: object) -> None:
    folder = make_tree(tmp_path, {"MLproject": WHOLE.replace("needs: train", "needs: tran")})
    done = proj("run", folder, "-e", "evaluate")
    assert done.code == 2
    assert "evaluate needs tran, which is no entry point" in done.err
    assert proj("run", folder, "-e", "alone").code == 0
    assert read(folder)[0].entry_points


VALUES = {"flag": True, "off": False, "name": "ridge", "n": 3, "x": 0.5, "none": None, "text": "false"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True), ("true", True), ("no", False), ("{flag}", True), ("{off}", False), ("{text}", False),
        ("{none}", False), ("{name} == 'ridge'", True), ("{name} != ridge", False), ("{n} == 3.0", True),
        ("{n} >= 3", True), ("{n} < 3", False), ("{x} > 0.1", True), ("{flag} == true", True), ("{name} > 1", False),
    ],
)  # fmt: skip
def test_conditions(text: str, expected: bool) -> None:
    assert condition.holds(text, VALUES) is expected


@pytest.mark.parametrize("text", ["{a} and {b}", "a == 1", "{a} ==", "{a} > x", "{a b}"])
def test_no_conditions(text: str) -> None:
    with pytest.raises(ValueError, match=r"true, false|no number"):
        condition.parse(text)


@given(st.data())
@settings(max_examples=examples(400), deadline=None)
def test_order_is_that_of_every_graph(data: Any) -> None:
    """Against an oracle that knows nothing of depth-first search."""
    names = [f"s{number}" for number in range(data.draw(st.integers(1, 8)))]
    needs = {name: data.draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) for name in names}
    wanted = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    closure = set(wanted)
    while more := {each for name in closure for each in needs[name]} - closure:
        closure |= more
    left = dict.fromkeys(closure)
    while free := [name for name in left if not any(each in left for each in needs[name])]:
        for name in free:
            del left[name]
    found, circle = graph.order(needs, wanted)
    if left:
        assert circle[0] == circle[-1]
        assert all(after in needs[before] for before, after in pairwise(circle))
    else:
        assert circle == []
        assert sorted(found) == sorted(closure)
        assert all(found.index(each) < found.index(name) for name in found for each in needs[name])


def test_matrix_values_are_typed() -> None:
    point = EntryPoint("a", "x {k}", (Parameter("k", "float"),))
    assert graph.widened("m/{k}-{j}.json", point) == "m/*-{j}.json"
