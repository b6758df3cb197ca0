"""`proj show`: everything about a run, for people and as JSON."""

from __future__ import annotations

import pytest

from runner import paths
from runner.cli.render_plot import shrink, sparkline
from runner.tracking.store import Store
from tests.cli.records import Program, make_run
from tests.helpers import make_tree


def test_everything_is_shown_in_groups(program: Program) -> None:
    parent = make_run("parent")
    make_run(
        "child",
        params={"lr": 0.5, "names": ["a", "b"]},
        metrics={"loss": [4.0, 2.0, 1.0], "acc": [0.5]},
        tags={"team": "x", "mlflow.note.content": "first line\nsecond line"},
        parent=parent,
        sections={
            "source": {"uri": "/somewhere/demo"},
            "code": {
                "commit": "a" * 40,
                "branch": "main",
                "dirty": True,
                "left_out": [{"path": "big.bin", "reason": "large"}],
            },
            "command": {"command": "python train.py", "directory": "/somewhere", "variables": {"LANG": "C"}},
            "environment": {"kind": "virtualenv", "python": "3.11.7"},
            "machine": {
                "host": "h",
                "memory": 16_000_000_000,
                "gpus": [{"name": "A100", "memory": 40_000_000_000}],
                "ci": {"provider": "Jenkins", "url": "http://j/1"},
            },
            "resources": {"peak_memory": 81_000_000, "cpu_time": 0.25},
        },
    )
    done = program("show", "child")
    assert done.code == 0, done.err
    for text in (
        *(
            "child  FINISHED",
            "exit code 0",
            f"parent      {parent}",
            "first line",
            "second line",
            "lr     0.5",
        ),
        *(
            '["a", "b"]',
            "█",
            "1 .. 4, step 2",
            "python train.py",
            "LANG",
            "uncommitted changes",
            "big.bin (large)",
        ),
        *("virtualenv", "3.11.7", "16 GB", "A100 40 GB", "Jenkins http://j/1", "81 MB", "250 ms", "team  x"),
    ):
        assert text in done.out, text
    assert "\033" not in done.out
    shown = program.json("show", "child")
    assert shown["points"]["loss"] == {"value": 1.0, "step": 2, "timestamp": "2023-11-14T22:13:20.002Z"}
    assert shown["code"]["dirty"] is True
    assert shown["params"] == {"lr": 0.5, "names": ["a", "b"]}


def test_nothing_in_a_record_can_steer_the_terminal(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "a\033]0;title\007b\033[2Jc"
    make_run(evil, params={evil: evil}, tags={evil: evil, "mlflow.note.content": evil})
    make_run("other", params={evil: "x"})
    monkeypatch.setattr("runner.cli.output.is_terminal", lambda *given: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "300")
    for words in (("show", "last~1"), ("runs",), ("compare", "last~1", "last")):
        out = program(*words).out
        assert "\033]" not in out, words
        assert "\033[2J" not in out, words
        assert r"b\x1b[2Jc" in out, words


def test_a_parameter_of_a_megabyte(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run("big", params={"text": "x" * 1_000_000})
    make_run("small", params={"text": "y"})
    assert len(program.json("show", "big")["params"]["text"]) == 1_000_000
    monkeypatch.setattr("runner.cli.output.is_terminal", lambda *given: True)
    monkeypatch.setenv("COLUMNS", "100")
    for words in (("show", "big"), ("runs",), ("compare", "big", "small")):
        assert max(map(len, program(*words).out.splitlines())) <= 140, words


def test_children_are_named(program: Program) -> None:
    parent = make_run("parent")
    child = make_run("child", parent=parent)
    assert program.json("show", "parent")["children"] == [child]
    assert f"Children\n  {child[:12]}  child  FINISHED" in program("show", "parent").out
    assert program.json("show", "child")["children"] == []


def test_runs_are_named_in_many_ways(program: Program) -> None:
    first = make_run("first", metrics={"rmse": [0.5]})
    second = make_run("second", metrics={"rmse": [0.7]})
    for ref, expected in (
        *(("first", first), (first, first), (first[:30], first), ("last", second), ("last~1", first)),
        *(("best:metrics.rmse", first), ("best:-metrics.rmse", second)),
    ):
        assert program.json("show", ref)["run_id"] == expected, ref
    assert program.json("show")["run_id"] == second


@pytest.mark.parametrize(
    ("ref", "expected"), [("nothing", "nothing"), ("last~9", "2 runs"), ("best:metrics.x", "'x'")]
)
def test_a_run_that_is_not_there_is_told(program: Program, ref: str, expected: str) -> None:
    make_run()
    make_run()
    done = program("show", ref)
    assert done.code == 2
    assert expected in done.err
    assert "hint" in done.err


def test_last_is_of_the_project_in_this_folder(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    make_run("mine", project="work")  # the working folder's name
    make_run("other", project="elsewhere")
    assert program.json("show", "last")["name"] == "mine"
    monkeypatch.chdir(str(tmp_path))
    assert program.json("show", "last")["name"] == "other"


def test_a_sparkline_spans_from_the_least_to_the_greatest() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([1.0] * 5, 10) == "▄▄▄▄▄"
    assert sparkline([1, float("nan"), 3], 3) == "▁ █"
    assert sparkline([float("inf")], 3) == ""
    assert sparkline([], 3) == ""
    assert len(sparkline(range(1000), 40)) == 40
    assert shrink([1, 2, 3, 4], 2) == [1.5, 3.5]


@pytest.mark.parametrize("status", ["FINISHED", "FAILED"])
def test_a_failed_run_ends_with_its_output(program: Program, status: str) -> None:
    run_id = make_run("first", status=status)
    text = "".join(f"line {number}\n" for number in range(5000)) + "ValueError: \x1b[31mno\n"
    make_tree(Store(paths.store()).run_directory(run_id), {"output.log": text})
    lines = program("show", "first").out.splitlines()
    if status == "FINISHED":
        assert not any("ValueError" in line for line in lines)
        return
    assert lines[-1] == "  ValueError: \\x1b[31mno"
    assert lines[-15:-1] == [f"  line {number}" for number in range(4986, 5000)]
    assert f"proj logs {run_id[:12]}" in lines[-16]


def test_packages_of_the_project_itself_are_named(program: Program) -> None:
    local = [{"path": ".", "name": "ratings", "version": "1"}, {"path": "lib"}]
    make_run("one", sections={"environment": {"kind": "virtualenv", "local": local}})
    assert "ratings (.), ? (lib)\n" in program("show", "one").out
