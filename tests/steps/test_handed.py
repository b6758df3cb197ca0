"""What one step hands to the next lies in the project: a step reads what this pipeline wrote, or it fails."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.helpers import make_repository, make_tree, proj
from tests.steps.test_pipeline import children, piped, read, wait_for

# `a` says that it has written, and `between` waits until the test has had its way with what lies in the project
MLPROJECT = """\
name: handed
entry_points:
  a:
    parameters: {x: {type: int, default: 1}}
    outputs: [a.txt, "parts/{x}.txt", model/]
    command: "echo {x} | tee a.txt parts/{x}.txt; mkdir -p model; echo {x} > model/weights"
  between:
    needs: a
    parameters: {signs: path}
    command: "touch {signs}/$$; until [ -e {signs}/go ]; do sleep 0.05; done"
  b:
    needs: [a, between]
    inputs: [a.txt, "parts/*.txt", model/]
    outputs: [b.txt]
    code: [none]
    command: "cat a.txt parts/*.txt model/* > b.txt"
"""


@pytest.fixture
def project(tmp_path: object) -> str:
    os.mkdir(f"{tmp_path}/signs")
    return make_repository(f"{tmp_path}/demo", {"MLproject": MLPROJECT, "parts/.gitkeep": ""})


class Going:
    """A pipeline that is between its steps."""

    def __init__(self, project: str, signs: str, *arguments: str) -> None:
        self._signs = signs
        os.makedirs(signs, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "runner", "run", project, "-e", "b", "-P", f"signs={signs}", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        wait_for(lambda: os.listdir(signs) or self._process.poll() is not None)

    def end(self) -> tuple[int, str]:
        make_tree(self._signs, {"go": ""})
        _, said = self._process.communicate(timeout=120)
        return self._process.returncode, said


@pytest.mark.parametrize("workdir", ["fresh", "project"])
@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("echo 2 > a.txt", "the input a.txt was changed after the step a had written it"),
        ("rm parts/1.txt", "the input parts/1.txt was removed"),
        ("echo 2 > model/weights", "the input model/weights was changed"),
        ("echo 1 > a.txt", ""),
        ("echo mine > model/mine", ""),  # what lies beside it is the user's affair
    ],
)
def test_a_step_reads_what_the_steps_before_it_wrote(
    project: str, tmp_path: object, workdir: str, edit: str, said: str
) -> None:
    going = Going(project, f"{tmp_path}/signs", f"--workdir={workdir}")
    subprocess.run(["bash", "-c", edit], cwd=project, check=True)
    code, told = going.end()
    assert bool(code) == bool(said), told
    assert said in told
    assert os.path.exists(os.path.join(project, "b.txt")) != bool(said)


def test_two_pipelines_in_one_folder_never_read_from_each_other(project: str, tmp_path: object) -> None:
    first = Going(project, f"{tmp_path}/one", "-P", "x=1")
    second = Going(project, f"{tmp_path}/two", "-P", "x=2")
    code, told = first.end()
    assert code == 2, told
    assert "the input a.txt was changed after the step a had written it" in told
    code, told = second.end()
    assert code == 0, told
    assert "another run with the same outputs is on in this folder" in told
    assert read(project, "b.txt").split() == ["2", "1", "2", "2"]  # a pattern means all that is there


def test_a_declared_input_that_is_not_there_is_a_failure(project: str) -> None:
    parent, steps, done = piped(project, "-e", "b", "--from", "b", "-P", "signs=.", code=2)
    assert steps == {"a": "kept", "between": "kept", "b": "failed"}
    assert "the input a.txt, parts/*.txt, model is not there" in done.err
    assert [each.status for each in children(parent)] == ["FAILED"]


def test_what_is_taken_as_it_is_cannot_be_forced(project: str) -> None:
    arguments = ["run", project, "-e", "b", "-P", "signs=.", "--from", "b"]
    done = proj(*arguments, "--force", "a")
    assert done.code == 2
    assert "--force a: with --from b it is not run" in done.err
    assert "is not run" not in proj(*arguments, "--force", "[ab]").err
