"""Python packages that are to be resolved and installed, in a virtual environment, a conda prefix or an image."""

from __future__ import annotations

import sys
from typing import NamedTuple

from runner.environments.python import indexes, requirements
from runner.environments.python.requirements import Local, LocalOptions
from runner.environments.python.wanted import Wanted, text_of
from runner.values import EnvironmentOptions, Json

__all__ = ["BINARY", "Plan", "Read", "read_plan"]

BINARY = ("--no-binary", "--only-binary")  # whether a wheel or a build of our own is installed


class Plan(NamedTuple):
    shown: str  # the specification, as messages call it
    form: str  # see Wanted
    file: str
    base: str
    arguments: tuple[str, ...]  # for uv
    build: tuple[str, ...]  # requirement lines that MLflow installs first
    lines: tuple[str, ...]
    constraints: tuple[str, ...]  # absolute paths, or URLs
    local: tuple[Local, ...]
    interpreter: str = sys.executable  # absolute; the one to resolve with
    version: str = ""  # of Python
    refresh: bool = False
    offline: bool = False
    wheels: str = ""  # folder: packages are taken from there and nowhere else

    @property
    def stated(self) -> tuple[str, ...]:
        return (*self.build, *self.lines)

    @property
    def locals(self) -> list[Json]:
        """The local packages that are installed as they are: what is built depends on their content."""
        return [[each.text, each.digest] for each in self.local if not each.editable]

    @property
    def followed(self) -> list[Json]:
        """Those that follow their folder, as far as they decide what is built."""
        return [[each.text, each.seen, each.digest] for each in self.local if each.editable]

    @property
    def binary(self) -> list[str]:
        """The lines that say what is built here."""
        return [line for line in self.stated if line.startswith(BINARY)]


class Read(NamedTuple):
    """A plan, and what it was made from: none of it has credentials."""

    plan: Plan
    parts: list[Json]  # content of the build lines, the lines, and the machine's own constraints
    texts: list[Json]  # of the files whose text decides
    indexes: Json  # where packages come from
    files: tuple[str, ...]  # absolute: read, or looked for in vain
    warnings: tuple[str, ...]
    varying: bool  # a line has ${NAME}: what it means is not known from the files alone


def read_plan(wanted: Wanted, shown: str, options: EnvironmentOptions, *, editable: bool = True) -> Read:
    """Without `editable`, and of code that was fetched for one run, local packages are installed as they are."""
    taken = LocalOptions(editable and not options.fetched, options.moved, options.versions)
    settings = indexes.settings()
    limits = [f"-c {path}" for path in settings.constraints]
    stated = (wanted.build, wanted.lines, limits)
    parts = [requirements.flatten(lines, wanted.base, shown, taken) for lines in stated]
    parts.append(requirements.flatten((), wanted.base, shown, taken, wanted.local))
    plan = Plan(
        shown,
        wanted.form,
        wanted.file,
        wanted.base,
        wanted.arguments,
        build=parts[0].lines,
        lines=parts[1].lines,
        constraints=tuple(path for part in parts for path in part.constraints),
        local=tuple({each.text: each for part in reversed(parts) for each in part.local}.values()),
        refresh=options.refresh,
        offline=options.offline,
        wheels=options.wheels,
    )
    files = [
        *wanted.files,
        *wanted.content_files,
        *indexes.files(),
        *(f for part in parts for f in part.files),
    ]
    return Read(
        plan,
        [part.content for part in parts[:3]] + ([parts[3].content] if wanted.local else []),
        [text_of(path) for path in wanted.content_files],
        settings.identity,
        tuple(dict.fromkeys(files)),
        (*wanted.warnings, *(text for part in parts for text in part.warnings)),
        any(part.varying for part in parts),
    )
