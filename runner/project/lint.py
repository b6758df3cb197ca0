"""What is likely to go wrong with the command of an entry point. Pure but for a look at the project's files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from runner.errors import Fault
from runner.parameters import shell, template
from runner.parameters.resolve import meant
from runner.parameters.types import scheme
from runner.values import EntryPoint, Parameter

__all__ = ["Lint", "scripts"]

INTERPRETERS = ("python", "python3", "bash", "sh", "Rscript")
SCRIPT = re.compile(r"[\w./-]+\.(py|sh|R)")


def scripts(command: str) -> list[str]:
    """The files that a command starts, as far as its words tell."""
    words = command.replace("&&", " && ").replace(";", " ; ").split()
    if "cd" in words:
        return []
    return [word for before, word in pairwise(words) if before in INTERPRETERS and SCRIPT.fullmatch(word)]


class Lint:
    """The warnings about one entry point; `lines` are those of the project file."""

    def __init__(self, directory: str, file: str, entry_point: EntryPoint, lines: Sequence[str]) -> None:
        self.directory = directory
        self.file = file
        self.entry_point = entry_point
        self.lines = lines
        self.declared = {parameter.name: parameter for parameter in entry_point.parameters}
        self.used = template.placeholders(entry_point.command)
        self.parsed = template.parse(entry_point.command, self.declared)
        self._contexts: Sequence[shell.Layers] | None = (
            None  # of each character of the command, once asked for
        )

    def always(self) -> Iterator[Fault]:
        """Told at each run too: they follow from the project file alone."""
        yield from self.unused()
        yield from self.joined()
        yield from self.misplaced()

    def faults(self) -> Iterator[Fault]:
        yield from self.always()
        yield from self.undeclared()
        yield from self.values()
        yield from self.files()

    def fault(self, text: str, message: str, hint: str = "", severity: str = "warning") -> Fault:
        """At the first place of `text` in the entry point."""
        for number, line in enumerate(self.lines[self.entry_point.line - 1 :], self.entry_point.line):
            if (column := line.find(text)) >= 0:
                return Fault(self.file, number, column + 1, message, hint, severity)
        return Fault(self.file, self.entry_point.line, 1, message, hint, severity)

    def at(self, parameter: Parameter, message: str, hint: str = "") -> Fault:
        """At the name of the parameter in its line."""
        line = self.lines[parameter.line - 1] if parameter.line <= len(self.lines) else ""
        column = max(line.find(parameter.name), 0) + 1
        return Fault(self.file, parameter.line, column, message, hint, "warning")

    def unused(self) -> Iterator[Fault]:
        for parameter in self.entry_point.parameters:
            if (
                parameter.name not in self.parsed.names
                and f"{{{parameter.name}}}" not in self.entry_point.when
            ):
                text = f"the parameter {parameter.name} is declared, but the command of {self.entry_point.name} has no "
                yield self.at(parameter, text + f"{{{parameter.name}}}: its value reaches nothing")

    def undeclared(self) -> Iterator[Fault]:
        """Names in braces that no parameter has: a typo, or a text such as awk's that is no name at all."""
        from difflib import get_close_matches

        for name in dict.fromkeys(self.used):
            if name in self.declared:
                continue
            close = get_close_matches(name, self.declared, 1, 0.6)
            if not close and self.quoted("{" + name + "}"):
                continue  # awk '{print}'
            hint = f"did you mean {{{close[0]}}}?" if close else f"declare it: parameters: {{{name}: string}}"
            # as `proj run` has it
            refused = meant(name, [each for each in self.declared if each not in self.parsed.names])
            how = (
                "no run is made with it"
                if refused
                else "it reaches the program as it is, and MLflow fails on it"
            )
            text = f"{{{name}}} names no parameter: {how}"
            yield self.fault("{" + name + "}", text, hint, "error" if refused else "warning")

    def quoted(self, text: str) -> bool:
        """Whether it stands in single quotes of the shell."""
        at = self.entry_point.command.find(text)
        if self._contexts is None:
            self._contexts = shell.contexts(self.entry_point.command)
        return at >= 0 and self._contexts[at] == ("single",)

    def joined(self) -> Iterator[Fault]:
        """Lines of a folded block that bash would take for commands of their own."""
        if self.parsed.joined:
            line = self.entry_point.command.split("\n")[self.parsed.joined[0]].strip()
            more = f" (and {len(self.parsed.joined) - 1} more)" if len(self.parsed.joined) > 1 else ""
            text = f"bash would take this line{more} for a command; proj joins it to the one before"
            hint = "YAML keeps the end of a line that is indented further: indent a folded block (>) evenly"
            yield self.fault(line, text, hint)

    def misplaced(self) -> Iterator[Fault]:
        """Parameters where quoting cannot protect the shell from their values (in a here-document, in arithmetic)."""
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
            path = os.path.join(self.directory, str(parameter.default))
            if parameter.type == "path" and not scheme(str(parameter.default)) and not os.path.exists(path):
                text = f"the default of {parameter.name}, {parameter.default}, is not there: a run without -P fails"
                yield self.at(parameter, text, "a path that the command makes is of type string")

    def files(self) -> Iterator[Fault]:
        for name in scripts(self.entry_point.command):
            if not os.path.exists(os.path.join(self.directory, name)):
                yield self.fault(
                    name, f"the command of {self.entry_point.name} runs {name}, which is not there"
                )
