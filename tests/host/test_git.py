"""Git is started in one place, and a hostile repository makes it execute nothing."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runner import sources
from runner.host import git as safe
from runner.values import Silent
from tests.helpers import git, make_repository, make_tree, proj
from tests.test_layers import PACKAGE, modules

PROJECT = {
    "MLproject": "name: p\nentry_points:\n  main: {command: 'true'}\n",
    "a.py": "a = 1\n",
    "b.py": "b = 1\n",
}


STARTS = (
    "find",
    "which",
    "run",
    "start",
    "Popen",
    "call",
    "check_call",
    "check_output",
    "system",
    "Repo",
    "Git",
)


def test_nobody_else_starts_git() -> None:
    """No list of arguments begins with `git` elsewhere, nobody looks for it, and no library starts it."""
    wrong = []
    for name, path in modules().items():
        if name == "host.git":
            continue
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for node in ast.walk(tree):
            if isinstance(node, (ast.List, ast.Tuple)):
                first = node.elts[:1]
            elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in STARTS:
                first = node.args[:1]
            elif isinstance(node, ast.ImportFrom) and node.module == "git":
                wrong += [
                    f"{name} imports {each.name}" for each in node.names if each.name != "RemoteProgress"
                ]
                continue
            else:
                continue
            if any(isinstance(each, ast.Constant) and each.value == "git" for each in first):
                wrong.append(f"{os.path.relpath(path, PACKAGE)}:{node.lineno}: {ast.unparse(node)}")
    assert wrong == []


# ---- what a hostile repository names


class Trap:
    """A repository whose files name a program that leaves a mark when it is started."""

    def __init__(self, folder: Path) -> None:
        self.marks = str(folder / "marks")
        self.program = str(folder / "program")
        Path(self.program).write_text(f'#!/bin/sh\necho "$0 $*" >> "{self.marks}"\ncat\nexit 0\n')
        os.chmod(self.program, 0o755)
        self.root = make_repository(folder / "repo", PROJECT)

    def config(self, *pairs: str) -> None:
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            git(self.root, "config", key, value)

    def started(self) -> str:
        return Path(self.marks).read_text() if os.path.exists(self.marks) else ""


def monitor(trap: Trap) -> None:
    trap.config("core.fsmonitor", trap.program)


def hooks(trap: Trap) -> None:
    for name in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction", "pre-auto-gc"):
        os.symlink(trap.program, f"{trap.root}/.git/hooks/{name}")


def folder_of_hooks(trap: Trap) -> None:
    make_tree(
        trap.root, {f"hooks/{name}*": f"#!/bin/sh\n{trap.program}\n" for name in ("post-index-change",)}
    )
    trap.config("core.hooksPath", "hooks")


def pager(trap: Trap) -> None:
    trap.config("core.pager", trap.program, "pager.status", "true", "pager.diff", "true")


def text_conversion(trap: Trap) -> None:
    make_tree(trap.root, {".gitattributes": "*.py diff=x\n"})
    trap.config(
        "diff.x.textconv", trap.program, "diff.x.command", trap.program, "diff.external", trap.program
    )


def aliases(trap: Trap) -> None:
    trap.config(
        *(word for name in ("status", "ls-files", "diff") for word in (f"alias.{name}", f"!{trap.program}"))
    )


def included(trap: Trap) -> None:
    Path(trap.root, "settings").write_text(f"[core]\n\tfsmonitor = {trap.program}\n")
    trap.config("include.path", "../settings")


def submodule(trap: Trap) -> None:
    inner = make_repository(f"{trap.root}-inner", {"x.py": "x\n"})
    git(trap.root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", inner, "inner")
    git(trap.root, "commit", "-qm", "with a submodule")
    git(f"{trap.root}/inner", "config", "core.fsmonitor", trap.program)


def protocol(trap: Trap) -> None:
    trap.config("remote.origin.url", f"ext::{trap.program} %S", "protocol.ext.allow", "always")
    trap.config("remote.origin.promisor", "true", "remote.origin.partialCloneFilter", "blob:none")


def filters(trap: Trap) -> None:
    """Also of a name that cannot be written as NAME=VALUE."""
    make_tree(trap.root, {".gitattributes": "*.py filter=x=y\nb.py filter=plain\n"})
    for name in ("x=y", "plain"):
        for kind in ("clean", "smudge", "process"):
            git(trap.root, "config", "--file", ".git/config", f"filter.{name}.{kind}", trap.program)
        git(trap.root, "config", "--file", ".git/config", f"filter.{name}.required", "true")


TRAPS = [monitor, hooks, folder_of_hooks, pager, text_conversion, aliases, included, submodule, protocol]
COMMANDS = [
    ("status", "--porcelain"),
    ("ls-files", "-m", "-o"),
    ("diff",),
    ("diff", "--cached"),
    ("log", "-p"),
    ("show",),
]


@pytest.mark.parametrize("lay", [*TRAPS, filters])
def test_no_git_that_looks_executes_what_a_repository_names(
    lay: Callable[[Trap], None], tmp_path: Path
) -> None:
    trap = Trap(tmp_path)
    lay(trap)
    Path(trap.root, "a.py").write_text("a = 2\n")
    Path(trap.root, "b.py").write_text("b = 2\n")
    for command in COMMANDS:
        done = safe.run(*command, folder=trap.root, variables=safe.looking(trap.root))
        assert done.code == 0, done
    safe.run("cat-file", "-e", "f" * 40, folder=trap.root)
    assert trap.started() == ""


def test_a_trap_works_without_the_wrapper(tmp_path: Path) -> None:
    trap = Trap(tmp_path)
    monitor(trap)
    git(trap.root, "status")
    assert "program" in trap.started()


@pytest.mark.parametrize("lay", [*TRAPS, filters])
def test_commands_that_only_look_execute_nothing(lay: Callable[[Trap], None], tmp_path: Path) -> None:
    trap = Trap(tmp_path)
    lay(trap)
    Path(trap.root, "a.py").write_text("a = 2\n")
    for words in (("check", "."), ("info", "."), ("init", "."), ("check", ".", "--json"), ("update", ".")):
        proj(*words, cwd=trap.root)
    assert trap.started() == ""


def test_the_repository_that_we_happen_to_be_in_has_no_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remote is asked from within a folder whose settings would send the question elsewhere."""
    trap = Trap(tmp_path)
    make_repository(tmp_path / "wanted", PROJECT)
    trap.config(f"url.file://{tmp_path}/elsewhere.insteadOf", f"file://{tmp_path}/wanted")
    trap.config("core.sshCommand", trap.program)
    monkeypatch.chdir(trap.root)
    checkout = sources.fetch(f"file://{tmp_path}/wanted", "", Silent())
    assert os.path.exists(f"{checkout.directory}/a.py")
    sources.release(checkout)
    assert trap.started() == ""


def test_settings_of_the_users_environment_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "test.users")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "own")
    variables = safe.configured([("test.ours", "a=b")])
    done = safe.start("config", "--get-regexp", "^test", folder=str(tmp_path), variables=variables).finish()
    assert done.out.splitlines() == ["test.users own", "test.ours a=b"]


def test_a_filter_of_the_users_own_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git-lfs is one: its files would look changed without it."""
    (tmp_path / "config").write_text('[filter "up"]\n\tclean = tr a-z A-Z\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    root = make_repository(tmp_path / "repo", {".gitattributes": "*.bin filter=up\n", "x.bin": "abc\n"})
    git(root, "config", "filter.up.clean", "tr a-z 0-9")
    git(root, "config", "filter.up.required", "true")
    os.utime(f"{root}/x.bin", (1, 1))  # git must look at its content
    done = safe.run("status", "--porcelain", folder=root, variables=safe.looking(root))
    assert done.out == ""
