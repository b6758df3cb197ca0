"""The entry points of a project file and their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.errors import Fault
from runner.host.findings import Findings, kind, text, texts
from runner.host.keytable import names
from runner.host.yamltext import Entry, rewritten
from runner.parameters.types import NAMES, TRUE, canonical, convert
from runner.project import graph, keys
from runner.project.steps import step
from runner.values import EntryPoint, Json, Parameter

__all__ = ["entry_points"]


def entry_points(entry: Entry | None, findings: Findings) -> tuple[EntryPoint, ...]:
    """As far as they can be read: what is wrong goes to `findings`.

    The format: https://mlflow.org/docs/latest/ml/projects/#mlproject-file
    """
    if entry is None or entry.value is None:
        return ()
    children = _named(entry, findings)
    if children is None:
        hint = "such as `main: {command: python train.py}`"
        findings.error(entry, f"entry_points is a mapping of names to entry points, not {kind(entry)}", hint)
        return ()
    points: list[EntryPoint] = []
    for child in children:
        seen, refused = len(findings.faults), len(findings.refused)
        if point := _entry_point(child, findings):
            faults = [fault.text for fault in findings.refused[refused:]]
            told = [
                f.text for f in findings.faults[seen:] if f.severity == "warning" and f.text not in faults
            ]
            points.append(point._replace(warnings=tuple(told), faults=tuple(faults)))
    return tuple(_linked(points, {child.key: child for child in children}, findings))


def _linked(
    points: list[EntryPoint], entries: Mapping[str, Entry], findings: Findings
) -> Iterator[EntryPoint]:
    """With what is wrong between them, as steps of a pipeline."""
    wrong = list(graph.faults(points))
    for point in points:
        own = [each for each in wrong if each.step == point.name]
        told = []
        for each in own:
            children = {child.key: child for child in entries[point.name].children or ()}
            told.append(findings.refuse(_place(children[each.key], each.text), each.message, each.hint).text)
        yield point._replace(faults=(*point.faults, *told))


def _place(entry: Entry, text: str) -> Entry:
    """The item of a list that has this text, or the whole of it."""
    return next((item for item in entry.items or () if item.text == text), entry)


def _named(entry: Entry, findings: Findings) -> tuple[Entry, ...] | None:
    """The entries of a mapping, also of one that is written as a list of single names; None for another value."""
    items = entry.items
    if entry.children is None and items and all(item.children and len(item.children) == 1 for item in items):
        findings.doubt(entry, f"{entry.key} is a mapping of names, not a list", "remove the dashes")
        return tuple(child for item in items for child in item.children or ())
    return entry.children


def _entry_point(entry: Entry, findings: Findings) -> EntryPoint | None:
    name = entry.key
    if isinstance(entry.value, str) and entry.value.strip():
        what = f"the entry point {name} is a mapping; {entry.value!r} is taken for its command"
        findings.doubt(entry, what, f"{name}: {{command: {entry.value!r}}}")
        return EntryPoint(name, _command(entry, entry, findings), line=entry.line)
    if entry.children is None:
        hint = "command: python train.py"
        what = f"the entry point {name} has no command: a mapping is expected, not {kind(entry)}"
        findings.error(entry, what, hint)
        return None
    findings.unknown(entry, f"the entry point {name}", names(keys.ENTRY_POINT))
    children = {child.key: child for child in entry.children}
    point = EntryPoint(
        name,
        _command(entry, children.get("command"), findings),
        _parameters(children.get("parameters"), name, findings),
        text(children.get("description"), findings),
        texts(children.get("inputs"), findings),
        texts(children.get("outputs"), findings),
        text(children.get("environment"), findings),
        entry.line,
    )
    return step(point, children, findings)


def _command(entry: Entry, command: Entry | None, findings: Findings) -> str:
    if command is None:
        what, hint = f"the entry point {entry.key} has no command", "command: python train.py"
        findings.doubt(entry, what, hint, value=False)
        return ""
    if isinstance(command.value, str) and "\0" not in command.value:
        if not command.value.strip():
            findings.doubt(command, f"the command of {entry.key} is empty")
        return command.value
    hint = ""
    if isinstance(command.value, list) and all(isinstance(item, str) for item in command.value):
        hint = f"command: {' '.join(str(item) for item in command.value)}"
    what = "a NUL character" if isinstance(command.value, str) else kind(command)
    findings.doubt(command, f"the command of {entry.key} is a text, not {what}", hint)
    return ""


def _parameters(entry: Entry | None, of: str, findings: Findings) -> tuple[Parameter, ...]:
    if entry is None or entry.value is None:
        return ()
    children = _named(entry, findings)
    if children is None:
        hint = "such as `lr: {type: float, default: 0.1}`"
        what = f"the parameters of {of} are a mapping of names to types, not {kind(entry)}"
        findings.error(entry, what, hint)
        return ()
    return tuple(_parameter(child, findings) for child in children)


def _parameter(entry: Entry, findings: Findings) -> Parameter:
    """A type; a mapping; or, where MLflow gives up, a value that can only be the default."""
    name = entry.key
    if entry.children is not None:
        return _full_parameter(entry, findings)
    if isinstance(entry.value, str):
        fault = _check_type(entry, name, findings)
        return Parameter(name, canonical(entry.value), line=entry.line, note=_note(fault))
    if entry.value is None:
        return Parameter(name, line=entry.line)
    kinds = {bool: "bool", int: "int", float: "float", list: "list"}
    hint = f"{name}: {{default: {entry.text or entry.value}}}"
    what = f"the type of the parameter {name} is {kind(entry)}; it is taken for the default"
    findings.doubt(entry, what, hint)
    return Parameter(name, kinds.get(type(entry.value), ""), entry.value, True, line=entry.line)


def _check_type(entry: Entry, name: str, findings: Findings) -> Fault | None:
    if canonical(str(entry.value)):
        return None
    from difflib import get_close_matches

    close = get_close_matches(str(entry.value).lower(), NAMES, 1, 0.6)
    hint = f"did you mean {close[0]!r}?" if close else "one of string, int, float, bool, path, uri, list"
    if not close and entry.key == name:
        hint += f"; or is it the default?  {name}: {{default: {entry.value}}}"
    what = f"{str(entry.value)!r}, of the parameter {name}, is no type"
    # with nothing like it, it may be a default in the wrong place, which MLflow runs
    return (findings.refuse if close else findings.doubt)(entry, what, hint)


def _full_parameter(entry: Entry, findings: Findings) -> Parameter:
    name = entry.key
    found = findings.unknown(entry, f"the parameter {name}", names(keys.PARAMETER))
    children = {child.key: child for child in entry.children or ()}
    declared = children.get("type")
    type_name = ""
    if declared is not None and declared.value is not None:
        if fault := _check_type(declared, name, findings):
            found.append(fault)
        type_name = canonical(str(declared.value))
    default = children.get("default")
    parameter = Parameter(
        name,
        type_name,
        default.value if default is not None else None,
        default is not None and default.value is not None,
        required=_flag(children.get("required"), True, findings),
        description=text(children.get("description"), findings),
        min=_bound(children.get("min"), type_name, findings),
        max=_bound(children.get("max"), type_name, findings),
        secret=_flag(children.get("secret"), False, findings),
        line=entry.line,
        note=_note(next((fault for fault in found if fault.hint), None)),
    )
    parameter = parameter._replace(choices=_choices(children.get("choices"), parameter, findings))
    if parameter.min is not None and parameter.max is not None and parameter.min > parameter.max:
        findings.refuse(children["min"], f"min of the parameter {name} is above its max")
    if default is not None and parameter.has_default:
        _check_default(parameter, default, findings)
    return parameter


def _check_default(parameter: Parameter, default: Entry, findings: Findings) -> None:
    name = parameter.name
    if default.children is not None:
        findings.warn(default, f"the default of {name} is a mapping: the command gets it as Python writes it")
        return
    if what := rewritten(default, parameter.type in ("string", "path", "uri")):
        findings.warn(
            default, f"the default of {name}: {what}", f"put quotes around it if {default.text} is meant"
        )
    try:
        convert(parameter, default.value)
    except ValueError as error:
        findings.refuse(default, f"the default of {name}, {default.value!r}, is not {error}")


def _choices(entry: Entry | None, parameter: Parameter, findings: Findings) -> tuple[Json, ...]:
    if entry is None or entry.value is None:
        return ()
    if entry.items is None:
        findings.refuse(entry, f"choices is a list, not {kind(entry)}", f"choices: [{entry.text}, ...]")
        return ()
    choices = []
    for item in entry.items:
        try:
            choices.append(convert(parameter._replace(min=None, max=None), item.value))
        except ValueError as error:
            findings.refuse(item, f"{item.text!r}, of the choices of {parameter.name}, is not {error}")
    return tuple(choices)


def _bound(entry: Entry | None, type_name: str, findings: Findings) -> float | None:
    if entry is None or entry.value is None:
        return None
    if type_name not in ("int", "float"):
        hint = "type: float" if not type_name else ""
        findings.refuse(entry, f"{entry.key} is for parameters of type int or float", hint, value=False)
    try:
        return float("" if isinstance(entry.value, bool) else entry.text)
    except ValueError:
        findings.refuse(entry, f"{entry.key} is a number, not {kind(entry)}")
        return None


def _flag(entry: Entry | None, otherwise: bool, findings: Findings) -> bool:
    if entry is None or entry.value is None:
        return otherwise
    if isinstance(entry.value, bool):
        return entry.value
    if entry.text.lower() in TRUE or entry.text.lower() in ("false", "no", "off", "0"):
        return entry.text.lower() in TRUE
    findings.refuse(entry, f"{entry.key} is true or false, not {kind(entry)}")
    return otherwise


def _note(fault: Fault | None) -> str:
    return f"{fault.place}: {fault.message}; {fault.hint}" if fault else ""
