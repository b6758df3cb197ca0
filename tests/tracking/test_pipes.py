"""A store in which files are pipes, as somebody else may leave one: nobody waits, and what is a file is shown."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from runner.errors import ProjError
from runner.protocol.answer import ApiError
from runner.protocol.history import points
from runner.protocol.live import LiveRuns
from runner.tracking.store import Store
from tests.helpers import proj


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two runs with a metric; the first one is added to after its end."""
    found = Store(str(tmp_path / "store"))
    for number, run_id in enumerate(("a" * 32, "b" * 32)):
        with found.create_run(run_id=run_id, name=f"run{number}") as writer:
            writer.metric("m", 1.0)
            writer.end("FINISHED")
        Path(found.run_directory(run_id), "output.log").write_text("hello\n")
    with found.open_run("a" * 32) as writer:
        writer.tag("later", "1")
    found.search()
    found.close()
    return found


def files(root: str) -> list[str]:
    return sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(root)
        for name in names
        if not name.startswith("index.sqlite")
    )


@pytest.mark.timeout(60)
def test_pipes_in_a_store(store: Store, tmp_path: Path) -> None:
    every = [os.path.relpath(each, store.root) for each in files(store.root)]
    assert len(every) >= 6
    for index in (True, False):
        for name in every:
            root = str(tmp_path / f"{index}-{every.index(name)}")
            shutil.copytree(store.root, root)
            if not index:
                for each in os.listdir(root):
                    if each.startswith("index.sqlite"):
                        os.unlink(os.path.join(root, each))
            os.unlink(os.path.join(root, name))
            os.mkfifo(os.path.join(root, name))
            for argv in (["runs"], ["show", "b" * 32], ["logs", "a" * 32], ["export", "--csv"], ["doctor"]):
                done = proj(*argv, "--store", root, timeout=20)
                assert "bug in proj" not in done.err, (name, argv, done)
                assert not re.search("Traceback", done.err), (name, argv, done)
            assert a_history(root) == ("a" * 32 not in name or name.endswith(("output.log", "journal"))), name


def a_history(root: str) -> bool:
    """Whether a server gives it."""
    runs = LiveRuns(Store(root))
    try:
        return bool(points(runs.get("a" * 32), "m"))
    except (ApiError, ProjError, OSError):
        return False
    finally:
        runs.close()
