"""Project files as people write them, mistakes included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from runner.errors import Fault, InputError, ProjectError
from runner.project import discovery, plain, reading
from runner.project.entry_point import entry_point
from runner.project.reading import read
from runner.values import EnvironmentSpec, Project
from tests.helpers import make_tree

MAIN = "entry_points: {main: {command: python a.py}}\n"


def load(tmp_path: Any, text: str | bytes, **files: str) -> Project:
    return reading.load(make_tree(tmp_path / "p", {"MLproject": text, **files}))


def faults(tmp_path: Any, text: str | bytes) -> list[Fault]:
    """All errors and warnings, without the names of scripts that are not there."""
    directory = make_tree(tmp_path / "p", {"MLproject": text})
    try:
        return read(directory)[1]
    except ProjectError as error:
        return error.faults


def only(tmp_path: Any, text: str | bytes) -> Fault:
    found = faults(tmp_path, text)
    assert len(found) == 1, found
    return found[0]


def test_a_whole_file(tmp_path: Any) -> None:
    loaded = load(
        tmp_path,
        """
name: wine
python_env: python_env.yaml
entry_points:
  main:
    description: Trains the model
    parameters:
      lr: {type: float, default: 0.1, min: 0, max: 1, description: step}
      kind: {choices: [a, b], default: a}
      data: path
      token: {type: string, secret: true, required: false}
    command: >
      python train.py --lr {lr}
      --kind {kind}
    inputs: data/*.csv
    outputs: [model.pkl, plots/]
    environment: requirements-gpu.txt
  test: {command: pytest}
""",
    )
    assert (loaded.name, loaded.file) == ("wine", "MLproject")
    assert loaded.environments == (EnvironmentSpec("virtualenv", "python_env.yaml"),)
    main, test = loaded.entry_points
    assert (main.name, main.command) == ("main", "python train.py --lr {lr} --kind {kind}\n")
    assert main.line == 5
    assert (main.inputs, main.outputs) == (("data/*.csv",), ("model.pkl", "plots/"))
    assert (main.environment, main.description) == ("requirements-gpu.txt", "Trains the model")
    lr, kind, data, token = main.parameters
    assert (lr.type, lr.default, lr.min, lr.max, lr.description, lr.line) == (
        "float",
        0.1,
        0.0,
        1.0,
        "step",
        8,
    )
    assert (kind.choices, kind.has_default) == (("a", "b"), True)
    assert (data.type, data.has_default, data.required) == ("path", False, True)
    assert (token.secret, token.required) == (True, False)
    assert (test.command, test.parameters) == ("pytest", ())


def test_it_is_kept_as_plain_json(tmp_path: Any) -> None:
    loaded = load(
        tmp_path,
        "docker_env: {image: a, environment: [A, [B, c]]}\nentry_points: {main: {command: 'a {x}', parameters: "
        "{x: {choices: [1, 2], min: 1, type: int, default: 1}}, inputs: [a], outputs: [b]}}",
    )
    kept = json.loads(json.dumps(plain.to_plain(loaded)))
    assert plain.from_plain(kept) == loaded


@pytest.mark.parametrize(
    "name", ["MLproject", "mlproject", "MLProject", "MLPROJECT", "MLproject.yaml", "mlproject.yml"]
)
def test_found_in_any_case(tmp_path: Any, name: str) -> None:
    directory = make_tree(tmp_path / "p", {name: MAIN})
    assert discovery.find(directory) == name
    assert reading.load(directory).file == name
    assert os.path.join(directory, name) in discovery.files(directory)


def test_complaint_3856_a_file_with_an_extension_is_found_and_files_are_named(tmp_path: Any) -> None:
    directory = make_tree(tmp_path / "a", {"MLproject.yaml": MAIN})
    assert entry_point(reading.load(directory), "main").command == "python a.py"
    directory = make_tree(tmp_path / "b", {"MLproject.txt": MAIN, "train.py": ""})
    with pytest.raises(
        InputError, match=r"no MLproject and no main.py; files seen: MLproject.txt, train.py"
    ) as caught:
        entry_point(reading.load(directory), "main")
    assert "-e train.py" in caught.value.hint


def test_a_folder_of_that_name_is_no_project_file(tmp_path: Any) -> None:
    directory = make_tree(tmp_path / "p", {"mlproject/a.py": "", "main.py": ""})
    assert discovery.find(directory) == ""
    assert reading.load(directory).file == ""


def test_of_several_files_the_usual_name_is_used(tmp_path: Any) -> None:
    directory = make_tree(
        tmp_path / "p", {"MLproject.yaml": "name: b", "mlproject": "name: c", "MLproject": "name: a"}
    )
    loaded, found = read(directory)
    assert loaded.name == "a"
    assert "several project files" in found[0].message


# ---- what MLflow crashes on ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "~\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_a_folder_with_conventions(tmp_path: Any, text: str | bytes) -> None:
    directory = make_tree(tmp_path / "p", {"MLproject": text, "main.py": "", "requirements.txt": ""})
    loaded, found = read(directory)
    assert entry_point(loaded, "main").command == "python main.py"
    assert loaded.environments == (EnvironmentSpec("virtualenv", "requirements.txt"),)
    assert [fault.severity for fault in found] == ["warning"]


def test_complaint_1541_empty_parameters(tmp_path: Any) -> None:
    loaded = load(tmp_path, "entry_points:\n  main:\n    parameters:\n    command: python a.py\n")
    assert loaded.entry_points[0].parameters == ()


def test_empty_entry_points(tmp_path: Any) -> None:
    assert load(tmp_path, "entry_points:\n").entry_points == ()


def test_a_null_entry_point_is_an_error_at_its_place(tmp_path: Any) -> None:
    fault = only(tmp_path, "name: a\nentry_points:\n  main:\n  test: {command: b}\n")
    assert (fault.place, fault.severity) == ("MLproject:3:3", "error") or fault.line in (3, 4)
    assert "main has no command" in fault.message


def test_an_entry_point_that_is_a_text_is_its_command(tmp_path: Any) -> None:
    loaded = load(tmp_path, "entry_points: {main: python a.py}\n")
    assert loaded.entry_points[0].command == "python a.py"
    assert [fault.severity for fault in read(loaded.directory, strict=True)[1]] == ["error"]


def test_a_latin_1_byte_is_read_and_reported(tmp_path: Any) -> None:
    text = "name: caf\xe9\n".encode("latin-1") + MAIN.encode()
    assert load(tmp_path, text).name == "café"
    fault = only(tmp_path, text)
    assert (fault.place, fault.severity) == ("MLproject:1:10", "warning")
    assert "0xe9 is not UTF-8" in fault.message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_understood(tmp_path: Any, encoding: str) -> None:
    assert load(tmp_path, ("name: é\n" + MAIN).encode(encoding)).name == "é"


def test_docker_env_as_a_text_is_the_image(tmp_path: Any) -> None:
    loaded = load(tmp_path, "docker_env: python:3.11\n" + MAIN)
    assert loaded.environments == (EnvironmentSpec("docker", "", {"image": "python:3.11"}),)


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("- a\n", "is a mapping of keys to values, not a list", "1:1"),
        ("just text\n", "is a mapping of keys to values, not the text 'just text'", "1:1"),
        ("entry_points: 3\n", "mapping of names to entry points, not the number '3'", "1:15"),
        ("entry_points: {main: [python]}\n", "main has no command: a mapping is expected", "1:22"),
        ("entry_points: {main: {command: a, parameters: x}}\n", "parameters of main are a mapping", "1:47"),
        ("docker_env: [a]\n", "docker_env is a mapping, not a list", "1:13"),
        ("docker_env: {volumes: []}\n", "docker_env has no image", "1:1"),
        (
            "docker_env: {image: a, volumes: [{a: b}]}\n",
            "volumes is a list of texts; this is a mapping",
            "1:34",
        ),
        ("docker_env: {image: a, environment: [3]}\n", "pairs of name and value, not the number '3'", "1:38"),
        ("python_env: {python: 3.10}\n", "python_env is the name of a file, not a mapping", "1:13"),
        ("entry_points:\n\tmain: {command: a}\n", "a tab cannot indent a line", "2:1"),
        ("name: a: b\n", "there is a `: ` where none is expected", "1:8"),
        ('name: "a\n', "a quote is opened and never closed", "1:7"),
        ("a: *b\n", "an alias of nothing", "1:4"),
        ("name: a\n---\nname: b\n", "more than one document", "2:1"),
        ("name: %a\n", "a value cannot begin with this character", "1:7"),
        ("name: `a`\n", "a value cannot begin with this character", "1:7"),
        ("a: {b: [1\n", "a `[` is opened and not closed", "2:1"),
        ("name: a\n  b\nc\n", "this line is no `key: value`", "4:1"),
        (
            "a: !!python/object:os.system {}\nentry_points: {main: {command: !!python/name:os.system x}}",
            "",
            "",
        ),
        ("name: a\x00b\n", "control character", "1:8"),
    ],
)
def test_what_cannot_be_read_is_explained_with_its_place(
    tmp_path: Any, text: str, message: str, place: str
) -> None:
    with pytest.raises(ProjectError) as caught:
        load(tmp_path, text)
    (fault,) = caught.value.faults
    assert message in fault.message
    if place:
        assert fault.place == f"MLproject:{place}"
        assert fault.hint
    assert caught.value.exit_code == 2


def test_all_faults_are_told_at_once(tmp_path: Any) -> None:
    with pytest.raises(ProjectError) as caught:
        load(
            tmp_path,
            "docker_env: []\npython_env: {}\nconda_env: [a]\nentry_points: {a: , b: {parameters: 3}}\n",
        )
    assert [fault.line for fault in caught.value.faults] == [4, 4, 3]
    assert "MLproject:3:12: conda_env is the name of a file" in caught.value.message


def test_nothing_in_a_file_is_run_or_grows_without_end(tmp_path: Any) -> None:
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    began = time.monotonic()
    assert "more than 100000 values" in only(tmp_path, laughs).message
    assert "contains itself" in only(tmp_path, "a: &a [*a]\n").message
    assert only(tmp_path, "a: " + "[" * 100_000).line == 1
    assert "larger than" in only(tmp_path, "#" + "x" * 5_000_000).message
    assert time.monotonic() - began < 5


# ---- what MLflow lets pass -------------------------------------------------------------------------------


def test_a_misspelt_key_gets_a_suggestion(tmp_path: Any) -> None:
    text = "entry_points:\n  main:\n    descripton: b\n    command: a\n    parameters:\n      lr: {type: float, defulat: 1}\n"
    first, second = faults(tmp_path, text)
    assert (first.place, first.message) == ("MLproject:3:5", "'descripton' is no key of the entry point main")
    assert first.hint == "did you mean 'description'?"
    assert (second.place, second.hint) == ("MLproject:6:25", "did you mean 'default'?")
    loaded = load(tmp_path, text)
    assert "did you mean 'default'?" in loaded.entry_points[0].parameters[0].note
    assert (
        loaded.entry_points[0].warnings[1]
        == "MLproject:6:25: 'defulat' is no key of the parameter lr; did you mean 'default'?"
    )
    assert plain.from_plain(json.loads(json.dumps(plain.to_plain(loaded)))) == loaded
    with pytest.raises(ProjectError) as caught:
        load(tmp_path, "entry_points: {main: {command: a, parametres: {}}}\ndocker_env: {imgae: x}\n")
    assert "docker_env has no image" in caught.value.message


def test_a_forgotten_space_after_a_colon(tmp_path: Any) -> None:
    fault = only(tmp_path, "entry_points: {main: {command: a, parameters: {lr: {type:float, default: 1}}}}\n")
    assert fault.hint == "write a space after the colon: `type: float`"
    assert fault.message == "'type:float' is no key of the parameter lr"


def test_keys_of_other_tools_are_let_pass(tmp_path: Any) -> None:
    loaded = load(tmp_path, "target: x\nmeta_data: {a: [b]}\n" + MAIN)
    assert loaded.entry_points[0].command == "python a.py"
    assert [fault.severity for fault in read(loaded.directory)[1]] == ["warning", "warning"]


def test_a_key_given_twice_is_reported_and_the_later_one_used(tmp_path: Any) -> None:
    text = "name: a\nname: b\n" + MAIN
    assert load(tmp_path, text).name == "b"
    assert only(tmp_path, text).message == "the key 'name' is already in line 1; this later one is used"


def test_anchors_and_merge_keys(tmp_path: Any) -> None:
    loaded = load(
        tmp_path,
        """
common: &common
  lr: {type: float, default: 0.1}
  n: int
entry_points:
  main:
    command: &run python a.py {lr} {n}
    parameters: {<<: *common, n: {type: int, default: 3}}
  other: {command: *run, parameters: *common}
""",
    )
    main, other = loaded.entry_points
    assert {each.name: each.default for each in main.parameters} == {"lr": 0.1, "n": 3}
    assert [each.name for each in other.parameters] == ["lr", "n"]
    assert main.command == other.command == "python a.py {lr} {n}"


def test_names_are_the_text_of_the_file(tmp_path: Any) -> None:
    """YAML 1.1 would make `true`, 1 and 1.5 of some of them."""
    loaded = load(
        tmp_path, "entry_points: {1: {command: a, parameters: {on: int, 1.50: float, no: , 2024-01-02: str}}}"
    )
    assert loaded.entry_points[0].name == "1"
    assert [each.name for each in loaded.entry_points[0].parameters] == ["on", "1.50", "no", "2024-01-02"]


def test_defaults_are_what_yaml_reads(tmp_path: Any) -> None:
    text = "entry_points: {main: {command: a, parameters: {a: {default: yes}, b: {default: 1e-3}, c: {default: 2024-01-02},"
    text += " d: {default: 1.0e-3}, e: {default: }, f: {default: [1, a]}, g: 0.5, h: , i: {default: 010}}}}\n"
    loaded = load(tmp_path, text)
    values = {each.name: (each.default, each.has_default) for each in loaded.entry_points[0].parameters}
    assert values == {
        "a": (True, True),
        "b": ("1e-3", True),
        "c": ("2024-01-02", True),
        "d": (0.001, True),
        "e": (None, False),
        "f": ([1, "a"], True),
        "g": (0.5, True),  # a value in the place of a type
        "h": (None, False),
        "i": (8, True),
    }


def test_a_yes_that_was_meant_as_text_is_reported(tmp_path: Any) -> None:
    fault = only(
        tmp_path, "entry_points: {main: {command: a, parameters: {x: {type: string, default: no}}}}\n"
    )
    assert "YAML reads no as False" in fault.message


@pytest.mark.parametrize(
    ("declared", "type_name", "hints"),
    [
        ("string", "string", []),
        ("str", "string", []),
        ("Int", "int", []),
        ("boolean", "bool", []),
        ("flaot", "", ["did you mean 'float'?"]),
        ("data/x.csv", "", ["or is it the default?"]),
    ],
)
def test_types(tmp_path: Any, declared: str, type_name: str, hints: list[str]) -> None:
    text = f"entry_points: {{main: {{command: a, parameters: {{x: {declared}}}}}}}\n"
    assert load(tmp_path, text).entry_points[0].parameters[0].type == type_name
    found = faults(tmp_path, text)
    assert len(found) == len(hints)
    for fault, hint in zip(found, hints, strict=True):
        assert hint in fault.hint


@pytest.mark.parametrize(
    "declared",
    [
        "{type: float, min: a}",
        "{type: string, min: 1}",
        "{type: int, min: 3, max: 1}",
        "{type: int, choices: 1}",
        "{type: int, choices: [a]}",
        "{type: int, default: a}",
        "{type: float, default: 3, max: 2}",
        "{choices: [a], default: b}",
        "{required: perhaps}",
        "{secret: [a]}",
        "{description: {a: b}}",
    ],
)
def test_a_declaration_that_cannot_be_is_a_warning_here_and_an_error_of_check(
    tmp_path: Any, declared: str
) -> None:
    text = f"entry_points: {{main: {{command: a, parameters: {{x: {declared}}}}}}}\n"
    loaded, found = read(make_tree(tmp_path / "p", {"MLproject": text}))
    assert [fault.severity for fault in found] == ["warning"]
    assert [fault.severity for fault in read(loaded.directory, strict=True)[1]] == ["error"]
    assert loaded.entry_points[0].parameters[0].name == "x"


def test_a_command_that_is_no_text_is_an_error_when_it_is_asked_for(tmp_path: Any) -> None:
    loaded = load(
        tmp_path,
        "entry_points:\n  main: {command: [python, a.py]}\n  none: {parameters: {}}\n  ok: {command: b}\n",
    )
    assert entry_point(loaded, "ok").command == "b"
    for name in ("main", "none"):
        with pytest.raises(InputError) as caught:
            entry_point(loaded, name)
        assert caught.value.message.splitlines() == [
            "MLproject:2:19: the command of main is a text, not a list (command: python a.py)",
            "MLproject:3:3: the entry point none has no command (command: python train.py)",
        ]


def test_a_misspelt_key_that_leaves_nothing_to_run(tmp_path: Any) -> None:
    loaded = load(tmp_path, "entry_point: {main: {command: a}}\n")
    with pytest.raises(InputError, match=r"MLproject:1:1: .* \(did you mean 'entry_points'\?\)"):
        entry_point(loaded, "main")
    loaded = load(tmp_path, "entry_points: {main: {comand: a}}\n")
    with pytest.raises(InputError, match=r"MLproject:1:23: .* \(did you mean 'command'\?\)"):
        entry_point(loaded, "main")


# ---- environments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], []),
        (["python_env.yaml", "conda.yaml"], ["virtualenv python_env.yaml", "conda conda.yaml"]),
        (["requirements.txt", "conda.yaml"], ["conda conda.yaml", "virtualenv requirements.txt"]),
        (["requirements.txt", "pylock.toml"], ["virtualenv pylock.toml", "virtualenv requirements.txt"]),
        (["uv.lock", "pyproject.toml"], ["virtualenv uv.lock", "virtualenv pyproject.toml"]),
        (["uv.lock"], []),
        (["environment.yml"], ["conda environment.yml"]),
    ],
)
def test_conventions(tmp_path: Any, files: list[str], expected: list[str]) -> None:
    directory = make_tree(tmp_path / "p", {"MLproject": MAIN, **dict.fromkeys(files, "[project]\n")})
    assert [f"{spec.kind} {spec.file}" for spec in reading.load(directory).environments] == expected


@pytest.mark.parametrize("name", ["poetry.lock", "Pipfile.lock", "pylock.toml"])
def test_complaint_4246_lock_files_of_other_tools(tmp_path: Any, name: str) -> None:
    directory = make_tree(tmp_path / "p", {"MLproject": MAIN, name: ""})
    assert reading.load(directory).environments == (EnvironmentSpec("virtualenv", name),)


def test_complaint_12478_a_pyproject_is_an_environment(tmp_path: Any) -> None:
    files = {"pyproject.toml": "[project]\nname = 'a'\n", "uv.lock": ""}
    assert (
        load(tmp_path, "python_env: pyproject.toml\n" + MAIN, **files).environments[0].file
        == "pyproject.toml"
    )
    assert load(tmp_path, MAIN, **files).environments[0].file == "uv.lock"


def test_complaint_3021_requirements_alone_are_enough(tmp_path: Any) -> None:
    directory = make_tree(tmp_path / "p", {"main.py": "", "requirements.txt": "numpy"})
    assert reading.load(directory).environments == (EnvironmentSpec("virtualenv", "requirements.txt"),)


def test_a_pyproject_for_tools_only_is_no_environment(tmp_path: Any) -> None:
    assert reading.load(make_tree(tmp_path / "p", {"pyproject.toml": "[tool.ruff]\n"})).environments == ()


def test_complaint_2850_several_environments_the_first_is_used(tmp_path: Any) -> None:
    loaded = load(tmp_path, "conda_env: c.yaml\ndocker_env: {image: a}\npython_env:\n" + MAIN)
    assert [spec.kind for spec in loaded.environments] == ["conda", "docker"]


def test_complaint_4022_docker_arguments_in_the_project(tmp_path: Any) -> None:
    loaded = load(
        tmp_path,
        """
docker_env:
  image: a
  volumes: ["/a:/b:ro"]
  environment: [HOME, [MODE, fast], ["N", 3]]
  gpus: all
  shm_size: 2g
  args: {network: host, t: , rm: false, cap-add: [A, B]}
  build: .
"""
        + MAIN,
    )
    assert loaded.environments[0].options == {
        "image": "a",
        "volumes": ["/a:/b:ro"],
        "environment": ["HOME", ["MODE", "fast"], ["N", "3"]],
        "gpus": "all",
        "shm_size": "2g",
        "args": ["network=host", "t", "cap-add=A", "cap-add=B"],
        "build": {"context": "."},
    }


def test_complaint_4331_an_image_that_the_project_builds(tmp_path: Any) -> None:
    loaded = load(tmp_path, "docker_env: {build: {context: docker, target: gpu, args: {A: 1}}}\n" + MAIN)
    assert loaded.environments[0].options == {
        "build": {"context": "docker", "target": "gpu", "args": {"A": "1"}}
    }


def test_complaint_2877_an_environment_of_an_entry_point(tmp_path: Any) -> None:
    loaded = load(tmp_path, "entry_points: {a: {command: x, environment: gpu.yaml}, b: {command: y}}\n")
    assert [point.environment for point in loaded.entry_points] == ["gpu.yaml", ""]


# ---- entry points ----------------------------------------------------------------------------------------


def test_complaint_2967_a_folder_with_a_main_py(tmp_path: Any) -> None:
    loaded = reading.load(make_tree(tmp_path / "my project", {"main.py": ""}))
    assert (loaded.name, loaded.file) == ("my project", "")
    found = entry_point(loaded, "main")
    assert (found.name, found.command) == ("main", "python main.py")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("train.py", "python train.py"),
        ("my script.py", "python 'my script.py'"),
        ("a/b.sh", "bash a/b.sh"),
        ("it's {x}.py", "python 'it'\"'\"'s {{x}}.py'"),
    ],
)
def test_scripts(tmp_path: Any, name: str, command: str) -> None:
    loaded = load(tmp_path, MAIN, **{name: ""})
    assert entry_point(loaded, name).command == command


def test_an_r_script_runs_with_mlflow_for_r_or_without(tmp_path: Any) -> None:
    command = entry_point(load(tmp_path, MAIN, **{"a.R": ""}), "a.R").command
    assert command.startswith("Rscript -e ")
    assert command.endswith(" --args")
    assert "mlflow_source(" in command
    assert "else source(" in command


def test_a_script_with_a_header_brings_its_environment(tmp_path: Any) -> None:
    text = "import os\n# /// script\n# dependencies = []\n# ///\n"
    loaded = load(tmp_path, MAIN, **{"a.py": text, "b.py": "# no header"})
    assert entry_point(loaded, "a.py").environment == "a.py"
    assert entry_point(loaded, "b.py").environment == ""


def test_an_unknown_entry_point_lists_what_there_is(tmp_path: Any) -> None:
    loaded = load(tmp_path, "entry_points: {train: {command: a}, test: {command: b}}\n", **{"plot.py": ""})
    with pytest.raises(InputError, match=r"no entry point trian in MLproject; it has: train, test") as caught:
        entry_point(loaded, "trian")
    assert "did you mean train?" in caught.value.hint
    with pytest.raises(InputError, match=r"no entry point main"):
        entry_point(loaded, "main")
    with pytest.raises(InputError) as caught:
        entry_point(loaded, "plots.py")
    assert "-e plot.py" in caught.value.hint


def test_what_a_warm_run_needs_imports_no_yaml() -> None:
    """What reading YAML costs (24 ms) is more than the rest of a warm run."""
    code = "import sys; before = set(sys.modules); import runner.project.discovery, runner.project.plain, runner.parameters.resolve; "
    code += "print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {
        "yaml",
        "json",
        "subprocess",
        "shlex",
        "difflib",
        "urllib",
        "dataclasses",
        "pathlib",
    }
