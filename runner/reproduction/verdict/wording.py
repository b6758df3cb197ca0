"""Text, taken apart into numbers, times and words, and without what names the run that wrote it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from runner.reproduction.verdict import clocks
from runner.running.recorded import Recorded
from runner.typed import NamedTuple

__all__ = ["ANYWHERE", "NOWHERE", "PID", "Circumstances", "of", "plain", "tokens"]

FOLDER = "the folder of the project"
RUN = "the id and name of the run"
TEMPORARY = "random names in the temporary folder"
PID = "process ids"
ADDRESS = "addresses in memory"
ENDPOINT = "the port at which the run was logged"
ANYWHERE = (FOLDER, RUN, TEMPORARY, PID, ADDRESS, ENDPOINT)  # what a text of any format may differ in

CLOCK = r"[0-2]\d:[0-5]\d(?::[0-6]\d(?:[.,]\d+)?)?"
DAY = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"  # 20260131, with a time of day only
# Expressions, each compiled where it is needed: most reproductions are identical, and need none.
TIME = (
    r"\b\d{4}-\d\d-\d\d[T_-]\d\d-\d\d(?:-\d\d)?\b"
    rf"|\d{{4}}[-/]\d\d[-/]\d\d(?:[T _-]{CLOCK})?(?:Z|[+-]\d\d:?\d\d)?"
    rf"|(?<![A-Za-z0-9:.]){CLOCK}(?![A-Za-z0-9:])"
    rf"|(?<![A-Za-z0-9.]){DAY}[T_-]?[0-2]\d[0-5]\d(?:[0-6]\d)?Z?(?![A-Za-z0-9])"
)
DATED = r"\d{4}[-/]|\d{8}"
ZONE = r"(?<=\d\d:\d\d)(?:Z|[+-]\d\d:?\d\d)$|(?<=[:.,]\d\d\d)(?:Z|[+-]\d\d:?\d\d)$|(?<=\d)Z$"
# As programs write numbers: 01234, +49 and 1.2.3 are names. A unit may follow.
NUMBER = r"(?<![\w.])-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\.\d)(?=[A-Za-zµ]{0,2}(?!\w))"
UUID = r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b"
TOKEN = rf"(?P<id>{UUID})|(?P<time>{TIME})|(?P<number>{NUMBER})|(?P<word>\w+)"
# tempfile.mkdtemp and mktemp(1), in the folders that hold such names
TEMPORARIES = ("tmp", "var/tmp", "dev/shm", "T")
RANDOM = r"tmp(?:[a-z0-9_]{8}|\.[A-Za-z0-9]{6,10})(?![A-Za-z0-9_])"
PROCESS = r"(?i)(?<![\w.])(p?pid\W{1,3}|process(?: id)?\W{1,3})?(\d{3,10})(?!\w|\.\d)"
RESERVED = 300  # smaller ids are those of the system, or of a container, where any number may be one
OFFSPRING = 1000  # how far the ids of its processes may be from that of the command
COARSE = (60_000, 3_600_000, 86_400_000)  # ms
YEAR_1980 = 315_532_800_000  # ms since the epoch
PORT = r"(?<=127\.0\.0\.1):\d+"  # an MLflow client prints where it logs to
POINTER = r"\bat 0x[0-9a-f]{6,}"


class Circumstances(NamedTuple):
    """Where and when a run was made: what its results may name, and are the same nevertheless."""

    root: str = ""
    run_id: str = ""
    parent: str = ""  # its id
    name: str = ""
    pid: int = 0  # of the command
    began: int = 0  # ms since the epoch
    ended: int = 0

    def made_at(self, value: float) -> bool:
        """Whether a number is the time of this run: days, hours, minutes, seconds, ms, µs or ns since the epoch."""
        if not (self.began and 0 < value < 1e20):
            return False
        exact = (self.began - 1000 <= value / unit <= self.ended + 1000 for unit in (1e-3, 1, 1e3, 1e6))
        whole = (self.began // unit <= value <= self.ended // unit for unit in COARSE)
        return any(exact) or (value == int(value) and any(whole))

    def earlier(self, value: float) -> bool:
        """Whether a number may be a time before this run, as that of a file is: seconds, ms, µs or ns since 1980."""
        return 0 < value < 1e20 and any(
            YEAR_1980 <= value / unit < self.began for unit in (1e-3, 1, 1e3, 1e6)
        )

    def dated(self, text: str) -> bool:
        """Whether a date or a time of day is that of this run, as far as it is written out; here, or in UTC."""
        digits = re.sub(r"\D", "", re.sub(ZONE, "", text))
        return self.clocked(digits[: 14 if re.match(DATED, text) else 6])

    def clocked(self, digits: str, *, full: bool = False) -> bool:
        """The same of a time without separators; `full`: of what may be a number like any other."""
        return self.began > 0 and clocks.told(digits, self.began / 1000 - 1, self.ended / 1000 + 1, full=full)

    def is_process(self, number: int, named: bool) -> bool:
        """Whether a number is the id of the command or, where it is said to be one, of a process near to it."""
        return self.pid >= RESERVED and self.pid <= number <= self.pid + (OFFSPRING if named else 0)


@lru_cache(64)
def _any(places: tuple[Circumstances, ...]) -> re.Pattern[str]:
    """Finds whether there is anything to mask in a text of one of these runs: most lines have nothing."""
    patterns = {mask.pattern for place in places for name, mask in masks(place) if name != PID}
    patterns |= {rf"p?pid\W{{1,3}}\d|process\W|\b{place.pid}\b" for place in places}
    return re.compile("|".join(patterns), re.IGNORECASE)


@lru_cache(64)
def masks(place: Circumstances) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Names of what is masked, with what it looks like in this run; the same names for every run."""

    def word(text: str) -> re.Pattern[str]:
        return re.compile(rf"{re.escape(text)}(?![\w-]|\.\w)" if len(text) > 1 else r"(?!)")

    return (
        (FOLDER, word(place.root)),
        (RUN, word(place.run_id)),
        (RUN, word(place.parent)),
        (RUN, word(place.name)),
        (TEMPORARY, _random()),
        (PID, re.compile(PROCESS)),
        (ADDRESS, re.compile(POINTER)),
        (ENDPOINT, re.compile(PORT)),
    )


@lru_cache(1)
def _random() -> re.Pattern[str]:
    from tempfile import gettempdir  # which tries to write there

    folders = (*TEMPORARIES, gettempdir().strip("/"))
    return re.compile("(?:" + "|".join(f"(?<=/{re.escape(each)}/)" for each in folders) + ")" + RANDOM)


NOWHERE = Circumstances()


def of(recorded: Recorded) -> Circumstances:
    run = recorded.run
    pid = recorded.section("supervisor").get("group") or 0
    return Circumstances(
        recorded.root, run.run_id, run.parent, run.name, int(pid), run.start_time, run.end_time or 0
    )


def plain(texts: Sequence[str], places: Sequence[Circumstances]) -> tuple[tuple[str, ...], set[str]]:
    """Without what names the runs, as far as all texts name theirs equally often; and what that was."""
    found = tuple(texts)
    names: set[str] = set()
    if not _any(tuple(places)).search(texts[0]):
        return found, names
    for each in zip(*map(masks, places), strict=True):
        name = each[0][0]
        done = [
            _masked(name, mask, text, place)
            for (_, mask), text, place in zip(each, found, places, strict=True)
        ]
        if done[0][1] and len({count for _, count in done}) == 1:
            if len(set(found)) != len({text for text, _ in done}):
                names.add(name)
            found = tuple(text for text, _ in done)
    return found, names


def _masked(name: str, mask: re.Pattern[str], text: str, place: Circumstances) -> tuple[str, int]:
    """With how often something was masked."""
    sign, count = f"\0{name}\0", 0

    def process(found: re.Match[str]) -> str:
        nonlocal count
        if not place.is_process(int(found[2]), bool(found[1])):
            return found[0]
        count += 1
        return (found[1] or "") + sign

    return (mask.sub(process, text), count) if name == PID else mask.subn(sign, text)


def tokens(text: str) -> tuple[list[str], list[tuple[str, str]]]:
    """(what is between words, words); each of these with its kind: time, number or word."""
    between, words, end = [], [], 0
    for found in re.finditer(TOKEN, text):
        between.append(text[end : found.start()])
        words.append((str(found.lastgroup), found.group()))
        end = found.end()
    return [*between, text[end:]], words
