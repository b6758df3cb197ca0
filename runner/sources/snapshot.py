"""The exact code of a run: what git says about it, and all of it as a tree in the store's snapshots.git."""

from __future__ import annotations

import os

from runner.sources import repository, status
from runner.values import Checkout, CodeState

__all__ = ["Pending", "begin"]


class Pending:
    """The state of the code, being asked for. `status` and `problem` are known after finish()."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.status: status.Status | None = None
        self.problem = ""  # git's words, when it could not answer
        self._asked: status.Pending | None = None
        found = repository.find(checkout.root) if checkout.root and not checkout.temporary else None
        if found is not None and not _is_stray(found, checkout):
            self._asked = status.ask(found)

    def finish(self) -> CodeState:
        """Commit, branch, remote, and whether anything differs from the commit now. Never fails."""
        checkout = self.checkout
        if checkout.temporary and checkout.commit:  # fresh from a mirror: just as committed
            return CodeState(checkout.commit, checkout.branch, checkout.repository, dirty=False)
        if self._asked is None:
            return CodeState()
        answer = self._asked.finish()
        if isinstance(answer, str):
            self.problem = answer
            return CodeState(checkout.commit, checkout.branch, checkout.repository)
        self.status = answer
        return CodeState(answer.commit, answer.branch, checkout.repository, dirty=bool(answer.changes))


def begin(checkout: Checkout) -> Pending:
    """Starts to ask; do something else, and call finish() just before the command starts."""
    return Pending(checkout)


def _is_stray(found: repository.Repository, checkout: Checkout) -> bool:
    """A home folder under version control is not the repository of everything that lies in it."""
    return found.root == os.path.realpath(os.path.expanduser("~")) and bool(checkout.subdirectory)
