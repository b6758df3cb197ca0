"""Local packages are built from copies: a build backend leaves its files in the folder it works in."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import unquote

from runner import paths
from runner.environments.python.following import METADATA, by_git, walk
from runner.environments.python.requirements import Local
from runner.environments.python.wanted import text_of
from runner.host import files, git
from runner.sources.git import repository

__all__ = ["Copies"]

LARGE = 16_000_000  # bytes; a larger file is linked: no backend writes to it
SMALL = 1_000_000  # bytes; of files above a package, which its metadata may name


class Copies:
    """Copies of the local packages as long as `with` lasts.

    They lie below one folder as they lie below "/", so that what one says about another (`../lib`, a workspace)
    holds. The folder's name is the digest of the contents: uv, which recognizes a folder by its path, never takes
    an old build for the new code.
    """

    def __init__(self, local: Sequence[Local]) -> None:
        self.local = [each for each in local if os.path.isdir(each.path)]
        self.archives = [each.path for each in local if not os.path.isdir(each.path)]
        self.folders: dict[str, str] = {}  # text in the line -> copy
        self.names: dict[str, frozenset[str]] = {}  # text in the line -> files that were copied, relative
        self.variables: dict[str, str] = {}  # for the backends: versions that git told then
        name = sha256("".join(each.digest for each in self.local).encode()).hexdigest()[:32]
        # one folder for each build: several may build the same package for different interpreters
        self.top = os.path.join(paths.temporary(), f"package-{name}-{os.getpid()}-{os.urandom(3).hex()}")

    def __enter__(self) -> Copies:
        try:
            for each in self.local:
                self._copy(each)
            if self.local:
                self.bring(*self.archives)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.top, ignore_errors=True)

    def there(self, line: str) -> str:
        """The line with the copies' paths."""
        for text, folder in self.folders.items():
            line = re.sub(
                rf"((?:^|@ |\s)){re.escape(text)}(?=$|[\s\[;])", "\\1" + folder.replace("\\", "\\\\"), line
            )
        return line

    def path(self, path: str) -> str:
        """A file or folder of a package -> the same in its copy."""
        inside = any(f"{path}/".startswith(f"{each.path}/") for each in self.local)
        return self.top + path if inside else path

    def back(self, line: str) -> str:
        for text, folder in sorted(self.folders.items(), key=lambda pair: -len(pair[1])):
            line = line.replace(f"file://{folder}", text).replace(folder, text)
        return line

    def original(self, address: str) -> str:
        """The folder that a path or URL of a copy stands for."""
        path = unquote(address[7:]) if address.startswith("file://") else address
        return path[len(self.top) :] if path.startswith(self.top + "/") else path

    def bring(self, *paths: str) -> None:
        """Files to their place among the copies."""
        for path in paths:
            _place(path, self.top + path)

    def _copy(self, local: Local) -> None:
        target = self.top + local.path
        names = _names(local.path)
        for name in names:
            _place(os.path.join(local.path, name), os.path.join(target, name))
        os.makedirs(target, exist_ok=True)
        self.folders[local.text], self.names[local.text] = target, frozenset(names)
        found = repository.find(local.path)
        self._above(local.path, found.root if found else "")
        texts = [text_of(path) for name in METADATA if os.path.isfile(path := os.path.join(target, name))]
        if not by_git("\n".join(texts)):
            return
        if local.version:
            self.variables |= _pretended(local.name, local.version)
            _pretend(target, local.version)
        elif found:
            # without locks, what only looks at the repository changes nothing in it
            self.variables["GIT_OPTIONAL_LOCKS"] = "0"
            files.write(os.path.join(self.top + found.root, ".git"), f"gitdir: {found.folder}\n")

    def _above(self, folder: str, root: str) -> None:
        """Small files above a package, up to its repository or workspace: a license, a shared pyproject.toml."""
        top = root if root and folder.startswith(f"{root}/") else _workspace(folder)
        while top and len(folder) > len(top):
            folder = os.path.dirname(folder)
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                if os.path.isfile(path) and os.path.getsize(path) <= SMALL and name != ".git":
                    _place(path, self.top + path)


def _names(folder: str) -> list[str]:
    """Files of a package, relative: those that git does not ignore, or all that may belong to it."""
    if found := repository.find(folder):
        inside = os.path.relpath(folder, found.root)
        asked = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--full-name")
        done = repository.start(found, *asked, "--", f":(literal){inside}").finish()
        names = [
            os.path.relpath(os.path.join(found.root, name), folder) for name in done.out.split("\0")[:-1]
        ]
        names = [name for name in names if os.path.lexists(os.path.join(folder, name))]
        if any(name in names for name in METADATA):  # else it is another's repository, which ignores us
            return [name for name in names if not os.path.isdir(os.path.join(folder, name))]
    return [
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, files in walk(folder)
        for name in files
    ]


def _place(source: str, target: str) -> None:
    if os.path.lexists(target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.isfile(source):
        if os.path.islink(source):
            os.symlink(os.readlink(source), target)
    elif os.path.getsize(source) > LARGE:
        os.symlink(os.path.realpath(source), target)
    else:
        shutil.copy2(source, target)


def _workspace(folder: str) -> str:
    """The folder of uv's workspace that a package is in; "" for none."""
    above = os.path.dirname(folder)
    while above != os.path.dirname(above):
        path = os.path.join(above, "pyproject.toml")
        if os.path.isfile(path) and "[tool.uv.workspace]" in text_of(path):
            return above
        above = os.path.dirname(above)
    return ""


def _pretended(name: str, version: str) -> dict[str, str]:
    """What tells the usual plug-ins which version to state."""
    own = re.sub(r"[^A-Z0-9]+", "_", name.upper())
    names = [f"SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{own}", "SETUPTOOLS_SCM_PRETEND_VERSION", "PBR_VERSION"]
    names += ["PDM_BUILD_SCM_VERSION", "POETRY_DYNAMIC_VERSIONING_BYPASS", "UV_DYNAMIC_VERSIONING_BYPASS"]
    return dict.fromkeys(names, version)


def _pretend(folder: str, version: str) -> None:
    """A repository with that version as its tag, for the others."""
    someone = ("user.name=proj", "user.email=proj@localhost")
    for arguments in (
        ("init", "--quiet"),
        ("commit", "--quiet", "--allow-empty", "--message=recorded"),
        ("tag", f"v{version}"),
    ):
        git.run(*arguments, folder=folder, settings=someone)
