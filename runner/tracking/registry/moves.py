"""An alias as a register that several stores may set at the same time: no clock decides between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runner.tracking.registry.state import Alias, Move

__all__ = ["Moves"]


class Moves:
    """Those of one alias. A move replaces those that its writer knew; what is left are its heads."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._all: dict[str, Move] = {}  # by op
        self.heads: list[str] = []  # ops, in their order

    def add(self, move: Move) -> None:
        self._all[move.op] = move
        self.heads = [*(each for each in self.heads if each not in move.after), move.op]

    def clear(self) -> None:
        self.heads = []

    def forget(self, version_id: str) -> None:
        """A version was deleted: what leads to it leads nowhere."""
        self.heads = [each for each in self.heads if self._all[each].to != version_id]

    def keep(self, heads: Sequence[str]) -> list[Move]:
        """Only these and what they replaced; the heads that were dropped."""
        known = self._before(heads)
        dropped = [self._all[each] for each in self.heads if each not in known]
        replaced = {each for op in known for each in self._all[op].after}
        self.heads = sorted(known - replaced)
        return dropped

    def alias(self, is_protected: bool) -> Alias | None:
        """Where it leads. One that was set in two stores: to the later; if protected, to what both agreed on before."""
        if not self.heads:
            return None
        values = dict.fromkeys(self._all[each].to for each in self.heads)
        others = tuple(values) if len(values) > 1 else ()
        move = self._all[self.heads[-1]]
        if others and is_protected:
            common = set.intersection(*(self._before([each]) for each in self.heads))
            if not common:
                return Alias(self._name, "", move, others)
            move = self._all[max(common)]
        return Alias(self._name, move.to, move, others) if move.to or others else None

    def _before(self, heads: Iterable[str]) -> set[str]:
        """These moves and all that they replaced, one after the other."""
        found: set[str] = set()
        waiting = [each for each in heads if each in self._all]
        while waiting:
            op = waiting.pop()
            if op not in found:
                found.add(op)
                waiting += (each for each in self._all[op].after if each in self._all)
        return found
