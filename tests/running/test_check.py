"""`proj check`: everything that is likely to go wrong, each with its place."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from runner.errors import Fault
from runner.running import check
from tests.helpers import make_repository, make_tree, proj, some

MAIN = "entry_points:\n  main:\n    command: python a.py\n"


def lint(tmp_path: Any, text: str, **files: str) -> list[Fault]:
    return check.check(make_tree(tmp_path / "p", {"MLproject": text, "a.py": "", **files}))


def only(tmp_path: Any, text: str, **files: str) -> Fault:
    found = lint(tmp_path, text, **files)
    assert len(found) == 1, found
    return found[0]


def test_a_good_project_has_nothing_to_complain_about(tmp_path: Any) -> None:
    text = "name: a\npython_env: python_env.yaml\nentry_points:\n  main:\n    parameters: {lr: {type: float, default: 1}}\n"
    text += "    command: >\n      python a.py\n      --lr {lr} && awk '{print}' ${HOME}/x \"{lr}\"\n"
    assert lint(tmp_path, text, **{"python_env.yaml": 'python: "3.11"\n'}) == []


@pytest.mark.parametrize(
    ("text", "place", "severity", "message"),
    [
        ("command: python a.py\n    parameters: {lr: float}", "4:18", "warning", "lr is declared, but the command of main has no {lr}"),
        ("command: python a.py {lrr}\n    parameters: {lr: {default: 1}}", "3:26", "error", "{lrr} names no parameter"),
        ("command: python a.py {data}", "3:26", "warning", "{data} names no parameter"),
        ("command: python b.py", "3:21", "warning", "runs b.py, which is not there"),
        ("command: python a.py 'x", "3:5", "error", "bash cannot read the command"),
        ("command: python a.py $(({lr}))\n    parameters: {lr: int}", "3:29", "warning", "only values of letters, digits"),
        ("command: python a.py {x}\n    parameters: {x: {type: path, default: d}}", "4:18", "warning", "d, is not there"),
        ("command: a {k}\n    parameters: {k: {secret: true, default: d}}", "4:18", "warning", "can be read by everybody"),
        ("command: >\n      python a.py\n        --x 1\n        --y 2", "5:9", "warning", "this line (and 1 more) for a command"),
        ("command: a\n    parameters: {lr: {type: int, defulat: 1}}", "4:34", "error", "'defulat' is no key"),
        ("command: a\n    environment: gpu.txt", "4:18", "error", "its environment gpu.txt is neither"),
        ("parameters: {}", "2:3", "error", "the entry point main has no command"),
    ],
)  # fmt: skip
def test_one_mistake(tmp_path: Any, text: str, place: str, severity: str, message: str) -> None:
    found = lint(tmp_path, f"entry_points:\n  main:\n    {text}\n")
    (fault,) = [each for each in found if message in each.message]
    assert (fault.place, fault.severity) == (f"MLproject:{place}", severity)


def test_a_placeholder_that_is_nearly_a_parameter(tmp_path: Any) -> None:
    found = lint(
        tmp_path, "entry_points: {main: {command: 'a {learning_rat}', parameters: {learning_rate: float}}}\n"
    )
    assert "did you mean {learning_rate}?" in [fault.hint for fault in found]


def test_an_environment_file_that_is_missing_or_broken(tmp_path: Any) -> None:
    fault = only(tmp_path, "conda_env: conda.yml\n" + MAIN, **{"conda.yaml": ""})
    assert (fault.place, fault.severity, fault.hint) == (
        "MLproject:1:12",
        "error",
        "did you mean conda.yaml?",
    )
    fault = only(tmp_path, "python_env: env.yaml\n" + MAIN, **{"env.yaml": "dependencies: [a\n"})
    assert fault.file == "env.yaml"
    assert "not YAML" in fault.message


def test_a_file_that_mlflow_does_not_find(tmp_path: Any) -> None:
    directory = make_tree(tmp_path / "p", {"MLproject.yaml": MAIN, "a.py": ""})
    (fault,) = check.check(directory)
    assert "MLflow only finds a file that is called MLproject" in fault.message


def test_a_file_that_is_not_committed(tmp_path: Any) -> None:
    directory = make_repository(tmp_path / "p", {"MLproject": "python_env: env.yaml\n" + MAIN, "a.py": ""})
    make_tree(directory, {"env.yaml": ""})
    (fault,) = check.check(directory)
    assert (fault.file, fault.severity) == ("env.yaml", "warning")
    assert "not committed" in fault.message


def test_a_folder_without_a_project_file(tmp_path: Any) -> None:
    assert check.check(make_tree(tmp_path / "a", {"main.py": ""})) == []
    (fault,) = check.check(make_tree(tmp_path / "b", {"train.py": ""}))
    assert fault.severity == "error"


def test_complaint_pr_1725_the_program_says_all_of_it(tmp_path: Any) -> None:
    directory = make_tree(
        tmp_path / "p",
        {"MLproject": "entry_pionts: {}\nconda_env: c.yaml\nentry_points: {main: {command: a}}\nx: 1\n"},
    )
    done = proj("check", directory)
    assert done.code == 2
    assert done.out.splitlines() == [
        f"{directory}/MLproject:1:1: warning: 'entry_pionts' is no key of a project; it is ignored",
        f"{directory}/MLproject:2:12: error: the environment file c.yaml is not in the project",
        f"{directory}/MLproject:4:1: warning: 'x' is no key of a project; it is ignored",
        "1 error, 2 warnings",
    ]
    done = proj("check", "--json", cwd=directory)
    assert done.code == 2
    result = json.loads(done.out)
    assert (result["ok"], len(result["faults"])) == (False, 3)
    assert result["faults"][1]["file"] == "MLproject"
    assert (result["faults"][1]["line"], result["faults"][1]["column"]) == (2, 12)


def test_a_run_of_a_broken_project_says_where_it_is_broken(tmp_path: Any) -> None:
    directory = make_tree(tmp_path / "p", {"MLproject": "entry_points: {main: }\n"})
    done = proj("run", directory)
    assert done.code == 2
    assert "MLproject:1:22: the entry point main has no command" in done.err
    assert "Traceback" not in done.err
    assert not os.path.exists(os.path.join(os.environ["PROJ_HOME"], "store", "runs"))


def test_each_run_tells_a_misspelt_key(tmp_path: Any) -> None:
    text = "entry_points: {main: {command: 'echo {x}', parameters: {x: {default: 1, mni: 2, type: int}}}}\n"
    directory = make_tree(tmp_path / "p", {"MLproject": text})
    for _ in range(2):
        done = proj("run", directory, "--env-manager", "local")
        assert (done.code, done.out) == (0, "1\n"), done.err
        assert "warning: MLproject:1:73: 'mni' is no key of the parameter x; did you mean 'min'?" in done.err


def test_a_good_project_in_a_repository_by_its_url(tmp_path: Any) -> None:
    directory = make_repository(tmp_path / "p", {"MLproject": MAIN, "a.py": ""})
    done = proj("check", f"file://{directory}")
    assert (done.code, done.out) == (0, "nothing to complain about\n")


@pytest.mark.parametrize("command", some(["echo " + "a" * 140_000, "echo " + "$(" * 5000 + ")" * 5000, "$(" * 60_000, "{" * 60_000 + "}" * 60_000,
                                     "{{" * 60_000, "`" * 9999, "[[ " * 30_000, "cat <<A <<B\n" * 5000, "'\"" * 30_000, "${" * 40_000, "".join(f"{{a{number}}}" for number in range(9000))], 4), ids=lambda text: text[:8])  # fmt: skip
def test_no_command_is_too_much(tmp_path: Any, command: str) -> None:
    """However long or nested it is: in a few seconds, with a fault or without."""
    folder = make_tree(
        f"{tmp_path}/p", {"MLproject": json.dumps({"entry_points": {"main": {"command": command}}})}
    )
    began = time.monotonic()
    for words in (("check", folder), ("info", folder), ("run", folder, "--dry-run")):
        done = proj(*words)
        assert done.code in (0, 2), done.err[-500:]
        assert "bug in proj" not in done.err
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("file", "text", "place", "key", "places"),
    [
        ("python_env.yaml", "dependencies: []\nfoo: 3\n", "2:1", "foo", ["2:1: warning: 'foo' is no key of a Python environment"]),
        ("conda.yaml", "name: x\nplatforms: [linux-64]\ncategory: dev\nvariables: {A: b}\nsolver: z\ndependencies:\n  - python\n  - xz # [linux]\nprefix: /a\n", "5:1", "solver",
         ["conda.yaml: warning: `prefix` has no effect", "5:1: warning: 'solver' is no key of a conda environment", "8:1: warning: selectors"]),
    ],
)  # fmt: skip
def test_what_a_run_warns_of_in_the_file_of_an_environment(
    tmp_path: Any, file: str, text: str, place: str, key: str, places: list[str]
) -> None:
    directory = make_tree(tmp_path / "p", {file: text, "main.py": "print(1)\n"})
    done = proj("check", directory)
    lines = [line for line in done.out.splitlines() if "warning: " in line]
    assert done.code == 0
    assert len(lines) == len(places)
    assert [place for place in places if not any(place in line for line in lines)] == [], lines
    done = proj("run", directory, "--env-manager", "virtualenv")
    assert (done.code, done.out) == (0, "1\n"), done.err
    assert f"warning: {file}:{place}: {key!r} is no key of a" in done.err


def test_no_hint_of_check_is_to_check(tmp_path: Any) -> None:
    for name, text in (("requirements.txt", "-r other.txt\n"), ("python_env.yaml", "dependencies: [-e ./gone]\n"),
                       ("conda.yaml", "dependencies: {a: b}\nchannels: {}\n"), ("pyproject.toml", "[project]\nname =\n")):  # fmt: skip
        done = proj("check", make_tree(tmp_path / name, {name: text, "main.py": ""}))
        assert done.code == 2, name
        assert "proj check" not in done.out
