"""The user's own conda by PROJ_CONDA_EXE: here a small program that understands the command we give."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

from runner.environments.conda import lock
from runner.errors import EnvironmentFailure
from runner.values import Environment
from tests.environments.conda.conftest import Channel, run
from tests.environments.conftest import Recorder
from tests.helpers import make_tree

Prepare = Callable[..., Environment]

PROGRAM = """#!{python}
import asyncio, os, sys
import rattler
words = sys.argv[1:]
prefix = words[words.index("-p") + 1]
open({log!r}, "a").write(" ".join(words) + "\\n")
async def main():
    if "--file" in words:
        urls = [line.split("#")[0] for line in open(words[words.index("--file") + 1]) if "://" in line]
        sources, specs = [], urls
    else:
        sources = [words[at + 1] for at, word in enumerate(words) if word == "-c"]
        at = max(at for at, word in enumerate(words) if word.startswith("-")) + 1
        specs = words[at + (words[at - 1] == "-c"):]
    records = await rattler.solve(sources=sources, specs=specs, platforms=["linux-64", "noarch"])
    await rattler.install(records, target_prefix=prefix, show_progress=False)
try:
    asyncio.run(main())
    os._exit(0)  # rattler's threads may still hold objects
except Exception as error:
    sys.exit("LibMambaUnsatisfiableError: " + str(error))
"""


@pytest.fixture
def log(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> str:
    path = os.path.join(str(tmp_path), "log")
    folder = os.path.join(str(tmp_path), "bin")
    make_tree(folder, {"mamba*": PROGRAM.format(python=sys.executable, log=path)})
    monkeypatch.setenv("PROJ_CONDA_EXE", os.path.join(folder, "mamba"))
    return path


def test_it_solves_and_installs(channel: Channel, prepare: Prepare, report: Recorder, log: str) -> None:
    environment = prepare(f"channels: ['{channel.url}']\ndependencies: [tool=1.0]\n")
    assert run(environment, "cat $CONDA_PREFIX/share/tool.txt") == "1.0"
    (package,) = lock.parse(environment.lock, "x").packages
    assert len(package.digest) == 64
    with open(log, encoding="utf-8") as file:
        commands = [line.split()[0] for line in file]
    assert commands == ["create", "create"]
    assert any("mamba" in step for step in report.steps)


def test_its_explanation_is_shown(channel: Channel, prepare: Prepare, log: str) -> None:
    with pytest.raises(EnvironmentFailure, match="LibMambaUnsatisfiableError") as caught:
        prepare(f"channels: ['{channel.url}']\ndependencies: [tool=7]\n")
    assert "tool" in caught.value.message


def test_a_program_that_is_not_there(
    channel: Channel, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJ_CONDA_EXE", "/nowhere/conda")
    with pytest.raises(EnvironmentFailure, match="/nowhere/conda is not there"):
        prepare(f"channels: ['{channel.url}']\ndependencies: [tool]\n")
