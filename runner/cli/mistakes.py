"""What was probably meant by a command line that is none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from runner.cli.commands import COMMANDS, load
from runner.cli.options import Command, passed_on
from runner.errors import InputError, ProjError

if TYPE_CHECKING:
    from runner.values import Project

__all__ = [
    "SYNONYMS",
    "extra_hint",
    "inner_hint",
    "meant",
    "missing_hint",
    "nearest",
    "option_hint",
    "script",
]

SYNONYMS = {
    **dict.fromkeys(("ls", "list", "history", "ps", "status"), "runs"),
    **dict.fromkeys(("web", "dashboard", "browse"), "ui"),
    **dict.fromkeys(("stop", "kill", "abort"), "cancel"),
    **dict.fromkeys(("delete", "del", "remove"), "rm"),
    **dict.fromkeys(("undelete", "recover"), "restore"),
    **dict.fromkeys(("exec", "start", "execute", "launch"), "run"),
    **dict.fromkeys(("envs", "environment", "environments"), "env"),
    **dict.fromkeys(("view", "describe", "inspect", "get"), "show"),
    **dict.fromkeys(("create", "scaffold", "template", "templates"), "new"),
    **dict.fromkeys(("validate", "lint"), "check"),
    **dict.fromkeys(("download", "files"), "artifacts"),
    **dict.fromkeys(("replay", "verify"), "reproduce"),
    **dict.fromkeys(("clean", "purge", "prune"), "gc"),
    **dict.fromkeys(("upload", "push"), "sync"),
    "tail": "logs",
}
ALIKE = (  # what is said for the same in groups of commands, here and elsewhere
    ("ls", "list", "all"),
    ("show", "view", "describe", "info", "get", "inspect"),
    ("rm", "delete", "remove", "del", "revoke"),
    ("gc", "prune", "clean", "clear", "purge", "rm"),
    ("new", "create", "add", "make"),
    ("get", "download", "fetch", "pull", "cp"),
    ("rename", "mv", "move"),
    ("restore", "undelete"),
)
PAIR = r"[A-Za-z_][\w.-]*="  # the beginning of NAME=VALUE
SCRIPTS = (".py", ".sh", ".R", ".r", ".ipynb")
PROJECT_FILES = (
    "MLproject", "pyproject.toml", "requirements.txt", "python_env.yaml", "conda.yaml", "environment.yml",
    "environment.yaml", "pylock.toml", "pixi.toml", ".git",
)  # fmt: skip


def meant(words: Sequence[str]) -> list[str]:
    """The line that is meant where that is beyond doubt: `help` and `version`. InputError, with advice, elsewhere."""
    first, rest = words[0], list(words[1:])
    if first == "help":
        return [*rest, "--help"]
    if first == "version" and not rest:
        return ["--version"]
    if first in SYNONYMS and SYNONYMS[first] in COMMANDS:
        known = SYNONYMS[first]
        raise InputError(
            f"there is no command {first!r}; it is called {known!r}", f"proj {known} -h  shows the usage"
        )
    if os.path.exists(first) or "://" in first:
        raise InputError(f"there is no command {first!r}", f"proj run {_quoted(first)}  runs it")
    near = nearest(first, COMMANDS)
    what = f". Did you mean {near!r}?" if near else ""
    raise InputError(f"there is no command {first!r}{what}", "proj -h  shows the usage")


def inner_hint(words: Sequence[str]) -> str:
    """What is meant by `proj env prune`, where the command is called gc; "" where nobody can tell."""
    known: Mapping[str, object] = COMMANDS
    path: list[str] = []
    for place, word in enumerate(words):
        if word not in known:
            break
        path.append(word)
        entry = load(word) if place == 0 else known[word]
        known = getattr(entry, "commands", {})
    else:
        return ""
    alike = (each for names in ALIKE if word in names for each in names if each in known)
    meant = next(alike, "") or nearest(word, known)
    return f"did you mean  proj {' '.join(path)} {meant}?" if meant and path else ""


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)


def nearest(word: str, known: Iterable[str]) -> str:
    """The one that is the fewest slips away, of the same length if there are several; "" when all are far."""
    most = max(1, len(word) // 3)
    found = [
        (distance, abs(len(each) - len(word)), each)
        for each in known
        if (distance := slips(word, each)) <= most
    ]
    return min(found)[2] if found else ""


def slips(a: str, b: str) -> int:
    """Letters that are missing, too many or wrong, and neighbours that changed places."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        earlier, before, row = before, row, [i]
        for j, right in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


def script(uri: str) -> tuple[str, str] | None:
    """(project folder, entry point) of `proj run train.py`; None when it is no script.

    The project is the nearest folder above it that looks like one, at most this one; else the script's own.
    """
    if not uri.endswith(SCRIPTS) or not os.path.isfile(uri):
        return None
    path = os.path.abspath(uri)
    here, own = os.getcwd(), os.path.dirname(path)
    folder = own
    while f"{folder}/".startswith(f"{here}/"):
        if any(os.path.exists(os.path.join(folder, name)) for name in PROJECT_FILES):
            return _short(folder), os.path.relpath(path, folder)
        folder = os.path.dirname(folder)
    return _short(own), os.path.basename(path)


def _short(folder: str) -> str:
    return "." if folder == os.getcwd() else folder


def option_hint(words: Sequence[str], option: str, known: Sequence[str] = ()) -> str:
    """What to type instead of `proj run . --steps 5`, or `--bakend`; "" where nobody can tell.

    `known`: options that look like it.
    """
    near = nearest(option, known)
    close = f"did you mean {near}?" if near else ""
    if not words or words[0] != "run" or not re.fullmatch(r"--?[\w-]+", option):
        return close
    place = next((at for at, word in enumerate(words) if word.split("=")[0] == option), 0)
    _, equals, value = words[place].partition("=")
    after = words[place + 1] if place + 1 < len(words) else ""
    value = value if equals else "" if after.startswith("-") else after
    kept = [*words[:place], *words[place + (2 if value and not equals else 1) :]]
    line = f"proj {' '.join(map(_quoted, kept))}"
    if re.match(PAIR, value) and (option == "-p" or option.startswith("--param")):
        return f"{line} -P {_quoted(value)}"
    if name := _declared(kept, option.lstrip("-")):
        return f"{line} -P {name}={_quoted(value) if value else 'VALUE'}"
    if close:
        return close
    passed = [option, value] if value else [option]
    return f"{line} -- {' '.join(map(_quoted, passed))}  passes it on to the program"


def _arguments(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Of `run ...`: the words up to the URI, and options; the words that are too many."""
    entry = load("run")
    kept, rest, extra, uri = ["run"], list(words[1:]), list[str](), ""
    while rest and isinstance(entry, Command):
        own = passed_on(entry.options, rest)
        kept, rest = [*kept, *rest[:own]], rest[own:]
        (extra if uri else kept).extend(rest[:1])
        uri, rest = uri or "".join(rest[:1]), rest[1:]
    return [uri, *kept], extra


def missing_hint(words: Sequence[str], message: str) -> str:
    """Where what is missing can be found; "" for what only the user knows."""
    if "'RUN'" in message:
        run = "last~1" if "last" in words else "last"
        return f"proj {' '.join(map(_quoted, words))} {run}; proj runs  lists them"
    if "'KEY'" in message:
        return "proj env ls  lists them"
    return "proj models  lists them" if words[0] == "models" else ""


def extra_hint(words: Sequence[str]) -> str:
    """What to type instead of `proj run train.py data.csv`, `proj run . lr=0.1` or `proj run . train`."""
    if words[:1] != ["run"]:
        return ""
    (uri, *kept), extra = _arguments(words)
    line = f"proj {' '.join(map(_quoted, kept))}"
    if kept[-2:-1] == ["-P"] and "=" not in kept[-1]:
        return f"{line}={_quoted(' '.join(extra))}"
    project = _project(uri)
    names = [point.name for point in project.entry_points] if project else []
    if name := nearest(extra[0], names):
        line, extra = f"{line} -e {_quoted(name)}", extra[1:]
    if all(re.match(PAIR, each) for each in extra):
        return " ".join([line, *(f"-P {_quoted(each)}" for each in extra)])
    return f"{line} -- {' '.join(map(_quoted, extra))}  passes it on to the program"


def _declared(words: Sequence[str], option: str) -> str:
    """The parameter of the project's entry point that is called so; "" when there is none."""
    from runner.project.entry_point import entry_point

    project = _project(_arguments(words)[0][0] or ".")
    named = [words[at + 1] for at, word in enumerate(words[:-1]) if word in ("-e", "--entry-point")]
    if project is None:
        return ""
    try:
        found = entry_point(project, named[0] if named else "main")
    except ProjError:
        return ""
    names = [parameter.name for parameter in found.parameters]
    plain = {name.replace("-", "_"): name for name in names}
    name = option.replace("-", "_")
    return plain.get(name) or plain.get(nearest(name, plain), "")


def _project(uri: str) -> Project | None:
    """The one in a folder or an archive that is here; None where there is none that can be read."""
    from runner.running.planning import load_project
    from runner.sources import fetch
    from runner.values import Silent

    if "://" in uri or not os.path.exists(uri):
        return None
    try:
        return load_project(fetch(uri, "", Silent()))
    except (ProjError, OSError):
        return None
