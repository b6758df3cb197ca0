"""What uv shows on a terminal, understood: how many packages are there of how many, and how many bytes.

uv draws one frame over the other: a spinner with `Preparing packages... (3/40)`, a bar with sizes for each wheel that
is on its way, then `[12/40] numpy==2.4.6` while they are installed. Without a terminal it says nothing in between.
"""

from __future__ import annotations

import re

from runner.text.credentials import redact
from runner.values import Step

__all__ = ["Progress", "plain"]

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PREPARING = re.compile(r"Preparing packages\.\.\. \((\d+)/(\d+)\)")
INSTALLING = re.compile(r"[░█]+ \[(\d+)/(\d+)\] (\S+)")
BAR = re.compile(r"([\w.-]+) +-{5,} +([\d.]+) (B|[KMG]iB)/([\d.]+) (B|[KMG]iB)")
STEADY = re.compile(r"\s*(Downloading|Building|Updating|Prepared|Resolved) ")
FRAME = re.compile(
    r"^[⠀-⣿]|^[░█]|Preparing packages\.\.\. \(|\] Installing wheels|-{20,} +[\d.]+ (?:B|[KMG]iB)/"
)
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Progress:
    """Told of each line that uv writes, it updates the step."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._sizes: dict[str, tuple[float, float]] = {}  # of each wheel: bytes that came, of how many

    def __call__(self, line: str) -> None:
        text = ESCAPE.sub("", line).strip()
        if found := PREPARING.search(text):
            self._preparing(int(found[1]), int(found[2]), text)
        elif found := INSTALLING.match(text):
            name = "" if found[3] == "Installing" else f", {found[3]}"
            self._step.update(f"{found[1]} of {found[2]} packages installed{name}")
        elif STEADY.match(text):
            self._step.update(redact(text))

    def _preparing(self, done: int, total: int, text: str) -> None:
        on = []
        for name, came, unit, whole, of in BAR.findall(text):
            self._sizes[name] = float(came) * UNITS[unit], float(whole) * UNITS[of]
            on.append(name)
        for name, (_, whole) in self._sizes.items():
            if name not in on:  # its bar goes when it is there
                self._sizes[name] = whole, whole
        came, whole = (sum(each[place] for each in self._sizes.values()) for place in (0, 1))
        names = f", {' '.join(on)}" if on else ""
        self._step.update(f"{done} of {total} packages{names}", came, whole)


def plain(text: str) -> str:
    """The lines without escape sequences, and without those that are frames."""
    lines = (ESCAPE.sub("", line).rstrip() for line in re.split(r"[\r\n]+", text))
    return "".join(f"{line}\n" for line in lines if line and not FRAME.search(line.strip()))
