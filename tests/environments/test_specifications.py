"""Every file in which a project may state its Python packages, built for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from runner.environments.python import uv as resolver
from runner.environments.python.requirements import flatten
from runner.environments.python.specification import read
from runner.errors import EnvironmentFailure, InputError
from runner.values import EnvironmentOptions
from tests.environments.conftest import Recorder
from tests.environments.packages import make_source, make_wheel
from tests.environments.test_virtualenv import VERSION, output, prepare, project_with
from tests.helpers import git, make_tree

MINE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_complaint_3021_requirements_txt_is_enough(tmp_path: object) -> None:
    project = make_tree(f"{tmp_path}/p", {"reqs/requirements.txt": "# comment\n\ntiny<2  # not yet\n"})
    assert output(prepare(project, "reqs/requirements.txt"), VERSION) == "1.0"


def test_no_file_is_an_environment_without_packages(tmp_path: object) -> None:
    project = make_tree(f"{tmp_path}/p", {"x.py": ""})
    environment = prepare(project, "")
    assert environment.lock == "# no packages\n"
    assert output(environment, "import sys; print(sys.prefix)") == environment.activation.prefix


def test_the_pip_part_of_conda_yaml(tmp_path: object, report: Recorder) -> None:
    text = (
        "name: x\nchannels: [conda-forge]\ndependencies:\n"
        f"  - python={MINE}\n  - conda-forge::numpy=1.2\n  - pip\n  - pip:\n    - tiny==1.0\n"
    )
    project = make_tree(f"{tmp_path}/p", {"conda.yaml": text})
    environment = prepare(project, "conda.yaml", report)
    assert output(environment, VERSION) == "1.0"
    assert "numpy=1.2" in report.warnings[0]
    assert "numpy=1.2" in str(environment.details["warnings"])


@pytest.mark.parametrize(
    ("stated", "asked"),
    [
        ("python", ""),
        ("python=3.8.15", "=3.8.15"),
        ("python=3.8.15=h12debd9_1", "=3.8.15"),
        ("python ==3.9", "==3.9"),
        ("python >=3.8,<3.11", ">=3.8,<3.11"),
        ("python 3.10.*", "3.10.*"),
        ("defaults::python=3.7", "=3.7"),
        ("python-dateutil=2", ""),
    ],
)
def test_the_python_of_conda_yaml(tmp_path: object, stated: str, asked: str) -> None:
    project = make_tree(f"{tmp_path}/p", {"conda.yaml": f"dependencies:\n  - {stated}\n"})
    assert read("conda.yaml", project, EnvironmentOptions()).python == asked


def test_a_script_with_a_pep_723_header(tmp_path: object) -> None:
    header = f'# /// script\n# requires-python = ">={MINE}"\n# dependencies = [\n#   "tiny<2",\n# ]\n# ///\n'
    project = make_tree(f"{tmp_path}/p", {"train.py": header + "import tiny\n"})
    assert output(prepare(project, "train.py"), VERSION) == "1.0"


def test_pyproject_with_groups_and_extras(tmp_path: object) -> None:
    """Complaint #12478."""
    text = (
        f'[project]\nname = "x"\nversion = "1"\nrequires-python = ">={MINE}"\ndependencies = ["other"]\n'
        '[project.optional-dependencies]\nmore = ["extra"]\n[dependency-groups]\ndev = ["grouped"]\n'
    )
    project = make_tree(f"{tmp_path}/p", {"pyproject.toml": text})
    make_wheel(f"{tmp_path}/index", "extra", "1.0")
    make_wheel(f"{tmp_path}/index", "grouped", "1.0")
    plain = prepare(project, "pyproject.toml")
    assert [line.split(" ")[0] for line in plain.lock.splitlines() if "==" in line] == [
        "other==1.0",
        "tiny==1.0",
    ]
    assert "extra==1.0" in prepare(project, "pyproject.toml", extras=["more"]).lock
    assert "grouped==1.0" in prepare(project, "pyproject.toml", groups=["dev"]).lock
    with pytest.raises(InputError, match="no group 'def'"):
        prepare(project, "pyproject.toml", groups=["def"])
    assert os.listdir(project) == ["pyproject.toml"]


def test_complaint_12478_uv_lock_is_used_and_must_fit(tmp_path: object, index: str) -> None:
    """Complaint #12478: a lock that exists is what is installed."""
    text = f'[project]\nname = "x"\nversion = "1"\nrequires-python = ">={MINE}"\ndependencies = ["tiny<2"]\n'
    project = make_tree(f"{tmp_path}/p", {"pyproject.toml": text})
    uv = [
        resolver.executable(),
        "lock",
        "--quiet",
        "--no-index",
        "--find-links",
        index,
        "--python",
        sys.executable,
    ]
    subprocess.run(uv, cwd=project, check=True)
    environment = prepare(project, "pyproject.toml")
    assert environment.lock.startswith("tiny==1.0")
    assert output(environment, VERSION) == "1.0"
    make_tree(project, {"pyproject.toml": text.replace("tiny<2", "tiny>=2")})
    with pytest.raises(EnvironmentFailure) as caught:
        prepare(project, "pyproject.toml")
    assert "uv lock" in caught.value.hint


def test_a_pyproject_that_can_be_built_is_installed(tmp_path: object) -> None:
    project = make_source(f"{tmp_path}/p", "pkg", "V = 1\n")
    environment = prepare(project, "pyproject.toml")
    make_tree(project, {"pkg.py": "V = 2\n"})
    assert output(environment, "import pkg; print(pkg.V)") == "2"


def test_pylock_toml(tmp_path: object, index: str) -> None:
    """PEP 751."""
    project = make_tree(f"{tmp_path}/p", {"in.txt": "tiny<2\n"})
    uv = [resolver.executable(), "pip", "compile", "-q", "in.txt", "--no-index", "--find-links", index]
    subprocess.run([*uv, "-o", "pylock.toml"], cwd=project, check=True, capture_output=True)
    environment = prepare(project, "pylock.toml")
    assert "[[packages]]" in environment.lock
    assert output(environment, VERSION) == "1.0"


def test_pipfile_lock(tmp_path: object, index: str) -> None:
    import hashlib

    with open(f"{index}/tiny-1.0-py3-none-any.whl", "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    lock = {
        "_meta": {"requires": {"python_version": MINE}},
        "default": {"tiny": {"version": "==1.0", "hashes": [f"sha256:{digest}"]}},
        "develop": {"other": {"version": "==1.0"}},
    }
    project = make_tree(f"{tmp_path}/p", {"Pipfile": "", "Pipfile.lock": json.dumps(lock)})
    environment = prepare(project, "Pipfile")
    assert environment.lock == f"tiny==1.0 \\\n    --hash=sha256:{digest}\n"
    assert output(environment, VERSION) == "1.0"
    assert "other==1.0" in prepare(project, "Pipfile.lock", groups=["develop"]).lock


@pytest.mark.parametrize("groups", [True, False], ids=["lock 2.1", "older lock"])
def test_complaint_4246_poetry_lock(tmp_path: object, groups: bool) -> None:
    lock = "".join(
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nfiles = []\n'
        + (f'groups = ["{group}"]\n' if groups else "")
        + needs
        for name, version, group, needs in (
            ("other", "1.0", "main", '[package.dependencies]\ntiny = "<2"\n'),
            ("tiny", "1.0", "main", ""),
            ("grouped", "1.0", "dev", ""),
        )
    )
    lock += f'[metadata]\nlock-version = "2.1"\npython-versions = ">={MINE}"\n'
    text = '[tool.poetry.dependencies]\npython = "^3.9"\nother = "*"\n'
    text += '[tool.poetry.group.dev.dependencies]\ngrouped = "1"\n'
    project = make_tree(f"{tmp_path}/p", {"pyproject.toml": text, "poetry.lock": lock})
    environment = prepare(project, "poetry.lock")
    names = [line.split("==")[0] for line in environment.lock.splitlines() if "==" in line]
    assert names == ["other", "tiny"]
    assert prepare(project, "pyproject.toml").key == environment.key
    make_wheel(f"{tmp_path}/index", "grouped", "1.0")
    assert "grouped==1.0" in prepare(project, "poetry.lock", groups=["dev"]).lock


def test_a_git_requirement_is_locked_to_its_commit(tmp_path: object) -> None:
    source = make_source(f"{tmp_path}/source", "pkg", "V = 1\n")
    git(source, "init", "-q", "-b", "main")
    git(source, "add", "-A")
    git(source, "commit", "-q", "-m", "first")
    commit = git(source, "rev-parse", "HEAD")
    project = make_tree(f"{tmp_path}/p", {"requirements.txt": f"pkg @ git+file://{source}@main\n"})
    environment = prepare(project, "requirements.txt")
    assert commit in environment.lock
    assert output(environment, "import pkg; print(pkg.V)") == "1"


def test_local_wheels_and_named_paths(tmp_path: object) -> None:
    project = make_tree(
        f"{tmp_path}/p", {"requirements.txt": "./wheels/mine-1.0-py3-none-any.whl\npkg @ ./pkg\n"}
    )
    make_wheel(f"{project}/wheels", "mine", "1.0")
    make_source(f"{project}/pkg", "pkg", "V = 1\n")
    environment = prepare(project, "requirements.txt")
    assert str(tmp_path) not in environment.lock
    assert output(environment, "import mine, pkg; print(mine.VERSION, pkg.V)") == "1.0 1"
    make_wheel(f"{project}/wheels", "mine", "1.0", modules={"mine.py": "VERSION = 'new'\n"})
    assert output(prepare(project, "requirements.txt"), "import mine; print(mine.VERSION)") == "new"


def test_a_lock_with_local_packages_fits_another_folder(tmp_path: object) -> None:
    files = {"requirements.txt": "./pkg\ntiny<2\n"}
    first, second = make_tree(f"{tmp_path}/a", files), make_tree(f"{tmp_path}/b", files)
    for project in (first, second):
        make_source(f"{project}/pkg", "pkg", "V = 1\n")
    environment = prepare(first, "requirements.txt")
    assert prepare(second, "requirements.txt", kept_lock=environment.lock).key == environment.key


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"e.yaml": "dependencies: 3: 4\n"}, "e.yaml:1: not YAML"),
        ({"e.yaml": "- a\n"}, "expected a mapping"),
        ({"e.yaml": "python: [3]\n"}, "`python` is a version"),
        ({"e.yaml": "python: three\n"}, "not a version of Python"),
        ({"e.yaml": "dependencies:\n  a: b\n"}, "list of texts"),
        ({"e.yaml": "dependencies: [-r none.txt]\n"}, "none.txt that it refers to is not there"),
        ({"e.yaml": "dependencies: [-r a.txt]\n", "a.txt": "-r a.txt\n"}, "refers to itself"),
        ({"e.yaml": "dependencies: [./none]\n"}, "local package ./none is not there"),
    ],
)
def test_faults_are_told_by_place(tmp_path: object, files: dict[str, str], message: str) -> None:
    project = make_tree(f"{tmp_path}/p", files)
    with pytest.raises(InputError) as caught:
        prepare(project, "e.yaml")
    assert message in caught.value.message


def test_a_missing_file(tmp_path: object) -> None:
    with pytest.raises(InputError, match="is not in"):
        prepare(str(tmp_path), "python_env.yaml")


def test_odd_but_allowed_files(tmp_path: object) -> None:
    for text in ("", "dependencies:\n", "dependencies: |\n  tiny<2\n", 'dependencies: ["tiny<2"]\nname: x\n'):
        project = make_tree(f"{tmp_path}/p", {"python_env.yaml": text})
        assert ("tiny==1.0" in prepare(project, "python_env.yaml").lock) == ("tiny" in text)


def test_lines_that_uv_refuses_are_dropped_with_a_word(tmp_path: object, report: Recorder) -> None:
    lines = "tiny<2\n--trusted-host example.org\n--prefer-binary\n--global-option=x\n--pre\n"
    project = make_tree(f"{tmp_path}/p", {"requirements.txt": lines})
    assert output(prepare(project, "requirements.txt", report), VERSION) == "1.0"
    assert len(report.warnings) == 3


def test_lines_are_flattened_as_pip_reads_them(tmp_path: object) -> None:
    project = make_tree(
        f"{tmp_path}/p",
        {
            "sub/a.txt": "\ufeffa==1 \\\n  ; python_version > '3' # why\n-rb.txt\n--requirement=c.txt\n#x\nhttps://h/#egg=z\n",
            "sub/b.txt": "b @ https://host/b.whl\n",
            "c.txt": "c[extra]>=1,!=2\n-c limits.txt\n",
            "limits.txt": "d<1\n",
        },
    )
    flat = flatten(["-r sub/a.txt"], project, "x")
    assert flat.lines == (
        "a==1 ; python_version > '3'",
        "b @ https://host/b.whl",
        "c[extra]>=1,!=2",
        "https://h/#egg=z",
    )
    assert flat.constraints == (f"{project}/limits.txt",)
    assert {os.path.basename(path) for path in flat.files} == {"a.txt", "b.txt", "c.txt", "limits.txt"}


def test_variables_in_requirements_mean_what_they_mean_now(
    tmp_path: object, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with pip; a second run with another value is another environment."""
    files = {"-1.0.txt": "tiny==1.0\n", "-2.0.txt": "tiny==2.0\n"}
    for line in (
        "tiny==${WANTED}",
        "-r sub/${WANTED}.txt",
        "tiny @ file://${INDEX}/tiny-${WANTED}-py3-none-any.whl",
    ):
        project = project_with(f"{tmp_path}/{len(line)}", line)
        make_tree(project, {f"sub/{name[1:]}": text for name, text in files.items()})
        age(project)
        monkeypatch.setenv("INDEX", index)
        for version in ("1.0", "2.0", "1.0"):
            monkeypatch.setenv("WANTED", version)
            assert output(prepare(project, "python_env.yaml"), VERSION) == version, line


def age(folder: str) -> None:
    """So old that what is in it would be remembered."""
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            os.utime(os.path.join(parent, name), (1_000_000, 1_000_000))


@pytest.mark.parametrize(
    "line",
    [
        "file://{0}/my%20lib",
        "mine @ file://{0}/my%20lib",
        "mine @ file://localhost{0}/my%20lib#egg=mine",
        "-e file://{0}/my%20lib",
    ],
)
def test_the_local_packages_of_pip_freeze(line: str, tmp_path: object) -> None:
    make_source(f"{tmp_path}/my lib", "mine", "", version="1.5")
    project = make_tree(f"{tmp_path}/p", {"requirements.txt": line.format(tmp_path) + "\n"})
    environment = prepare(project, "requirements.txt")
    assert output(environment, "import importlib.metadata as m; print(m.version('mine'))") == "1.5"
