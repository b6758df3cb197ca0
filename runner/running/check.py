"""Everything that is wrong, or is likely to go wrong, with a project: for `proj check`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import pairwise

from runner.environments import choose, kinds
from runner.errors import Fault, InputError, ProjectError
from runner.host import git, process
from runner.host.files import open_text
from runner.parameters import shell, template
from runner.parameters.resolve import LONGEST, is_too_long
from runner.parameters.types import scheme
from runner.project.files import NAMES
from runner.project.reading import read
from runner.values import EntryPoint, Parameter, Project

__all__ = ["check"]

INTERPRETERS = ("python", "python3", "bash", "sh", "Rscript")
SCRIPT = re.compile(r"[\w./-]+\.(py|sh|R)")


def check(directory: str) -> list[Fault]:
    """All faults, in the order of their places."""
    try:
        project, faults = read(directory, strict=True)
    except ProjectError as error:
        return error.faults
    if not project.file:
        return _without_file(project)
    with open_text(os.path.join(directory, project.file), "replace") as file:
        lines = file.read().splitlines()
    if project.file.lower() != NAMES[0]:
        text = f"MLflow only finds a file that is called MLproject, not {project.file}"
        faults.append(Fault(project.file, 0, 0, text, "", "warning"))
    for entry_point in project.entry_points:
        if is_too_long(entry_point.command):
            text = (
                f"the command of {entry_point.name} is longer than {LONGEST} bytes: the system takes no more"
            )
            faults.append(Fault(project.file, entry_point.line, 1, text, "put it into a script"))
        elif entry_point.command.strip():
            faults += _Linter(project, entry_point, lines).faults()
    faults += _environment(project)
    faults += _uncommitted(project)
    return sorted(faults, key=lambda fault: (fault.line, fault.column))


def _without_file(project: Project) -> list[Fault]:
    from runner.project.entry_point import entry_point

    try:
        entry_point(project, "main")
    except InputError as error:
        return [Fault(project.directory, 0, 0, error.message, error.hint)]
    return []


def _environment(project: Project) -> Iterator[Fault]:
    """Whether the specifications can be read."""
    for spec in project.environments:
        if spec.file and not os.path.isfile(os.path.join(project.directory, spec.file)):
            continue
        try:
            kinds.maker(spec.kind).check(spec, project.directory)
        except InputError as error:
            place = spec.file or project.file
            yield Fault(place, 0, 0, error.message.removeprefix(f"{place}: "), error.hint)


def _uncommitted(project: Project) -> Iterator[Fault]:
    """Files that a clone of the repository would not have."""
    names = [project.file, *(spec.file for spec in project.environments if spec.file)]
    names += [name for point in project.entry_points for name in _scripts(point.command)]
    names = [name for name in dict.fromkeys(names) if os.path.isfile(os.path.join(project.directory, name))]
    if not git.program():
        return
    done = git.run("ls-files", "-z", "--", *names, folder=project.directory)
    if done.code:  # not a repository
        return
    kept = {os.path.normpath(name) for name in done.out.split("\0")}
    for name in names:
        if os.path.normpath(name) not in kept and not os.path.normpath(name).startswith(".."):
            yield Fault(
                name, 0, 0, "is not committed: who clones the repository does not have it", "", "warning"
            )


def _scripts(command: str) -> list[str]:
    """The files that a command starts, as far as its words tell."""
    words = command.replace("&&", " && ").replace(";", " ; ").split()
    if "cd" in words:
        return []
    return [word for before, word in pairwise(words) if before in INTERPRETERS and SCRIPT.fullmatch(word)]


class _Linter:
    """The faults of one entry point."""

    def __init__(self, project: Project, entry_point: EntryPoint, lines: list[str]) -> None:
        self.project = project
        self.entry_point = entry_point
        self.lines = lines
        self.declared = {parameter.name: parameter for parameter in entry_point.parameters}
        self.used = template.placeholders(entry_point.command)
        self.parsed = template.parse(entry_point.command, self.declared)

    def faults(self) -> Iterator[Fault]:
        yield from self.unused()
        yield from self.undeclared()
        yield from self.joined()
        yield from self.misplaced()
        yield from self.values()
        yield from self.files()
        yield from self.environment()
        yield from self.syntax()

    def fault(self, text: str, message: str, hint: str = "", severity: str = "warning") -> Fault:
        """At the first place of `text` in the entry point."""
        for number, line in enumerate(self.lines[self.entry_point.line - 1 :], self.entry_point.line):
            if (column := line.find(text)) >= 0:
                return Fault(self.project.file, number, column + 1, message, hint, severity)
        return Fault(self.project.file, self.entry_point.line, 1, message, hint, severity)

    def at(self, parameter: Parameter, message: str, hint: str = "") -> Fault:
        line = self.lines[parameter.line - 1] if parameter.line <= len(self.lines) else ""
        column = max(line.find(parameter.name), 0) + 1
        return Fault(self.project.file, parameter.line, column, message, hint, "warning")

    def unused(self) -> Iterator[Fault]:
        for parameter in self.entry_point.parameters:
            if parameter.name not in self.parsed.names:
                text = f"the parameter {parameter.name} is declared, but the command of {self.entry_point.name} has no "
                yield self.at(parameter, text + f"{{{parameter.name}}}: its value reaches nothing")

    def undeclared(self) -> Iterator[Fault]:
        from difflib import get_close_matches

        for name in dict.fromkeys(self.used):
            if name in self.declared:
                continue
            close = get_close_matches(name, self.declared, 1, 0.6)
            if not close and self.quoted("{" + name + "}"):
                continue  # awk '{print}'
            hint = f"did you mean {{{close[0]}}}?" if close else f"declare it: parameters: {{{name}: string}}"
            text = f"{{{name}}} names no parameter: it reaches the program as it is, and MLflow fails on it"
            yield self.fault("{" + name + "}", text, hint)

    def quoted(self, text: str) -> bool:
        at = self.entry_point.command.find(text)
        return at >= 0 and shell.contexts(self.entry_point.command)[at] == ("single",)

    def joined(self) -> Iterator[Fault]:
        if self.parsed.joined:
            line = self.entry_point.command.split("\n")[self.parsed.joined[0]].strip()
            more = f" (and {len(self.parsed.joined) - 1} more)" if len(self.parsed.joined) > 1 else ""
            text = f"bash would take this line{more} for a command; proj joins it to the one before"
            hint = "YAML keeps the end of a line that is indented further: indent a folded block (>) evenly"
            yield self.fault(line, text, hint)

    def misplaced(self) -> Iterator[Fault]:
        at = -1
        for name in self.parsed.names:
            at = self.parsed.text.find(shell.MARK, at + 1)
            if self.parsed.layers[at] == shell.FIXED:
                text = f"where {{{name}}} stands, only values of letters, digits and _@%+=:,./- are taken"
                hint = "write {" + name + "}" if f"${{{name}}}" in self.entry_point.command else ""
                yield self.fault("{" + name + "}", text, hint)

    def values(self) -> Iterator[Fault]:
        for parameter in self.entry_point.parameters:
            if not parameter.has_default:
                continue
            if parameter.secret:
                yield self.at(
                    parameter, f"the default of the secret {parameter.name} can be read by everybody"
                )
            path = os.path.join(self.project.directory, str(parameter.default))
            if parameter.type == "path" and not scheme(str(parameter.default)) and not os.path.exists(path):
                text = f"the default of {parameter.name}, {parameter.default}, is not there: a run without -P fails"
                yield self.at(parameter, text, "a path that the command makes is of type string")

    def files(self) -> Iterator[Fault]:
        for name in _scripts(self.entry_point.command):
            if not os.path.exists(os.path.join(self.project.directory, name)):
                yield self.fault(
                    name, f"the command of {self.entry_point.name} runs {name}, which is not there"
                )

    def environment(self) -> Iterator[Fault]:
        if own := self.entry_point.environment:
            try:
                choose(self.project, self.entry_point, "")
            except InputError as error:
                yield self.fault(own, error.message, error.hint, "error")

    def syntax(self) -> Iterator[Fault]:
        if not process.find("bash"):
            return
        text = template.render(self.parsed, lambda name, layers: "x")  # noqa: ARG005
        done = process.run(["bash", "-n", "-c", text], timeout=10)
        if done.code:
            first = next(iter(done.err.strip().splitlines()), "")
            said = first.partition(": line ")[2].partition(": ")[2] or first or "it crashes on it"
            text = f"bash cannot read the command of {self.entry_point.name}: {said}"
            yield self.fault("command", text, "", "error")
