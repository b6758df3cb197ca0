"""What there is to know about a project before it is run, as plain data: for `proj info` and `--help-params`."""

from __future__ import annotations

from collections.abc import Sequence

from runner.errors import InputError
from runner.parameters import shell
from runner.parameters.types import allowed
from runner.project.entry_point import entry_point as find_entry_point
from runner.values import EntryPoint, EnvironmentSpec, Json, Parameter, Project

__all__ = ["command_line", "entry_point_facts", "entry_points", "project_facts"]


def entry_points(project: Project) -> Sequence[EntryPoint]:
    """Those that are declared; without any, the one that runs the folder by its conventions, if it has one."""
    if project.entry_points:
        return project.entry_points
    try:
        return [find_entry_point(project, "main")]
    except InputError:
        return []


def project_facts(project: Project, uri: str, version: str = "") -> dict[str, Json]:
    """`uri`, `version`: where the project came from, as the lines to type name it."""
    return {
        "name": project.name,
        "file": project.file,
        "uri": uri,
        "version": version,
        "environments": [
            {"kind": spec.kind, "file": spec.file, "options": dict(spec.options)}
            for spec in project.environments or [EnvironmentSpec("system")]
        ],
        "entry_points": [entry_point_facts(point, uri, version) for point in entry_points(project)],
    }


def entry_point_facts(entry_point: EntryPoint, uri: str, version: str = "") -> dict[str, Json]:
    """For `proj info --json`; `run` is a command line to copy."""
    return {
        "name": entry_point.name,
        "description": entry_point.description,
        "command": entry_point.command,
        "run": command_line(entry_point, uri, version),
        "parameters": [_parameter(parameter) for parameter in entry_point.parameters],
        "inputs": list(entry_point.inputs),
        "outputs": list(entry_point.outputs),
        "environment": entry_point.environment,
        "needs": list(entry_point.needs),
        "matrix": {name: list(values) for name, values in entry_point.matrix},
        "code": list(entry_point.code),
        "when": entry_point.when,
    }


def _parameter(parameter: Parameter) -> dict[str, Json]:
    known: dict[str, Json] = {
        "name": parameter.name,
        "type": parameter.type or "any",
        "required": parameter.required and not parameter.has_default,
        "description": parameter.description,
        "allowed": allowed(parameter),
    }
    if parameter.has_default:
        known["default"] = "***" if parameter.secret else parameter.default
    for name in ("choices", "min", "max", "secret"):
        value = getattr(parameter, name)
        if value is not None and value is not False and value != ():
            known[name] = list(value) if isinstance(value, tuple) else value
    return known


def command_line(entry_point: EntryPoint, uri: str, version: str = "") -> str:
    """The line to type; what has to be filled in is in capital letters."""
    words = ["proj run", shell.quote(uri)]
    if version:
        words += ["-v", shell.quote(version)]
    if entry_point.name != "main":
        words += ["-e", shell.quote(entry_point.name)]
    for parameter in entry_point.parameters:
        if (
            parameter.required
            and not parameter.has_default
            and parameter.name not in dict(entry_point.matrix)
        ):
            words += ["-P", shell.quote(f"{parameter.name}={_filler(parameter)}")]
    return " ".join(words)


def _filler(parameter: Parameter) -> str:
    if parameter.choices:
        return str(parameter.choices[0])
    return "URI" if parameter.type == "uri" else (parameter.type or "value").upper()
