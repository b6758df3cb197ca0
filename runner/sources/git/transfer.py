"""`git fetch` with its progress shown as a step's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from git import RemoteProgress

from runner.host import git, process
from runner.values import Step

__all__ = ["transfer"]

STAGES = {
    RemoteProgress.COUNTING: "counting",
    RemoteProgress.COMPRESSING: "compressing",
    RemoteProgress.RECEIVING: "receiving",
    RemoteProgress.RESOLVING: "resolving",
}


class Shown(RemoteProgress):
    """Progress lines, understood by GitPython, as updates of a step."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self._step = step

    def update(
        self, op_code: int, cur_count: str | float, max_count: str | float | None = None, message: str = ""
    ) -> None:
        stage = STAGES.get(op_code & self.OP_MASK)
        if stage:
            whole = f" of {max_count:.0f}" if isinstance(max_count, float) and max_count else ""
            self._step.update(f"{stage} {float(cur_count):.0f}{whole} {message}".rstrip(" ,"))


def transfer(
    arguments: Sequence[str], variables: Mapping[str, str | None], step: Step, lock: int
) -> process.Completed:
    """Runs `git fetch --progress`. Git inherits the open file `lock`: an orphan of it keeps others out."""
    handle = Shown(step).new_message_handler()
    return git.run(*arguments, variables=variables, on_line=handle, pass_fds=(lock,))
