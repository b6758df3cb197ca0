"""What a command can see besides its code, packages and parameters, as far as that can be noted cheaply.

It is taken before the command starts and kept as `surroundings.json` in the record. When the same run gives another
result later, the difference to what is there then names the cause; what is in the key of a run decides on `--cached`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from runner import paths
from runner.host import files, hashing, process
from runner.host.files import Stamp

if TYPE_CHECKING:
    from runner.running.plan import Plan
    from runner.values import Activation

__all__ = ["FILE", "Surroundings", "load", "look", "mentioned", "save", "short_digest", "take"]

FILE = "surroundings.json"
# of the terminal, the login or the desktop that a run happens to be started from; and what changes with every run
SESSION = frozenset(
    "_ COLUMNS DISPLAY EDITOR HISTFILE HISTSIZE HOSTNAME INVOCATION_ID JOURNAL_STREAM LESS LESSCLOSE "
    "LESSOPEN LINES LS_COLORS MAIL MANPAGER OLDPWD PAGER PPID PS1 PS2 PWD SESSION_MANAGER SHLVL STY TERM "
    "TERMCAP TERM_PROGRAM TERM_PROGRAM_VERSION TMUX TMUX_PANE VISUAL WAYLAND_DISPLAY WINDOWID XAUTHORITY "
    "PROJ_RUN_ID PROJ_RUN_DIR PROJ_STORE PROJ_EXPERIMENT_ID PROJ_REPLAY PROJ_HOME PROJ_CACHE "
    "MLFLOW_RUN_ID MLFLOW_EXPERIMENT_ID MLFLOW_TRACKING_URI MLFLOW_TRACKING_TOKEN SLURM_JOB_ID "
    "SLURM_JOBID SLURM_STEP_ID SLURM_JOB_NODELIST NO_PROXY no_proxy".split()
)
SESSIONS = ("SSH_", "DBUS_", "XDG_", "GPG_", "KONSOLE_", "GNOME_", "ITERM_", "VSCODE_", "VTE_", "DESKTOP_")
NAMED = re.compile(r"\$\{?([A-Za-z_]\w*)")  # a variable in a shell's words
WORD = re.compile(r"""[^\s'"`$;&|<>(){}=,]+""")
WORDS = 200  # of a command that are looked at
SMALL = 1 << 18  # bytes; read each time: to remember the digest would take longer
READ = 1_000_000  # bytes; a file that git ignores is hashed up to this size, and known by its stamp above it
READ_IN_ALL = 64_000_000
MOST = 20_000  # files that git ignores; of more only the number is kept
BESIDE = 1 << 18  # bytes; a larger file outside of the project, such as a program, is known by its stamp
LINKED = 2_000  # entries of a folder behind a link that are looked at
# neither data nor code: what tools leave behind and make again, and environments
LEFT = frozenset(
    "__pycache__ .venv venv node_modules .ipynb_checkpoints .mypy_cache .pytest_cache .ruff_cache .tox .nox .DS_Store "
    ".git mlruns .eggs".split()
)


class Surroundings(NamedTuple):
    """Each value is what it has to equal: a digest (`sha256:...`), or the stamp of what is too large to read."""

    variables: Mapping[str, str] = {}  # keyed digests: the record does not tell what was in them
    key: str = ""  # which key made these digests; others cannot be compared
    programs: Mapping[str, str] = {}  # words of the command that are programs, by their path
    files: Mapping[str, str] = {}  # outside of the project, named by the command or the code
    ignored: Mapping[str, str] = {}  # in the project, but not in the snapshot
    ignored_count: int = 0  # when there are more than MOST
    links: Mapping[str, str] = {}  # in the project, to what lies outside: path -> what is there


def look(
    plan: Plan,
    record: str,
    unseen: tuple[Iterable[str], Iterable[str]],
    activation: Activation,
    variables: Mapping[str, str],
) -> Surroundings:
    """What the command of a run is going to see; it is kept in the folder `record`, if that can be written.

    `unseen`: what the snapshot does not have (Code.unseen).
    """
    ignored, outside = unseen
    directory = plan.checkout.directory
    written = _written(plan, directory)
    inside = activation.kind == "docker"  # what its command names is in the image
    text = "" if inside else plan.parameters.command
    seen = {} if inside else variables
    found = take(text, seen, directory, (activation.prefix, *activation.path), ignored, written)
    if not inside:
        found = found._replace(files={**{each: _content(each, BESIDE) for each in outside}, **found.files})
    try:
        save(found, record)
    except OSError:
        pass  # a full disk: the run goes on
    return found


def _written(plan: Plan, directory: str) -> list[str]:
    """Declared outputs that are there, absolute."""
    if not plan.entry_point.outputs:
        return []
    from runner.data.inputs import expand
    from runner.data.outputs import filled

    patterns = filled(plan.entry_point.outputs, plan.parameters.texts)
    return [path for pattern in patterns for path in expand(pattern, directory)]


def take(
    command: str,
    variables: Mapping[str, str],
    directory: str,
    environment: Iterable[str],
    ignored: Iterable[str],
    outputs: Iterable[str],
) -> Surroundings:
    """`environment`: folders whose programs are in a lock; `ignored`: files and folders (with a final "/") in
    `directory` that the snapshot does not have; `outputs`: absolute paths that the command is going to write.
    """
    words = list(dict.fromkeys(WORD.findall(command)))[:WORDS]
    path = variables.get("PATH", os.defpath)
    programs = dict(_programs(words, path, directory, tuple(f"{each}/" for each in environment if each)))
    key = _key()
    seen = {name: _keyed(value, key) for name, value in variables.items() if _counts(name)}
    listed = dict(_ignored(directory, ignored, frozenset(outputs)))
    many = len(listed) if len(listed) > MOST else 0
    return Surroundings(
        seen,
        _keyed("", key)[-8:],
        programs,
        dict(_beside(words, directory, programs)),
        {} if many else _known(directory, listed),
        many,
        dict(_links(directory)),
    )


def mentioned(command: str, more: Iterable[str] = ()) -> set[str]:
    """Variables that a command names."""
    return {*NAMED.findall(command), *more}


def _counts(name: str) -> bool:
    return not (name in SESSION or name.startswith(SESSIONS) or name.startswith("PROJ_SECRET_"))


def _key() -> bytes:
    """Of this user, outside the store: whoever has the records cannot try values against the digests."""
    path = os.path.join(paths.home(), "fingerprint.key")
    try:
        with open(path, "rb") as file:
            if len(key := file.read()) == 32:
                return key
    except OSError:
        pass
    key = os.urandom(32)
    try:
        os.makedirs(paths.home(), exist_ok=True)
        with files.Draft(path) as draft:
            opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(opened, key)
            finally:
                os.close(opened)
    except OSError:
        pass  # of this run alone: nothing can be compared with it
    return key


def _keyed(text: str, key: bytes) -> str:
    return short_digest(text.encode("utf-8", "surrogateescape"), key)


def short_digest(data: bytes, key: bytes = b"") -> str:
    """BLAKE2b of 16 bytes: `blake2b:...`."""
    from _blake2 import blake2b  # importing hashlib takes as long as all of this

    return f"blake2b:{blake2b(data, key=key, digest_size=16).hexdigest()}"


def _programs(
    words: list[str], path: str, directory: str, locked: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Those that are not of the project nor of an environment that has a lock. None of them is started."""
    for word in words:
        if word.startswith("-"):
            continue
        place = os.path.join(directory, word) if "/" in word else process.find(word, path)
        if not place or not os.access(place, os.X_OK) or os.path.isdir(place):
            continue
        place = os.path.normpath(place)
        if not place.startswith((f"{directory}/", *locked)):
            yield place, _content(place, BESIDE)


def _beside(words: list[str], directory: str, programs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Files that the command names by a path that leads out of the project."""
    for word in words:
        if "/" not in word or "://" in word:
            continue
        place = os.path.normpath(os.path.join(directory, os.path.expanduser(word)))
        if place in programs or place.startswith(f"{directory}/") or place in ("/", directory):
            continue
        if place.startswith(("/dev/", "/proc/", "/sys/")) or f"{directory}/".startswith(f"{place}/"):
            continue
        if os.path.exists(place):
            yield place, _content(place, BESIDE)


def _ignored(
    directory: str, names: Iterable[str], outputs: frozenset[str]
) -> Iterator[tuple[str, os.stat_result]]:
    count = 0
    for name in names:
        top = os.path.join(directory, name.rstrip("/"))
        for path, found in _walk(top) if name.endswith("/") else _one(top):
            if path not in outputs and not any(path.startswith(f"{each}/") for each in outputs):
                count += 1
                yield path[len(directory) + 1 :], found
        if count > MOST:
            return


def _walk(top: str) -> Iterator[tuple[str, os.stat_result]]:
    folders = [top]
    while folders:
        folder = folders.pop()
        if os.path.basename(folder) in LEFT:
            continue
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                yield from _one(entry.path)


def _one(path: str) -> Iterator[tuple[str, os.stat_result]]:
    name = os.path.basename(path)
    if name in LEFT or name.endswith(".pyc"):
        return
    try:
        found = os.stat(path)
    except OSError:
        return
    if stat.S_ISREG(found.st_mode):
        yield path, found


def _known(directory: str, listed: Mapping[str, os.stat_result]) -> dict[str, str]:
    left, known = READ_IN_ALL, {}
    for name, found in listed.items():
        small = found.st_size <= min(READ, left)
        left -= found.st_size if small else 0
        known[name] = _content(os.path.join(directory, name), READ if small else -1)
    return known


def _content(path: str, largest: int) -> str:
    """What a file, or a folder, has to equal."""
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            return _folder(path)
        if stat.S_ISREG(found.st_mode) and found.st_size <= min(largest, SMALL):
            return short_digest(files.read(path))
        if stat.S_ISREG(found.st_mode) and found.st_size <= largest:
            return hashing.digest(path).digest  # remembered
        return "stamp:" + ":".join(map(str, Stamp.of(found)[:4]))
    except OSError:
        return "unreadable"


def _folder(path: str) -> str:
    """By the stamps of what is in it."""
    lines = [f"{each}\0{found.st_size}\0{found.st_mtime_ns}" for each, found in _first(path)]
    return short_digest("\n".join(sorted(lines)).encode("utf-8", "surrogateescape"))


def _first(path: str) -> Iterator[tuple[str, os.stat_result]]:
    for count, each in enumerate(_walk(path)):
        if count >= LINKED:
            return
        yield each


def _links(directory: str) -> Iterator[tuple[str, str]]:
    """Links at the top of the project and one folder below it whose ends lie outside: where data is usually kept."""
    real = os.path.realpath(directory)
    for folder in (directory, *_folders(directory)):
        try:
            entries = list(os.scandir(folder))[:LINKED]
        except OSError:
            continue
        for entry in entries:
            if entry.is_symlink() and entry.name not in LEFT:
                end = os.path.realpath(entry.path)
                if end != real and not end.startswith(f"{real}/"):
                    yield entry.path[len(directory) + 1 :], _content(end, BESIDE)


def _folders(directory: str) -> list[str]:
    try:
        return [
            entry.path
            for entry in os.scandir(directory)
            if entry.is_dir(follow_symlinks=False) and entry.name not in LEFT
        ][:LINKED]
    except OSError:
        return []


# ---- in the record -------------------------------------------------------------------------------------------


def save(found: Surroundings, record: str) -> None:
    """OSError when it cannot be written."""
    import json

    with open(os.path.join(record, FILE), "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(found._asdict(), file, ensure_ascii=False, separators=(",", ":"))


def load(record: str) -> Surroundings | None:
    """None of a run that has none: an older one, or one that did not come to its command."""
    import json

    try:
        with open(os.path.join(record, FILE), encoding="utf-8", errors="surrogateescape") as file:
            found = json.load(file)
        return Surroundings(**{name: found[name] for name in Surroundings._fields if name in found})
    except (OSError, ValueError, TypeError):
        return None
