"""`proj compare`: only what differs."""

from __future__ import annotations

import os

import pytest

from runner import paths
from runner.cli.render_compare import packages_of
from runner.tracking.store import Store
from tests.cli.records import Program, make_run
from tests.helpers import make_tree, proj

HASHED = """\
# made by a resolver
numpy==1.26.4 \\
    --hash=sha256:abc
Scikit_Learn[extra]==1.4.0 ; python_version > "3"
"""
PYLOCK = (
    '[[packages]]\nname = "numpy"\nversion = "2.0.0"\n\n[[packages]]\nname = "only-here"\nversion = "1"\n'
)
CONDA = "@EXPLICIT\nhttps://example.org/noarch/python-dateutil-2.9.0-pyhd8ed1ab_0.conda#abc\n"


def lock(run_id: str, text: str) -> None:
    make_tree(Store(paths.store()).run_directory(run_id), {"environment.lock": text})


def make_two() -> tuple[str, str]:
    locked = {"lock": "environment.lock"}
    first = make_run(
        "first",
        params={"lr": 0.1, "same": 1},
        metrics={"rmse": [0.8], "same": [1.0], "nan": [float("nan")]},
        sections={
            "environment": {"python": "3.11.7", **locked},
            "machine": {"host": "a", "cores": 2},
            "code": {"commit": "a" * 40},
        },
    )
    second = make_run(
        "second",
        params={"lr": 0.2, "same": 1, "extra": "x"},
        metrics={"rmse": [0.6], "same": [1.0], "nan": [float("nan")]},
        sections={
            "environment": {"python": "3.12.1", **locked},
            "machine": {"host": "a", "cores": 4},
            "code": {"commit": "b" * 40},
        },
    )
    lock(first, HASHED)
    lock(second, PYLOCK)
    return first, second


def test_only_what_differs(program: Program) -> None:
    make_two()
    found = program.json("compare", "first", "second")["differences"]
    assert found["parameters"] == {"lr": [0.1, 0.2], "extra": [None, "x"]}
    assert found["metrics"] == {"rmse": [0.8, 0.6]}
    assert found["environment"] == {"python": ["3.11.7", "3.12.1"]}
    assert found["packages"] == {
        "numpy": ["1.26.4", "2.0.0"],
        "scikit-learn": ["1.4.0", None],
        "only-here": [None, "1"],
    }
    assert found["machine"] == {"cores": [2, 4]}
    assert found["code"] == {"commit": ["a" * 40, "b" * 40]}
    assert "same" in program.json("compare", "first", "second", "--all")["differences"]["parameters"]


def test_metrics_have_their_distance(program: Program) -> None:
    make_two()
    lines = program("compare", "first", "second").out.splitlines()
    assert lines[0] == "group\tkey\tfirst\tsecond"
    assert "metrics\trmse\t0.8\t0.6 (-0.2, -25.0%)" in lines


def test_three_runs_and_a_terminal(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    make_two()
    make_run("third", params={"lr": 0.1})
    monkeypatch.setattr("runner.cli.output.is_terminal", lambda *given: True)
    monkeypatch.setenv("NO_COLOR", "1")
    out = program("compare", "first", "second", "third").out
    assert "first" in out.splitlines()[0]
    assert "third" in out.splitlines()[0]
    assert "parameters\n  lr" in out
    assert "\033" not in out
    assert program("compare", "first", "first").out == "nothing that is recorded differs\n"


@pytest.mark.parametrize("words", [(), ("first",), ("first", "nowhere")])
def test_wrong_input(program: Program, words: tuple[str, ...]) -> None:
    make_two()
    assert program("compare", *words).code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HASHED, {"numpy": "1.26.4", "scikit-learn": "1.4.0"}),
        (PYLOCK, {"numpy": "2.0.0", "only-here": "1"}),
        (CONDA, {"python-dateutil": "2.9.0"}),
        ("", {}),
    ],
)
def test_packages_of_every_kind_of_lock(text: str, expected: dict[str, str]) -> None:
    run_id = make_run(sections={"environment": {"lock": "environment.lock"}})
    lock(run_id, text)
    assert packages_of(paths.store(), Store(paths.store()).read(run_id)) == expected


def test_changed_files_are_named_by_their_snapshots(tmp_path: object, program: Program) -> None:
    text = "name: demo\nentry_points:\n  main: {command: 'cat a.txt'}\n"
    folder = make_tree(
        os.path.join(str(tmp_path), "demo"), {"MLproject": text, "a.txt": "1", "b.txt": "1", "c.txt": "1"}
    )
    assert proj("run", folder, "--run-name", "before").code == 0
    make_tree(folder, {"a.txt": "2", "d.txt": "new"})
    os.unlink(os.path.join(folder, "b.txt"))
    assert proj("run", folder, "--run-name", "after").code == 0
    if not Store(paths.store()).read(Store(paths.store()).resolve("after")).sections["code"].get("tree"):
        pytest.skip("only on builds with snapshots")
    found = program.json("compare", "before", "after")["differences"]
    assert found["files"] == {
        "a.txt": ["there", "changed"],
        "b.txt": ["there", None],
        "d.txt": [None, "added"],
    }


def test_columns_fit_the_terminal() -> None:
    from runner.cli.render_compare import Difference, lines
    from runner.tracking.fold import Run

    found = [
        Difference("resources", "peak_memory", (1e8, 2e8)),
        Difference("tags", "note", ("x" * 90, "y" * 90)),
    ]
    shown = lines([Run("1" * 32, name="one"), Run("2" * 32, name="two")], found, False, 60)
    assert max(map(len, shown)) <= 60
    assert "200 MB (+100.0%)" in "\n".join(shown)


def test_more_than_three_runs_are_rows(program: Program) -> None:
    for number in range(5):
        make_run(f"run-{number}", params={"lr": number, "same": 1}, metrics={"rmse": [number / 10]})
    lines = program("compare", *(f"run-{number}" for number in range(5))).out.splitlines()
    head = lines[0].split("\t")
    assert head[:3] == ["run", "params.lr", "metrics.rmse"]
    assert [line.split("\t")[:3] for line in lines[1:]] == [
        [f"run-{number}", str(number), str(number / 10) if number else "0"] for number in range(5)
    ]
    assert "params.same" not in head
    three = program("compare", "run-0", "run-1", "run-2").out.splitlines()[0].split("\t")
    assert three == ["group", "key", "run-0", "run-1", "run-2"]


def test_runs_that_a_filter_finds(program: Program) -> None:
    for number in range(5):
        make_run(f"run-{number}", params={"lr": number})
    found = program.json("compare", "--filter", "params.lr != '0'")
    assert sorted(run["name"] for run in found["runs"]) == ["run-1", "run-2", "run-3", "run-4"]
    for words in (["--filter", "params.lr = '1'"], ["run-1", "--filter", "params.lr = '1'"], []):
        assert program("compare", *words).code == 2
