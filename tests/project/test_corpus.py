"""Real MLproject files: what MLflow loads, we load, and the same words reach the program.

The corpus is not part of the repository: it is looked for in ../shared/corpus, or where PROJ_CORPUS says.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import Any

import jsonschema
import pytest
import yaml

from runner.errors import InputError, ProjectError
from runner.parameters import resolve
from runner.project import reading, schema
from runner.project.entry_point import entry_point
from runner.running import check

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.environ.get("PROJ_CORPUS", os.path.join(os.path.dirname(REPOSITORY), "shared", "corpus"))
RESULTS_FILE = os.path.join(CORPUS, "mlflow_results.json")
RESULTS: dict[str, Any] = {}
if os.path.exists(RESULTS_FILE):
    with open(RESULTS_FILE, encoding="utf-8") as _file:
        RESULTS = json.load(_file)
LOADED = [name for name, result in RESULTS.items() if result["loads"]]
BROKEN = [name for name, result in RESULTS.items() if not result["loads"]]
COMMANDS = [
    (name, entry, known)
    for name in LOADED
    for entry, known in RESULTS[name]["entry_points"].items()
    if "command" in known["lenient"]
]
# Every program of the corpus's commands, and every other word that bash looks up, is this: it prints its arguments.
STUB = """command_not_found_handle() { printf '%s\\0' "$@" $'\\2' >&3; }\n"""

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not RESULTS, reason="only on a machine with the corpus (PROJ_CORPUS)"),
]


def resolved(name: str, entry: str, known: dict[str, Any], folder: str) -> resolve.Resolved:
    """With the parameters that the recorded results were made with: an existing file for each path, a URL for each
    required uri, `1` for whatever else is required."""
    given: dict[str, Any] = {}
    for parameter, declared in known["parameters"].items():
        if declared["type"] == "path":
            given[parameter] = os.path.join(folder, "some file.csv")
        elif declared["default"] is None:
            given[parameter] = "https://example.com/a b.csv" if declared["type"] == "uri" else "1"
    loaded = reading.load(os.path.join(CORPUS, name))
    return resolve.resolve(entry_point(loaded, entry), given, directory=folder, project=folder)


def arrived(commands: list[str], folder: str) -> list[list[bytes]]:
    """What reaches the programs of each command, sorted as they may run side by side. The commands are strangers': bash finds no program at all (an empty
    PATH), may not name one by its path or write to files (restricted), and each is a shell of its own."""
    empty = os.path.join(folder, "empty")
    os.makedirs(empty, exist_ok=True)
    script = []
    for command in commands:
        quoted = shlex.quote(f"{STUB}enable -n echo; set -r\n{command}")
        script.append(f"/bin/bash -c {quoted} 3>&1 >/dev/null 2>&1 </dev/null | /bin/cat; printf '\\1'")
    done = subprocess.run(
        ["/bin/bash", "-c", "\n".join(script)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        cwd=empty,
        env={"PATH": empty, "HOME": empty},
        timeout=100,
    )
    results = done.stdout.split(b"\1")
    assert len(results) == len(commands) + 1, done.stderr.decode()
    return [sorted(result.split(b"\2\0")[:-1]) for result in results[:-1]]


@pytest.fixture
def folder(tmp_path: Any) -> str:
    (tmp_path / "some file.csv").write_text("")
    return str(tmp_path)


def test_the_corpus_is_complete() -> None:
    assert (len(LOADED), len(BROKEN), len(COMMANDS)) == (139, 5, 215)


@pytest.mark.parametrize("name", LOADED)
def test_what_mlflow_loads_is_loaded_alike(name: str) -> None:
    expected = RESULTS[name]
    loaded = reading.load(os.path.join(CORPUS, name))
    if expected["project_name"] is not None:
        assert loaded.name == str(expected["project_name"])
    assert sorted(point.name for point in loaded.entry_points) == sorted(expected["entry_points"])
    for point in loaded.entry_points:
        known = expected["entry_points"][point.name]
        assert point.command == known["command_template"]
        assert {each.name: each.default for each in point.parameters} == {
            key: declared["default"] for key, declared in known["parameters"].items()
        }
    kinds = {"python_env": "virtualenv", "conda_env": "conda", "docker_env": "docker"}
    if expected["env_config_file"] or expected["docker_env"]:
        first = loaded.environments[0]
        assert first.kind == kinds[expected["env_type"]]
        assert first.file == (expected["env_config_file"] or "")
        for key, value in (expected["docker_env"] or {}).items():
            assert first.options[key] == value


def test_the_same_words_reach_the_programs(folder: str) -> None:
    ours = [resolved(name, entry, known, folder) for name, entry, known in COMMANDS]
    theirs = [known["lenient"]["command"].replace("<tmp>", folder) for _, _, known in COMMANDS]
    ours_arrived = arrived([each.command for each in ours], folder)
    theirs_arrived = arrived(theirs, folder)
    differ = []
    for (name, entry, known), words, expected in zip(COMMANDS, ours_arrived, theirs_arrived, strict=True):
        if not words:  # a program named by its path, and a redirection: the restricted shell refuses both
            assert name in ("MArpogaus__hybrid-flows", "theyorubayesian__manhattan"), (
                f"{name} {entry}: nothing arrived"
            )
        if words != expected:
            # lines that a folded block kept: MLflow runs the first one without its options, and fails on the others
            meant = [word.replace("<tmp>", folder) for word in known["shlex_words"]]
            assert words == [b"".join(word.encode() + b"\0" for word in meant)]
            differ.append(name)
    assert sorted(set(differ)) == [
        "0shimax__PyTorch-SoftTriple",
        "4castRenewables__maelstrom-train",
        "Sulbae__Eksperimen_SML_Anggun-Sulis-Setyawan",
        "nuniesmith__fks_training",
        "rogerroxbr__Air-Quality",
    ]


def test_where_no_line_is_joined_the_command_is_the_same_text(folder: str) -> None:
    for name, entry, known in COMMANDS:
        command = resolved(name, entry, known, folder).command
        expected = known["lenient"]["command"].replace("<tmp>", folder)
        assert command == expected or command.split() == expected.split(), name


def test_a_value_that_differs_reaches_the_program(folder: str) -> None:
    """The comparison above can fail."""
    assert arrived(["python a.py 'b c'"], folder) == [[b"python\0a.py\0b c\0"]]
    assert arrived(["python a.py b c"], folder) != arrived(["python a.py 'b c'"], folder)


@pytest.mark.parametrize("name", BROKEN)
def test_what_mlflow_crashes_on_works_or_is_explained(name: str) -> None:
    works = {
        "MuhammadUsama100__vml-project_usama_abc",  # a list of entry points
        "ozogxyz__mlflow-docker-tweet-classifier",  # docker_env: IMAGE
    }
    if name in works:
        assert entry_point(reading.load(os.path.join(CORPUS, name)), "main").command
        return
    if name == "kimkihoon0515__AIP":  # an empty `parameters:`, and no command
        with pytest.raises(InputError, match=r"MLproject:6:5: the entry point main has no command"):
            entry_point(reading.load(os.path.join(CORPUS, name)), "main")
        return
    with pytest.raises(ProjectError) as caught:
        reading.load(os.path.join(CORPUS, name))
    (fault,) = caught.value.faults
    assert fault.line
    assert fault.column
    assert fault.hint


def test_where_mlflow_fails_on_braces_they_are_left_alone(folder: str) -> None:
    for name in LOADED:
        for entry, known in RESULTS[name]["entry_points"].items():
            if "command" not in known["lenient"]:
                assert "}" in resolved(name, entry, known, folder).command


@pytest.mark.parametrize("name", LOADED)
def test_the_schema_takes_it_and_check_never_fails(name: str) -> None:
    loaded = reading.load(os.path.join(CORPUS, name))
    with open(os.path.join(CORPUS, name, loaded.file), encoding="utf-8") as file:
        errors = list(jsonschema.Draft7Validator(schema.schema()).iter_errors(yaml.safe_load(file)))
    assert errors == []
    for fault in check.check(os.path.join(CORPUS, name)):
        assert fault.message
    for point in loaded.entry_points:
        if any(parameter.required and not parameter.has_default for parameter in point.parameters):
            with pytest.raises(InputError, match=r"parameter .* needs a value"):
                resolve.resolve(point, {}, directory=CORPUS)
