"""Every error that a user can cause, each with its exit code.

ProjError                    125  `proj` itself could not do its work
├── InputError                 2  wrong usage or wrong input: nothing was run
│   └── ProjectError           2  faults of a project file, all of them at once
├── SourceError              125  the code could not be fetched
├── EnvironmentFailure       125  the environment could not be made
├── StoreError               125  the record could not be read or written
└── BackendError             125  the command could not be started
"""

from __future__ import annotations

from runner.typed import NamedTuple

CHECK = "proj check  shows all faults of a project"  # a hint; `proj check` itself leaves it out


class ProjError(Exception):
    """`message` says in a sentence what is wrong and where; `hint` what to type next (may be empty)."""

    exit_code = 125

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(ProjError):
    exit_code = 2


class Fault(NamedTuple):
    """One thing wrong at one place of a file. `line` and `column` count from 1; 0 when there is no place."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    severity: str = "error"  # or "warning"

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def text(self) -> str:
        """In one line."""
        return f"{self.place}: {self.message}" + (f"; {self.hint}" if self.hint else "")


class ProjectError(InputError):
    """All faults of a project file together."""

    def __init__(self, faults: list[Fault]) -> None:
        lines = [
            f"{fault.place}: {fault.message}" + (f" ({fault.hint})" if fault.hint else "") for fault in faults
        ]
        super().__init__("\n".join(lines), CHECK)
        self.faults = faults


class SourceError(ProjError):
    pass


class EnvironmentFailure(ProjError):
    pass


class StoreError(ProjError):
    pass


class BackendError(ProjError):
    pass
