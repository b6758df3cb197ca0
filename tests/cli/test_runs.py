"""`proj runs`: found, put in order, shown in columns, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import os
import time

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.cli.records import Program, make_run
from tests.helpers import make_tree


@pytest.fixture
def three() -> None:
    make_run("one", params={"lr": 0.1, "model": "ridge"}, metrics={"rmse": [0.9, 0.7]})
    make_run("two", params={"lr": 0.2, "model": "lasso"}, metrics={"rmse": [0.5]}, tags={"team": "x"})
    make_run("three", params={"lr": 0.3, "model": "ridge"}, metrics={"rmse": [float("nan")]}, status="FAILED")


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ["three", "two", "one"]),
        (("metrics.rmse < 0.8",), ["two", "one"]),
        (("metrics.rmse < 0.8 and params.model = 'ridge'",), ["one"]),
        (("metrics.rmse < 0.8 and",), ["two", "one"]),
        (("tags.team = 'x'",), ["two"]),
        (("--status", "failed"), ["three"]),
        (("--status", "failed", "--status", "KILLED"), ["three"]),
        (("--order-by", "metrics.rmse"), ["two", "one", "three"]),
        (("--order-by", "params.lr DESC"), ["three", "two", "one"]),
        (("-n", "1"), ["three"]),
        (("--limit", "0"), []),
        (("--since", "1h"), ["three", "two", "one"]),
        (("--since", "2100-01-01"), []),
        (("--experiment", "Default"), ["three", "two", "one"]),
    ],
)
def test_runs_are_found(program: Program, words: tuple[str, ...], expected: list[str]) -> None:
    assert program.names(*words) == expected


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("metrics.rmse << 1",), "metrics.rmse << 1\n                       ^"),
        (("--status", "DONE"), "FINISHED"),
        (("--experiment", "nowhere"), "Default"),
        (("--columns", "nmae"), "did you mean name?"),
        (("--columns", "metrics."), "metrics.X"),
        (("--since", "soon"), "30m, 1h30m, 2d or 2w"),
        (("--since", "2026-13-01"), "not a date"),
        (("--order-by", "metrics.rmse SIDEWAYS"), "^"),
        (("--json", "--csv"), "exclude"),
        (("--limit", "-1"), "--limit"),
        (("--", "x"), "nothing can follow"),
    ],
)
def test_wrong_input_says_what_to_type(program: Program, words: tuple[str, ...], expected: str) -> None:
    done = program("runs", *words)
    assert done.code == 2
    assert expected in done.err
    assert done.out == ""


def test_piped_it_is_tab_separated(program: Program) -> None:
    make_run("one", params={"lr": 0.1, "same": 1}, metrics={"rmse": [0.123456789]})
    make_run("two", params={"lr": 0.2, "same": 1})
    header, *rows = [line.split("\t") for line in program("runs").out.splitlines()]
    assert header == ["id", "name", "status", "started", "duration", "metrics.rmse", "params.lr"]
    assert [row[1] for row in rows] == ["two", "one"]
    assert rows[1][5:] == ["0.123456789", "0.1"]
    assert rows[1][3].endswith("Z")


def test_on_a_narrow_terminal_whole_columns_are_left_out(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = make_run("a-long-enough-name", metrics={"rmse": [0.5], "accuracy": [0.25]}, params={"lr": 1})
    make_run("another", params={"lr": 2})
    monkeypatch.setattr("runner.cli.output.is_terminal", lambda *given: True)
    monkeypatch.setenv("NO_COLOR", "1")
    for width, expected in ((80, "metrics.rmse"), (200, "params.lr"), (30, "status")):
        monkeypatch.setenv("COLUMNS", str(width))
        out = program("runs").out
        header = out.splitlines()[0].rstrip()
        assert header.endswith(expected), (width, header)
        assert max(map(len, out.splitlines())) <= width
        if width > 30:
            assert run_id[:12] in out
            assert "…" not in out


def test_columns_are_chosen(program: Program) -> None:
    make_run("one", params={"a.b": "x\ty"}, tags={"mlflow.user": "ada"}, status="FAILED")
    done = program("runs", "--columns", "name,params.a.b", "--columns", "tags.mlflow.user,exit_code,reason")
    assert done.out == "name\tparams.a.b\ttags.mlflow.user\texit_code\treason\none\tx y\tada\t1\texit\n"
    assert program.json("runs", "--columns", "name,exit_code,metrics.none") == [
        {"name": "one", "exit_code": 1, "metrics.none": None}
    ]


def test_csv_has_everything(program: Program) -> None:
    make_run("one", params={"p": "a,b"}, metrics={"m/x": [1.5]}, tags={"t": 'say "x"'})
    make_run("two", params={"q": [1, 2]})
    rows = list(csv.DictReader(io.StringIO(program("runs", "--csv").out)))
    assert [row["name"] for row in rows] == ["two", "one"]
    assert (rows[1]["params.p"], rows[1]["metrics.m/x"], rows[1]["tags.t"]) == ("a,b", "1.5", 'say "x"')
    assert (rows[0]["params.q"], rows[0]["params.p"]) == ("[1, 2]", "")
    assert rows[0]["experiment"] == "Default"


def test_numbers_that_json_lacks_are_texts(program: Program) -> None:
    make_run(metrics={"a": [float("nan")], "b": [float("-inf")], "c": [2.0]})
    (run,) = program.json("runs")
    assert run["metrics"] == {"a": "NaN", "b": "-Infinity", "c": 2.0}


def test_the_runs_of_this_project_are_listed(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Of records that say nothing but its name; those of a clone, a fork and so on: running/test_projects.py."""
    make_run("mine", project="it's mine")
    make_run("other", project="elsewhere")
    make_run("again", project="it's mine")
    folder = make_tree(
        f"{tmp_path}/folder", {"MLproject": "name: it's mine\nentry_points:\n  main: {command: 'true'}\n"}
    )
    assert program.names() == ["again", "other", "mine"]
    monkeypatch.chdir(folder)
    assert program.names() == ["again", "mine"]
    assert program.names("-n", "1") == ["again"]
    assert program.names("--all") == ["again", "other", "mine"]
    assert program("rm", "--filter", "kind = 'project'", "--dry-run").out.count("would be deleted") == 2
    assert program("rm", "--filter", "kind = 'project'", "--dry-run", "--all").out.count("would be") == 3


def test_a_faulty_project_does_not_hide_its_runs(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    folder = make_tree(f"{tmp_path}/folder", {"MLproject": "name: [\n"})
    make_run("one", sections={"source": {"directory": os.path.realpath(folder)}})
    make_run("other", sections={"source": {"directory": "/elsewhere"}})
    monkeypatch.chdir(folder)
    assert program.names() == ["one"]


@pytest.mark.parametrize(
    ("width", "names"),
    [(80, "id name status started duration metrics.rmse"), (60, "id name status started metrics.rmse")],
)
def test_a_narrow_table_has_a_metric_before_times(
    program: Program, monkeypatch: pytest.MonkeyPatch, width: int, names: str
) -> None:
    monkeypatch.setattr("runner.cli.output.is_terminal", lambda *stream: True)
    monkeypatch.setenv("COLUMNS", str(width))
    make_run("some-name-1", metrics={"rmse": [0.9]})
    lines = program("runs").out.splitlines()
    assert lines[0].split() == names.split()
    assert lines[1].split()[-1] == "0.9"
    make_run("some-name-3", metrics={"rmse": [0.8]}, params={"lr": "0.1"})
    make_run("some-name-4", metrics={"rmse": [0.7]}, params={"lr": "0.2"})
    header = program("runs").out.splitlines()[0]
    assert ("params.lr" in header) == (width == 80)
    monkeypatch.setenv("COLUMNS", "74")
    assert program("runs").out.split()[:6] == "id name status started metrics.rmse params.lr".split()
    make_run("some-name-2")
    assert program("runs", "name = 'some-name-2'").out.split()[4] == "duration"


def test_runs_that_are_in_others_are_drawn_as_a_tree(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.cli.output.is_terminal", lambda *stream: True)
    monkeypatch.setenv("COLUMNS", "120")
    top = make_run("pipeline")
    first = make_run("prepare", parent=top)
    make_run("part", parent=first)
    make_run("alone", status="RUNNING")
    make_run("train", parent=top)
    lines = program("runs").out.splitlines()
    drawn = [" ".join(line.split(" main ")[0].split()[1:]) for line in lines[1:]]
    assert drawn == ["alone", "pipeline", "├─ prepare", "│ └─ part", "└─ train"]
    assert lines[0].split()[:3] == ["id", "name", "entry_point"]
    assert " ms" in lines[1] or " s" in lines[1].split("RUNNING")[1]
    flat = program("runs", "--order-by", "start_time").out.splitlines()
    assert [line.split()[1] for line in flat[1:]] == ["pipeline", "prepare", "part", "alone", "train"]


def test_deleted_runs_are_shown_when_asked(program: Program) -> None:
    gone = make_run("gone")
    make_run("here")
    Store(paths.store()).delete_run(gone)
    assert program.names() == ["here"]
    assert program.names("--all") == ["here", "gone"]
    assert program.names("--deleted") == ["gone"]
    assert "lifecycle" in program("runs", "--all").out.splitlines()[0]


def test_a_run_in_place_of_a_filter_is_told(program: Program) -> None:
    make_run("some-run", params={"some": 1})
    for name in ("some-run", "last"):
        done = program("runs", name)
        assert (done.code, f"hint: proj show {name}  shows this run" in done.err) == (2, True), done.err
    assert "such as  metrics.rmse" in program("runs", "nothing").err


def test_an_empty_store_is_not_an_error(program: Program) -> None:
    assert program("runs").code == 0
    assert program.json("runs") == []


def test_many_runs_come_in_pages(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        make_run(f"n{number}")
    real = Store.search
    sizes = []

    def small(self: Store, *words: object) -> object:
        sizes.append(words[3])
        return real(self, *words[:3], 3, *words[4:])  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "search", small)
    assert program.names("--all", "-n", "100") == [f"n{number}" for number in range(6, -1, -1)]
    assert len(sizes) == 3


def test_listing_is_quick(program: Program) -> None:
    for number in range(30):
        make_run(f"n{number}")
    program("runs")
    began = time.perf_counter()
    program("runs")
    assert time.perf_counter() - began < 2


def test_what_does_not_fit_is_taken_from_the_widest_column() -> None:
    from runner.cli.output import _fitting

    assert _fitting([8, 60], 40) == [8, 30]
    assert _fitting([8, 20], 40) == [8, 20]
    assert sum(_fitting([30, 30, 30], 40)) + 4 == 40
    assert _fitting([30, 20], 40, [30, 4]) == [30, 8]
    assert _fitting([30, 20], 20, [30, 4]) == [30, 4]  # what is to be typed is never cut


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (100, "key kind python packages from last_used state projects"),
        (90, "key kind python packages from last_used projects"),
        (80, "key kind python from last_used projects"),
        (70, "key python from last_used projects"),
        (60, "key from last_used projects"),
        (30, "key from last_used projects"),
    ],
)
def test_where_there_is_no_room_what_tells_least_is_left_out(width: int, names: str) -> None:
    from runner.cli.output import _without_spare

    all_names = "key kind python packages from last_used state projects".split()
    kept = _without_spare([12, 10, 7, 8, 17, 11, 5, 50], (6, 3, 1, 2), width)
    assert [all_names[place] for place in kept] == names.split()
    assert sum(kept.values()) + 2 * (len(kept) - 1) <= width


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["runs", "rmse < 3"], "did you mean metrics.rmse?"),
        (["runs", "rmes < 3"], "did you mean metrics.rmse?"),
        (["runs", "model = 'ridge'"], "did you mean params.model?"),
        (["runs", "--order-by", "rmse"], "did you mean metrics.rmse?"),
        (["runs", "--columns", "name,rmse"], "did you mean metrics.rmse?"),
        (["export", "--columns", "nmae"], "did you mean name?"),
        (["compare", "--filter", "rmse < 3"], "did you mean metrics.rmse?"),
        (["show", "best:metrics.rms"], "did you mean best:metrics.rmse?"),
        (["show", "best:-mse"], "did you mean best:-rmse?"),
        (["show", "best:"], "best:metrics.rmse  is the least"),
        (["show", "best:-metrics."], "best:metrics.rmse  is the least"),
        (["show", "quick-oxx-7"], "did you mean quick-ox-7?"),
        (["logs", "Lsat"], "did you mean last?"),
        (["show", "last~4"], "proj runs"),
        (["show", "zz"], "proj runs  lists them"),
        (["runs", "params.model = ridge"], "such as"),
        (["runs", "zzz > 3"], "such as"),
        (["runs", "--since", "yesterday"], "or a date as 2026-08-01"),
    ],
)
def test_a_name_without_its_kind_is_told_with_it(program: Program, words: list[str], hint: str) -> None:
    make_run("quick-ox-7", metrics={"rmse": [1.0]}, params={"model": "ridge"})
    done = program(*words)
    assert done.code == 2
    assert hint in done.err.splitlines()[-1]
    assert "= ridge" not in " ".join(words) or "such as 'ridge'" in done.err
