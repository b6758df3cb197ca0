"""Paths and variables that a program puts together, as far as their pieces stand in its text.

Of `os.path.join(BASE, "x.csv")`, `Path(__file__).parents[2] / "x.csv"`, `cd ..; cat x.csv` and `DATA_DIR: /work` with
`file: x.csv` two things are seen: a folder in which the project lies, or that all projects share, and names. Whatever
has one of the names in one of the folders may be read. Folders of no other kind need this: all that is in them counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

__all__ = ["ALL", "ANY", "HOME", "UP", "UPPER", "climbs", "names", "under", "variables"]

UP = ".."  # the folder above the project, or above its repository
UPPER = "../.."
ALL = "/"  # every folder above it
HOME = "~"
ENDINGS = 200  # files that a "*.csv" or a "part-*" stands for
ANY = "*"  # any variable that there is
# Each begins with what is rare, as those of texts.py do.
PARENT = rb"""\.\.(?<=["'\s=:(/,]\.\.)(?=["'\s;&|),]|/["'{$\s]|$)"""
BEGUN = rb"""\.\./[\w.@+-]*(?:[{*?%$\[]|[_-]["'])"""  # f"../part-{number}"
FROM_HERE = rb"""[$}\w"']/\.\./[\w.]"""  # "$HERE/../x"
WHERE = b"cwd()"  # os.getcwd(), Path.cwd(): one step from it leads out
PARENTS = ((b"dirname(", 2), (b".parent", 2), (b"parents[", 1), (b"pardir", 1))  # so often in a text
FARTHER = rb"""\.\.["']?(?:/|, *["'])\.\.|parents\[[3-9]|(?s:(?:\.parent\b.*){4}|(?:dirname\(.*){4})"""
SEARCHES = tuple(
    b"find_dotenv load_dotenv pyprojroot rootutils find_up findup find_root --show-toplevel".split()
)
QUOTED = rb"""["']/?([\w@+.-][\w./@+ -]{0,98})(?=[\\"'{*])"""
ENDING = rb"""["'/}]\*{0,2}(\.[A-Za-z]\w{0,9})(?=[\\"'\s])"""  # "*.csv", f"{name}.csv", name + ".csv"
BEGINNING = rb"""["'/]([\w@+.-]{2,98})(?=[{*%]|[_-]["'])"""  # f"part-{number}", "part-" + number
JOINT = (
    rb"""(["'])(?:[\s\\]+|[\s\\]*\+[\s\\]*)[rbufRBUF]{0,2}\1(?!\1)"""  # between two literals that make one
)
AROUND = 200  # bytes on each side of a joint that may belong to it
TAIL = rb"/(?<=[})\w]/)([\w@+-][\w./@+-]*)"  # what follows "$D/", "{base}/"
IMPORTED = rb"(?:import|from) (\w+)"
WORD = rb"[\w@+-][\w.@+-]*(?:/[\w.@+-]+)*"
LOOPED = (
    rb"""environ\.(?:items|keys|values)\(|\bin (?:os\.)?environ\b|getenv\(\s*(?:[^"'\s]|f["'])"""
    rb"""|environ(?:\.get\(|\[)\s*(?:[^"'\s\])]|f["'])|process\.env\["""
)
PREFIX = rb"""(?:auto_envvar_prefix|envvar_prefix|ENVVAR_PREFIX)\w*["']?\s*[=:]\s*["'](\w+)["']"""
USERS = ("LOGNAME", "USER", "LNAME", "USERNAME")  # what getpass.getuser() reads
SETTINGS = b"BaseSettings"  # pydantic: each field is a variable, in capitals or not
FIELD = rb"^\s+(\w+)\s*:"


def climbs(data: bytes) -> Iterator[str]:
    """Which folders that hold the project a text can lead to."""
    leads = any(data.count(word) >= often for word, often in PARENTS)
    leads = leads or (WHERE in data and (b".parent" in data or b"dirname(" in data))
    leads = leads or bool(b"../" in data and re.search(BEGUN, data))
    if _searches(data):
        yield ALL
    if leads or re.search(PARENT, data) or (b"/../" in data and re.search(FROM_HERE, data)):
        yield UP
        if re.search(FARTHER, data):
            yield UPPER
    if b"expanduser" in data or b".home()" in data or b"HOME" in data:
        yield HOME


def _searches(data: bytes) -> bool:
    """Whether a text looks for something in one folder after the other, upwards."""
    if any(word in data for word in SEARCHES) or (
        b".parents" in data and re.search(rb"\.parents\b(?!\[)", data)
    ):
        return True
    return b"while" in data and (b"dirname(" in data or b".parent" in data)


def joined(data: bytes) -> bytes:
    """The literals of a text that are written in several, as "da" "ta" + ".csv", each as one; nothing else of it."""
    found: list[bytes] = []
    start = end = 0  # of what is around the joints so far
    for joint in re.finditer(JOINT, data):
        if joint.start() - AROUND > end:
            found.append(data[start:end])
            start = joint.start() - AROUND
        end = joint.end() + AROUND
    found.append(data[start:end])
    return b"\n".join(re.sub(JOINT, b"", each) for each in found if each)


def names(data: bytes, is_code: bool, is_data: bool) -> Iterator[str]:
    """What may be names of files and folders. `is_code`: they stand in quotes."""
    found = re.findall(QUOTED, data) if is_code or is_data else re.findall(WORD, data)
    found += re.findall(TAIL, data)
    if is_code:
        for each in re.findall(IMPORTED, data):
            found += [each, each + b".py"]
    if b"dotenv" in data:
        yield ".env"
    yield from (f"*{os.fsdecode(each)}" for each in re.findall(ENDING, data))
    if is_code:
        yield from (f"{os.fsdecode(each)}*" for each in re.findall(BEGINNING, data))
    for each in found:
        name = each.rpartition(b"../")[2]
        if name and not (name.startswith(b"..") or name.isdigit()):
            yield os.fsdecode(name).rstrip("./ ")


def variables(data: bytes) -> Iterator[str]:
    """Names, stems that end in "_", and ANY of a text that takes names which it does not spell."""
    if re.search(LOOPED, data):
        yield ANY
    if b"getuser" in data:
        yield from USERS
    for each in re.findall(PREFIX, data):
        yield f"{os.fsdecode(each).rstrip('_')}_"
    if SETTINGS in data:
        for each in re.findall(FIELD, data, re.MULTILINE):
            yield from (os.fsdecode(each), os.fsdecode(each).upper())
        for each in re.findall(rb"""["'](\w+_)["']""", data):
            yield from (os.fsdecode(each), os.fsdecode(each).upper())


def under(folders: Iterable[str], wanted: Iterable[str]) -> Iterator[str]:
    """What is there by one of the names in one of the folders."""
    given = list(wanted)
    for folder in dict.fromkeys(folders):
        try:
            there = frozenset(os.listdir(folder))
        except OSError:
            continue
        for name in given:
            if "*" in (name[:1], name[-1:]):
                test, part = (str.endswith, name[1:]) if name[:1] == "*" else (str.startswith, name[:-1])
                found = [each for each in there if test(each, part)]
                yield from (os.path.join(folder, each) for each in sorted(found)[:ENDINGS])
            elif name.partition("/")[0] in there:
                place = os.path.normpath(os.path.join(folder, name))
                if os.path.exists(place):
                    yield place
