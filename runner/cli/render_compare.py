"""Runs side by side: what differs, in groups."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from runner.cli import output
from runner.errors import ProjError
from runner.host import files
from runner.tables import columns
from runner.text import units
from runner.text.shown import cut, json_number, plain, safe

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = ["Difference", "as_json", "differences", "in_rows", "lines", "packages_of"]

# says something about every run, and differs always
LEFT_OUT = {
    "environment": ("key", "lock", "lock_digest", "prefix", "interpreter"),
    "code": ("left_out", "tree"),
    "command": ("variables",),
    "machine": ("ci",),
    "resources": ("duration",),
}
TAGS = ("mlflow.runName", "mlflow.source.git.commit", "mlflow.parentRunId", "mlflow.source.name")
UNITS: dict[str, Callable[[float], str]] = {
    "duration": units.duration,
    "cpu_time": units.duration,
    "peak_memory": units.size,
}
PREFIXES = {"parameters": "params.", "run": ""}  # of a group's facts as the names of columns
WIDTH = 40  # characters of a value in a table


class Difference(NamedTuple):
    """One fact of several runs; the first of them is what the others are compared with."""

    group: str
    key: str
    values: tuple[object, ...]  # one of each run; None where it has none

    @property
    def shown(self) -> tuple[str, ...]:
        """With its distance from the first run's value, where both are numbers of a metric or a resource."""
        texts = [_text(self.key, value) for value in self.values]
        if self.group not in ("metrics", "resources", "run"):
            return tuple(texts)
        first = self.values[0]  # which is at no distance from itself
        return tuple(
            text + _delta(self.key, first, value) for text, value in zip(texts, self.values, strict=True)
        )


def _text(key: str, value: object) -> str:
    if isinstance(value, int | float) and key in UNITS:
        return UNITS[key](value)
    return plain(value)


def _delta(key: str, first: object, value: object) -> str:
    if isinstance(first, bool) or isinstance(value, bool):
        return ""
    if not isinstance(first, int | float) or not isinstance(value, int | float):
        return ""
    distance = value - first
    if distance == 0 or distance != distance:
        return ""
    share = f"{distance / abs(first):+.1%}" if first and abs(first) < float("inf") else ""
    parts = [share] if key in UNITS else [f"{distance:+.4g}", share]
    return f" ({', '.join(part for part in parts if part)})" if any(parts) else ""


def differences(root: str, runs: Sequence[Run], everything: bool = False) -> list[Difference]:
    """In the order in which they matter. `root`: the store, for locks and snapshots."""
    found = [
        *_group("run", runs, _run),
        *_group("parameters", runs, lambda run: run.params),
        *_group("metrics", runs, lambda run: {key: metric.value for key, metric in run.metrics.items()}),
        *_group("command", runs, lambda run: _section(run, "command")),
        *_group("variables", runs, lambda run: run.sections.get("command", {}).get("variables", {})),
        *_group("code", runs, lambda run: _section(run, "code")),
        *_files(root, runs),
        *_group("inputs", runs, _inputs),
        *_group("environment", runs, lambda run: _section(run, "environment")),
        *_group("packages", runs, lambda run: packages_of(root, run)),
        *_group("machine", runs, lambda run: _section(run, "machine")),
        *_group("resources", runs, lambda run: _section(run, "resources")),
        *_group("tags", runs, lambda run: {key: value for key, value in run.tags.items() if key not in TAGS}),
    ]
    return [each for each in found if everything or len({_same(value) for value in each.values}) > 1]


def _same(value: object) -> str:
    """What is absent and what is empty say the same."""
    return "nan" if value != value else "" if value in (None, "", [], {}) else repr(value)


def _group(name: str, runs: Sequence[Run], of: Callable[[Run], Mapping[str, object]]) -> list[Difference]:
    mappings = [of(run) for run in runs]
    keys = dict.fromkeys(key for mapping in mappings for key in mapping)
    return [Difference(name, key, tuple(mapping.get(key) for mapping in mappings)) for key in keys]


def _run(run: Run) -> dict[str, object]:
    return {
        "status": run.status,
        "reason": run.end.get("reason"),
        "exit_code": run.end.get("exit_code"),
        "duration": run.duration,
        "project": run.project,
        "entry_point": run.entry_point,
        "user": run.user,
    }


def _section(run: Run, name: str) -> dict[str, object]:
    section = run.sections.get(name, {})
    return {key: value for key, value in section.items() if key not in LEFT_OUT.get(name, ())}


def _inputs(run: Run) -> dict[str, object]:
    found = {str(each.get("path") or each.get("uri", "")): each.get("digest") for each in run.inputs}
    return {**found, **{str(each.get("name", "")): each.get("digest") for each in run.datasets}}


def packages_of(root: str, run: Run) -> dict[str, str]:
    """Name -> version, as the lock in the record says."""
    lock = run.sections.get("environment", {}).get("lock")
    if not lock:
        return {}
    try:
        path = os.path.join(root, "runs", run.run_id, os.path.basename(lock))
        text = files.read(path).decode("utf-8", "replace")
    except OSError:
        return {}
    from runner.environments.packages import packages

    return dict(sorted(packages(text).items()))


def _files(root: str, runs: Sequence[Run]) -> list[Difference]:
    """Files of the code that are not the same as the first run's, by the snapshots."""
    trees = [run.sections.get("code", {}).get("tree", "") for run in runs]
    if not all(trees) or len(set(trees)) == 1:
        return []
    from runner.snapshots import snapshot

    try:
        known = {tree: {file.path: file.blob for file in snapshot.files(root, tree)} for tree in set(trees)}
    except (ProjError, OSError):
        return _group("code", runs, lambda run: {"snapshot": run.sections["code"]["tree"]})
    first = known[trees[0]]
    found = []
    for name in sorted({name for each in known.values() for name in each}):
        states = tuple(_state(first.get(name), known[tree].get(name)) for tree in trees)
        if len(set(states)) > 1:
            found.append(Difference("files", name, states))
    return found


def _state(before: str | None, now: str | None) -> str | None:
    if now is None:
        return None
    return "there" if now == before else "changed" if before else "added"


def as_json(runs: Sequence[Run], found: Iterable[Difference]) -> dict[str, object]:
    groups: dict[str, dict[str, list[object]]] = {}
    for each in found:
        values = [json_number(it) if isinstance(it, float) else it for it in each.values]
        groups.setdefault(each.group, {})[each.key] = values
    return {"runs": [{"run_id": run.run_id, "name": run.name} for run in runs], "differences": groups}


def lines(runs: Sequence[Run], found: Sequence[Difference], colour: bool, width: int) -> list[str]:
    """Columns under the runs' names; long values are cut."""
    if not found:
        return ["nothing that is recorded differs"]
    left = min(max(len(each.key) for each in found) + 2, 34)
    names = [safe(run.name) for run in runs]
    most = max(12, min(WIDTH, (width - left) // len(names) - 2))
    widths = [
        min(max(len(name), *(len(each.shown[place]) for each in found)), most)
        for place, name in enumerate(names)
    ]
    out = [output.paint(f"{'':<{left}}  {_columns(names, widths)}", "1", colour)]
    group = ""
    for each in found:
        if each.group != group:
            group = each.group
            out += ["", output.paint(group, "1", colour)]
        out.append(f"{'  ' + _cut(each.key, left - 2):<{left}}  {_columns(each.shown, widths)}".rstrip())
    return out


def in_rows(runs: Sequence[Run], found: Sequence[Difference], terminal: bool, width: int) -> Iterable[str]:
    """A line for each run, a column for each fact; on a terminal parameters, metrics and what else has room."""
    if not found:
        return ["nothing that is recorded differs"]
    first = [each for group in ("parameters", "metrics", "run") for each in found if each.group == group]
    shown = [*first, *(each for each in found if each not in first)]
    names = ["run", *(PREFIXES.get(each.group, f"{each.group}.") + each.key for each in shown)]
    texts = [[_text(each.key, value) for value in each.values] for each in shown]
    rows = [[run.name, *cells] for run, *cells in zip(runs, *texts, strict=True)]
    if not terminal:
        return output.table(names, rows)
    rows = [[_cut(text, WIDTH) for text in row] for row in rows]
    room = columns.fit(names, rows, width)
    drawn = list(output.table(names[:room], [row[:room] for row in rows]))
    left = len(names) - room
    return [*drawn, "", f"{left} more differ: {_cut(', '.join(names[room:]), width - 24)}"] if left else drawn


def _columns(values: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        f"{_cut(value, width):<{width}}" for value, width in zip(values, widths, strict=True)
    ).rstrip()


def _cut(text: str, width: int) -> str:
    return cut(safe(text), width)
