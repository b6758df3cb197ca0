"""What makes an entry point a step of a pipeline: `needs`, `matrix`, `code`, `retries` and `when`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from runner.host.findings import Findings, kind, text, texts
from runner.host.keytable import names
from runner.host.yamltext import Entry
from runner.parameters.types import convert
from runner.project import keys
from runner.project.condition import parse
from runner.values import EntryPoint, Json, Parameter, Retries

__all__ = ["REASONS", "step"]

# why a run may be tried again: reasons of an end
REASONS = ("exit", "signal", "memory", "timeout", "lost", "preempted", "outputs", "error")
RANGE = r"\s*(-?\d+)\.\.(-?\d+)\s*"
MOST = 10_000  # values of a matrix in one step


def step(point: EntryPoint, children: Mapping[str, Entry], findings: Findings) -> EntryPoint:
    """The entry point with what these keys say; faults go to `findings`."""
    declared = {parameter.name: parameter for parameter in point.parameters}
    return point._replace(
        needs=texts(children.get("needs"), findings),
        matrix=_matrix(children.get("matrix"), point.name, declared, findings),
        code=texts(children.get("code"), findings),
        retries=_retries(children.get("retries"), point.name, findings),
        when=_when(children.get("when"), point.name, declared, findings),
    )


def _matrix(
    entry: Entry | None, of: str, declared: Mapping[str, Parameter], findings: Findings
) -> tuple[tuple[str, tuple[Json, ...]], ...]:
    if entry is None or entry.value is None:
        return ()
    if entry.children is None:
        hint = "such as `matrix: {seed: 1..3, model: [ridge, lasso]}`"
        findings.refuse(
            entry, f"the matrix of {of} is a mapping of parameters to values, not {kind(entry)}", hint
        )
        return ()
    found = []
    for child in entry.children:
        if child.key not in declared:
            findings.refuse(
                child,
                f"{child.key}, of the matrix of {of}, is no parameter of it",
                f"parameters: {{{child.key}: string}}",
                value=False,
            )
            continue
        values = _values(child, declared[child.key], findings)
        if values is None:  # said already
            continue
        if not values:
            findings.refuse(child, f"the matrix of {of} has no values for {child.key}")
        found.append((child.key, tuple(values)))
    number = 1
    for _, each in found:
        number *= len(each)
    if number > MOST:
        findings.refuse(entry, f"the matrix of {of} makes {number} runs: more than {MOST} are a mistake")
        return ()
    return tuple(found)


def _values(entry: Entry, parameter: Parameter, findings: Findings) -> list[Json] | None:
    """A list, one value, or `1..3`; each once, as its type has it. None for a range that is none."""
    if isinstance(entry.value, str) and (ends := re.fullmatch(RANGE, entry.value)):
        first, last = int(ends[1]), int(ends[2])
        if first > last:
            findings.refuse(
                entry, f"{entry.value} is no range: it goes from the smaller to the larger number"
            )
            return None
        if last - first >= MOST:
            findings.refuse(
                entry, f"{entry.value} has {last - first + 1} values: more than {MOST} are a mistake"
            )
            return None
        given: Sequence[tuple[Entry, Json]] = [(entry, number) for number in range(first, last + 1)]
    else:
        items = (entry,) if entry.items is None else entry.items
        given = [
            (item, item.value if item.children is None and item.items is None else None) for item in items
        ]
    found: list[Json] = []
    for item, value in given:
        try:
            if value is None:
                raise ValueError("a value")
            typed = convert(parameter, value)
        except ValueError as error:
            findings.refuse(item, f"{item.text!r}, of the matrix for {parameter.name}, is not {error}")
            continue
        if typed in found:
            findings.refuse(item, f"{item.text!r} is there twice in the matrix for {parameter.name}")
        else:
            found.append(typed)
    return found


def _retries(entry: Entry | None, of: str, findings: Findings) -> Retries:
    """`3`, or `{on: [lost], times: 3}`."""
    if entry is None or entry.value is None:
        return Retries()
    if entry.children is None:
        return Retries(REASONS, _times(entry, of, findings))
    findings.unknown(entry, f"the retries of {of}", names(keys.RETRIES))
    children = {child.key: child for child in entry.children}
    times = _times(children["times"], of, findings) if "times" in children else 1
    on = children.get("on")
    reasons = texts(on, findings) if on is not None else REASONS
    for each in reasons:
        if each not in REASONS:
            findings.refuse(
                on or entry, f"{each!r} is no reason to try {of} again", f"one of {', '.join(REASONS)}"
            )
    return Retries(reasons, times)


def _times(entry: Entry, of: str, findings: Findings) -> int:
    if isinstance(entry.value, int) and not isinstance(entry.value, bool) and 0 <= entry.value <= 100:
        return entry.value
    findings.refuse(entry, f"the retries of {of} are a number from 0 to 100, not {kind(entry)}")
    return 0


def _when(entry: Entry | None, of: str, declared: Mapping[str, Parameter], findings: Findings) -> str:
    if entry is None or entry.value is None:
        return ""
    if entry.children is not None:
        hint = f"when: '{{{entry.children[0].key}}}'" if entry.children else ""
        findings.refuse(
            entry, f"`when` of {of} is a text: YAML takes braces without quotes for a mapping", hint
        )
        return ""
    found = text(entry, findings)
    try:
        condition = parse(found)
    except ValueError as error:
        findings.refuse(entry, f"`when` of {of} is {error}", "such as '{publish}', or \"{model} == 'ridge'\"")
        return ""
    if condition.name and condition.name not in declared:
        findings.refuse(
            entry,
            f"{condition.name}, in `when` of {of}, is no parameter of it",
            f"parameters: {{{condition.name}: {{type: bool, default: false}}}}",
        )
        return ""
    return found
