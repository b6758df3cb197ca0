"""The state of a run in the title of the terminal's window: it moves nothing that the command has on the screen.

A line below the output would lie where a command asks for input, or draws. Title and stack of titles: "Window
manipulation" and "Set Text Parameters" of xterm's control sequences, which the terminals named here understand.
"""

from __future__ import annotations

import os
import time

__all__ = ["Title"]

KNOWN = (
    "xterm",
    "screen",
    "tmux",
    "rxvt",
    "alacritty",
    "kitty",
    "wezterm",
    "foot",
    "konsole",
    "gnome",
    "vte",
    "iterm",
)
QUIET = 0.5  # s without output: then no sequence of the command can be cut in two
EVERY = 1.0  # s


class Title:
    """Does nothing unless `terminal` has a title that can be set. Call `tick` now and then, `restore` at the end."""

    def __init__(self, terminal: int, text: str) -> None:
        known = os.environ.get("TERM", "").startswith(KNOWN)
        self._terminal = terminal if text and terminal >= 0 and known and os.isatty(terminal) else -1
        self._text = "".join(letter if letter.isprintable() else " " for letter in text)
        self._began = self._next = time.monotonic() + EVERY
        self._changed = False

    def tick(self, now: float, last_output: float) -> None:
        if self._terminal < 0 or now < self._next or now - last_output < QUIET:
            return
        self._next = now + EVERY
        first = "" if self._changed else "\033[22;2t"
        self._changed = True
        elapsed = int(now - self._began + EVERY)
        self._write(f"{first}\033]2;{self._text} {elapsed // 60}:{elapsed % 60:02d}\033\\")

    def restore(self) -> None:
        if self._changed:
            self._write("\033]2;\033\\\033[23;2t")
            self._changed = False

    def _write(self, text: str) -> None:
        try:
            os.write(self._terminal, text.encode())
        except OSError:
            self._terminal = -1  # busy or gone: the output matters, the title does not
