"""The terminal's side of Report: one line for a slow step, with its elapsed time, on stderr; plain when piped."""

from __future__ import annotations

import os
import sys
import time

from runner.cli.output import colours, paint
from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import Event

__all__ = ["Terminal", "agreed"]

SLOW = 0.3  # s: a quicker step is not shown
TICK = 0.1


class Terminal:
    """A Report. On a terminal a slow step is a live line that ends as `✓ text 2.3 s`."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._live = not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._colours = colours(sys.stderr)
        self.github = os.environ.get("GITHUB_ACTIONS") == "true"

    def step(self, text: str) -> _Step:
        return _Step(self, text)

    def note(self, text: str) -> None:
        self.line(text)

    def warn(self, text: str) -> None:
        if not self._quiet:
            self._write(f"{self.paint('warning:', '33')} {self._own(text)}\n")

    def line(self, text: str) -> None:
        if not self._quiet:
            self._write(f"{self.paint('proj:', '2')} {self._own(text)}\n")

    def phases(self, phases: dict[str, float]) -> None:
        """`--verbose`: seconds by phase, in the order in which they happened."""
        if self._verbose:
            for name, seconds in phases.items():
                self.line(f"{name:<12} {seconds * 1000:9.1f} ms")

    @property
    def live(self) -> bool:
        return self._live

    @property
    def quiet(self) -> bool:
        return self._quiet

    def paint(self, text: str, code: str) -> str:
        """`code` is an SGR parameter, such as 31 for red; plain where colours are not wanted."""
        return paint(text, code, self._colours)

    def _own(self, text: str) -> str:
        """What follows the first line is indented, so that no text can look like another message."""
        return self.safe(text, lines=True).replace("\n", "\n  ")

    def safe(self, text: str, lines: bool = False) -> str:
        if text.isprintable() and not self.github:
            return text
        from runner.text.terminal import printable

        return printable(text, lines, self._colours)

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            pass  # the terminal was closed; the run goes on


class _Step:
    def __init__(self, terminal: Terminal, text: str) -> None:
        self._terminal = terminal
        self._text = terminal.safe(text)
        self._detail = ""
        self._done = self._total = 0.0
        self._began = 0.0
        self._stop: Event | None = None
        self._open = False  # as a group of GitHub Actions, which can be folded

    def __enter__(self) -> _Step:
        self._began = time.monotonic()
        if not self._terminal.quiet:
            import threading

            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._show_until, args=(self._stop,), daemon=True)
            self._thread.start()
        return self

    def update(self, text: str, done: float = 0, total: float = 0) -> None:
        text = self._terminal.safe(text)
        if self._open and not total and text != self._detail:
            self._terminal._write(f"{text}\n")
        self._detail, self._done, self._total = text, done, total

    def __exit__(self, *error: object) -> None:
        if self._stop is None:
            return
        took = time.monotonic() - self._began
        self._stop.set()
        self._thread.join()
        if self._open:
            self._terminal._write("::endgroup::\n")
        if took < SLOW:
            return
        mark, word = ("✓", "done") if error[0] is None else ("✗", "failed")
        if self._terminal.live:
            self._terminal._write(f"\r\033[K{mark} {self._text} {took:.1f} s\n")
        else:
            self._terminal.line(f"{self._text}: {word} after {took:.1f} s")

    def _show_until(self, stop: Event) -> None:
        """A quick step is not shown at all."""
        if stop.wait(SLOW):
            return
        if self._terminal.github:
            # https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
            self._terminal._write(f"::group::{self._text}\n")
            self._open = True
            return
        if not self._terminal.live:
            self._terminal.line(f"{self._text} ...")
            return
        while not stop.wait(TICK):
            self._terminal._write(self._line())

    def _line(self) -> str:
        took = time.monotonic() - self._began
        try:
            width = os.get_terminal_size(2).columns
        except OSError:
            width = 80
        head, bar = f"· {self._text} {took:.1f} s", ""
        if self._total:
            from runner.text.units import size

            sizes = f"{size(self._done)}/{size(self._total)}"
            long = min(20, width - len(head) - len(sizes) - 6)
            filled = int(long * min(self._done / self._total, 1))
            bar = f" [{'█' * filled}{'·' * (long - filled)}] {sizes}" if long > 4 else f" {sizes}"
        return f"\r\033[K{f'{head}{bar} {self._detail}'[: width - 1]}"


def agreed(question: str) -> bool:
    """Asks whoever sits at the terminal."""
    from runner.text.terminal import printable

    sys.stderr.write(f"{printable(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
