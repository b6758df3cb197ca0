"""What the texts of a project name that its snapshot does not have: paths, variables, programs, the network.

Of `open("../d.csv")`, `/data/x`, `os.environ["MODE"]` or a tool in a script only what there is counts, so a word that
looks like one of these does no harm. What a program puts together while it runs is seen by its pieces (pieces.py).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator

from runner import paths
from runner.host import files
from runner.snapshots.kept import key_of
from runner.text.credentials import redact
from runner.typed import NamedTuple

__all__ = ["Named", "is_known", "is_remembered", "named"]

FORMAT = 5
TEXTS = tuple(
    ".py .pyi .ipynb .r .rmd .jl .sh .bash .sql .js .ts .yaml .yml .toml .cfg .ini .json .txt .mk .smk".split()
)
NAMES = frozenset(("MLproject", "Makefile", "Snakefile", "Dockerfile"))
SCRIPTS = (".sh", ".bash", ".mk", ".smk")
SCRIPT_NAMES = frozenset(("Makefile", "Snakefile"))
LARGEST = 1 << 18  # bytes
MOST = 1000  # files that are read
KEPT = 500  # paths and programs, of each kind
WORDS = 4000  # variables
LEAVES = 2000  # names
SKIPPED = frozenset("__pycache__ node_modules venv site-packages mlruns".split())
# what every machine has, and what belongs to nobody in particular
SYSTEM = tuple(
    "/bin/ /dev/ /lib/ /lib32/ /lib64/ /proc/ /run/ /sbin/ /snap/ /sys/ /usr/bin/ /usr/include/ /usr/lib/ "
    "/usr/libexec/ /usr/sbin/ /usr/share/ /System/".split()
)
COMMON = frozenset(
    "/ /data /etc /home /media /mnt /opt /root /srv /tmp /usr /usr/local /var /var/tmp /Users".split()
)
COMMON -= {"/data"}  # the usual mount of a data disk
# Compiled when they are needed: that takes ms. Each begins with what is rare, and looks back from there: ten times
# as fast as one that looks at each character.
LEAVING = (
    rb"\.\./(?:(?<![\w./$}-]\.\./)|(?<=[\"'\s=:(,]\./\.\./))(?:\.\./)*[\w.~@+-]+(?:/[\w.~@+-]+)*[/*?{\[$%]?"
)
OPEN = "/*?{[$%_-"  # ends what is not the whole of a path
REST = rb"[\w.@+-][\w./@+~*?{\[-]*"
ABSOLUTE = (
    rb"/(?<![\w./:*$}<\\~-]/)" + REST,
    rb"~/" + REST,
    rb"\$\{?HOME\}?/" + REST,
    rb"""/(?<=["']/)[\w.@+-][^"'\n\r]* [^"'\n\r]*(?=["'])""",
    rb"""~/(?<=["']~/)[\w.@+-][^"'\n\r]* [^"'\n\r]*(?=["'])""",
)
LONGEST = 300
CUT = r"[*?{\[$%]"  # what follows is put in later; like SHELL compiled when it is needed, which is seldom
CODE = (".py", ".pyi", ".ipynb", ".r", ".rmd", ".jl", ".js", ".ts", ".sql")
DATA = (".json", ".txt")  # many words of which are capitals
VARIABLES = (
    rb"[A-Z][A-Z0-9_]{2,}(?![A-Za-z0-9_])",
    rb"\$\{?([A-Za-z_]\w*)",
    rb"(?:environ|getenv|env|ENV)\b\W{0,8}(?:get|pop|setdefault)?\W{0,4}([A-Za-z_]\w*)",
)
COMMANDS = (
    rb"(?:^|[;|&(`\n\t]|\b(?:do|then|else|exec|time|nohup|env)\b)[ \t]*([\w./+-]+)"  # in a shell's text
)
STARTED = (
    rb"(?:run|call|check_call|check_output|Popen|system2?|popen|which|exec[lv]p?e?|spawn\w*)"
    rb"""\(\s*[\[(]?\s*[bf]?["']([\w./+-]+)"""
)
STARTING = (b"subprocess", b"system", b"popen", b"which(", b"exec", b"spawn")  # one of them is there, too
GIT = rb"(?:import|from) (?:git|pygit2|dulwich)\b"  # its commits are asked for, whatever asks
REMOTES = tuple(
    b"urlopen urlretrieve requests. httpx. aiohttp. boto3. download.file curl wget gsutil".split()
)
SHELL = rb"#!.*\b(?:ba|da|k|z)?sh\b"
REMOTE = (
    rb"\b(?:urlopen|urlretrieve|requests\.(?:get|post|Session)|httpx\.|aiohttp\.|boto3\.|download\.file"
    rb"|curl\b|wget\b|gsutil\b)"
)
LISTED = tuple(b"listdir scandir os.walk glob( iterdir list.files readdir".split())  # looks through folders
LISTING = rb"(?:^|[;|&(`\n\t]|\b(?:do|then|time|xargs)\b)[ \t]*(?:ls|find|du|tree)\b"  # in a shell's text
ADDRESS = rb"""\b(?:https?|ftp|s3|gs)://[^\s"'<>`)}\\]+"""


class Named(NamedTuple):
    """Of the kinds that are paths only what is there."""

    places: tuple[str, ...] = ()  # outside of the repository, or of the folder without one; absolute
    within: tuple[str, ...] = ()  # in the repository and outside of the project: git may ignore what is there
    variables: tuple[str, ...] = ()  # words that may be names of some
    programs: tuple[str, ...] = ()  # words at the place of a command
    links: tuple[str, ...] = ()  # symbolic links in the project, as paths in it
    remote: str = ""  # the file that reads from the network
    addresses: tuple[str, ...] = ()  # that it names
    names: tuple[str, ...] = ()  # words that may be names of files or folders
    lists: str = ""  # the file that looks through folders
    climbs: tuple[str, ...] = ()  # where texts climb to: "..", "../..", "/" for all above, and "~"


def named(
    directory: str, seen: str, root: str, tree: str, without: Iterable[str] = (), step: str = ""
) -> Named:
    """Of the project `directory`, which its command sees at `seen` in `root`.

    `without`: paths in `directory` that are not read: what git ignores, and outputs, which may name anything. What its
    texts say is remembered for the snapshot `tree`, but not of a folder that nobody sees again (""). `step`: what
    tells which part of the snapshot is there, in a folder made for one run.
    """
    memory = paths.scratch("snapshots", f"{key_of(step or directory)}.named.json")
    found = _remembered(memory, step or directory, tree) if tree else None
    if found is None:
        found = _read(directory, seen, frozenset(without))
        if tree:
            try:
                files.write(memory, json.dumps([FORMAT, step or directory, tree, found._asdict()]))
            except OSError:
                pass  # found again next time
    top, project = os.path.realpath(root), os.path.realpath(seen)
    places, within = [], []
    named = list(dict.fromkeys(map(os.path.expanduser, found.places)))
    if folders := list(_folders(named, found.climbs, project, top)):
        from runner.snapshots.pieces import under

        named = list(dict.fromkeys((*named, *under(folders, found.names))))
    for place in named:
        if not os.path.isabs(place) or f"{place}/".startswith(f"{project}/"):
            continue
        if f"{place}/".startswith(f"{top}/"):
            within.append(place)
        elif not is_known(place, top) and os.path.exists(place):
            places.append(place)
    inside = [each for each in within if os.path.exists(each)]
    return found._replace(places=tuple(sorted(places)), within=tuple(sorted(inside)))


def is_remembered(tree: str, step: str) -> bool:
    """Whether `named` knows the texts of this part of a snapshot without reading them."""
    return _remembered(paths.scratch("snapshots", f"{key_of(step)}.named.json"), step, tree) is not None


def _folders(named: Iterable[str], climbs: Iterable[str], project: str, top: str) -> Iterator[str]:
    """Those that texts lead to, and that say nothing by themselves: above the project, at home, shared by all."""
    home = os.path.expanduser("~")
    for place in named:
        if place in COMMON or place == home or f"{project}/".startswith(f"{place.rstrip('/')}/"):
            yield place
    if ".." in climbs:
        above = os.path.dirname(project)
        while len(above) > 1:
            yield above
            if not f"{above}/".startswith(f"{top}/"):
                break
            above = os.path.dirname(above)
        if "../.." in climbs and len(above) > 1:
            yield os.path.dirname(above)
    if "/" in climbs:
        above = os.path.dirname(project)
        while len(above) > 1:
            yield above
            above = os.path.dirname(above)
    if "~" in climbs:
        yield home


def is_known(place: str, root: str) -> bool:
    """Whether a path says nothing about one project: of the system, ours, or a folder that `root` lies in."""
    if f"{place}/".startswith(SYSTEM) or f"{root}/".startswith(f"{place.rstrip('/')}/"):
        return True
    if place in COMMON or place in (os.environ.get("TMPDIR", "").rstrip("/"), os.path.expanduser("~")):
        return True
    own = (paths.home(), paths.store_here(), paths.cache())
    return any(f"{place}/".startswith(f"{each}/") for each in own)


def _remembered(memory: str, directory: str, tree: str) -> Named | None:
    try:
        with open(memory, encoding="utf-8") as file:
            number, where, what, found = json.load(file)
        if (number, where, what) != (FORMAT, directory, tree):
            return None
        found = {name: each if isinstance(each, str) else tuple(each) for name, each in found.items()}
        return Named(**found)
    except (OSError, ValueError, TypeError):
        return None


class _Text(NamedTuple):
    data: bytes
    folder: str  # by the name that the command sees
    is_script: bool


def _clean(data: bytes) -> bytes:
    """Without credentials in addresses: what is found is remembered in the cache, where there are to be none."""
    return os.fsencode(redact(os.fsdecode(data))) if b"://" in data else data


def _read(directory: str, seen: str, without: frozenset[str]) -> Named:
    """`places` as they are written, those with `../` as seen from the project and from the text itself."""
    from runner.snapshots import pieces

    project = os.path.realpath(seen)
    found: dict[str, dict[str, None]] = {name: {} for name in Named._fields}
    remote = lists = ""
    for path in _texts(directory, found["links"], without):
        try:
            data = _clean(files.read(path, LARGEST))
        except OSError:
            continue
        name = os.path.basename(path)
        if name.endswith(CODE):
            data += b"\n" + pieces.joined(data)
        is_script = name.endswith(SCRIPTS) or name in SCRIPT_NAMES or bool(re.match(SHELL, data))
        text = _Text(data, os.path.dirname(seen + path[len(directory) :]), is_script)
        found["places"].update(dict.fromkeys(_places(text, project)))
        found["programs"].update(dict.fromkeys(_programs(text)))
        for pattern in VARIABLES[1:] if name.endswith(DATA) else VARIABLES:
            found["variables"].update(dict.fromkeys(map(os.fsdecode, re.findall(pattern, data))))
        found["variables"].update(dict.fromkeys(pieces.variables(data)))
        is_data = name.endswith(DATA)
        found["names"].update(dict.fromkeys(pieces.names(data, name.endswith(CODE), is_data)))
        if not is_data:
            found["climbs"].update(dict.fromkeys(pieces.climbs(data)))
        if any(word in data for word in LISTED) or (is_script and re.search(LISTING, data)):
            lists = lists or os.path.relpath(path, directory)
        if any(word in data for word in REMOTES) and re.search(REMOTE, data):
            remote = remote or os.path.relpath(path, directory)
            found["addresses"].update(dict.fromkeys(map(os.fsdecode, re.findall(ADDRESS, data))))
    return Named(
        tuple(found["places"])[:KEPT],
        (),
        tuple(found["variables"])[:WORDS],
        tuple(found["programs"])[:KEPT],
        tuple(found["links"])[:KEPT],
        remote,
        tuple(found["addresses"])[:5],
        tuple(found["names"])[:LEAVES],
        lists,
        tuple(found["climbs"]),
    )


def _texts(directory: str, links: dict[str, None], without: frozenset[str]) -> Iterator[str]:
    """Paths of texts; the symbolic links that are met on the way go to `links`."""
    count = 0
    for folder, folders, names in os.walk(directory):
        for name in (*folders, *names):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                links[path[len(directory) + 1 :]] = None
        folders[:] = sorted(
            name
            for name in folders
            if not (name in SKIPPED or name.startswith(".") or os.path.join(folder, name) in without)
        )
        for name in sorted(name for name in names if os.path.join(folder, name) not in without):
            if name.lower().endswith(TEXTS) or name in NAMES or "." not in name:
                count += 1
                if count > MOST:
                    return
                yield os.path.join(folder, name)


def _places(text: _Text, project: str) -> Iterator[str]:
    for each in dict.fromkeys(re.findall(LEAVING, text.data)):
        named = os.fsdecode(each)
        if named[-1] in OPEN and not os.path.dirname(named).endswith(".."):
            named = os.path.dirname(named)  # more follows that is put in later
        for start in dict.fromkeys((project, os.path.realpath(text.folder))):
            yield os.path.normpath(os.path.join(start, named))
    for each in dict.fromkeys(each for pattern in ABSOLUTE for each in re.findall(pattern, text.data)):
        place = os.fsdecode(each).replace("${HOME}", "~").replace("$HOME", "~")
        if cut := re.search(CUT, place):
            place = os.path.dirname(place[: cut.start()])
        if 2 < len(place) < LONGEST:
            yield os.path.normpath(place.rstrip("."))


def _programs(text: _Text) -> Iterable[str]:
    found = re.findall(STARTED, text.data) if any(word in text.data for word in STARTING) else []
    if text.is_script:
        found += re.findall(COMMANDS, text.data)
    if b"git" in text.data and re.search(GIT, text.data):
        found.append(b"git")
    return [os.fsdecode(each) for each in found if not each.startswith((b"-", b"."))]
