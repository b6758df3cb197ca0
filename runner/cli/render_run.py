"""One run as JSON, and as groups of lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from runner.cli import output
from runner.cli.render_plot import sparkline
from runner.tables import columns
from runner.text.shown import cut, json_number, number, plain, safe
from runner.text.units import ago, iso, local_time, size
from runner.text.units import duration as took
from runner.tracking.events import Facts

if TYPE_CHECKING:
    from runner.tracking.curves import Curve
    from runner.tracking.fold import Run

__all__ = ["as_json", "details", "lines"]

Rows = list[tuple[str, str]]
HIDDEN = "mlflow.runName mlflow.parentRunId mlflow.note.content mlflow.source.name mlflow.source.type".split()


def as_json(run: Run, experiments: Mapping[str, str]) -> dict[str, object]:
    """What a program wants to know of a run; `details` adds the rest of the record."""
    return {
        "run_id": run.run_id,
        "name": run.name,
        "status": run.status,
        "reason": run.end.get("reason", ""),
        "exit_code": run.end.get("exit_code"),
        "lifecycle": run.lifecycle,
        "start_time": iso(run.start_time),
        "end_time": iso(run.end_time) or None,
        "duration": run.duration,
        "experiment_id": run.experiment_id,
        "experiment": experiments.get(run.experiment_id, run.experiment_id),
        "project": run.project,
        "entry_point": run.entry_point,
        "uri": run.uri,
        "user": run.user,
        "parent": run.parent,
        "params": dict(run.params),
        "metrics": {key: json_number(metric.value) for key, metric in run.metrics.items()},
        "tags": dict(run.tags),
    }


def details(
    run: Run, experiments: Mapping[str, str], directory: str, children: Sequence[Run]
) -> dict[str, object]:
    """Everything in the record at `directory`: sizes in bytes."""
    points = {
        key: {"value": json_number(point.value), "step": point.step, "timestamp": iso(point.timestamp)}
        for key, point in run.metrics.items()
    }
    return {
        **as_json(run, experiments),
        "record": directory,
        "end": dict(run.end),
        "points": points,
        **{name: dict(section) for name, section in run.sections.items()},
        "inputs": list(run.inputs),
        "outputs": list(run.outputs),
        "datasets": list(run.datasets),
        "artifacts": [{"path": path, **facts} for path, facts in run.artifacts.items()],
        "links": list(run.links),
        "verifications": list(run.verifications),
        "children": [child.run_id for child in children],
    }


def _verified(each: Facts) -> tuple[str, str]:
    """How it was when `proj reproduce` made it again."""
    cause = f" ({each['cause']})" if each.get("cause") else ""
    return f"{each.get('verdict', '')}{cause}", ", ".join(
        str(run_id)[:12] for run_id in each.get("run_ids", ())
    )


def lines(
    run: Run, experiment: str, children: Sequence[Run], curves: Mapping[str, Curve], width: int,
    colour: bool,
) -> list[str]:  # fmt: skip
    """Groups with a heading; what is empty is left out. `curves`: of each metric, to be drawn."""
    head = f"{output.paint(safe(run.name), '1', colour)}  {output.status(run.status, colour)}"
    found = [f"{head}  {'for' if run.end_time is None else 'after'} {took(columns.elapsed(run))}"]
    groups: list[tuple[str, Rows]] = [
        ("", _head(run, experiment)),
        ("Parameters", [(key, plain(value)) for key, value in run.params.items()]),
        ("Metrics", _metrics(run, curves, width)),
        ("Command", _command(run)),
        ("Code", _code(run)),
        ("Environment", _section(run, "environment")),
        ("Machine", _machine(run)),
        ("Resources", _resources(run)),
        ("Datasets", [(str(each.get("name", "")), str(each.get("digest", ""))) for each in run.datasets]),
        ("Inputs", [_file(each) for each in run.inputs]),
        ("Outputs", [_file(each) for each in run.outputs]),
        ("Artifacts", [_file({"path": path, **facts}) for path, facts in run.artifacts.items()]),
        ("Tags", [(key, value) for key, value in run.tags.items() if key not in HIDDEN]),
        ("Steps", steps := _steps(run)),
        (
            "Children",
            [] if steps else [(each.run_id[:12], f"{each.name}  {each.status}") for each in children],
        ),
        ("Verified", [_verified(each) for each in run.verifications]),
        ("Links", [(str(each.get("relation", "")), str(each.get("run_id", ""))) for each in run.links]),
    ]
    for title, rows in groups:
        if not rows:
            continue
        if title:
            found += ["", output.paint(title, "1", colour)]
        left = min(max(len(key) for key, _ in rows), 32)
        for key, value in rows:
            for place, line in enumerate(safe(value, lines=True).split("\n")):
                found.append(cut(f"  {'' if place else safe(key):<{left}}  {line}".rstrip(), width))
    return found


def _steps(run: Run) -> Rows:
    """Of a pipeline: what became of each step, why, and its run."""
    section = run.sections.get("steps", {})
    found = []
    for place in sorted(filter(str.isdecimal, section), key=lambda text: (len(text), text)):
        if isinstance(facts := section[place], dict):
            told = (
                str(facts.get("state", "")),
                str(facts.get("reason", "")),
                str(facts.get("run_id", ""))[:12],
            )
            found.append((str(facts.get("step", place)), "  ".join(filter(None, told))))
    return found


def _head(run: Run, experiment: str) -> Rows:
    end = run.end
    why = end.get("reason", "")
    if why == "exit":
        why = f"exit code {end.get('exit_code', 0)}"
    parts = [why, end.get("signal", ""), f"by {end['by']}" if end.get("by") else "", end.get("message", "")]
    project = run.project + (f", entry point {run.entry_point}" if run.entry_point else "")
    rows = [
        ("id", run.run_id),
        ("started", f"{local_time(run.start_time)} ({ago(run.start_time)})"),
        ("ended", ", ".join(part for part in parts if part)),
        ("deleted", "yes: proj restore  brings it back" if run.lifecycle != "active" else ""),
        ("experiment", experiment + ("" if experiment == run.experiment_id else f" ({run.experiment_id})")),
        ("project", project),
        ("user", run.user),
        ("parent", run.parent),
        ("note", run.tags.get("mlflow.note.content", "")),
    ]
    return [row for row in rows if row[1]]


def _metrics(run: Run, curves: Mapping[str, Curve], width: int) -> Rows:
    rows = []
    for key, last in run.metrics.items():
        curve = curves.get(key)
        text = f"{number(last.value):>12}"
        finite = (
            [value for value in (*curve.lows, *curve.highs) if abs(value) < float("inf")] if curve else ()
        )
        if curve and len(curve.means) > 1 and finite:
            extent = f"{number(min(finite))} .. {number(max(finite))}"
            room = min(40, width - min(max(len(key), 8), 32) - 44)
            text += f"  {sparkline(curve.means, max(room, 8))}  {extent}, step {last.step}"
        rows.append((key, text))
    return rows


def _command(run: Run) -> Rows:
    section = run.sections.get("command", {})
    rows = [("command", str(section.get("command", ""))), ("folder", str(section.get("directory", "")))]
    rows += [(key, str(value)) for key, value in section.get("variables", {}).items()]
    return [row for row in rows if row[1]]


def _code(run: Run) -> Rows:
    source, code = run.sections.get("source", {}), run.sections.get("code", {})
    dirty = "" if code.get("dirty") is None else "uncommitted changes" if code["dirty"] else "clean"
    left_out = code.get("left_out") or []
    rows = [
        ("source", str(source.get("uri", ""))),
        ("repository", str(code.get("repository") or source.get("repository", ""))),
        ("version", str(source.get("version", ""))),
        ("commit", str(code.get("commit") or source.get("commit", ""))),
        ("branch", str(code.get("branch") or source.get("branch", ""))),
        ("state", dirty),
        ("snapshot", str(code.get("tree", ""))),
        ("left out", "\n".join(f"{each.get('path')} ({each.get('reason')})" for each in left_out)),
    ]
    return [row for row in rows if row[1]]


def _section(run: Run, name: str) -> Rows:
    section = run.sections.get(name, {})
    return [(key, _listed(value)) for key, value in section.items() if value not in (None, "", [], {})]


def _listed(value: object) -> str:
    """A list of the project's own packages by their names and folders."""
    if isinstance(value, list) and all(isinstance(each, dict) and "path" in each for each in value):
        return ", ".join(f"{each.get('name') or '?'} ({each['path']})" for each in value)
    return plain(value)


def _machine(run: Run) -> Rows:
    section = dict(run.sections.get("machine", {}))
    if "memory" in section:
        section["memory"] = size(section["memory"])
    job = section.pop("ci", None)
    if job:
        section["CI"] = f"{job.get('provider', '')} {job.get('url', '')}".strip()
    gpus = section.pop("gpus", None) or []
    rows = [(key, plain(value)) for key, value in section.items() if value]
    return rows + [("gpu", f"{gpu.get('name', '')} {size(gpu.get('memory', 0))}") for gpu in gpus]


def _resources(run: Run) -> Rows:
    section = dict(run.sections.get("resources", {}))
    rows = []
    if section.get("peak_memory"):
        rows.append(("peak memory", size(section.pop("peak_memory"))))
    for key, name in (("cpu_time", "CPU time"), ("duration", "duration")):
        if key in section:
            rows.append((name, took(section.pop(key))))
    return rows + [(key, plain(value)) for key, value in section.items()]


def _file(facts: Mapping[str, object]) -> tuple[str, str]:
    count = facts.get("size")
    parts = [size(count) if isinstance(count, int | float) else "", str(facts.get("digest", ""))[:19]]
    parts.append(str(facts.get("origin", "")))
    return str(facts.get("path") or facts.get("uri", "")), "  ".join(filter(None, parts))
