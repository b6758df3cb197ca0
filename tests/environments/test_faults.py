"""Environment files are read as carefully as the MLproject file, and nothing of it needs the network."""

from __future__ import annotations

import pytest

from runner.environments.python.faults import problem, python_problem
from runner.environments.python.specification import read
from runner.errors import ProjectError
from runner.running.check import check
from runner.values import EnvironmentOptions
from tests.helpers import make_tree, proj

GOOD = """\
numpy
numpy>=1.26
numpy >= 1.26, <3
torch==2.1.0+cu118
requests[security,socks]>=2.8.1,==2.8.* ; python_version < "4"
zope.interface (>=5.0)
a @ https://host/a-1.0-py3-none-any.whl
a[x] @ git+https://host/a@main#subdirectory=b
git+ssh://git@host/a.git
./pkg[extra]
../lib
file:///a/my%20lib
lib/a-1.0.tar.gz
numpy==1.26.4 --hash=sha256:00
numpy==${VERSION}
name==1!2.0.post1
-r other.txt
-e .
-cconstraints.txt
--extra-index-url https://host/simple
--find-links=wheels
--pre
""".splitlines()
WRONG = {
    "numpy=1.26": "numpy==1.26",
    "numpy => 1.2": "numpy>=1.2",
    "numpy=<1.2": "numpy<=1.2",
    "numpy 1.26": "numpy==1.26",
    "numpy@1.26": "numpy==1.26",
    "numpy^1.2": "numpy>=1.2",
    "numpy~1.2": "numpy~=1.2",
    "numpy>=1.2<2": "numpy>=1.2,<2",
    "pip install numpy": "numpy",
    "- numpy": "numpy",
    "'numpy>=1'": "numpy>=1",
    "numpy>=": "such as numpy>=1.26",
    "num py": "such as numpy",
    "--extra-index https://host": "did you mean --extra-index-url?",
    "numpy, pandas": "such as numpy",
}
YAML = {
    ("python_env.yaml", "pyhton: '3.11'\n"): ("1:1", "'pyhton' is no key of a Python environment", "did you mean 'python'?"),
    ("python_env.yaml", "python: '3.11'\ndependancies:\n  - numpy\n"): ("2:1", "'dependancies' is no key", "did you mean 'dependencies'?"),
    ("python_env.yaml", "dependencies:\n  - numpy\n  - pandas=2\n"): ("3:5", "'pandas=2' is no requirement", "pandas==2"),
    ("python_env.yaml", "python: 3.99\n"): ("1:9", "there is no Python 3.99", 'such as "3.11"'),
    ("python_env.yaml", "python: '>=3.12,<3.9'\n"): ("1:9", "there is no Python >=3.12,<3.9", 'such as "3.11"'),
    ("python_env.yaml", "python: 3.1\n"): ("1:9", "there is no Python 3.1", 'did you mean "3.10"?'),
    ("python_env.yaml", "python: three\n"): ("1:9", "'three' is not a version of Python", 'such as "3.11"'),
    ("python_env.yaml", "dependencies:\n- -r reqs/a.txt\n"): ("reqs/a.txt:2:3", "'numpy=1' is no requirement", "numpy==1"),
    ("conda.yaml", "dependancies: [numpy]\n"): ("1:1", "'dependancies' is no key of a conda environment", "did you mean 'dependencies'?"),
    ("conda.yaml", "chanels: [a]\ndependencies: [numpy]\n"): ("1:1", "'chanels' is no key", "did you mean 'channels'?"),
    ("conda.yaml", "dependencies:\n- numpy=\n"): ("2:3", "'numpy=' is no package of conda", "such as numpy or numpy=1.26"),
    ("conda.yaml", "dependencies:\n- python=3.99\n"): ("2:3", "there is no Python 3.99", 'such as "3.11"'),
    ("conda.yaml", "dependencies:\n- pyp:\n  - tiny\n"): ("2:3", "'pyp' is no section of dependencies", "pip: [...]"),
    ("conda.yaml", "dependencies:\n- pip\n- pip:\n  - tiny=1\n"): ("4:5", "'tiny=1' is no requirement", "tiny==1"),
    ("requirements.txt", "# all\n\nnumpy\n  pandas>=2<3  # no\n"): ("4:3", "is no requirement", "pandas>=2,<3"),
    ("requirements.txt", "numpy\n-r reqs/a.txt\n"): ("reqs/a.txt:2:3", "'numpy=1' is no requirement", "numpy==1"),
    ("pyproject.toml", '[project]\nname = "a"\nversion = "1"\ndependancies = ["numpy"]\n'): ("4:1", "'dependancies' is no key of [project]", "did you mean 'dependencies'?"),
    ("pyproject.toml", '[project]\nname = "a"\nversion = "1"\ndependencies = ["numpy=1"]\n'): ("4:18", "'numpy=1' is no requirement", "numpy==1"),
    ("pyproject.toml", '[project]\nname = "a"\nversion = "1"\nrequires-python = ">=3.99"\n'): ("4:20", "there is no Python >=3.99", 'such as "3.11"'),
}  # fmt: skip


@pytest.mark.parametrize("line", GOOD)
def test_what_pip_takes_is_let_pass(line: str) -> None:
    assert problem(line) is None


@pytest.mark.parametrize("line", WRONG)
def test_what_is_meant_is_told(line: str) -> None:
    found = problem(line)
    assert found is not None
    assert found[1].startswith(WRONG[line]), found


def test_pythons_that_cannot_be() -> None:
    for asked in (
        "",
        "3",
        "3.11",
        "3.11.7",
        "==3.10.*",
        ">=3.8",
        "*",
        "cpython-3.11",
        "=3.9",
        "/usr/bin/python3",
    ):
        assert python_problem(asked) is None, asked
    for asked in ("2.7", "3.99", "3.1", "<3", "x", ">=4"):
        assert python_problem(asked), asked


@pytest.mark.parametrize(("file", "text"), YAML)
def test_place_and_suggestion(file: str, text: str, tmp_path: object) -> None:
    place, message, hint = YAML[file, text]
    key = "conda_env" if file == "conda.yaml" else "python_env"
    project = make_tree(
        tmp_path,
        {"MLproject": f"{key}: {file}\nentry_points: {{main: {{command: 'true'}}}}\n", file: text, "reqs/a.txt": "tiny\n  numpy=1\n"},
    )  # fmt: skip
    (fault,) = check(project)
    assert fault.place == (place if place.startswith("reqs") else f"{file}:{place}")
    assert message in fault.message
    assert hint in fault.hint
    assert fault.severity == "error"


def test_of_an_entry_point_and_of_a_folder_without_mlproject(tmp_path: object) -> None:
    files = {"gpu.txt": "torch=2\n", "requirements.txt": "-r gpu.txt\n", "main.py": "print(1)\n"}
    bare = make_tree(f"{tmp_path}/bare", files)
    assert [fault.place for fault in check(bare)] == ["gpu.txt:1:1"]
    text = "entry_points:\n  main: {command: 'true', environment: gpu.txt}\n"
    assert [fault.place for fault in check(make_tree(f"{tmp_path}/p", {**files, "MLproject": text}))] == [
        "gpu.txt:1:1"
    ]


def test_a_run_is_refused_with_all_of_them() -> None:
    text = "pyhton: 3.11\ndependencies:\n  - numpy=1\n  - pandas\n"
    make_tree("p", {"MLproject": "entry_points: {main: {command: 'true'}}\n", "python_env.yaml": text})
    done = proj("run", "p")
    assert done.code == 2
    assert (
        "python_env.yaml:1:1: 'pyhton' is no key of a Python environment (did you mean 'python'?)" in done.err
    )
    assert "python_env.yaml:3:5: 'numpy=1' is no requirement (numpy==1" in done.err
    assert "pandas" not in done.err


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_requirements_as_powershell_writes_them(encoding: str, tmp_path: object) -> None:
    data = "numpy=1\r\n".encode(encoding)
    project = make_tree(
        tmp_path, {"requirements.txt": (b"\xfe\xff" if encoding.endswith("be") else b"") + data}
    )
    with pytest.raises(ProjectError, match=r"requirements.txt:1:1: 'numpy=1' is no requirement"):
        read("requirements.txt", project, EnvironmentOptions())
