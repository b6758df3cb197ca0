"""Everything that is wrong, or is likely to go wrong, with a project: for `proj check`."""

from __future__ import annotations

import os
from collections.abc import Iterator

from runner.data.inputs import expand, is_uri
from runner.environments import choose, kinds
from runner.errors import CHECK, Fault, InputError, ProjectError
from runner.host import git, process
from runner.host.files import open_text
from runner.parameters import template
from runner.parameters.resolve import LONGEST, is_too_long
from runner.project import graph
from runner.project.discovery import NAMES
from runner.project.entry_point import entry_point
from runner.project.lint import Lint, scripts
from runner.project.reading import read
from runner.values import EnvironmentSpec, Project

__all__ = ["check"]


def check(directory: str) -> list[Fault]:
    """All faults, in the order of their places."""
    try:
        project, faults = read(directory, strict=True)
    except ProjectError as error:
        return error.faults
    if not project.file:
        return [*_without_file(project), *_environment(project)]
    with open_text(os.path.join(directory, project.file), "replace") as file:
        lines = file.read().splitlines()
    if project.file.lower() != NAMES[0]:
        text = f"MLflow only finds a file that is called MLproject, not {project.file}"
        faults.append(Fault(project.file, 0, 0, text, "", "warning"))
    for point in project.entry_points:
        if is_too_long(point.command):
            text = f"the command of {point.name} is longer than {LONGEST} bytes: the system takes no more"
            faults.append(Fault(project.file, point.line, 1, text, "put it into a script"))
        elif point.command.strip():
            lint = Lint(directory, project.file, point, lines)
            faults += [*lint.faults(), *_own_environment(lint, project), *_syntax(lint)]
            faults += [*_unmade(lint, project), *_covering(lint)]
    faults += _environment(project)
    faults += _uncommitted(project)
    return sorted(faults, key=lambda each: (each.file != project.file, each.file, each.line, each.column))


def _without_file(project: Project) -> list[Fault]:
    try:
        entry_point(project, "main")
    except InputError as error:
        return [Fault(project.directory, 0, 0, error.message, error.hint)]
    return []


def _environment(project: Project) -> Iterator[Fault]:
    """Whether the specifications can be read, the entry points' own too; each fault once."""
    told = set()
    for spec in _specifications(project):
        for fault in _of_specification(spec, project):
            if fault not in told:
                told.add(fault)
                yield fault


def _specifications(project: Project) -> list[EnvironmentSpec]:
    found = [*project.environments]
    for point in project.entry_points:
        try:
            own = choose(project, point, "") if point.environment else None
        except InputError:
            continue  # told where it stands
        if own is not None and own.kind != "system" and own not in found:
            found.append(own)
    return found


def _of_specification(spec: EnvironmentSpec, project: Project) -> list[Fault]:
    if spec.file and not os.path.isfile(os.path.join(project.directory, spec.file)):
        return []
    try:
        return [_placed(text) for text in kinds.maker(spec.kind).check(spec, project.directory)]
    except ProjectError as error:
        return error.faults
    except InputError as error:
        place = spec.file or project.file
        hint = "" if error.hint == CHECK else error.hint
        return [Fault(place, 0, 0, error.message.removeprefix(f"{place}: "), hint)]


def _placed(text: str) -> Fault:
    """What a run warns of, with its place apart."""
    place, _, message = text.partition(": ")
    file, *numbers = place.split(":")
    if not all(each.isdecimal() for each in numbers):  # several lines
        return Fault(place, 0, 0, message, "", "warning")
    line, column = (*map(int, numbers), 1, 1)[:2] if numbers else (0, 0)
    return Fault(file, line, column, message, "", "warning")


def _uncommitted(project: Project) -> Iterator[Fault]:
    """Files that a clone of the repository would not have."""
    names = [project.file, *(spec.file for spec in project.environments if spec.file)]
    names += [name for point in project.entry_points for name in scripts(point.command)]
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


def _own_environment(lint: Lint, project: Project) -> Iterator[Fault]:
    from runner.running.planning import refuse_contained

    own = lint.entry_point.environment
    try:
        refuse_contained(lint.entry_point, choose(project, lint.entry_point, ""))
    except InputError as error:
        yield lint.fault(own or "proj notebook", error.message, error.hint, "error")


def _unmade(lint: Lint, project: Project) -> Iterator[Fault]:
    """Inputs of a step that are not there, and that no step makes."""
    points, step = project.entry_points, lint.entry_point
    if not graph.has_steps(points):
        return
    for each in step.inputs:
        pattern = graph.widened(each, step)
        if not (is_uri(each) or expand(pattern, project.directory) or graph.is_made(pattern, points)):
            text = f"{step.name} reads {each}, which is not there, and no step makes it"
            yield lint.fault(each, text, "`outputs` of the step that makes it names it", "error")


def _covering(lint: Lint) -> Iterator[Fault]:
    from runner.running.planning import refuse_covering

    try:
        refuse_covering(lint.entry_point, os.path.abspath(lint.directory), {})
    except InputError as error:
        yield lint.fault("outputs", error.message, error.hint, "error")


def _syntax(lint: Lint) -> Iterator[Fault]:
    if not process.find("bash"):
        return
    text = template.render(lint.parsed, lambda name, layers: "x")  # noqa: ARG005
    done = process.run(["bash", "-n", "-c", text], timeout=10)
    if done.code:
        first = next(iter(done.err.strip().splitlines()), "")
        said = first.partition(": line ")[2].partition(": ")[2] or first or "it crashes on it"
        text = f"bash cannot read the command of {lint.entry_point.name}: {said}"
        yield lint.fault("command", text, "", "error")
