"""Environments of a pixi.lock, really installed from channels of the tests' own."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from hashlib import sha256

import pytest

from runner import environments, paths
from runner.environments.conda.spec import platform
from runner.errors import EnvironmentFailure, InputError
from runner.project import reading
from runner.values import EntryPoint, Environment, EnvironmentOptions, EnvironmentSpec
from tests.environments.conda.conftest import FULL, Channel, _cache, channel, conda_cache, run
from tests.environments.conftest import Recorder
from tests.environments.packages import make_source
from tests.helpers import make_tree, proj

__all__ = ["_cache", "channel", "conda_cache"]

MANIFEST = """[workspace]
name = "demo"
channels = ["file:///somewhere"]
platforms = ["linux-64"]

[dependencies]
tool = "*"
"""
Prepare = Callable[..., Environment]


def digest(path: str) -> str:
    with open(path, "rb") as file:
        return sha256(file.read()).hexdigest()


def conda_package(channel: Channel, name: str, version: str, subdir: str = "noarch") -> str:
    path = f"{channel.folder}/{subdir}/{name}-{version}-h0_0.conda"
    kind = "  noarch: generic\n" if subdir == "noarch" else ""
    return (
        f"- conda: file://{path}\n  name: {name}\n  version: '{version}'\n  build: h0_0\n  subdir: {subdir}\n{kind}"
        f"  sha256: {digest(path)}\n"
    )


def wheel(index: str) -> str:
    path = f"{index}/tiny-1.0-py3-none-any.whl"
    return f"- pypi: file://{path}\n  name: tiny\n  version: '1.0'\n  sha256: {digest(path)}\n"


def lock(channel: Channel, *packages: str, name: str = "") -> str:
    """A pixi.lock (version 6) with these packages, for this platform or the one called `name`."""
    used = "".join(f"      {package.splitlines()[0]}\n" for package in packages)
    return (
        "version: 6\nenvironments:\n  default:\n"
        f"    channels:\n    - url: {channel.url}/\n    packages:\n      {name or platform()}:\n{used}"
        f"packages:\n{''.join(packages)}"
    )


@pytest.fixture
def project(tmp_path: object) -> str:
    return make_tree(f"{tmp_path}/project", {"pixi.toml": MANIFEST})


@pytest.fixture
def prepare(project: str, report: Recorder) -> Prepare:
    def call(text: str, **options: object) -> Environment:
        make_tree(project, {"pixi.lock": text})
        asked = EnvironmentOptions(**options)  # type: ignore[arg-type]
        return environments.prepare(EnvironmentSpec("pixi", "pixi.lock"), project, asked, report)

    return call


@pytest.fixture
def tool(channel: Channel) -> tuple[str, str]:
    """The packages tool and dep."""
    return conda_package(channel, "tool", "2.0"), conda_package(channel, "dep", "1.1")


def test_conda_packages_and_wheels(channel: Channel, prepare: Prepare, index: str, project: str) -> None:
    make_source(f"{project}/mine", "mine", "V = 1\n")
    mine = "- pypi: ./mine\n  name: mine\n  version: 0.1.0\n  editable: true\n"
    python = conda_package(channel, "python", FULL, platform())
    demo, other = conda_package(channel, "demo", "1.0"), conda_package(channel, "tool", "1.0")
    demo = demo.replace("noarch: generic", "noarch: python")
    text = lock(channel, python, demo, other, wheel(index), mine)
    environment = prepare(text)
    show = "import sys, demo, tiny, mine; demo.main(); print(tiny.VERSION, mine.V, sys.prefix)"
    out = run(environment, f"python -c '{show}'; cat $CONDA_PREFIX/share/tool.txt")
    assert out.split("\n") == ["demo from conda", f"1.0 1 {environment.activation.prefix}", "1.0"]
    assert environment.activation.kind == "pixi"
    built = {"path": "./mine", "name": "mine", "version": "1.0", "follows": f"{project}/mine"}
    assert environment.details == {"file": "pixi.lock", "python": FULL, "packages": 5, "local": [built]}


def test_the_lock_of_the_record_is_condas_with_what_this_machine_gets(
    channel: Channel, prepare: Prepare, tool: tuple[str, str], report: Recorder
) -> None:
    environment = prepare(lock(channel, *tool))
    first, second, *urls = environment.lock.splitlines()
    assert (first, second, environment.lock_name) == (f"# platform: {platform()}", "@EXPLICIT", "conda.lock")
    expected = [f"{channel.folder}/noarch/{name}-h0_0.conda" for name in ("dep-1.1", "tool-2.0")]
    assert urls == [f"file://{path}#{digest(path)}" for path in expected]
    report.steps.clear()
    more = lock(channel, *tool) + "# what another machine gets changes nothing here\n"
    assert prepare(more).key == environment.key
    assert report.steps == []
    assert prepare(lock(channel, tool[1]), kept_lock=environment.lock).key == environment.key


def test_a_removed_prefix_is_built_anew(channel: Channel, prepare: Prepare, tool: tuple[str, str]) -> None:
    text = lock(channel, *tool)
    shutil.rmtree(prepare(text).activation.prefix)
    assert run(prepare(text), "cat $CONDA_PREFIX/share/tool.txt") == "2.0"


def test_a_package_that_is_not_the_locked_one_is_refused(
    channel: Channel, prepare: Prepare, tool: tuple[str, str], index: str
) -> None:
    python = conda_package(channel, "python", FULL, platform())
    for right in (tool[0], wheel(index)):
        wrong = right.partition("sha256: ")[0] + f"sha256: {'0' * 64}\n"
        others = (tool[1], python) if right == tool[0] else (*tool, python)
        with pytest.raises(EnvironmentFailure, match=r"(?i)hash mismatch"):
            prepare(lock(channel, wrong, *others))


@pytest.mark.parametrize(
    ("name", "manifest"),
    [
        ("pixi.toml", "[activation.env]\nLEVEL = 3\nPLACE = '$PIXI_PROJECT_ROOT/x'\n"),
        (
            "pyproject.toml",
            "[project]\nname = 'a'\n[tool.pixi.activation.env]\nLEVEL = '3'\nPLACE = '$HOME'\n",
        ),
        (
            "pixi.toml",
            "[environments]\ndefault = ['more']\n[feature.more.activation]\nscripts = ['a.sh']\nenv = {LEVEL = '3'}\n",
        ),
    ],
)
def test_variables_of_the_manifest(
    channel: Channel,
    project: str,
    prepare: Prepare,
    tool: tuple[str, str],
    report: Recorder,
    name: str,
    manifest: str,
) -> None:
    os.unlink(f"{project}/pixi.toml")
    make_tree(project, {name: manifest})
    environment = prepare(lock(channel, *tool))
    assert run(environment, 'echo "$LEVEL ${PLACE-none}"') == "3 none\n"
    (warning,) = report.warnings
    assert name in warning
    assert "PLACE is left out" in warning or "scripts are not run" in warning


def test_no_lock(project: str, report: Recorder) -> None:
    loaded = reading.load(project)
    assert environments.choose(loaded, EntryPoint("main", ""), "").kind == "system"
    with pytest.raises(InputError, match="no pixi environment") as caught:
        environments.choose(loaded, EntryPoint("main", ""), "pixi")
    assert caught.value.hint.startswith("pixi lock ")
    with pytest.raises(InputError, match=r"no pixi\.lock in") as caught:
        environments.prepare(EnvironmentSpec("pixi", "pixi.lock"), project, EnvironmentOptions(), report)
    assert caught.value.hint == "pixi lock"


def test_a_lock_that_does_not_help(
    channel: Channel, prepare: Prepare, tool: tuple[str, str], project: str
) -> None:
    """Each is told with what to type."""
    for text, message, hint in (
        (lock(channel, *tool, name="win-64"), "is for win-64, and this is", "pixi workspace platform add"),
        (lock(channel, tool[1]), r"does not fit pixi\.toml any more: no tool", "pixi lock"),
        (lock(channel, *tool).replace("default", "test"), "has no environment `default`", "pixi lock"),
        (
            lock(channel, *tool).replace("version: 6", "version: 99"),
            "cannot be read: .*version 99",
            "pixi lock",
        ),
        ("environments: [", "cannot be read", "pixi lock"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            prepare(text)
        assert caught.value.hint.startswith(hint)
    make_tree(project, {"pixi.toml": "[dependencies\n"})
    with pytest.raises(InputError, match=r"pixi\.toml: not TOML"):
        prepare(lock(channel, *tool))


def test_a_folder_with_a_pixi_lock_has_it(project: str) -> None:
    make_tree(project, {"pixi.lock": "", "requirements.txt": "", "environment.yml": ""})
    assert [spec.kind for spec in reading.load(project).environments] == ["pixi", "virtualenv", "conda"]
    make_tree(project, {"python_env.yaml": ""})  # MLflow's own
    assert reading.load(project).environments[0].kind == "virtualenv"


@pytest.mark.slow
def test_a_run_its_bundle_and_its_packages(
    channel: Channel, project: str, tool: tuple[str, str], tmp_path: object
) -> None:
    """In the record, in `proj env show`, and made again from its bundle alone."""
    own = Channel(f"{tmp_path}/own")
    own.add("tool", "2.0")
    text = lock(own, conda_package(own, "tool", "2.0"))
    files = {
        "pixi.lock": text,
        "MLproject": "entry_points: {main: {command: 'cat $CONDA_PREFIX/share/tool.txt > out.txt', outputs: [out.txt]}}\n",
    }
    make_tree(project, files)
    done = proj("run", project, "--json")
    assert done.code == 0, done.err
    run_id = json.loads(done.out)["run_id"]
    (row,) = json.loads(proj("env", "ls", "--json").out)
    assert (row["kind"], row["packages"], row["file"]) == ("pixi", 1, "pixi.lock")
    assert json.loads(proj("env", "show", row["key"], "--json").out)["packages"] == {"tool": "2.0"}
    done = proj("bundle", run_id, "-o", f"{tmp_path}/run.zip", "--json")
    assert (done.code, json.loads(done.out)["lacking"]) == (0, []), done.err
    with zipfile.ZipFile(f"{tmp_path}/run.zip") as archive:
        assert any(name.endswith("noarch/tool-2.0-h0_0.conda") for name in archive.namelist())
    for folder in (own.folder, project, paths.home()):
        shutil.rmtree(folder)
    done = proj("reproduce", f"{tmp_path}/run.zip", "--offline", "--json")
    assert json.loads(done.out)["verdict"] == "identical", done.out + done.err
