"""`proj artifacts` and `proj export`: files out of the record."""

from __future__ import annotations

import csv
import json
import os
import re
from importlib.util import find_spec
from typing import Any

import pytest

from runner import paths
from runner.tracking import artifacts
from runner.tracking.store import Store
from tests.cli.records import Program, make_run
from tests.helpers import make_tree


@pytest.fixture
def run_with_files(tmp_path: object) -> str:
    run_id = make_run("one", status="RUNNING")
    folder = make_tree(
        f"{tmp_path}/files", {"model.bin": "m" * 1000, "plots/a.png": "a", "plots/deep/b.png": "b"}
    )
    with Store(paths.store()).open_run(run_id) as writer:
        artifacts.put(writer, f"{folder}/model.bin")
        artifacts.put(writer, f"{folder}/plots")
        writer.end("FINISHED")
    return run_id


@pytest.mark.usefixtures("run_with_files")
def test_files_are_listed(program: Program) -> None:
    listed = {each["path"]: each for each in program.json("artifacts", "ls", "one")["files"]}
    assert set(listed) == {"model.bin", "plots/a.png", "plots/deep/b.png"}
    assert listed["model.bin"]["size"] == 1000
    assert listed["model.bin"]["digest"].startswith("sha256:")
    assert [each["path"] for each in program.json("artifacts", "ls", "one", "plots/deep/")["files"]] == [
        "plots/deep/b.png"
    ]
    assert program("artifacts", "ls", "one").out.startswith("path\tsize\tdigest\nmodel.bin\t1000\tsha256:")


def test_a_file_that_the_log_does_not_name_is_listed(program: Program, run_with_files: str) -> None:
    make_tree(
        os.path.join(Store(paths.store()).run_directory(run_with_files), "artifacts"), {"by-hand.txt": "x"}
    )
    assert "by-hand.txt" in program("artifacts", "ls", "one").out


@pytest.mark.usefixtures("run_with_files")
def test_files_are_fetched(program: Program, tmp_path: object) -> None:
    target = f"{tmp_path}/target"
    assert program("artifacts", "get", "one", "-o", target).code == 0
    with open(f"{target}/plots/deep/b.png", encoding="utf-8") as file:
        assert file.read() == "b"
    done = program("artifacts", "get", "one", "model.bin", "-o", target)
    assert done.code == 2
    assert "--force" in done.err
    assert program("artifacts", "get", "one", "model.bin", "-o", target, "--force").code == 0
    assert program.json("artifacts", "get", "one", "plots/deep") == [os.path.join(".", "deep", "b.png")]
    assert program("artifacts", "get", "one", "nothing").code == 2
    assert program("artifacts", "get", "one", "../events.jsonl").code == 2


def test_a_damaged_file_is_not_handed_out(program: Program, run_with_files: str) -> None:
    make_tree(
        os.path.join(Store(paths.store()).run_directory(run_with_files), "artifacts"), {"model.bin": "other"}
    )
    done = program("artifacts", "get", "one", "model.bin")
    assert done.code == 125
    assert "the record says" in done.err
    assert os.listdir(".") == []


@pytest.fixture
def two_runs() -> None:
    make_run("one", params={"lr": 0.1, "n": 1}, metrics={"rmse": [0.5]})
    make_run("two", params={"lr": "auto", "names": ["a"]}, tags={"team": "x"}, status="FAILED")


@pytest.mark.usefixtures("two_runs")
def test_export_to_csv(program: Program) -> None:
    assert program("export", "-o", "runs.csv").code == 0
    with open("runs.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["two", "one"]
    assert rows[1]["metrics.rmse"] == "0.5"
    assert program("export", "one").out.count("\n") == 2
    assert program("export", "--columns", "name", "--filter", "params.n = '1'").out == "name\none\n"


@pytest.mark.usefixtures("two_runs")
@pytest.mark.parametrize("name", ["runs.json", "runs.jsonl"])
def test_export_to_json(program: Program, name: str) -> None:
    assert program("export", "-o", name).code == 0
    with open(name, encoding="utf-8") as file:
        text = file.read()
    found: Any = (
        json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    )
    assert [run["params"] for run in found] == [{"lr": "auto", "names": ["a"]}, {"lr": 0.1, "n": 1}]
    assert json.loads(program("export", "--json").out) == json.loads(
        program("export", "--format", "json").out
    )


@pytest.mark.usefixtures("two_runs")
def test_export_to_parquet(program: Program) -> None:
    if find_spec("pyarrow") is None:
        done = program("export", "-o", "runs.parquet")
        assert done.code == 2
        assert "proj-runner[parquet]" in done.err
        return
    from pyarrow import parquet

    assert program("export", "-o", "runs.parquet").code == 0
    table = parquet.read_table("runs.parquet")
    rows = table.to_pylist()
    assert rows[1]["metrics.rmse"] == 0.5
    assert rows[0]["metrics.rmse"] is None
    assert [row["params.lr"] for row in rows] == ["auto", "0.1"]  # of two types: text
    assert rows[1]["params.n"] == 1
    assert rows[0]["params.names"] == '["a"]'
    assert str(table.schema.field("started").type) == "timestamp[ms, tz=UTC]"
    assert os.listdir(".") == ["runs.parquet"]


@pytest.mark.usefixtures("two_runs")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-o", "runs.xlsx"), "csv|json"),
        (("--format", "parquet"), "-o runs.parquet"),
        (("nowhere",), "nowhere"),
        (("one", "--filter", "status = 'FAILED'"), "exclude"),
    ],
)
def test_wrong_export(program: Program, words: tuple[str, ...], expected: str) -> None:
    done = program("export", *words)
    assert done.code == 2
    assert expected in done.err


@pytest.mark.usefixtures("two_runs")
def test_a_place_that_cannot_be_written_is_told(program: Program) -> None:
    done = program("export", "-o", "nowhere/runs.csv")
    assert done.code == 125
    assert "nowhere/runs.csv" in done.err


def test_texts_that_a_spreadsheet_would_calculate(program: Program) -> None:
    """A number stays a number, and without the option all stays as it is."""
    texts = {
        "a": "=1+1",
        "b": "@SUM(A1)",
        "c": "+x",
        "d": "-x",
        "e": "\tx",
        "f": "-0.5",
        "g": "+1",
        "h": "x=1",
    }
    make_run("=cmd|' /C calc'!A0", params=texts)
    for words, guard in (((), ""), (("--for-spreadsheet",), "'")):
        done = program("export", "--csv", *words)
        assert done.code == 0
        (row,) = csv.DictReader(done.out.splitlines(keepends=True))
        assert row["name"] == guard + "=cmd|' /C calc'!A0"
        assert [row[f"params.{key}"] for key in "abcde"] == [guard + texts[key] for key in "abcde"]
        assert [row[f"params.{key}"] for key in "fgh"] == [texts[key] for key in "fgh"]
    assert program("export", "--json", "--for-spreadsheet").code == 2


@pytest.mark.parametrize(
    "words", [("export", "--csv"), ("export", "--format", "parquet"), ("bundle", "last")]
)
def test_a_device_or_a_pipe_is_not_replaced(
    program: Program, words: tuple[str, ...], tmp_path: object
) -> None:
    make_run()
    os.mkfifo(f"{tmp_path}/pipe")
    for path in (os.devnull, f"{tmp_path}/pipe"):
        done = program(*words, "-o", path)
        assert done.code == 2, done.err
        assert "a device or a pipe" in done.err
    assert os.path.exists(f"{tmp_path}/pipe")


def test_csv_is_no_command_to_github_actions(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is in a file, and in a pipe anywhere else."""
    make_run("one", params={"a": "x\n::add-mask::b"})
    for words in (("export", "--csv"), ("runs", "--csv", "--columns", "name,params.a")):
        assert "\n::add-mask" in program(*words).out
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for words in (("export", "--csv"), ("runs", "--csv", "--columns", "name,params.a")):
        assert "\n\\x3a:add-mask::b" in program(*words).out
    assert program("export", "-o", "runs.csv").code == 0
    with open("runs.csv") as file:
        assert "\n::add-mask" in file.read()


def test_a_page_is_no_command_to_github_actions(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    note = "text\n\n::add-mask::b\n\n```\n::stop-commands::x\n##[add-mask]y\n```\n"
    make_run("one", tags={"mlflow.note.content": note}, params={"a": "x\n::add-mask::b"})
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    page = program("export", "--html").out
    assert "add-mask" in page
    assert not re.search(r"^\s*::|##\[", page, re.MULTILINE)
    assert ":stop-commands::x" in page
