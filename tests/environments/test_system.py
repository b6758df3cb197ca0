"""Environments that are there already."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from runner import environments
from runner.environments import system
from runner.errors import InputError
from runner.host import process
from runner.values import EnvironmentOptions, EnvironmentSpec, Silent
from tests.environments.test_virtualenv import VERSION, output, prepare, project_with
from tests.helpers import make_tree, proj, some


def test_the_callers_environment_is_found_without_starting_anything(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable) + ":/usr/bin:/bin")
    monkeypatch.setattr(process, "run", None)
    environment = environments.prepare(
        EnvironmentSpec("system"), str(tmp_path), EnvironmentOptions(), Silent()
    )
    assert environment.activation.kind == "system"
    assert environment.activation.variables == {}
    assert environment.activation.python == os.path.join(os.path.dirname(sys.executable), "python")
    assert any(each.lower().startswith("pytest==") for each in system.packages(environment.activation))


def test_what_is_found_is_what_python_itself_says() -> None:
    environment = environments.prepare(EnvironmentSpec("system"), "/", EnvironmentOptions(), Silent())
    code = "import importlib.metadata as m; print(*{d.metadata['Name'] + '==' + d.version for d in m.distributions()})"
    if not environment.activation.python:
        pytest.skip("no python on PATH")
    done = subprocess.run(
        [environment.activation.python, "-c", code], capture_output=True, text=True, check=True
    )

    def plain(names: list[str]) -> set[str]:
        return {name.lower().replace("_", "-").replace(".", "-") for name in names}

    assert plain(system.packages(environment.activation)) == plain(done.stdout.split())


def test_pyenvs_shim_is_looked_through(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_tree(
        f"{tmp_path}/pyenv",
        {
            "shims/python*": "#!/bin/sh\nexit 127\n",
            "versions/3.9.1/bin/python*": "",
            "versions/3.8.2/bin/python*": "",
            "version": "3.9.1\n",
        },
    )
    monkeypatch.setenv("PATH", f"{root}/shims")
    monkeypatch.delenv("PYENV_VERSION", raising=False)
    project = make_tree(f"{tmp_path}/p", {"x": ""})

    def python() -> str:
        return environments.prepare(
            EnvironmentSpec("system"), project, EnvironmentOptions(), Silent()
        ).activation.python

    assert python() == f"{root}/versions/3.9.1/bin/python"
    make_tree(project, {".python-version": "3.8.2\n"})
    assert python() == f"{root}/versions/3.8.2/bin/python"
    monkeypatch.setenv("PYENV_VERSION", "3.9.1")
    assert python() == f"{root}/versions/3.9.1/bin/python"


def test_complaint_9717_an_existing_environment_is_used_and_its_packages_are_recorded(
    tmp_path: object,
) -> None:
    existing = prepare(project_with(f"{tmp_path}/p", "tiny<2"), "python_env.yaml").activation.prefix
    environment = prepare("/", "", env_path=existing)
    assert output(environment, VERSION) == "1.0"
    assert environment.lock.splitlines()[-1] == "tiny==1.0"
    assert environment.lock_name == "packages.txt"
    assert environment.details["existing"] == existing
    assert environment.details["python"] == ".".join(str(part) for part in sys.version_info[:3])
    assert environment.key == ""


def test_an_existing_conda_prefix(tmp_path: object) -> None:
    prefix = make_tree(
        f"{tmp_path}/prefix", {"conda-meta/six-1.16.0-py_0.json": "{}", "bin/python*": "#!/bin/sh\nexit 1\n"}
    )
    environment = prepare("/", "", env_path=prefix)
    assert environment.activation.kind == "conda"
    assert environment.activation.variables["CONDA_PREFIX"] == prefix
    assert "six==1.16.0" in environment.lock


def test_what_is_no_environment_is_said(tmp_path: object) -> None:
    with pytest.raises(InputError, match="neither a virtual environment nor a conda"):
        prepare("/", "", env_path=str(tmp_path))


@pytest.mark.parametrize("there", some([("python3",), ("python",), ()], 1))
def test_both_names_of_python_are_there(
    there: tuple[str, ...], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian and Ubuntu have python3 only; a container may have none, and then it is proj's own (its base)."""
    folder = os.path.join(str(tmp_path), "bin")
    os.makedirs(folder)
    base = os.path.realpath(sys.executable)
    for name in ("bash", "sh", "env", "git"):
        os.symlink(process.find(name) or "/bin/sh", os.path.join(folder, name))
    for name in there:
        os.symlink(base, os.path.join(folder, name))
    code = "import sys; print(sys.executable)\n"
    project = make_tree(f"{tmp_path}/p", {"main.py": code, "b.sh": f"python3 -c '{code.strip()}'\n"})
    prefix = make_tree(
        f"{tmp_path}/r", {"conda-meta/history": "", "bin/R*": "#!/bin/sh\n"}
    )  # of conda, without Python
    monkeypatch.setenv("PATH", folder)
    for _ in range(2):
        for arguments in ((), ("-e", "b.sh"), ("--env", prefix), ("-e", "b.sh", "--env", prefix)):
            done = proj("run", project, *arguments)
            assert done.code == 0, done.err
            assert os.path.realpath(done.out.strip()) == base
