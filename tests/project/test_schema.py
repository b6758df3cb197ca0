"""The schema that ships is the one that the table of keys makes, and editors can use it."""

from __future__ import annotations

import os
import re
from typing import Any

import jsonschema
import pytest
import yaml

from runner import paths
from runner.environments.docker import keys as docker
from runner.project import keys, reading, schema
from runner.running.check import check as lint
from tests.helpers import make_tree

DOCUMENTATION = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "mlproject.md"
)


def check(text: str) -> list[Any]:
    return list(jsonschema.Draft7Validator(schema.schema()).iter_errors(yaml.safe_load(text)))


def test_the_file_that_ships_is_made_from_the_table() -> None:
    with open(paths.shipped("MLproject.schema.json"), encoding="utf-8") as file:
        assert file.read() == schema.text(), "python -m runner.project.schema > MLproject.schema.json"


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema.schema())


def test_every_key_says_what_it_is_for_and_stands_in_the_documentation() -> None:
    with open(DOCUMENTATION, encoding="utf-8") as file:
        text = file.read()
    for table in (keys.PROJECT, keys.ENTRY_POINT, keys.PARAMETER, docker.DOCKER, docker.DOCKER_BUILD):
        for key in table:
            assert key.description.endswith(".")
            assert re.search(rf"`{key.name}`", text), f"docs/mlproject.md does not say what {key.name} is"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name: a",
        "entry_points: {main: {command: python a.py}}",
        "entry_points: {main: {command: a, parameters: {x: float, y: {type: int, default: 1}, z: }}}",
        "docker_env: python",
        "docker_env: {image: a, volumes: ['/a:/b'], environment: [A, [B, c]], gpus: 2, args: {network: host}}",
        "docker_env: {build: {context: ., args: {A: 1}}}",
        "conda_env:",
        "target: somebody's own key",
    ],
)
def test_what_is_right_passes(text: str) -> None:
    assert check(text) == []


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("[a]", []),
        ("entry_points: [main]", ["entry_points"]),
        ("entry_points: {main: }", ["entry_points", "main"]),
        ("entry_points: {main: {command: [a]}}", ["entry_points", "main", "command"]),
        (
            "entry_points: {main: {parameters: {x: {min: [1]}}}}",
            ["entry_points", "main", "parameters", "x", "min"],
        ),
        ("docker_env: [a]", ["docker_env"]),
        ("python_env: {python: 3}", ["python_env"]),
    ],
)
def test_what_is_wrong_is_marked_where_it_stands(text: str, at: list[str]) -> None:
    assert [list(error.absolute_path) for error in check(text)] == [at]


def test_the_examples_of_the_documentation_are_right(tmp_path: Any) -> None:
    with open(DOCUMENTATION, encoding="utf-8") as file:
        blocks = re.findall(r"```yaml\n(.*?)```", file.read(), re.DOTALL)
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        assert check(block) == []
        directory = make_tree(
            tmp_path / str(number),
            {"MLproject": block, "python_env.yaml": "", "train.py": "", "wine.csv": ""},
        )
        assert lint(directory) == []
        assert reading.load(directory).environments
