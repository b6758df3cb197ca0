"""MLproject text -> Project. A folder without an MLproject file is a project by its conventions."""

from __future__ import annotations

import os
from collections.abc import Sequence

from runner.environments.choice import conventional
from runner.errors import Fault, ProjectError
from runner.host.files import read as read_file
from runner.host.findings import Findings, kind
from runner.host.keytable import names
from runner.host.yamltext import Entry
from runner.host.yamltext import read as read_yaml
from runner.parameters.resolve import is_too_long
from runner.project import keys
from runner.project.discovery import all_found
from runner.project.entries import entry_points
from runner.project.lint import Lint
from runner.values import EntryPoint, EnvironmentSpec, Project

__all__ = ["load", "read"]


def load(directory: str) -> Project:
    """ProjectError with all the faults that MLflow would fail on as well, each with its place."""
    project, faults = read(directory)
    errors = [fault for fault in faults if fault.severity == "error"]
    if errors:
        raise ProjectError(errors)
    return project


def read(directory: str, strict: bool = False) -> tuple[Project, list[Fault]]:
    """The project as far as it can be read, and all its faults. ProjectError when it is not YAML.

    `strict`: mistakes that MLflow does not see, as misspelt keys, are errors and not warnings.
    """
    directory = os.path.abspath(directory)
    found = all_found(directory)
    folder = os.path.basename(directory)
    if not found:
        return Project(directory, "", folder, (), conventional(directory)), []
    file = found[0]
    path = os.path.join(directory, file)
    try:
        document = read_yaml(file, read_file(path))
    except OSError as error:
        raise ProjectError([Fault(file, 0, 0, f"cannot be read: {error.strerror}")]) from None
    findings = Findings(file, strict)
    findings.faults += document.faults
    if len(found) > 1:
        text = f"there are several project files: {', '.join(found)}; {file} is used"
        findings.faults.append(Fault(file, 0, 0, text, "remove the others", "warning"))
    root = document.root
    if root is None or root.value is None:
        text = "is empty: the folder is run by its conventions (main.py)"
        findings.faults.append(Fault(file, 0, 0, text, "proj new  makes a project", "warning"))
        return Project(directory, file, folder, (), conventional(directory)), findings.faults
    if root.children is None:
        hint = "such as `entry_points: {main: {command: python train.py}}`"
        findings.error(root, f"a project file is a mapping of keys to values, not {kind(root)}", hint)
        return Project(directory, file, folder, (), conventional(directory)), findings.faults
    return _project(root, directory, file, findings, document.text.splitlines()), findings.faults


def _project(root: Entry, directory: str, file: str, findings: Findings, lines: Sequence[str]) -> Project:
    findings.unknown(root, "a project", names(keys.PROJECT))
    children = {child.key: child for child in root.children or ()}
    name = os.path.basename(directory)
    if (given := children.get("name")) is not None and given.value is not None:
        if given.children is None and given.items is None:
            name = given.text
        else:
            findings.doubt(given, f"the name of a project is a text, not {kind(given)}")
    if (spark := children.get("databricks_spark_job")) is not None and spark.value is not None:
        findings.warn(
            spark, "databricks_spark_job is not run by proj: only the entry points are", value=False
        )
    told = [*findings.faults]
    points = entry_points(children.get("entry_points"), findings)
    points = tuple(_linted(point, directory, file, lines) for point in points)
    misspelt = len(findings.misspelt)
    environments = _environments(children, directory, findings) or conventional(directory)
    told += findings.misspelt[misspelt:]
    warnings = tuple(fault.text for fault in told if fault.severity == "warning")
    return Project(directory, file, name, points, environments, warnings)


def _linted(point: EntryPoint, directory: str, file: str, lines: Sequence[str]) -> EntryPoint:
    if not point.command.strip() or is_too_long(point.command):
        return point
    told = [fault.text for fault in Lint(directory, file, point, lines).always()]
    return point._replace(warnings=(*point.warnings, *told))


def _environments(
    children: dict[str, Entry], directory: str, findings: Findings
) -> tuple[EnvironmentSpec, ...]:
    """In the order of the file: the first is used when none is asked for."""
    specs = []
    stated = [child for child in children.values() if child.key in keys.ENVIRONMENTS and child.value]
    for entry in stated:
        spec = keys.ENVIRONMENTS[entry.key].read(entry, directory, findings)
        if spec is not None:
            specs.append(spec)
    if len(stated) > 1 and findings.strict:
        others = ", ".join(entry.key for entry in stated[1:])
        text = f"{stated[0].key} is used; {others} when asked for (--env-manager)"
        findings.warn(stated[1], text, "MLflow takes a project with one environment only", value=False)
    return tuple(specs)
