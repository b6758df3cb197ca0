"""With the real package index."""

from __future__ import annotations

import os

import pytest

from runner.errors import EnvironmentFailure
from tests.environments.test_virtualenv import output, prepare, project_with
from tests.helpers import make_tree

pytestmark = pytest.mark.network


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own pip configuration, whatever it is."""
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name)


def test_a_package_is_locked_with_hashes_and_runs(tmp_path: object) -> None:
    environment = prepare(project_with(f"{tmp_path}/p", "six>=1.16"), "python_env.yaml")
    assert environment.lock.startswith("six==1.")
    assert environment.lock.count("--hash=sha256:") >= 1
    assert output(environment, "import six; print(six.PY3)") == "True"
    again = prepare(project_with(f"{tmp_path}/q", "six>=1.15"), "python_env.yaml", offline=True)
    assert again.key == environment.key


def test_a_sourceless_pin_of_mlflows_build_dependencies(tmp_path: object) -> None:
    """What nearly each python_env.yaml in the wild has."""
    text = "build_dependencies:\n- pip\n- setuptools\n- wheel\ndependencies:\n- six==1.17.0\n"
    project = make_tree(f"{tmp_path}/p", {"python_env.yaml": text})
    environment = prepare(project, "python_env.yaml")
    names = [line.split("==")[0] for line in environment.lock.splitlines() if "==" in line]
    assert {"pip", "setuptools", "wheel", "six"} <= set(names)
    output(environment, "import setuptools, pip, six")


@pytest.mark.slow
def test_a_local_package_with_a_real_backend_leaves_nothing_behind(tmp_path: object) -> None:
    project = project_with(f"{tmp_path}/p", "./pkg")
    text = '[project]\nname = "pkg"\nversion = "1"\n[build-system]\nrequires = ["setuptools"]\n'
    text += 'build-backend = "setuptools.build_meta"\n[tool.setuptools]\npy-modules = ["pkg"]\n'
    make_tree(f"{project}/pkg", {"pyproject.toml": text, "pkg.py": "V = 1\n"})
    assert output(prepare(project, "python_env.yaml"), "import pkg; print(pkg.V)") == "1"
    make_tree(f"{project}/pkg", {"pkg.py": "V = 2\n"})
    assert output(prepare(project, "python_env.yaml"), "import pkg; print(pkg.V)") == "2"
    assert sorted(os.listdir(f"{project}/pkg")) == ["pkg.py", "pyproject.toml"]


def test_a_name_that_nobody_has(tmp_path: object) -> None:
    with pytest.raises(EnvironmentFailure) as caught:
        prepare(project_with(f"{tmp_path}/p", "six", "no-such-package-0d9c1e"), "python_env.yaml")
    assert "no-such-package-0d9c1e" in caught.value.message
    assert "cannot be reached" not in caught.value.message
