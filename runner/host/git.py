"""Git, started in one way only: what the files of a repository say is read, and nothing that they name is executed.

A folder may come from anywhere, and its `.git/config` with it. So no file system monitor, no hook, no pager, no
external diff or textconv is started; git asks nothing, takes no lock that it can do without, fetches nothing by
itself, and speaks only the protocols that we mean. What is left, a filter (`filter.NAME.clean`), is needed to
run a project whose files pass through one; whoever only looks takes it away (`looking`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from runner.host import process
from runner.host.process import Completed, Pending

__all__ = ["EXACT", "configured", "looking", "portions", "program", "run", "start"]

SETTINGS = tuple(
    (
        "core.fsmonitor=false core.hooksPath=/dev/null gc.auto=0 maintenance.auto=false "
        "advice.detachedHead=false"
    ).split()
)
PROTOCOLS = "file:git:http:https:ssh"  # unless the user names others
# Inherited from a hook, an alias or a shell's settings, these make git look elsewhere, start something, or
# understand our arguments in another way.
REMOVED = tuple(
    (
        "GIT_ATTR_SOURCE GIT_CONFIG GIT_EXTERNAL_DIFF GIT_DIFF_OPTS GIT_GLOB_PATHSPECS GIT_GRAFT_FILE "
        "GIT_ICASE_PATHSPECS GIT_IMPLICIT_WORK_TREE GIT_INTERNAL_SUPER_PREFIX GIT_LITERAL_PATHSPECS "
        "GIT_NOGLOB_PATHSPECS GIT_QUARANTINE_PATH GIT_REPLACE_REF_BASE GIT_SHALLOW_FILE"
    ).split()
)
# Files are taken and written as they are, whatever the configuration says of line ends, modes, links and times.
EXACT = (
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.checkStat=default",
    "core.fileMode=true",
    "core.ignoreStat=false",
    "core.safecrlf=false",
    "core.sparseCheckout=false",
    "core.splitIndex=false",
    "core.symlinks=true",
    "core.trustctime=true",
    "core.untrackedCache=false",
    # on a Mac, names in another case are the same files
    *(() if sys.platform == "darwin" else ("core.ignoreCase=false",)),
)
WORDS = 500_000  # bytes of paths that one git is started with
PLAIN_DIFF = ("--no-ext-diff", "--no-textconv")
DIFFS = ("diff", "diff-tree", "diff-index", "diff-files", "log", "show")


def program() -> str:
    """ "" when it is not on PATH."""
    return process.find("git")


def start(
    *arguments: str,
    folder: str = "",
    settings: Sequence[str] = (),
    variables: Mapping[str, str | None] | None = None,
) -> Pending:
    """Starts a git that is quick to start, and may be waited for later. For the parameters see `command`."""
    return process.start(command(*arguments, folder=folder, settings=settings), environment(variables))


def run(
    *arguments: str,
    folder: str = "",
    settings: Sequence[str] = (),
    variables: Mapping[str, str | None] | None = None,
    input: str | None = None,  # noqa: A002
    on_line: Callable[[str], None] | None = None,
    pass_fds: Sequence[int] = (),
    timeout: float | None = None,
) -> Completed:
    """Runs git to its end, with all that `process.run` can do: input, lines as they come, open files."""
    return process.run(
        command(*arguments, folder=folder, settings=settings),
        variables=environment(variables),
        input=input,
        on_line=on_line,
        pass_fds=pass_fds,
        timeout=timeout,
    )


def command(*arguments: str, folder: str = "", settings: Sequence[str] = ()) -> list[str]:
    """`git` with these arguments in `folder`; without one it does not see the repository that we happen to be in.

    `settings` (NAME=VALUE) win over every configuration file.
    """
    argv = ["git", "--no-pager"]
    for each in (*SETTINGS, *settings):
        argv += ["-c", each]
    argv += ["-C", folder or os.sep, *arguments]
    if arguments[0] in DIFFS:
        at = len(argv) - len(arguments) + 1
        argv[at:at] = PLAIN_DIFF
    return argv


def environment(changes: Mapping[str, str | None] | None = None) -> dict[str, str | None]:
    """Changes to the variables that git gets, `changes` among them."""
    return {
        **dict.fromkeys(REMOVED),
        "GIT_ALLOW_PROTOCOL": os.environ.get("GIT_ALLOW_PROTOCOL", PROTOCOLS),
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",  # its messages are read
        **(changes or {}),
    }


def configured(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Settings as variables (git-config(1), GIT_CONFIG_COUNT), after those that are given so already.

    For what must not be seen in a list of arguments, for names with a `=`, and for programs that start git themselves.
    """
    text = os.environ.get("GIT_CONFIG_COUNT", "0")
    first = int(text) if text.isdigit() else 0
    variables = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings, first):
        variables[f"GIT_CONFIG_KEY_{number}"] = key
        variables[f"GIT_CONFIG_VALUE_{number}"] = value
    return variables


def looking(folder: str) -> dict[str, str]:
    """Variables with which git, whoever starts it, executes nothing that the repository of a folder names.

    Filters are taken away too, but for those of the user's own configuration: git-lfs is one, and without it a
    clean tree would look changed.
    """
    words = ("config", "--show-scope", "--includes", "-z", "--get-regexp", r"^filter\..*\.")
    listed = start(*words, folder=folder).finish().out.split("\0")
    own: dict[str, str] = {}
    users: dict[str, str] = {}
    for scope, entry in zip(listed[::2], listed[1::2], strict=False):
        key, _, value = entry.partition("\n")
        (users if scope in ("system", "global") else own)[key] = value
    settings = [(key, value) for key, _, value in (each.partition("=") for each in SETTINGS)]
    settings += [(key, users.get(key, "")) for key in own if not key.endswith(".required")]
    for name in dict.fromkeys(key.rpartition(".")[0] for key in own):
        usable = name + ".process" not in own.keys() - users.keys()  # an empty one hides the others
        settings.append((f"{name}.required", users.get(f"{name}.required", "false") if usable else "false"))
    return configured(settings)


def portions(chosen: Iterable[str]) -> Iterator[list[str]]:
    """As many paths as one git can be started with."""
    some: list[str] = []
    size = 0
    for name in chosen:
        size += len(name) + 24
        if size > WORDS:
            yield some
            some, size = [], len(name)
        some.append(name)
    if some:
        yield some
