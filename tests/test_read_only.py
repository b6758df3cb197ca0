"""A cache or a store that can only be read, as one that a cluster's users share: what is scratch goes to TMPDIR."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner import paths
from runner.errors import ProjError
from tests.helpers import Result, make_repository, proj

MLPROJECT = "name: p\npython_env: env.yaml\nentry_points:\n  main: {outputs: [out.txt], command: 'python -c \"print(1)\" | tee out.txt'}\n"
# root may write everywhere, unless it is without its capabilities
PREFIX = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.getuid() == 0 else ()
pytestmark = pytest.mark.skipif(
    bool(PREFIX) and not shutil.which("setpriv"), reason="only on systems with setpriv"
)


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache, self.temporary = str(folder / "cache"), str(folder / "tmp")
        os.mkdir(self.temporary)
        self.project = make_repository(
            folder / "p", {"MLproject": MLPROJECT, "env.yaml": "dependencies: []\n"}
        )

    def proj(self, *words: str, **variables: str) -> Result:
        given = {**os.environ, "PROJ_CACHE": self.cache, "TMPDIR": self.temporary, **variables}
        argv = [*PREFIX, sys.executable, "-m", "runner", *words]
        done = subprocess.run(argv, env=given, capture_output=True, text=True, check=False, timeout=100)
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, **variables: str) -> str:
        done = self.proj(*words, **variables)
        assert done.code == 0, (words, done.err)
        return done.out + done.err

    def files(self) -> list[str]:
        return sorted(str(each) for each in Path(self.cache).rglob("*"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """With a cache that was filled by a run, and can only be read since."""
    made = World(tmp_path)
    done = proj("run", made.project, PROJ_CACHE=made.cache)
    assert done.code == 0, done.err
    subprocess.run(["chmod", "-R", "a-w", made.cache], check=True)
    yield made
    subprocess.run(["chmod", "-R", "u+w", str(tmp_path)], check=True)


@pytest.mark.slow
def test_all_goes_on_with_a_cache_that_can_only_be_read(world: World) -> None:
    before = world.files()
    assert "making the environment" not in world.ok("run", world.project)
    address = f"file://{world.project}"
    for words in (
        ("run", world.project), ("run", address), ("check", address), ("runs",), ("bundle", "last", "-o", f"{world.folder}/x.zip", "--no-packages"),
        ("reproduce", "last"), ("rerun", "last"), ("restore", "last", f"{world.folder}/restored"), ("diff", "last", "last~1"),
        ("new", "basic", f"{world.folder}/new", "--defaults"), ("artifacts", "get", "last", "-o", f"{world.folder}/got"),
    ):  # fmt: skip
        world.ok(*words)
    assert world.files() == before
    (own,) = os.listdir(world.temporary)
    assert own == f"proj-{os.getuid()}"
    assert os.stat(f"{world.temporary}/{own}").st_mode & 0o777 == 0o700
    assert os.path.exists(f"{world.folder}/restored/MLproject")


def test_an_environment_that_is_not_there_is_an_error_that_says_so(world: World) -> None:
    Path(world.project, "env.yaml").write_text(
        "python: '3.11'\ndependencies: [pip]\nbuild_dependencies: [x]\n"
    )
    done = world.proj("run", world.project)
    assert done.code == 125
    assert "PROJ_CACHE" in done.err


def test_a_store_that_can_only_be_read(world: World) -> None:
    store = paths.store()
    run_id = json.loads(world.ok("runs", "--json"))[0]["run_id"]
    subprocess.run(["chmod", "-R", "a-w", store], check=True)
    before = sorted(str(each) for each in Path(store).rglob("*"))
    for words in (
        ("runs",), ("show", run_id), ("logs", run_id), ("compare", run_id, run_id), ("diff", run_id, run_id), ("export",), ("experiments",),
        ("doctor",), ("bundle", run_id, "-o", f"{world.folder}/y.zip", "--no-packages"), ("restore", run_id, f"{world.folder}/again"), ("gc", "--dry-run"),
        ("artifacts", "get", run_id, "-o", f"{world.folder}/got"),
    ):  # fmt: skip
        assert "bug in proj" not in world.ok(*words)
    for words in (
        ("run", world.project),
        ("tag", run_id, "a=b"),
        ("rm", run_id),
        ("reproduce", run_id),
        ("gc", "--yes"),
    ):
        done = world.proj(*words)
        assert done.code in (0, 125), (words, done.err)
        assert "bug in proj" not in done.err
    assert sorted(str(each) for each in Path(store).rglob("*")) == before
    # what was packed there is good elsewhere
    world.ok("reproduce", f"{world.folder}/y.zip", PROJ_STORE=str(world.folder / "other"))


def test_a_folder_in_our_name_that_is_somebody_elses_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    cache = tmp_path / "cache"
    cache.mkdir(mode=0o555)
    monkeypatch.setenv("PROJ_CACHE", str(cache))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if os.getuid() == 0:
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    own = tmp_path / f"proj-{os.getuid()}"
    assert paths.scratch("tmp") == f"{own}/tmp"
    own.chmod(0o777)
    with pytest.raises(ProjError, match="not a folder of yours"):
        paths.scratch("tmp")
    own.rmdir()
    own.symlink_to(tmp_path)
    with pytest.raises(ProjError, match="not a folder of yours"):
        paths.scratch("tmp")
