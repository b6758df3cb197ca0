"""What a command can see besides its code, packages and parameters, as far as that can be noted cheaply.

It is taken before the command starts and kept as `surroundings.json` in the record. When the same run gives another
result later, the difference to what is there then names the cause; what is in the key of a run decides on `--cached`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping

from runner import paths
from runner.host import files, process
from runner.running import conditions
from runner.running.marks import BESIDE, LEFT, LINKED, STAMP, mark, one, short_digest, walk
from runner.snapshots.texts import is_known
from runner.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from runner.running.plan import Plan
    from runner.snapshots.texts import Named
    from runner.values import Activation, Container

__all__ = ["FILE", "Surroundings", "load", "look", "mentioned", "save", "written"]

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
# where programs look for their parts, and how they are told to run: read by whatever is started, without being named
LOADING = (
    "LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONOPTIMIZE PYTHONUTF8 PYTHONIOENCODING PYTHONWARNINGS PYTHONDEVMODE "
    "PYTHONNOUSERSITE PYTHONSAFEPATH PYTHONINTMAXSTRDIGITS R_LIBS R_LIBS_USER R_PROFILE_USER R_ENVIRON_USER "
    "JULIA_LOAD_PATH JULIA_PROJECT JULIA_NUM_THREADS CLASSPATH JAVA_TOOL_OPTIONS PERL5LIB PERL5OPT RUBYLIB RUBYOPT "
    "NODE_PATH NODE_OPTIONS MAKEFLAGS BASH_ENV POSIXLY_CORRECT SOURCE_DATE_EPOCH MPLBACKEND LC_"
).split()
# what lies there is known otherwise, or is looked into for what is named, and not else
FOLDERS = frozenset(
    "PATH MANPATH INFOPATH HOME TMPDIR SHELL VIRTUAL_ENV CONDA_PREFIX CONDA_EXE PYENV_ROOT NVM_DIR".split()
)
# Expressions in a shell's words, each compiled where the text has what it begins with.
ALL = r"(?m)(?:^|[;&|(])\s*(?:env|printenv)\s*(?:$|[;&|>)])"  # prints every variable
NAMED = r"\$(?:\{([A-Za-z_]\w*)[^}]*\}|([A-Za-z_]\w*))"  # a variable
QUOTED = r"""'([^']+)'|"([^"]+)\""""
LISTING = frozenset(("ls", "find", "du", "tree"))  # look through folders
APART = str.maketrans(
    dict.fromkeys("'\"`$;&|<>(){}=,", " ")
)  # what stands between words, besides white space
WORDS = 200  # of a command that are looked at
READ = 1_000_000  # bytes; a file that git ignores is hashed up to this size, and known by its stamp above it
READ_IN_ALL = 64_000_000
MOST = 20_000  # files that git ignores; of more only the number is kept


class Surroundings(NamedTuple):
    """Each value is what it has to equal: a digest (`sha256:...`), or the stamp of what is too large to read."""

    variables: Mapping[str, str] = {}  # keyed digests: the record does not tell what was in them
    key: str = ""  # which key made these digests; others cannot be compared
    programs: Mapping[str, str] = {}  # that the command or a script of the code names, by their path
    files: Mapping[str, str] = {}  # outside of the project, named by the command or the code
    ignored: Mapping[str, str] = {}  # in the project, but not in the snapshot
    ignored_count: int = 0  # when there are more than MOST
    links: Mapping[str, str] = {}  # in the project, to what lies outside: path -> what is there
    named: tuple[str, ...] = ()  # variables that the command or the code names
    remote: str = ""  # the file of the code that reads from the network
    addresses: tuple[str, ...] = ()  # that it names
    umask: str = ""  # what modes new files get; "" where that cannot be read
    stood: tuple[
        str, ...
    ] = ()  # declared outputs that were there: an earlier run's, which the command may go on from
    limits: Mapping[str, str] = {}  # what the system lets a process have, such as open files (getrlimit(2))
    apart: tuple[
        str, ...
    ] = ()  # what no snapshot has and lies in the project, where the command looks through folders
    git: str = ""  # commit, branch and tags of the repository, where the command or the code asks git


class Unseen(NamedTuple):
    """What the snapshot does not have."""

    ignored: tuple[str, ...] = ()  # as paths from the project; folders end in "/"
    named: Named | None = None  # by the texts of the project


class Sight(NamedTuple):
    """What a command is given to look at."""

    text: str  # its words
    variables: Mapping[str, str]
    directory: str  # the project
    seen: str  # the same, by the name that the command sees
    values: tuple[str, ...] = ()  # of parameters
    locked: tuple[str, ...] = ()  # folders whose programs are in a lock
    outputs: frozenset[str] = frozenset()  # absolute paths that it is going to write
    container: Container | None = None


def look(
    plan: Plan, record: str, unseen: Unseen, activation: Activation, variables: Mapping[str, str]
) -> Surroundings:
    """What the command of a run is going to see; it is kept in the folder `record`, if that can be written."""
    directory = plan.checkout.directory
    locked = (activation.prefix, *activation.path)
    texts = tuple(plan.parameters.texts.values())
    command, outputs = plan.parameters.command, frozenset(written(plan))
    sight = Sight(command, variables, directory, plan.directory, texts, locked, outputs, activation.container)
    found = take(sight, unseen)
    try:
        save(found, record)
    except OSError:
        pass  # a full disk: the run goes on
    return found


def written(plan: Plan) -> list[str]:
    """Declared outputs that are there, absolute."""
    if not plan.entry_point.outputs:
        return []
    from runner.data.inputs import expand
    from runner.data.outputs import filled

    patterns = filled(plan.entry_point.outputs, plan.parameters.texts)
    return [path for pattern in patterns for path in expand(pattern, plan.checkout.directory)]


def take(sight: Sight, unseen: Unseen) -> Surroundings:
    """Reads up to READ_IN_ALL bytes of files that are named or ignored; larger ones are known by their stamps."""
    key, named = _key(), unseen.named
    inside = sight.container is not None  # what its command names is in the image
    seen = _given(sight) if sight.container else sight.variables
    variables = _named_variables(sight, named, seen)
    listed = dict(_ignored(sight, unseen))
    many = len(listed) if len(listed) > MOST else 0
    words = [] if inside else _words(sight)
    programs = {} if inside else dict(_programs(words, named, sight))
    if sight.container:
        places = [each for each in _mounted(sight.container) if each.startswith("/")]
    else:
        given = [*_beside(words, sight), *_values(variables, sight)]
        every = "env" in sight.text and re.search(ALL, sight.text)
        if every or (named and "*" in named.variables):
            variables |= {name for name in seen if _counts(name)}  # by their values only
        places = [*given, *(named.places if named else ()), *_inside(given, words, named, sight)]
    apart = {*programs, *sight.outputs}
    places = [each for each in dict.fromkeys(places) if each not in apart and not _is_own(each, sight)]
    return Surroundings(
        {name: _keyed(value, key) for name, value in seen.items() if _counts(name)},
        _keyed("", key)[-8:],
        programs,
        {each: mark(each, BESIDE) for each in places},
        {} if many else _known(sight.directory, listed),
        many,
        dict(_links(sight, named.links if named else ())),
        tuple(sorted(variables)),
        named.remote if named else "",
        named.addresses if named else (),
        conditions.umask(),
        tuple(sorted(os.path.relpath(each, sight.directory) for each in sight.outputs)),
        dict(conditions.limits()),
        _apart(words, named, sight),
        conditions.repository(sight.directory) if any(each.endswith("/git") for each in programs) else "",
    )


# ---- variables ---------------------------------------------------------------------------------------------


def mentioned(command: str, more: Iterable[str] = ()) -> set[str]:
    """Variables that a command names."""
    return {*(one or two for one, two in _found(NAMED, "$", command)), *more}


def _named_variables(sight: Sight, named: Named | None, seen: Mapping[str, str]) -> set[str]:
    """Those of the variables that are there which the command or the code names."""
    if sight.container:  # it gets no others
        return {name for name in seen if _counts(name)}
    words = {*mentioned(sight.text), *LOADING, *(named.variables if named else ())}
    stems = tuple(word for word in words if word.endswith("_") and len(word) > 2)
    return {name for name in seen if (name in words or name.startswith(stems)) and _counts(name)}


def _given(sight: Sight) -> dict[str, str]:
    """What a container gets of the caller's variables."""
    container = sight.container
    assert container is not None  # noqa: S101 - the caller has looked
    names = [*container.copied, *(value or "" for name, value in container.flags if name in ("e", "env"))]
    return {name: os.environ[name] for name in names if name in os.environ}


def _counts(name: str) -> bool:
    return not (name in SESSION or name.startswith(SESSIONS) or name.startswith("PROJ_SECRET_"))


def _values(names: Iterable[str], sight: Sight) -> Iterator[str]:
    """Files and folders that stand in variables, as in DATA=/data/x or PYTHONPATH=/a:/b."""
    for name in names:
        if name in FOLDERS or "/" not in sight.variables[name]:
            continue
        for part in sight.variables[name].split(os.pathsep):
            place = os.path.normpath(os.path.expanduser(part)) if part.startswith(("/", "~")) else ""
            if place and (_holds(place, sight) or not is_known(place, sight.seen)) and os.path.exists(place):
                yield place


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


# ---- programs and files --------------------------------------------------------------------------------------


def _words(sight: Sight) -> list[str]:
    """Of a command, as the shell makes them of its variables, and values of its parameters."""

    def value(found: re.Match[str]) -> str:
        return sight.variables.get(found[1] or found[2], "")

    text = re.sub(NAMED, value, sight.text) if "$" in sight.text else sight.text
    quoted = [one or two for one, two in _found(QUOTED, "'\"", text)]
    return list(dict.fromkeys([*text.translate(APART).split()[:WORDS], *quoted[:WORDS], *sight.values]))


def _found(expression: str, beginnings: str, text: str) -> list[tuple[str, str]]:
    """All that an expression of two groups finds."""
    return re.findall(expression, text) if any(each in text for each in beginnings) else []


def _programs(words: list[str], named: Named | None, sight: Sight) -> Iterator[tuple[str, str]]:
    """Those that are not of the project nor of an environment that has a lock. None of them is started."""
    path, locked = sight.variables.get("PATH", os.defpath), tuple(f"{each}/" for each in sight.locked if each)
    called = [word for word in words if "\n" not in word]
    for word in dict.fromkeys((*called, *(named.programs if named else ()))):
        if word.startswith("-"):
            continue
        place = os.path.join(sight.directory, word) if "/" in word else process.find(word, path)
        if not place or not os.access(place, os.X_OK) or os.path.isdir(place):
            continue
        place = os.path.normpath(place)
        if not place.startswith((f"{sight.directory}/", *locked)):
            yield place, mark(place, BESIDE if word in called else STAMP)


def _beside(words: list[str], sight: Sight) -> Iterator[str]:
    """Files that the command names by a path that leads out of the project."""
    for word in words:
        if "/" not in word or "://" in word or "\n" in word or len(word) > 4096:
            continue
        place = os.path.normpath(os.path.join(sight.seen, os.path.expanduser(word)))
        if not place.startswith(("/dev/", "/proc/", "/sys/")) and os.path.exists(place):
            yield place


def _inside(given: Iterable[str], words: list[str], named: Named | None, sight: Sight) -> Iterable[str]:
    """What the command and the code name in folders that hold the project, which nobody looks at as a whole."""
    folders = [each for each in given if _holds(each, sight)]
    if not folders:
        return ()
    from runner.snapshots.pieces import under

    found = under(folders, (*words, *(named.names if named else ())))
    return (each for each in found if not is_known(each, sight.seen))


def _holds(place: str, sight: Sight) -> bool:
    return place != "/" and f"{sight.seen}/".startswith(f"{place}/") and place != sight.seen


def _is_own(place: str, sight: Sight) -> bool:
    """Whether a path lies in the project, or the project in it."""
    top = f"{place.rstrip('/')}/"
    return any(
        top.startswith(f"{each}/") or f"{each}/".startswith(top) for each in (sight.directory, sight.seen)
    )


def _apart(words: list[str], named: Named | None, sight: Sight) -> tuple[str, ...]:
    if not ((named and named.lists) or "*" in sight.text or not LISTING.isdisjoint(words)):
        return ()
    return tuple(sorted(each for each in LEFT if os.path.lexists(os.path.join(sight.directory, each))))


def _mounted(container: Container) -> Iterator[str]:
    """What a container sees of this machine besides the project, absolute."""
    flags = [value or "" for name, value in container.flags if name in ("v", "volume")]
    for text in (*container.volumes, *flags):
        yield text.partition(":")[0]
    for name, value in container.flags:
        if name == "env-file":
            yield os.path.abspath(value or "")
        if name == "mount":
            pairs = (each.partition("=") for each in (value or "").split(","))
            yield from (place for key, _, place in pairs if key in ("source", "src"))


def _ignored(sight: Sight, unseen: Unseen) -> Iterator[tuple[str, os.stat_result]]:
    count, directory, outputs = 0, sight.directory, sight.outputs
    for name in unseen.ignored:
        top = os.path.join(directory, name.rstrip("/"))
        for path, found in walk(top) if name.endswith("/") else one(top):
            if path not in outputs and not any(path.startswith(f"{each}/") for each in outputs):
                count += 1
                yield path[len(directory) + 1 :], found
        if count > MOST:
            return


def _known(directory: str, listed: Mapping[str, os.stat_result]) -> dict[str, str]:
    left, known = READ_IN_ALL, {}
    for name, found in listed.items():
        small = found.st_size <= min(READ, left)
        left -= found.st_size if small else 0
        known[name] = mark(os.path.join(directory, name), READ if small else STAMP)
    return known


def _links(sight: Sight, more: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Links whose ends lie outside, and what is there: those at the top of the project and one folder below it,
    where data is usually kept, and what others are known (`more`).
    """
    directory = sight.directory
    found = [os.path.join(directory, name) for name in more]
    for folder in (directory, *_folders(directory)):
        try:
            found += [entry.path for entry in list(os.scandir(folder))[:LINKED] if entry.is_symlink()]
        except OSError:
            continue
    tops = tuple(f"{os.path.realpath(each)}/" for each in (directory, sight.seen))
    for path in dict.fromkeys(found):
        if os.path.basename(path) not in LEFT and os.path.islink(path):
            name = path[len(directory) + 1 :]
            start = os.path.dirname(os.path.join(sight.seen, name))  # from where the command sees it
            end = os.path.realpath(os.path.join(start, os.readlink(path)))
            if not f"{end}/".startswith(tops):
                yield name, mark(end, BESIDE)


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
    with open(os.path.join(record, FILE), "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(found._asdict(), file, ensure_ascii=False, separators=(",", ":"))


def load(record: str) -> Surroundings | None:
    """None of a run that has none: an older one, or one that did not come to its command."""
    try:
        with open(os.path.join(record, FILE), encoding="utf-8", errors="surrogateescape") as file:
            found = json.load(file)
        return Surroundings(**{name: found[name] for name in Surroundings._fields if name in found})
    except (OSError, ValueError, TypeError):
        return None
