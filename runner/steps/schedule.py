"""Which step may be run now, and what becomes of those that may not. Pure: it knows names and how they ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["DONE", "Schedule", "State"]

DONE = ("finished", "cached", "kept")  # of these, what needs them may be run


class State(NamedTuple):
    """finished, cached, kept (--from: taken as it is), failed, skipped (`when`), or not run."""

    name: str
    reason: str = ""


class Schedule:
    """`needs`: of each step, in an order in which each stands after what it needs."""

    def __init__(self, needs: Mapping[str, Sequence[str]], keep_going: bool = False) -> None:
        self._waiting = {name: dict.fromkeys(each) for name, each in needs.items()}
        self._after: dict[str, list[str]] = {name: [] for name in needs}
        for name, each in needs.items():
            for before in dict.fromkeys(each):
                self._after[before].append(name)
        self._keep_going = keep_going
        self._free = dict.fromkeys(name for name, each in self._waiting.items() if not each)
        self._on: set[str] = set()
        self._stopped = ""
        self.states: dict[str, State] = {}

    def take(self) -> str:
        """A step to be run now; "" when there is none, or none until another one has ended."""
        if self._stopped or not self._free:
            return ""
        name = next(iter(self._free))
        del self._free[name]
        self._on.add(name)
        return name

    @property
    def is_over(self) -> bool:
        return not self._on and (bool(self._stopped) or not self._free)

    def ended(self, name: str, state: State) -> None:
        self._on.discard(name)
        self._settle(name, state)
        if state.name == "failed" and not self._keep_going:
            self.stop(f"{name} failed")

    def stop(self, reason: str) -> None:
        """No other step is begun."""
        self._stopped = self._stopped or reason

    def finish(self) -> dict[str, State]:
        """The states of all steps, once it is over."""
        for name in self._waiting:
            self.states.setdefault(name, State("not run", self._stopped))
        return {name: self.states[name] for name in self._waiting}

    def _settle(self, name: str, state: State) -> None:
        pending = [(name, state)]
        while pending:
            name, state = pending.pop()
            if name in self.states:
                continue
            self.states[name] = state
            self._free.pop(name, None)
            for after in self._after[name]:
                if state.name in DONE:
                    self._waiting[after].pop(name, None)
                    if not self._waiting[after] and after not in self.states:
                        self._free[after] = None
                elif state.name == "skipped":
                    pending.append((after, State("skipped", f"{name} was skipped")))
                else:
                    why = f"{name} failed" if state.name == "failed" else state.reason
                    pending.append((after, State("not run", why)))
