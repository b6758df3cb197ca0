"""What git ignores, as `git status` says it on the way and as `git ls-files` says it when it is asked for that alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from runner.snapshots import ignored, snapshot
from runner.sources.local import fetch
from runner.values import Silent
from tests.helpers import git, make_tree

LAYOUTS = {
    "files": {".gitignore": "*.log\n", "a.log": "", "sub/b.log": "", "sub/c.py": ""},
    "a folder": {".gitignore": "out/\n", "out/a": "", "out/deep/b": "", "sub/out/c": ""},
    "all that is in a folder": {".gitignore": "data/*\n", "data/a": "", "data/deep/b": "", "sub/x.py": ""},
    "but one": {".gitignore": "data/*\n!data/keep\n", "data/a": "", "data/keep": "", "sub/x.py": ""},
    "a tracked one among them": {".gitignore": "out/\n", "out/a": "", "out/tracked": "", "sub/x.py": ""},
    "a folder of ignored files only": {".gitignore": "*.log\n", "logs/a.log": "", "logs/b/c.log": "", "sub/x.py": ""},
    "of the project's own folder": {"sub/.gitignore": "*.bin\n/out\n", "sub/ü x.bin": "", "sub/out/a": "", "y.bin": ""},
    "excluded elsewhere": {".git/info/exclude": "*.tmp\n", "a.tmp": "", "sub/b.tmp": ""},
    "beside untracked files": {".gitignore": "*.log\n", "new/a.log": "", "new/b.py": "", "sub/new/c.log": ""},
    "nested": {".gitignore": "/nested\n", "nested/.git/HEAD": "ref: refs/heads/x\n", "nested/a": "", "sub/x.py": ""},
}  # fmt: skip


def expanded(root: str, names: Iterable[str]) -> set[str]:
    """The files that are named, and those in folders that are."""
    found = set()
    for name in names:
        place = os.path.join(root, name)
        found |= {os.path.relpath(place, root)} if os.path.isfile(place) else set()
        for folder, _, files in os.walk(place):
            found |= {os.path.relpath(os.path.join(folder, each), root) for each in files}
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("inside", ["", "sub"])
def test_status_knows_the_same(tmp_path: Path, layout: str, inside: str) -> None:
    root = str(tmp_path / "r")
    os.mkdir(root)
    git(root, "init", "-q")
    make_tree(root, {"train.py": "", "sub/train.py": "", **LAYOUTS[layout]})
    git(root, "add", "train.py", "sub/train.py")
    if "out/tracked" in LAYOUTS[layout]:
        git(root, "add", "-f", "out/tracked")
    git(root, "commit", "-q", "-m", "first")
    project, store = os.path.join(root, inside).rstrip("/"), str(tmp_path / "store")
    pending = snapshot.begin(fetch(project, "", Silent()))
    pending.finish()
    assert pending.found is not None
    assert pending.status is not None
    assert pending.status.ignored is not None
    known = ignored.ask(pending.found, project, store, pending.status.ignored).finish()
    asked = ignored.ask(pending.found, project, store).finish()
    assert known or inside
    assert expanded(project, known) == expanded(project, asked)
    assert all(os.path.isdir(os.path.join(project, name)) == name.endswith("/") for name in known)
