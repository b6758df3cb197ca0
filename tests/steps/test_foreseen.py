"""`proj plan` and `proj why`: what would be run again, said before, and said why."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.helpers import make_repository, make_tree, proj
from tests.steps.test_pipeline import FILES, MLPROJECT, assert_as_foreseen, foreseen, piped


@pytest.fixture
def project(tmp_path: object) -> str:
    return make_repository(f"{tmp_path}/demo", FILES)


def why(project: str, step: str, *arguments: str) -> str:
    done = proj("why", step, project, *arguments)
    assert done.code == 0, done.err
    return done.out


def test_what_is_new_is_run_and_the_rest_is_not_known_yet(project: str) -> None:
    told = foreseen(project)
    assert told.pop("prepare") == "run"
    assert set(told.values()) == {"unknown"}
    assert foreseen(project, "-e", "prepare") == {"prepare": "run"}
    assert "no run of this entry point has finished" not in why(project, "prepare")
    assert "it has never finished" in why(project, "prepare")
    done = proj("plan", project)
    assert "main\tunknown\tuntil train[ridge,1], train[ridge,2], train[lasso,1], train[lasso,2]" in done.out
    assert "6 steps: 1 run, 5 unknown" in done.err
    assert not os.path.exists(os.path.join(project, "data", "x.txt"))


def test_outputs_that_are_gone_or_spoilt_are_those_that_will_be_put_back(project: str) -> None:
    piped(project)
    assert set(foreseen(project).values()) == {"hit"}
    subprocess.run(["rm", "-rf", os.path.join(project, "data"), os.path.join(project, "models")], check=True)
    make_tree(project, {"models/ridge-1.txt": "spoilt\n"})
    told = foreseen(project)
    assert set(told.values()) == {"hit"}
    _, steps, _ = piped(project)
    assert_as_foreseen(told, steps)


@pytest.mark.parametrize("arguments", [
    ("-P", "model=ridge"), ("-P", "publish=false"), ("--force", "train"), ("--from", "main"), ("-P", "title=new"),
])  # fmt: skip
def test_options_are_those_of_a_run(project: str, arguments: tuple[str, ...]) -> None:
    piped(project)
    told = foreseen(project, *arguments)
    _, steps, _ = piped(project, *arguments)
    assert_as_foreseen(told, steps)
    assert len(set(told.values())) > 1 or "model=ridge" in arguments


def test_why_names_what_differs_and_what_would_have_avoided_it(project: str) -> None:
    piped(project)
    assert "prepare: nothing has changed, prepare (" in why(project, "prepare")
    make_tree(project, {"raw.txt": "new\n", "lib/part.py": FILES["lib/part.py"] + "#\n"})
    told = why(project, "prepare")
    assert "nearest is prepare (" in told
    assert "code: lib/part.py" in told
    assert "inputs: raw.txt: " in told
    told = why(project, "train[ridge,2]")
    assert "train[ridge,2]: unknown until prepare" in told
    assert "with the inputs as they are now, train[ridge,2] (" in told
    make_tree(
        project, {"raw.txt": FILES["raw.txt"], "lib/part.py": FILES["lib/part.py"], "README.md": "hello\n"}
    )
    told = why(project, "main")
    assert "code: README.md" in told
    assert "with `code: [lib/, prep.py, train.sh]` of main in MLproject, README.md would not count" in told
    assert "parameters: title: t -> x" in why(project, "main", "-P", "title=x")
    facts = json.loads(why(project, "train", "--json"))["steps"]
    assert [each["step"] for each in facts] == [
        f"train[{model},{seed}]" for model in ("ridge", "lasso") for seed in (1, 2)
    ]
    assert {each["state"] for each in facts} == {"hit"}
    for step in ("tarin", "train[ridge,9]"):
        done = proj("why", step, project)
        assert done.code == 2
        assert "train" in done.err


def test_a_graph_to_be_drawn(project: str) -> None:
    text = MLPROJECT.replace("[ridge, lasso]", "['a\"b<c>#d']").replace("1..2", "1..1")
    make_tree(project, {"MLproject": text.replace("models/{model}", "models/x")})
    lines = proj("plan", project, "--mermaid").out.splitlines()
    assert lines[:6] == [
        "flowchart TD",
        '    s0["prepare"]:::run',
        '    s1["train[a#quot;b#lt;c#gt;#35;d,1]"]:::unknown',
        '    s2["main"]:::unknown',
        "    s0 --> s1",
        "    s1 --> s2",
    ]


def test_a_step_whose_environment_is_not_made_is_run(project: str) -> None:
    make_tree(project, {"env.yaml": "dependencies: []\n", "MLproject": "python_env: env.yaml\n" + MLPROJECT})
    done = proj("plan", project)
    assert "prepare\trun\tits environment is not known yet" in done.out
