"""Conda channels of the tests' own, with this machine's CPython as the package `python`."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from runner import environments
from runner.environments.conda import spec
from runner.values import Environment, EnvironmentOptions, EnvironmentSpec
from tests.environments.conftest import Recorder
from tests.helpers import make_tree

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
FULL = ".".join(str(part) for part in sys.version_info[:3])
DEMO = {
    "site-packages/demo/__init__.py": "VERSION = 1\ndef main(): print('demo from conda')\n",
    "site-packages/demo-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
    "site-packages/demo-1.0.dist-info/RECORD": "",
    "site-packages/demo-1.0.dist-info/INSTALLER": "conda\n",
}
POST_LINK = '#!/bin/bash\ncp "$PREFIX/share/base.txt" "$PREFIX/share/linked.txt" && echo "$PKG_NAME $PKG_VERSION" >> "$PREFIX/share/linked.txt"\n'
ACTIVATE = 'echo noise; export DEMO_HOME="$CONDA_PREFIX/demo" DEMO_TEXT=$\'two\\nlines\'; export PATH="$CONDA_PREFIX/extra:$PATH" _DEMO=1 HOMEMADE=2\n'


class Channel:
    """A folder that conda takes for a channel."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.url = f"file://{folder}"
        for subdir in ("noarch", spec.platform()):
            os.makedirs(os.path.join(folder, subdir), exist_ok=True)

    def add(
        self,
        name: str,
        version: str,
        depends: Sequence[str] = (),
        files: Mapping[str, str] | None = None,
        *,
        noarch: Any = "generic",
        staged: str = "",
    ) -> str:
        """Makes a package and returns its path."""
        from rattler_build import assemble_package, collect_files

        subdir = "noarch" if noarch else spec.platform()
        stage = staged or os.path.join(self.folder, "..", f"stage-{name}-{version}")
        if not staged:
            make_tree(stage, files or {f"share/{name}.txt": version})
        out = assemble_package(
            name,
            version,
            subdir,
            "h0_0",
            os.path.join(self.folder, subdir),
            files=collect_files(stage, include_hidden=True),
            depends=list(depends),
            noarch=noarch,
            compression_level=1,
        )
        shutil.rmtree(stage)
        return str(out.path)

    def index(self) -> Channel:
        import rattler.index

        asyncio.run(rattler.index.index_fs(self.folder))
        return self


def stage_python(folder: str) -> str:
    """A CPython that finds its prefix from where it lies."""
    base, name = sys.base_prefix, f"python{VERSION}"
    left_out = ("test", "tests", "idlelib", "tkinter", "__pycache__", "site-packages", "ensurepip", "lib2to3")

    def ignored(path: str, names: list[str]) -> list[str]:
        return [each for each in names if each in left_out or each.startswith(("config-", "_tkinter"))]

    shutil.copytree(
        os.path.join(base, "lib", name), os.path.join(folder, "lib", name), ignore=ignored, symlinks=True
    )
    make_tree(os.path.join(folder, "lib", name, "site-packages"), {"README.txt": ""})
    os.makedirs(os.path.join(folder, "bin"))
    shutil.copy2(os.path.join(base, "bin", name), os.path.join(folder, "bin", name))
    for link in ("python", "python3"):
        os.symlink(name, os.path.join(folder, "bin", link))
    for each in os.listdir(os.path.join(base, "lib")):
        if each.startswith("libpython") and ".so" in each:
            shutil.copy2(os.path.join(base, "lib", each), os.path.join(folder, "lib", each))
    return folder


@pytest.fixture(scope="session")
def conda_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("conda") / "cache")


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    """python; tool 1 and 2 (which wants dep); demo (a noarch Python package); acts, links: with scripts.

    Made once for all workers, as packing a Python takes seconds: none changes it.
    """
    pytest.importorskip("rattler_build", reason="py-rattler-build is not installed")
    base = tmp_path_factory.getbasetemp()
    folder = str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "channel")
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(f"{folder}.made"):
            make_channel(folder)
            make_tree(os.path.dirname(folder), {"channel.made": ""})
    return Channel(f"{folder}/main")


def make_channel(folder: str) -> None:
    made = Channel(f"{folder}/main")
    made.add("python", FULL, noarch=None, staged=stage_python(f"{folder}/stage"))
    made.add("tool", "1.0")
    made.add("tool", "2.0", ["dep >=1"])
    made.add("dep", "1.1")
    made.add("old", "1.0", ["dep <1"])
    made.add("demo", "1.0", ["python"], DEMO, noarch="python")
    made.add(
        "acts",
        "1.0",
        files={
            "etc/conda/activate.d/acts.sh": ACTIVATE,
            "etc/conda/env_vars.d/acts.json": '{"DEMO_JSON": "yes"}',
        },
    )
    made.add("base", "1.0")
    made.add("links", "3.1", ["base"], {"bin/.links-post-link.sh*": POST_LINK, "share/links.txt": "x"})
    made.index()


@pytest.fixture(autouse=True)
def _cache(conda_cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages are extracted once in a session."""
    monkeypatch.setenv("RATTLER_CACHE_DIR", conda_cache)


@pytest.fixture
def project(tmp_path: object) -> str:
    return make_tree(os.path.join(str(tmp_path), "project"), {})


Prepare = Callable[..., Environment]


@pytest.fixture
def prepare(project: str, report: Recorder) -> Prepare:
    """Prepares conda.yaml with this text; keywords are options of the command line."""

    def call(text: str, **options: Any) -> Environment:
        make_tree(project, {"conda.yaml": text})
        return environments.prepare(
            EnvironmentSpec("conda", "conda.yaml"), project, EnvironmentOptions(**options), report
        )

    return call


def run(environment: Environment, command: str) -> str:
    """The output of a command in the environment."""
    activation = environment.activation
    variables = dict(os.environ)
    for name, value in activation.variables.items():
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = value
    variables["PATH"] = os.pathsep.join((*activation.path, variables["PATH"]))
    done = subprocess.run(["bash", "-c", command], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
