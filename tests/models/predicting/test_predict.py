"""`proj predict` gives for each row what MLflow predicts for the whole file, whatever is cut, stopped or piped."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner import paths
from runner.host import hashing
from runner.models.predicting import batch, predict
from runner.models.predicting.files import Parts
from runner.tracking.fold import Run
from runner.tracking.store import Store
from runner.values import Activation, Environment
from tests.cli.conftest import program
from tests.cli.records import Program
from tests.helpers import Result, make_tree, proj
from tests.servers import client_python, run_flow

__all__ = ["client_python", "program"]  # fixtures
pytestmark = [pytest.mark.mlflow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return {}


class World:
    """Models and inputs in a folder, and an environment with MLflow."""

    def __init__(self, python: str, top: str) -> None:
        self.python = python
        self.top = top
        self.prefix = os.path.dirname(os.path.dirname(python))

    def path(self, name: str) -> str:
        return os.path.join(self.top, name)

    def predict(self, *words: str) -> Result:
        return proj("predict", *words, "--env", self.prefix, cwd=self.top)


@pytest.fixture
def world(
    client_python: str, made: dict[str, str], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> World:
    if client_python not in made:
        made[client_python] = str(tmp_path_factory.mktemp("inputs"))
        run_flow(client_python, "predict_whole", {}, made[client_python])
    found = World(client_python, made[client_python])
    for name in ("calls", "dies"):
        if os.path.exists(found.path(name)):
            os.unlink(found.path(name))
    return found


def record() -> Run:
    with Store(paths.store()) as store:
        return store.read(store.resolve("last"))


CASES = [
    ("typed", "csv", "csv"), ("typed", "parquet", "jsonl"), ("typed", "jsonl", "parquet"), ("free", "csv", "jsonl"),
    ("free", "parquet", "parquet"), ("free", "jsonl", "csv"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "form", "to"), CASES)
def test_each_row_as_of_the_whole_file(world: World, tmp_path: Path, model: str, form: str, to: str) -> None:
    target = f"{tmp_path}/out.{to}"
    done = world.predict(f"./{model}", f"a.{form}", "-o", target, "--chunk", "9", "--json")
    assert done.code == 0, done.err
    with open(world.path("expected.json")) as file:
        expected = json.load(file)[f"{model} {form}"]
    assert told(world, target) == expected
    facts, run = json.loads(done.out), record()
    assert (facts["rows"], facts["run_id"], facts["output"]) == (40, run.run_id, target)
    assert (run.kind, run.status, run.metrics["predict.rows"].value) == ("predict", "FINISHED", 40)
    assert run.outputs[0]["digest"] == facts["digest"]
    assert [each.get("path") or each.get("uri") for each in run.inputs] == [
        world.path(model),
        world.path(f"a.{form}"),
    ]
    assert [each.name for each in tmp_path.glob("*out*")] == [f"out.{to}"]


def told(world: World, path: str) -> list[str]:
    if path.endswith("parquet"):
        program = "import sys, json, pyarrow.parquet as p; print(json.dumps(p.read_table(sys.argv[1])['told'].to_pylist()))"
        shown = subprocess.run([world.python, "-c", program, path], capture_output=True, check=True).stdout
        return list(json.loads(shown))
    with open(path, newline="", encoding="utf-8") as file:
        if path.endswith("csv"):
            return [row["told"] for row in csv.DictReader(file)]
        return [json.loads(line)["told"] for line in file]


def test_what_was_stopped_is_gone_on_with(world: World, tmp_path: Path) -> None:
    target = f"{tmp_path}/out.csv"
    words = ("./sums", "a.csv", "-o", target, "--chunk", "10", "--keep", "b")
    open(world.path("dies"), "w").close()
    done = world.predict(*words)
    assert (done.code, "was ended by signal 9" in done.err, os.path.exists(target)) == (125, True, False)
    assert record().status == "FAILED"
    os.unlink(world.path("dies"))
    done = world.predict(*words)
    assert (done.code, "20 rows were predicted before" in done.err) == (0, True)
    with open(world.path("calls")) as file:
        assert (
            file.read().split() == ["10"] * 5
        )  # the third of the first run, and of the second the third and fourth
    with open(target, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["b"] for row in rows] == [str(number * 3) for number in range(40)]
    values = [row["prediction"] for row in rows]
    assert values == [str(2.0 * number) if number != 30 else "" for number in range(40)]
    open(world.path("dies"), "w").close()
    assert world.predict(*words).code == 125
    assert world.predict(*words[:-2]).code == 125  # asked otherwise: begun anew
    with open(world.path("calls")) as file:
        assert len(file.read().split()) == 5 + 3 + 3


def test_pipes(world: World) -> None:
    with open(world.path("a.csv"), "rb") as file:
        data = file.read()
    argv = [sys.executable, "-m", "runner", "predict", "./wide", "-", "--env", world.prefix, "-q"]
    done = subprocess.run(argv, input=data, capture_output=True, cwd=world.top, check=False)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert rows[2] == {"prediction_0": "2.0", "prediction_1": "-2.0"}
    run = record()
    assert (run.inputs[1]["path"], run.outputs[0]["path"]) == ("-", "-")
    assert list(run.artifacts) == ["predictions.csv"]


def test_a_folder_of_files(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("1.parquet", "2.parquet"):
        os.link(world.path("a.parquet"), folder / name)
    (folder / "_SUCCESS").write_text("")
    done = world.predict("./sums", str(folder), "--to", "jsonl", "-o", f"{tmp_path}/out")
    assert done.code == 0, done.err
    lines = (tmp_path / "out").read_text().splitlines()
    assert (len(lines), lines[30], lines[41]) == (80, '{"prediction": null}', '{"prediction": 2.0}')


def test_parameters_of_the_model(world: World, tmp_path: Path) -> None:
    target = f"{tmp_path}/out.csv"
    assert world.predict("./typed", "a.csv", "-o", target, "-P", "scale=3").code == 0
    with open(target, newline="") as file:
        assert next(csv.DictReader(file))["scale"] == "3.0"
    for given, said in (
        ("scale=x", "the parameter scale is double, and not 'x'"),
        ("other=1", "no parameter 'other'"),
    ):
        done = world.predict("./typed", "a.csv", "-o", target, "-P", given)
        assert (done.code, said in done.err) == (125, True), done.err


def test_two_do_not_write_the_same_output(world: World, tmp_path: Path) -> None:
    parts = Parts(f"{tmp_path}/out.csv.parts", "key")
    done = world.predict("./sums", "a.csv", "-o", f"{tmp_path}/out.csv")
    assert (done.code, "another process writes" in done.err) == (2, True)
    parts.close()
    assert world.predict("./sums", "a.csv", "-o", f"{tmp_path}/out.csv").code == 0
    assert world.predict("./sums", "a.csv", "-o", "/dev/null").code == 2


def test_the_input_is_never_the_output(world: World, tmp_path: Path) -> None:
    """By whatever name: it would be lost, or be part of what is read the next time."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("sub/1.csv", "same.csv"):
        shutil.copy(world.path("a.csv"), folder / name)
    os.link(folder / "same.csv", tmp_path / "hard.csv")
    os.symlink(folder / "same.csv", tmp_path / "soft.csv")
    os.symlink(folder, tmp_path / "linked")
    before = hashing.digest(str(folder))
    for source, target in (
        (folder / "same.csv", folder / "same.csv"),
        (folder / "same.csv", tmp_path / "hard.csv"),
        (folder / "same.csv", tmp_path / "soft.csv"),
        (tmp_path / "soft.csv", folder / "same.csv"),
        (folder, folder / "sub" / "1.csv"),
        (folder, folder / "new.csv"),
        (folder, tmp_path / "linked" / "new.csv"),
        (tmp_path / "linked", folder / "new.csv"),
    ):
        done = world.predict("./sums", str(source), "-o", str(target))
        assert (done.code, "which is read" in done.err or "is read: " in done.err) == (2, True), done.err
    assert hashing.digest(str(folder)) == before
    assert not os.path.isdir(os.path.join(paths.store(), "runs"))


def test_an_input_that_changes_meanwhile_gives_nothing(
    world: World, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    shutil.copy(world.path("a.csv"), source)
    target.write_text("what was there")
    real = predict._told

    def told(*given: Any) -> Any:
        for each in real(*given):
            if "done" in each:
                source.write_text("a,b\n1,2\n")
            yield each

    monkeypatch.setattr(predict, "_told", told)
    monkeypatch.chdir(world.top)
    done = program("predict", "./sums", str(source), "-o", str(target), "--env", world.prefix)
    assert (done.code, "was changed while it was read" in done.err) == (125, True), done.err
    assert target.read_text() == "what was there"
    assert not os.path.exists(f"{target}.parts")  # nothing is gone on with


def test_a_folder_of_parts_that_is_somebody_elses_is_left_alone(world: World, tmp_path: Path) -> None:
    (tmp_path / "out.csv.parts").mkdir()
    (tmp_path / "out.csv.parts" / "mine.txt").write_text("precious")
    done = world.predict("./sums", "a.csv", "-o", f"{tmp_path}/out.csv")
    assert (done.code, "has something else in it: mine.txt" in done.err) == (2, True), done.err
    assert os.listdir(tmp_path / "out.csv.parts") == ["mine.txt"]


def test_parts_of_another_environment_are_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one that has no key of the cache: by its place, its packages, and what lies beside them."""
    monkeypatch.delenv("PYTHONPATH", raising=False)

    def installed(name: str, run_id: str = "1") -> list[str]:
        prefix = str(tmp_path / name)
        python = make_tree(prefix, {"bin/python3.11": "", "pyvenv.cfg": ""}) + "/bin/python3.11"
        activation = Activation("virtualenv", (), {}, prefix, python)
        return [*predict._installed(Environment(activation), run_id)]

    site = tmp_path / "one/lib/python3.11/site-packages"
    found = [installed("one"), installed("two")]
    for name in ("a-1.0.dist-info/METADATA", "module.py"):
        make_tree(site, {name: ""})
        found.append(installed("one"))
    assert len({*map(tuple, found)}) == 4
    assert installed("one") == installed("one", "2") == found[-1]
    make_tree(
        site, {"b-1.0.dist-info/direct_url.json": '{"url": "file:///b", "dir_info": {"editable": true}}'}
    )
    assert installed("one") != installed("one", "2")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert installed("two") != installed("two", "2")


def test_mistakes(world: World, tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text('{"a": 1}\n{"a": 2\n')
    (tmp_path / "odd.csv").write_text("a\n1\nx\n")
    (tmp_path / "none.csv").write_text("a\n")
    (tmp_path / "sub").mkdir()
    for words, code, said in (
        (("./sums", "none.csv"), 2, "there is no file none.csv"),
        (("./sums", world.path("expected.json")), 2, "has no ending that is none of csv"),
        (("./sums", str(tmp_path / "sub")), 2, "no file of csv, jsonl, parquet"),
        (("./sums", str(tmp_path / "odd.jsonl")), 125, "line 2 is no JSON"),
        (("./sums", str(tmp_path / "odd.csv")), 125, "odd.csv: "),
        (("./sums", str(tmp_path / "none.csv")), 125, "the input has no rows"),
        (("./sums", "a.csv", "--keep", "nothing"), 125, "the input has no column 'nothing'"),
        (("./short", "a.csv"), 125, "the model gave 3 predictions for 40 rows"),
    ):
        done = world.predict(*words, "-o", f"{tmp_path}/out.csv")
        assert (done.code, said in done.err) == (code, True), done.err
        assert not [
            name for name in os.listdir(tmp_path) if name.startswith("out.csv")
        ]  # nor an empty out.csv.parts
    with open(tmp_path / "odd.csv", "rb") as file:
        argv = [sys.executable, "-m", "runner", "predict", "./sums", "-", "--env", world.prefix]
        piped = subprocess.run(argv, stdin=file, capture_output=True, text=True, cwd=world.top, check=False)
    assert (piped.returncode, "standard input: " in piped.stderr) == (125, True), piped.stderr


def test_predictions_are_taken_over(
    world: World, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same files in the same environment: one with a lock, as a virtual environment has."""
    real, lock = predict.prepare, "tiny==1.0\n"

    def prepared(*given: object) -> Environment:
        return real(*given)._replace(lock=lock, key="key")  # type: ignore[arg-type]

    monkeypatch.setattr(predict, "prepare", prepared)
    monkeypatch.chdir(world.top)
    target = tmp_path / "out.csv"
    words = ("predict", "./sums", "a.csv", "-o", str(target), "--env", world.prefix, "--cached")
    first = program.json(*words)
    whole = target.read_bytes()
    target.unlink()
    again = program.json(*words)
    assert (again["cached_from"], again["rows"], target.read_bytes()) == (first["run_id"], 40, whole)
    assert record().run_id == again["run_id"]
    with open(world.path("calls")) as file:
        assert len(file.read().split()) == 1
    lock = "tiny==2.0\n"
    assert program.json(*words)["cached_from"] == ""


def test_it_runs_in_old_pythons() -> None:
    with open(batch.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read(), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= set(
        "__future__ importlib importlib.util json os shutil signal sys threading traceback typing".split()
    )
