"""Which environment a run gets."""

from __future__ import annotations

import pytest

from runner.environments import choose
from runner.errors import InputError
from runner.values import EntryPoint, EnvironmentSpec, Project
from tests.helpers import make_tree

PYTHON = EnvironmentSpec("virtualenv", "python_env.yaml")
CONDA = EnvironmentSpec("conda", "conda.yaml")
DOCKER = EnvironmentSpec("docker", options={"image": "x"})
SYSTEM = EnvironmentSpec("system")
MAIN = EntryPoint("main", "true")


def project(*environments: EnvironmentSpec, directory: str = "/nowhere") -> Project:
    return Project(directory, "MLproject", "p", (MAIN,), environments)


@pytest.mark.parametrize(
    ("stated", "asked", "chosen"),
    [
        ((), "", SYSTEM),
        ((PYTHON,), "", PYTHON),
        ((DOCKER, PYTHON), "", DOCKER),
        ((DOCKER, PYTHON), "virtualenv", PYTHON),
        ((PYTHON,), "uv", PYTHON),
        ((CONDA,), "virtualenv", EnvironmentSpec("virtualenv", "conda.yaml")),
        ((), "virtualenv", EnvironmentSpec("virtualenv", "")),
        ((PYTHON,), "none", SYSTEM),
        ((CONDA, DOCKER), "docker", DOCKER),
    ],
)
def test_what_is_chosen(stated: tuple[EnvironmentSpec, ...], asked: str, chosen: EnvironmentSpec) -> None:
    assert choose(project(*stated), MAIN, asked) == chosen


def test_complaint_7856_local_wins_over_docker_env() -> None:
    assert choose(project(DOCKER), MAIN, "local") == SYSTEM


def test_complaint_1789_none_is_the_environment_that_one_is_in() -> None:
    assert choose(project(CONDA), MAIN, "none") == SYSTEM


def test_complaint_2850_conda_and_docker_in_one_project() -> None:
    both = project(CONDA, DOCKER)
    assert [choose(both, MAIN, asked).kind for asked in ("", "conda", "docker")] == [
        "conda",
        "conda",
        "docker",
    ]


def test_complaint_2877_an_entry_point_has_an_environment_of_its_own(tmp_path: object) -> None:
    folder = make_tree(f"{tmp_path}/p", {"other.yaml": "", "env/conda.yaml": "", "requirements.txt": ""})
    stated = project(PYTHON, DOCKER, directory=folder)

    def chosen(own: str, asked: str = "") -> EnvironmentSpec:
        return choose(stated, MAIN._replace(environment=own), asked)

    assert chosen("docker") == DOCKER
    assert chosen("system") == SYSTEM
    assert chosen("other.yaml") == EnvironmentSpec("virtualenv", "other.yaml")
    assert chosen("env/conda.yaml") == EnvironmentSpec("conda", "env/conda.yaml")
    assert chosen("python_env.yaml") == PYTHON
    assert chosen("docker", "local") == SYSTEM
    with pytest.raises(InputError, match=r"entry point main: its environment none\.yaml"):
        chosen("none.yaml")


def test_files_that_lie_there_are_found(tmp_path: object) -> None:
    folder = make_tree(f"{tmp_path}/p", {"requirements.txt": "", "environment.yml": ""})
    assert choose(project(directory=folder), MAIN, "virtualenv").file == "requirements.txt"
    assert choose(project(directory=folder), MAIN, "conda") == EnvironmentSpec("conda", "environment.yml")


@pytest.mark.parametrize(
    ("asked", "message"), [("docker", "no docker environment"), ("conda", "no conda"), ("vm", "no such kind")]
)
def test_what_cannot_be_had_is_said(asked: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose(project(), MAIN, asked)
