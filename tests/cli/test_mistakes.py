"""Mistakes on the command line are told in the one style of all errors."""

from __future__ import annotations

import ast
import os
import re

import pytest

import runner
from runner.cli.commands import COMMANDS, load
from runner.cli.mistakes import SYNONYMS, script
from runner.cli.options import Group
from tests.cli.records import Program, make_run
from tests.helpers import make_tree, proj

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("runs --foo", "no such option: --foo", "proj runs -h"),
        ("run . -P", "requires an argument", "proj run -h"),
        ("show a b c", "unexpected extra argument", "proj show -h"),
        ("env nothing", "nothing", "proj env -h"),
        ("rnu", "there is no command 'rnu'. Did you mean 'run'?", "proj -h"),
        ("rum", "there is no command 'rum'. Did you mean 'run'?", "proj -h"),
        ("comprae", "Did you mean 'compare'?", "proj -h"),
        ("xyzzy", "there is no command 'xyzzy'", "proj -h"),
        ("ls", "it is called 'runs'", "proj runs -h"),
        ("dashboard", "it is called 'ui'", "proj ui -h"),
        ("stop", "it is called 'cancel'", "proj cancel -h"),
        ("delete", "it is called 'rm'", "proj rm -h"),
        ("runs -n x", "'x' is not a valid int", "proj runs -h"),
        ("--foo", "no such option: --foo", "proj -h"),
    ],
)
def test_a_mistake_has_one_style(program: Program, line: str, message: str, hint: str) -> None:
    done = program(*line.split())
    assert done.code == 2
    first, second = done.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert second == f"  hint: {hint}  shows the usage"
    assert done.out == ""


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("reproduce", "proj reproduce last; proj runs  lists them"),
        ("env diff last", "proj env diff last last~1; proj runs  lists them"),
        ("env show", "proj env ls  lists them"),
        ("models alias", "proj models  lists them"),
        ("import", "proj import -h  shows the usage"),
    ],
)
def test_where_to_find_what_is_missing(program: Program, line: str, hint: str) -> None:
    done = program(*line.split())
    assert done.code == 2
    assert done.err.splitlines()[1] == f"  hint: {hint}"


def test_help_and_version_are_no_mistakes(program: Program) -> None:
    assert program("--version").out.startswith("proj ")
    assert program("runs", "-h").code == 0
    assert "Commands:" in program("-h").out
    group = program("env")
    assert "Commands:" in group.out + group.err
    assert "error" not in group.err


@pytest.mark.parametrize("files", [{}, {"requirements.txt": "no-such-package-at-all==1.0\n"}])
def test_what_is_missing_offline_says_so(program: Program, files: dict[str, str]) -> None:
    uri = make_tree("p", {"main.py": "", **files}) if files else "http://127.0.0.1:9/x.zip"
    done = program("run", uri, "-e", "main.py", "--offline")
    assert done.code == 125
    assert "offline" in done.err, done.err


def test_synonyms_are_no_commands() -> None:
    assert set(SYNONYMS.values()) <= set(COMMANDS)


def test_help_and_version_as_words(program: Program) -> None:
    assert program("help", "runs").out == program("runs", "--help").out
    assert program("help").out == program("-h").out
    assert program("version").out == program("--version").out


def test_every_command_is_in_the_help_once(program: Program) -> None:
    shown = [
        line.split()[0]
        for line in program("-h").out.splitlines()
        if line.startswith("    ") and line[4] != " "
    ]
    assert sorted(shown) == sorted(COMMANDS)


def test_the_help_of_run_has_every_option_once(program: Program) -> None:
    text = program("run", "-h").out
    for option in load("run").options:  # type: ignore[union-attr]
        if option.names:
            assert (
                len(re.findall(rf"^  (?:-\w, )?{re.escape(option.names[-1])}(?= )", text, re.MULTILINE)) == 1
            )
    assert [line for line in text.splitlines() if line.endswith(":") and line[0] != " "][1:4] == [
        "What is run:",
        "Environment:",
        "Record:",
    ]


WALKS = """\
name: walks
entry_points:
  main: {parameters: {n-steps: {type: int, default: 1}}, command: "echo {n-steps}"}
  other: {parameters: {rate: {type: float, default: 1}}, command: "true"}
"""


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("run walks --n-steps 5", "proj run walks -P n-steps=5"),
        ("run walks --n_steps=5", "proj run walks -P n-steps=5"),
        ("run walks -e other --rate 0.5", "proj run walks -e other -P rate=0.5"),
        ("run walks --unknown 5", "proj run walks -- --unknown 5  passes it on to the program"),
        ("run --n-steps 5 walks", "proj run walks -P n-steps=5"),
        ("run --unknown=5 walks", "proj run walks -- --unknown 5  passes it on to the program"),
        ("run walks n-steps=5", "proj run walks -P n-steps=5"),
        ("run walks --param n-steps=5", "proj run walks -P n-steps=5"),
        ("run walks --params n-steps=5", "proj run walks -P n-steps=5"),
        ("run -p n-steps=5 walks", "proj run walks -P n-steps=5"),
        ("run walks -P n-steps 5", "proj run walks -P n-steps=5"),
        ("run walks othr", "proj run walks -e other"),
        ("run -q walks other rate=2", "proj run -q walks -e other -P rate=2"),
        (
            "run walks --env-manager local data.csv --dry-run 5",
            "proj run walks --env-manager local --dry-run -- data.csv 5  passes it on to the program",
        ),
        ("walks", "proj run walks  runs it"),
        ("https://example.org/x.git", "proj run https://example.org/x.git  runs it"),
    ],
)
def test_what_to_type_instead(program: Program, line: str, hint: str) -> None:
    make_tree("walks", {"MLproject": WALKS})
    done = program(*line.split())
    assert done.code == 2
    assert done.err.splitlines()[1] == f"  hint: {hint}"
    if "-P" in hint:
        assert program(*hint.split()[1:], "--env-manager", "local", "-q").code == 0


@pytest.mark.parametrize(
    ("files", "uri", "expected"),
    [
        ({"train.py": ""}, "train.py", (".", "train.py")),
        ({"sub/train.py": "", "MLproject": ""}, "sub/train.py", (".", "sub/train.py")),
        ({"sub/train.py": "", "sub/MLproject": "", "MLproject": ""}, "sub/train.py", ("sub", "train.py")),
        ({"sub/train.py": ""}, "./sub/train.py", ("sub", "train.py")),
        ({"train.txt": ""}, "train.txt", None),
        ({}, "train.py", None),
        ({"train.py/MLproject": ""}, "train.py", None),
    ],
)
def test_a_script_and_its_project(files: dict[str, str], uri: str, expected: tuple[str, str] | None) -> None:
    make_tree(os.getcwd(), files)
    found = script(uri)
    assert (found and (os.path.relpath(found[0]), found[1])) == expected


def test_running_a_script(program: Program) -> None:
    make_tree("p", {"requirements.txt": "", "tools/hello.py": "print('hello')"})
    done = proj("run", "p/tools/hello.py", "--env-manager", "local", "--json")
    assert done.code == 0, done.err
    assert "hello" in done.err
    run = program.json("show", "last")
    assert (run["entry_point"], os.path.basename(run["command"]["directory"])) == ("tools/hello.py", "p")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["metrics.rsme < 1"], "no run has a metric 'rsme'; did you mean metrics.rmse?"),
        (["params.nothing = 'x'"], "no run has a parameter 'nothing'"),
        (["tags.team = 'x' and metrics.rmse < 0"], "no run has a tag 'team'"),
        (["--order-by", "metrics.rmsee"], "no run has a metric 'rmsee'; did you mean metrics.rmse?"),
        (["--columns", "name,params.lrr"], "no run has a parameter 'lrr'; did you mean params.lr?"),
    ],
)
def test_names_that_no_run_has_are_said(program: Program, words: list[str], said: str) -> None:
    make_run("first", params={"lr": 1}, metrics={"rmse": [1.0]})
    done = program("runs", *words)
    assert (done.code, done.err) == (0, f"note: {said}\n")


def test_names_that_some_run_has_are_not(program: Program) -> None:
    make_run("first", params={"lr": 1}, metrics={"rmse": [1.0]})
    for words in (
        ["metrics.rmse < 0"],
        ["--order-by", "metrics.rmse"],
        ["--columns", "params.lr"],
        ["status = 'FAILED'"],
    ):
        assert program("runs", *words).err == ""


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ("status = 'FINISHD'", "did you mean 'FINISHED'?"),
        ("status IN ('FAILED', 'finished')", "did you mean 'FINISHED'?"),
    ],
)
def test_a_status_that_there_is_not(program: Program, where: str, hint: str) -> None:
    done = program("runs", where)
    assert done.code == 2
    assert "there is no status" in done.err
    assert hint in done.err


@pytest.mark.parametrize("line", ["runs", "show last", "logs last", "export", "doctor", "gc", "sync"])
def test_a_store_that_is_not_there(program: Program, line: str) -> None:
    done = program(*line.split(), "--store", "nowhere")
    assert done.code == 2
    assert f"there is no store at {os.path.abspath('nowhere')}" in done.err
    assert not os.path.exists("nowhere")


def test_advice_names_no_document_of_the_repository(program: Program) -> None:
    """It is not on the user's disk."""
    assert "docs/" not in program("runs", "metrics.rmse <").err
    for place, _, names in os.walk(os.path.dirname(os.path.abspath(runner.__file__))):
        for name in names:
            if not name.endswith(".py"):
                continue
            with open(os.path.join(place, name), encoding="utf-8") as file:
                tree = ast.parse(file.read())
            documents = {
                ast.get_docstring(node, clean=False)
                for node in ast.walk(tree)
                if isinstance(node, DOCUMENTED)
            }
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and node.value not in documents
                ):
                    assert not re.search(r"(?<![\w./])docs/\w+\.md", node.value), (name, node.value)


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--bakend", "did you mean --backend?"),
        ("--stesp", "proj run p -P steps=5"),
        ("--steps", "proj run p -P steps=5"),
        ("--other", "proj run p -- --other 5  passes it on to the program"),
    ],
)
def test_an_option_that_run_does_not_have(program: Program, option: str, hint: str) -> None:
    make_tree(
        "p", {"MLproject": "entry_points: {main: {command: 'echo {steps}', parameters: {steps: int}}}\n"}
    )
    done = program("run", "p", option, "5")
    assert done.err.splitlines() == [f"error: no such option: {option}", f"  hint: {hint}"]


def test_a_package_that_nothing_names_is_told() -> None:
    make_tree(
        "p",
        {"main.py": "import sklearn_not_there, os\n", "own.py": "import sub.gone\n", "sub/__init__.py": ""},
    )
    assert "printf '%s\\n' sklearn_not_there >> requirements.txt" in proj("run", "p").err
    assert "requirements.txt" not in proj("run", "p/own.py").err
    make_tree("p", {"requirements.txt": "", "main.py": "import yaml_not_there.x\n"})
    assert "requirements.txt does not name yaml_not_there" in proj("run", "p").err


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("env prune --dry-run", "proj env gc"),
        ("env lst", "proj env ls"),
        ("cache clean", "proj cache prune"),
        ("server token new", "proj server token create"),
        ("experiments delete x", "proj experiments rm"),
        ("artifacts download last", "proj artifacts get"),
    ],
)
def test_a_command_of_a_group_by_another_name(program: Program, line: str, meant: str) -> None:
    done = program(*line.split())
    first, second = done.err.splitlines()
    assert (done.code, second) == (2, f"  hint: did you mean  {meant}?")
    assert first == f"error: no such command {line.split()[-1 if 'new' in line else 1]!r}"


@pytest.mark.parametrize("name", [name for name in COMMANDS if isinstance(load(name), Group)])
def test_what_the_commands_of_a_group_do_is_told_whole(program: Program, name: str) -> None:
    text = program(name, "-h").out
    for inner in load(name).commands:  # type: ignore[union-attr]
        assert re.search(rf"^  {inner}  .*?[^.]\.$", text, re.MULTILINE | re.DOTALL)
    cut = [line for line in text.partition("Commands:")[2].splitlines() if line.endswith("...")]
    assert cut == []
