"""Local packages are built from copies: a build backend leaves its files in the folder it works in."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence

from runner import paths
from runner.environments.python.requirements import SKIPPED, Local

__all__ = ["Copies"]

# A package that looks outside its own folder while it is built has to be built where it is.
OUTSIDE = re.compile(
    r"setuptools[-_]scm|hatch-vcs|versioneer|versioningit|dunamai|\bvcs\b|(?<![-\w])path\s*=|workspace\s*=|\.\./"
)


class Copies:
    """Copies of the local packages as long as `with` lasts.

    The folder's name is the digest of the content: uv, which recognizes a folder by its path, never takes
    an old build for the new code.
    """

    def __init__(self, local: Sequence[Local]) -> None:
        self.local = local
        self.folders: dict[str, str] = {}  # text in the line -> copy

    def __enter__(self) -> Copies:
        for each in self.local:
            if not each.editable and os.path.isdir(each.path) and not _looks_outside(each.path):
                self.folders[each.text] = _copy(each)
        return self

    def __exit__(self, *error: object) -> None:
        for folder in self.folders.values():
            shutil.rmtree(os.path.dirname(folder), ignore_errors=True)

    def there(self, line: str) -> str:
        """The line with the copies' paths."""
        for text, folder in self.folders.items():
            line = re.sub(
                rf"((?:^|@ |\s)){re.escape(text)}(?=$|[\s\[;])", "\\1" + folder.replace("\\", "\\\\"), line
            )
        return line

    def back(self, line: str) -> str:
        for text, folder in self.folders.items():
            line = line.replace(f"file://{folder}", text).replace(folder, text)
        return line


def _looks_outside(folder: str) -> bool:
    for name in ("pyproject.toml", "setup.py", "setup.cfg"):
        try:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                if OUTSIDE.search(file.read()):
                    return True
        except OSError:
            continue
    return False


def _copy(local: Local) -> str:
    # one folder for each process: two of them may build the same package for different interpreters
    top = os.path.join(paths.temporary(), f"package-{local.digest}-{os.getpid()}")
    target = os.path.join(top, os.path.basename(local.path))
    if not os.path.isdir(target):
        shutil.copytree(
            local.path, target, ignore=shutil.ignore_patterns(*SKIPPED, "*.egg-info"), dirs_exist_ok=True
        )
    return target
