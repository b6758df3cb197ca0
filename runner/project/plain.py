"""A Project as plain JSON and back, for a warm run: imports nothing that reads YAML."""

from __future__ import annotations

from runner.typed import TYPE_CHECKING
from runner.values import EntryPoint, EnvironmentSpec, Json, Parameter, Project, Retries

if TYPE_CHECKING:
    from typing import Any

__all__ = ["from_plain", "to_plain"]


def to_plain(project: Project) -> Json:
    """In the order of the fields, for from_plain() of the same version of proj."""
    return [
        project.directory,
        project.file,
        project.name,
        [_entry_point(entry_point) for entry_point in project.entry_points],
        [[spec.kind, spec.file, dict(spec.options)] for spec in project.environments],
        list(project.warnings),
    ]


def _entry_point(entry_point: EntryPoint) -> Json:
    fields = entry_point._asdict()
    fields["parameters"] = [list(parameter) for parameter in entry_point.parameters]
    fields["retries"] = list(entry_point.retries)
    return fields


def from_plain(plain: Any) -> Project:
    """The inverse of `to_plain`. ValueError or TypeError for what another version of proj wrote."""
    directory, file, name, entry_points, environments, *warnings = plain
    return Project(
        directory,
        file,
        name,
        tuple(_to_entry_point(fields) for fields in entry_points),
        tuple(EnvironmentSpec(*spec) for spec in environments),
        tuple(text for texts in warnings for text in texts),
    )


def _to_entry_point(fields: dict[str, Any]) -> EntryPoint:
    return EntryPoint(
        **{
            **fields,
            "parameters": tuple(_to_parameter(parameter) for parameter in fields["parameters"]),
            "inputs": tuple(fields["inputs"]),
            "outputs": tuple(fields["outputs"]),
            "warnings": tuple(fields["warnings"]),
            "faults": tuple(fields["faults"]),
            "needs": tuple(fields["needs"]),
            "matrix": tuple((name, tuple(values)) for name, values in fields["matrix"]),
            "code": tuple(fields["code"]),
            "retries": Retries(tuple(fields["retries"][0]), fields["retries"][1]),
        }
    )


def _to_parameter(values: list[Any]) -> Parameter:
    parameter = Parameter(*values)
    return parameter._replace(choices=tuple(parameter.choices))
