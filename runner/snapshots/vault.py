"""The store's snapshots.git: a bare repository that holds the code of all runs, each file once.

    refs/trees/<tree>      a snapshot that is complete: written last, after all of its objects
    refs/commits/<commit>  the tree of a user's commit that is complete here (and has no submodules)
    refs/last/<key>        the last snapshot of a user's repository: what later ones are told apart from

Nothing young is ever pruned, so that a snapshot in the making is safe from a tidying-up that goes on beside it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence

from runner.errors import StoreError
from runner.host import files, git, process
from runner.typed import NamedTuple

__all__ = ["ATTRIBUTES", "EMPTY", "Vault", "object_folders", "open_vault"]

EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # the tree without files, known to every git

CONFIG = """[gc]
\tauto = 0
\tpruneExpire = never
[core]
\tlogAllRefUpdates = false
\tquotePath = false
"""
# Bytes are kept as they are: no line ends are changed, no filter (git-lfs, git-crypt, ...) is run.
ATTRIBUTES = "* -text -filter -ident -eol -working-tree-encoding -export-subst -export-ignore !diff\n"
# Of folders without git: what tools leave behind, other people's code, and secrets.
EXCLUDES = """__pycache__/
*.pyc
.venv/
venv/
node_modules/
.ipynb_checkpoints/
.mypy_cache/
.pytest_cache/
.ruff_cache/
.tox/
.nox/
.DS_Store
.env
/mlruns/
"""


class Vault(NamedTuple):
    folder: str

    def start(
        self, *arguments: str, folder: str = "", index: str = "", objects: Sequence[str] = ()
    ) -> process.Pending:
        """Starts git here, with `folder` as work tree; it sees the objects in the folders `objects` too, but writes
        into its own only."""
        variables = self._variables(folder, index, objects)
        return git.start(*arguments, folder=folder, settings=git.EXACT, variables=variables)

    def _variables(self, folder: str, index: str, objects: Sequence[str]) -> dict[str, str | None]:
        found: dict[str, str | None] = {"GIT_DIR": self.folder}
        if folder:
            found["GIT_WORK_TREE"] = folder
        if index:
            found["GIT_INDEX_FILE"] = index
        if objects:
            found["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = object_folders(objects)
        return found

    def git(self, *arguments: str, folder: str = "", index: str = "", objects: Sequence[str] = ()) -> str:
        """Runs git here and returns its output. StoreError when it fails."""
        return self.checked(self.start(*arguments, folder=folder, index=index, objects=objects).finish())

    def checked(self, done: process.Completed) -> str:
        """What git said. StoreError when it failed."""
        if done.code:
            raise StoreError(f"{self.folder}: {_reason(done)}", "proj doctor  checks the store")
        return done.out

    def ref(self, name: str) -> str:
        """The id that refs/<name> holds, or ""."""
        try:
            with open(os.path.join(self.folder, "refs", name), encoding="utf-8") as file:
                return file.read().strip()
        except FileNotFoundError:
            return self._packed(name)

    def _packed(self, name: str) -> str:
        try:
            with open(os.path.join(self.folder, "packed-refs"), encoding="utf-8") as file:
                for line in file:
                    if line.rstrip("\n").endswith(f" refs/{name}"):
                        return line[:40]
        except FileNotFoundError:
            pass
        return ""

    def keep(self, name: str, value: str) -> None:
        """Writes refs/<name>, by hand: `git update-ref` takes longer than the rest of a clean snapshot."""
        # the draft lies elsewhere: in refs/, git would take it for one
        files.write(os.path.join(self.folder, "refs", name), value + "\n", folder=self.folder)

    def generation(self) -> str:
        """Changes when content is removed (upkeep.forget): what was known to be here may not be here any more."""
        try:
            with open(os.path.join(self.folder, "generation"), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def has(self, tree: str) -> bool:
        return tree == EMPTY or bool(self.ref(f"trees/{tree}"))

    def copy(self, trees: Sequence[str], without: Sequence[str], objects: Sequence[str]) -> None:
        """Copies what `trees` need from the folders `objects`, but for what the trees `without` have."""
        revisions = [*trees, *(f"^{tree}" for tree in without if tree and self.has(tree))]
        pack = os.path.join(self.folder, "objects", "pack", "pack")
        done = git.run(
            *("pack-objects", "--revs", "--delta-base-offset", "--quiet", "--window=0", pack),
            input="".join(f"{revision}\n" for revision in revisions),
            settings=git.EXACT,
            variables=self._variables("", "", objects),
        )
        if done.code:
            raise StoreError(f"the code cannot be copied into {self.folder}: {_reason(done)}")


def open_vault(store: str) -> Vault:
    """The snapshots.git of a store; made if there is none."""
    vault = Vault(os.path.join(store, "snapshots.git"))
    if not os.path.exists(os.path.join(vault.folder, "refs", "trees")):
        _create(vault, store)
    return vault


def _create(vault: Vault, store: str) -> None:
    draft = os.path.join(store, f"snapshots.git.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        os.makedirs(draft)
        # not the user's taste: refs are files here, objects of all repositories have ids of one kind
        plain = {"GIT_DEFAULT_HASH": "sha1", "GIT_DEFAULT_REF_FORMAT": "files"}
        done = git.start("init", "--bare", "--quiet", "--template=", draft, variables=plain).finish()
        if done.code:
            raise StoreError(f"{vault.folder} cannot be made: {_reason(done)}")
        for name in ("refs/trees", "refs/commits", "refs/last", "info"):
            os.makedirs(os.path.join(draft, name), exist_ok=True)
        for name, text in (("info/attributes", ATTRIBUTES), ("info/exclude", EXCLUDES)):
            with open(os.path.join(draft, name), "w", encoding="utf-8") as file:
                file.write(text)
        path = os.path.join(draft, "objects", EMPTY[:2], EMPTY[2:])  # git knows it without having it
        os.makedirs(os.path.dirname(path))
        with open(path, "wb") as empty:
            empty.write(zlib.compress(b"tree 0\0"))
        with open(os.path.join(draft, "config"), "a", encoding="utf-8") as file:
            file.write(CONFIG)
        os.rename(draft, vault.folder)
    except OSError as error:
        files.remove_tree(draft)
        if not os.path.isdir(os.path.join(vault.folder, "refs", "trees")):  # else: another process was faster
            raise StoreError(f"{vault.folder} cannot be made: {error.strerror}") from error


def _reason(done: process.Completed) -> str:
    lines = [line for line in done.err.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (fatal or lines or [f"git ended with {done.code}"])[-1].partition(": ")[2] or (lines or ["?"])[-1]


def object_folders(folders: Sequence[str]) -> str:
    """For GIT_ALTERNATE_OBJECT_DIRECTORIES."""
    return os.pathsep.join(map(_quoted, folders))


def _quoted(path: str) -> str:
    """For a list of paths in a variable: git undoes C quotes."""
    if os.pathsep not in path and not path.startswith('"'):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
