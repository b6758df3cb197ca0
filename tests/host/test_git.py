"""Git is started in one place, and a hostile repository makes it execute nothing."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runner import sources
from runner.host import git as safe
from runner.values import Silent
from tests.helpers import git, make_repository, make_tree, proj, some
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


@pytest.mark.parametrize("lay", some([*TRAPS, filters], 3))
def test_commands_that_only_look_execute_nothing(lay: Callable[[Trap], None], tmp_path: Path) -> None:
    trap = Trap(tmp_path)
    lay(trap)
    Path(trap.root, "a.py").write_text("a = 2\n")
    for words in (("check", "."), ("info", "."), ("init", "."), ("check", ".", "--json"), ("update", ".")):
        proj(*words, cwd=trap.root)
    assert trap.started() == ""


@pytest.mark.parametrize("lay", some([*TRAPS, filters], 2))
def test_commands_that_look_at_a_run_execute_nothing(lay: Callable[[Trap], None], tmp_path: Path) -> None:
    """Of the project in whose folder they are called, which the run was of."""
    trap = Trap(tmp_path)
    for text in ("a = 3\n", "a = 4\n"):
        Path(trap.root, "a.py").write_text(text)
        assert proj("run", trap.root, cwd=trap.root).code == 0
    lay(trap)
    Path(trap.root, "a.py").write_text("a = 2\n")
    for words in (("show", "last"), ("diff", "last", "last~1"), ("compare", "last", "last~1"), ("restore", "last", f"{tmp_path}/r"), ("logs",),
                  ("runs",), (), ("run", ".", "--dry-run")):  # fmt: skip
        done = proj(*words, cwd=trap.root)
        assert done.code == 0, (words, done.err)
        assert trap.started() == "", words
    assert Path(tmp_path, "r", "a.py").read_text() == "a = 4\n"


def test_a_store_that_was_sent_to_us_executes_nothing(tmp_path: Path) -> None:
    """Its snapshots are a repository with settings and hooks of its own."""
    trap = Trap(tmp_path)
    make_tree(trap.root, {".gitattributes": "*.py filter=f diff=x text eol=crlf\n"})
    for text in ("a = 3\n", "a = 4\n"):
        Path(trap.root, "a.py").write_text(text)
        assert proj("run", trap.root).code == 0
    vault = f"{os.environ['PROJ_HOME']}/store/snapshots.git"
    keys = "filter.f.smudge filter.f.clean filter.f.process core.fsmonitor core.pager diff.external diff.x.textconv diff.x.command"
    keys += " core.sshCommand uploadpack.packObjectsHook gc.recentObjectsHook core.alternateRefsCommand core.editor gpg.program"
    for key in keys.split():
        git(tmp_path, "config", "--file", f"{vault}/config", key, trap.program)
    for key, value in {"filter.f.required": "true", "core.hooksPath": f"{tmp_path}/hooks", "alias.cat-file": f"!{trap.program}", "core.worktree": "/",
                       "alias.ls-tree": f"!{trap.program}", "remote.origin.url": f"ext::{trap.program}", "remote.origin.promisor": "true"}.items():  # fmt: skip
        git(tmp_path, "config", "--file", f"{vault}/config", key, value)
    for folder in (f"{vault}/hooks", f"{tmp_path}/hooks"):
        make_tree(folder, {f"{name}*": f"#!/bin/sh\n{trap.program}\n" for name in ("post-checkout", "post-index-change", "reference-transaction")})  # fmt: skip
    for words in (("show", "last"), ("diff", "last", "last~1"), ("compare", "last", "last~1", "--all"), ("doctor",), ("restore", "last", f"{tmp_path}/r"),
                  ("bundle", "last", "-o", f"{tmp_path}/x.zip", "--no-packages"), ("gc", "--dry-run"), ("rerun", "last")):  # fmt: skip
        done = proj(*words)
        assert "bug in proj" not in done.err
        assert done.code == 0 or words[0] == "doctor", (words, done.err)
        assert trap.started() == "", words
    assert Path(tmp_path, "r", "a.py").read_text() == "a = 4\n"


MARK = "open({marks!r}, 'a').write(__file__ + '\\n')\n"
SETTINGS = {  # of tools, in the folder of a project; and modules and programs of their names
    "pip.conf": "[global]\nindex-url = http://127.0.0.1:9\n", "uv.toml": "index-url = 'http://127.0.0.1:9/'\n", ".condarc": "plugins: [x]\nchannels: [x]\n",
    ".python-version": "3.1\n", ".netrc": "machine x login y password z\n", ".gitconfig": "[core]\n\tfsmonitor = {program}\n", ".env": "LD_PRELOAD=x\n",
    **dict.fromkeys((".envrc", ".bashrc", ".bash_profile", ".profile", "Makefile", ".Rprofile"), "{program}\n"),
    **{f"{name}.py": MARK for name in ("setup", "conftest", "sitecustomize", "usercustomize", "yaml", "git", "copier", "typer", "runner", "json", "backend")},
    **{f"{name}*": "#!/bin/sh\n{program}\n" for name in ("git", "bash", "uv", "python", "python3", "docker", "conda", "pixi", "activate.sh")},
}  # fmt: skip
PROJECTS: dict[str, dict[str, str]] = {
    "python_env": {"MLproject": "python_env: e.yaml\nentry_points: {main: {command: 'true'}}\n", "e.yaml": "dependencies: [-e ., ./x, -r req.txt]\n",
                   "req.txt": "-e .\n", "x/setup.py": MARK},
    "conda_env": {"MLproject": "conda_env: c.yaml\nentry_points: {main: {command: 'true'}}\n",
                  "c.yaml": "channels: ['file:///nowhere']\ndependencies: [python, pip, {pip: ['-e .']}]\n"},
    "pyproject": {"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n[project]\nname = 'p'\n"
                                    "dynamic = ['version', 'dependencies']\n", "main.py": MARK},
    "pixi": {"pixi.toml": "[workspace]\nname = 'p'\nchannels = []\nplatforms = ['linux-64']\n[activation]\nscripts = ['activate.sh']\n"
                          "[tasks]\nmain = '{program}'\n[dependencies]\n", "main.py": MARK},
    "docker": {"MLproject": "docker_env: {image: x}\nentry_points: {main: {command: 'true'}}\n"},
    "scripts": {"main.py": "# /// script\n# dependencies = ['x']\n# ///\n" + MARK, "train.R": "system('{program}')\n", "n.ipynb": "{}"},
}  # fmt: skip


@pytest.mark.parametrize("kind", some(PROJECTS, 1))
def test_settings_and_programs_in_a_folder_are_not_taken(kind: str, tmp_path: Path) -> None:
    trap = Trap(tmp_path)
    files = {
        **{key: value for key, value in PROJECT.items() if kind == "docker"},
        **SETTINGS,
        **PROJECTS[kind],
    }
    texts = {name: text.replace("{marks!r}", repr(trap.marks)).replace("{program}", trap.program) for name, text in files.items()}  # fmt: skip
    root = make_repository(tmp_path / "p", texts)
    script = os.path.join(
        os.path.dirname(sys.executable), "proj"
    )  # as it is installed: the folder is not on its path
    for words in ((), ("check",), ("info",), ("info", "--json"), ("init",), ("run", ".", "--help-params"), ("run", ".", "--dry-run"), ("env", "ls"), ("runs",)):  # fmt: skip
        subprocess.run([script, *words], cwd=root, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=60)  # fmt: skip
        assert trap.started() == "", words


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
