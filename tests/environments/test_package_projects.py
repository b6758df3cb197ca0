"""A project that is a package is installed, follows its folder, and finds nothing left in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from runner.environments import choice
from runner.environments.python import uv
from tests.environments.conftest import Recorder
from tests.environments.packages import make_wheel, package
from tests.environments.test_virtualenv import output, prepare
from tests.helpers import git, make_repository, make_tree

SHOW = "import pkg; print(pkg.V)"
SOURCE = {"files": {"pkg/__init__.py": "src/pkg/__init__.py"}}


def listing(folder: str) -> list[str]:
    return sorted(
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if "/.git/" not in f"{parent}/" and not name.endswith(".pyc")
    )


@pytest.mark.parametrize(
    ("layout", "wheel"),
    [
        ("src/pkg", "pkg/__init__.py"),
        ("pkg", "pkg/__init__.py"),
        ("code", "pkg/__init__.py"),  # under another name than its folder
        ("lib/corp/pkg", "corp/pkg/__init__.py"),  # in a namespace
    ],
)
def test_it_follows_its_folder_whatever_the_layout(tmp_path: object, layout: str, wheel: str) -> None:
    files = {**package({"files": {wheel: f"{layout}/__init__.py"}}), f"{layout}/__init__.py": "V = 1\n"}
    project = make_tree(f"{tmp_path}/p", files)
    before = listing(project)
    environment = prepare(project, "pyproject.toml")
    show = f"import {wheel.removesuffix('/__init__.py').replace('/', '.')} as pkg; print(pkg.V, pkg.__file__)"
    assert output(environment, show) == f"1 {project}/{layout}/__init__.py"
    assert listing(project) == before
    make_tree(project, {f"{layout}/__init__.py": "from .more import V\n", f"{layout}/more.py": "V = 22\n"})
    assert output(environment, show).startswith("22 ")
    assert environment.lock == "-e .\n"
    assert environment.details["local"] == [
        {"path": ".", "name": "pkg", "version": "1.0", "follows": project}
    ]


def test_the_second_time_nothing_is_built(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_tree(f"{tmp_path}/p", {**package(SOURCE), "src/pkg/__init__.py": "V = 1\n"})
    key = prepare(project, "pyproject.toml").key
    monkeypatch.setattr(uv, "attempt", None)
    make_tree(project, {"src/pkg/__init__.py": "V = 2\n", "out.txt": "written by the run"})
    assert prepare(project, "pyproject.toml").key == key


def test_what_is_built_comes_from_the_build_and_is_built_anew(tmp_path: object, index: str) -> None:
    """Though an older one lies in the folder, where git ignores it. The other packages stay as they were."""
    files = {**SOURCE["files"], "pkg/_built.py": "=V = 'SOURCES'"}
    more = {
        "src/pkg/__init__.py": "from pkg._built import V\n",
        "src/c/a.c": "one",
        ".gitignore": "_built.py\n",
    }
    project = make_repository(f"{tmp_path}/p", {**package({"files": files}, "tiny"), **more})
    make_tree(project, {"src/pkg/_built.py": "V = 'old'\n"})
    first = prepare(project, "pyproject.toml")
    assert output(first, SHOW) == "one"
    make_wheel(index, "tiny", "3.0")
    make_tree(project, {"src/c/a.c": "two"})
    second = prepare(project, "pyproject.toml")
    assert (output(second, SHOW), second.lock) == ("two", first.lock)
    assert second.key != first.key


def test_scripts_and_metadata(tmp_path: object) -> None:
    wheel = {**SOURCE, "scripts": "pkg-run = pkg:main\n"}
    code = (
        "def main():\n    import importlib.metadata as m\n    print(m.version('pkg'), m.files('pkg') != [])\n"
    )
    project = make_tree(f"{tmp_path}/p", {**package(wheel), "src/pkg/__init__.py": code})
    environment = prepare(project, "pyproject.toml")
    done = subprocess.run([f"{environment.activation.path[0]}/pkg-run"], capture_output=True, check=True)
    assert done.stdout == b"1.0 True\n"
    show = "import importlib.metadata as m; print(m.distribution('pkg').read_text('direct_url.json'))"
    assert json.loads(output(environment, show)) == {
        "url": f"file://{project}",
        "dir_info": {"editable": True},
    }


def test_the_version_of_git_is_the_recorded_one_where_there_is_no_git(tmp_path: object) -> None:
    wheel = {**SOURCE, "version": "git"}
    project = make_repository(f"{tmp_path}/p", {**package(wheel), "src/pkg/__init__.py": "V = 1\n"})
    git(project, "tag", "v1.2.3")
    with open(f"{project}/.git/index", "rb") as index:
        before = index.read()
    show = "import importlib.metadata as m; print(m.version('pkg'))"
    first = prepare(project, "pyproject.toml")
    assert output(first, show) == "1.2.3"
    with open(f"{project}/.git/index", "rb") as index:
        assert index.read() == before
    room = make_tree(f"{tmp_path}/room", {**package(wheel), "src/pkg/__init__.py": "V = 1\n"})
    again = prepare(room, "pyproject.toml", kept_lock=first.lock, versions={".": "pkg==1.2.3"})
    assert output(again, show) == "1.2.3"
    git(project, "commit", "-q", "--allow-empty", "-m", "second")
    git(project, "tag", "v1.3.0")
    assert output(prepare(project, "pyproject.toml"), show) == "1.3.0"


def test_a_room_at_the_place_of_the_folder_shares_its_environment(tmp_path: object) -> None:
    files = {**package(SOURCE), "src/pkg/__init__.py": "V = 1\n"}
    project, room = make_tree(f"{tmp_path}/p", files), make_tree(f"{tmp_path}/room", files)
    first = prepare(project, "pyproject.toml")
    there = {"kept_lock": first.lock, "versions": {".": "pkg==1.0"}}
    assert prepare(room, "pyproject.toml", moved=(room, project), **there).key == first.key
    assert prepare(room, "pyproject.toml", **there).key != first.key


WORKSPACE = {
    **{
        f"packages/lib/{name}": text
        for name, text in package({"name": "lib", "files": {"lib.py": "lib.py"}}).items()
    },
    "packages/lib/lib.py": "V = 1\n",
}
SOURCES = "[tool.uv.sources]\nlib = { workspace = true }"


@pytest.mark.parametrize("member", [False, True], ids=["root", "member"])
@pytest.mark.parametrize("locked", [False, True], ids=["no-lock", "uv.lock"])
def test_a_workspace(tmp_path: object, index: str, locked: bool, member: bool) -> None:
    members = '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
    own = package(SOURCE, "lib", "tiny<2", more=f"{SOURCES}\n{'' if member else members}")
    own["src/pkg/__init__.py"] = "import lib, tiny\nV = f'{lib.V} {tiny.VERSION}'\n"
    inside = "packages/app/" if member else ""
    files = {**WORKSPACE, **{f"{inside}{name}": text for name, text in own.items()}}
    top = make_tree(f"{tmp_path}/p", {**files, **({"pyproject.toml": members} if member else {})})
    project = os.path.join(top, inside).rstrip("/")
    if locked:
        argv = [
            uv.executable(),
            "lock",
            "-q",
            "--no-index",
            "--find-links",
            index,
            "--python",
            sys.executable,
        ]
        subprocess.run(argv, cwd=project, check=True)
    before = listing(top)
    environment = prepare(project, "pyproject.toml")
    assert output(environment, SHOW) == "1 1.0"
    assert listing(top) == before
    assert f"-e {'../lib' if member else './packages/lib'}" in environment.lock.splitlines()
    assert "-e ." in environment.lock.splitlines()
    assert str(tmp_path) not in environment.lock
    make_tree(top, {"packages/lib/lib.py": "V = 22\n"})
    assert output(environment, SHOW) == "22 1.0"


@pytest.mark.parametrize("line", [".", "-e ."])
def test_requirements_that_name_the_project(tmp_path: object, line: str) -> None:
    files = {**package(SOURCE), "src/pkg/__init__.py": "V = 1\n", "requirements.txt": f"{line}\n"}
    project = make_tree(f"{tmp_path}/p", files)
    environment = prepare(project, "requirements.txt")
    assert output(environment, SHOW) == "1"
    make_tree(project, {"src/pkg/__init__.py": "V = 22\n", "out.txt": "written by the run"})
    assert prepare(project, "requirements.txt").key == environment.key
    assert output(environment, SHOW) == "22"


def test_pylock_toml_that_names_the_project(tmp_path: object, index: str) -> None:
    files = {**package(SOURCE, "tiny<2"), "src/pkg/__init__.py": "from tiny import VERSION as V\n"}
    project = make_tree(f"{tmp_path}/p", files)
    uv_of = [uv.executable(), "-q", "--no-config"]
    more = ["--no-index", "--find-links", index, "--python", sys.executable]
    subprocess.run([*uv_of, "lock", *more], cwd=project, check=True)
    export = [*uv_of, "export", "--format", "pylock.toml", "-o", "pylock.toml", *more]
    subprocess.run(export, cwd=project, check=True, capture_output=True)
    before = listing(project)
    environment = prepare(project, "pylock.toml")
    assert output(environment, SHOW) == "1.0"
    assert listing(project) == before
    make_tree(project, {"src/pkg/__init__.py": "V = 22\n"})
    assert output(environment, SHOW) == "22"
    room = make_tree(f"{tmp_path}/room", files)
    again = prepare(room, "pyproject.toml", kept_lock=environment.lock)
    assert output(again, SHOW) == "1.0"


def test_a_project_in_which_no_backend_finds_a_package_runs_from_its_folder(
    tmp_path: object, report: Recorder
) -> None:
    fault = "ValueError: Unable to determine which files to ship inside the wheel"
    project = make_tree(f"{tmp_path}/p", package({**SOURCE, "fails": fault}, "tiny"))
    environment = prepare(project, "pyproject.toml", report)
    assert output(environment, "import tiny; print(tiny.VERSION)") == "2.0"
    assert report.warnings == [
        "the project itself is not installed, as it is no package: Unable to determine which files to ship"
    ]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"pyproject.toml": "[tool.ruff]\n"}, False),
        ({"pyproject.toml": "[build-system]\nrequires = []\n"}, False),
        ({"pyproject.toml": "[build-system]\nrequires = []\n", "setup.cfg": "[metadata]\n"}, True),
        ({"pyproject.toml": "[project]  # ours\nname = 'x'\n"}, True),
    ],
)
def test_a_pyproject_that_only_configures_tools_is_no_environment(
    tmp_path: object, files: Mapping[str, str], found: bool
) -> None:
    specs = choice.conventional(make_tree(f"{tmp_path}/p", files))
    assert bool([each for each in specs if each.kind == "virtualenv"]) == found
