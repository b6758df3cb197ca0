"""`proj` alone: what can be done here, now. `proj here`: which project this is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runner import paths
from runner.cli import output, reference
from runner.cli.options import Command
from runner.errors import ProjError
from runner.parameters.shell import quote
from runner.tables import columns
from runner.text.shown import cut, safe
from runner.text.units import ago
from runner.text.units import duration as took

if TYPE_CHECKING:
    from runner.running.whereabouts import Here
    from runner.tracking.fold import Run
    from runner.values import EntryPoint, Project

__all__ = ["COMMAND", "show_here"]

Row = tuple[str, str]  # what to type, what it does
RECENT = 3


def show_here() -> None:
    """The project in this folder with the lines that run it, its last runs, and one next step."""
    from runner.running.whereabouts import here

    where = here()
    project, fault = where.project, where.fault
    colour = output.colours()
    width = output.width()
    runs, trouble = _recent(where)
    lines = _heading(project, fault, colour)
    lines += _aligned([_entry(entry) for entry in project.entry_points] if project else [], width)
    if runs:
        whose = "Last runs" if project or fault else "Last runs of other folders"
        lines += ["", output.paint(whose, "1", colour), *_listed(runs, colour)]
    if trouble:
        lines += ["", f"The runs cannot be listed: {trouble}"]
    rows = [("proj doctor", "says what is wrong")] if trouble else _next(project, fault, runs)
    lines += [
        "",
        output.paint("Next", "1", colour),
        *_aligned([*rows, ("proj --help", "all commands")], width),
    ]
    output.emit_lines(lines)


def _recent(where: Here) -> tuple[list[Run], str]:
    """The last runs that were not started by another run, of this project or, without one, of all; or why not."""
    if not os.path.isdir(os.path.join(paths.store_here(), "runs")):
        return [], ""
    from runner.running.reconcile import close_lost, concluded
    from runner.running.whereabouts import scope_of

    try:
        with reference.open_store(quiet=True) as store:
            close_lost(store)
            scope = scope_of(store, where)
            places = None if scope is None else scope.keys
            return list(map(concluded, store.search("parent = ''", limit=RECENT, places=places).runs)), ""
    except ProjError as error:
        return [], error.message
    except OSError as error:
        return [], str(error)


def _heading(project: Project | None, fault: str, colour: bool) -> list[str]:
    if fault:
        title = output.paint("The project in this folder has faults", "1", colour)
        return [title, *(f"  {safe(line)}" for line in fault.splitlines())]
    if project is None:
        return [output.paint("There is no project in this folder", "1", colour)]
    if not project.file:
        lines = [output.paint(f"{safe(project.name)}, a folder without an MLproject file", "1", colour)]
        return lines if project.entry_points else [*lines, "  proj run .  runs main.py"]
    return [output.paint(f"Project {safe(project.name)}", "1", colour)]


def _entry(entry: EntryPoint) -> Row:
    words = ["proj run ."] + ([] if entry.name == "main" else [f"-e {quote(entry.name)}"])
    words += [
        f"-P {quote(each.name)}=..." for each in entry.parameters if each.required and not each.has_default
    ]
    return safe(" ".join(words)), safe(entry.description.split("\n")[0])


def _listed(runs: list[Run], colour: bool) -> list[str]:
    names = [safe(run.name) for run in runs]
    wide, wider = max(map(len, names)), max(len(run.status) for run in runs)
    return [
        f"  {name:<{wide}}  {output.status(run.status, colour)}{'':<{wider - len(run.status)}}"
        f"  {took(columns.elapsed(run)):>8}  {ago(run.start_time)}"
        for name, run in zip(names, runs, strict=True)
    ]


def _next(project: Project | None, fault: str, runs: list[Run]) -> list[Row]:
    if fault:
        return [("proj check .", "says more about the faults")]
    if project is None and (script := _script()):  # the runs are those of other folders
        run = f"proj run {quote(safe(script))}"
        return [(run, "runs this script as it is"), ("proj init", "writes an MLproject for what is here")]
    if runs:
        return [_after(runs[0], project)]
    if project:
        return [("proj info .", "parameters and environment")]
    return [("proj new basic my-project", "a project from a template; proj new --list shows all")]


def _script() -> str:
    """One of this folder that can be run, the newest; "" when there is none."""
    try:
        with os.scandir() as entries:
            found = [(each.stat().st_mtime, each.name) for each in entries if _is_script(each)]
    except OSError:
        return ""
    return max(found)[1] if found else ""


def _is_script(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith((".py", ".R", ".ipynb")) and entry.is_file()


def _after(run: Run, project: Project | None) -> Row:
    name = quote(safe(run.name))  # to be typed: a run may be called anything
    if run.status == "RUNNING":
        return f"proj logs -f {name}", "follows what it writes"
    if run.status != "FINISHED":
        return f"proj logs {name}", "what it wrote before it failed"
    made_again = run.verifications or any(link.get("relation") == "reproduces" for link in run.links)
    if project and run.kind == "project" and not made_again:
        return f"proj reproduce {name}", "makes it again: is the result the same?"
    return f"proj show {name}", "everything about it"


def _aligned(rows: list[Row], width: int) -> list[str]:
    wide = min(max((len(left) for left, _ in rows), default=0), 44)
    lines = [f"  {left:<{wide}}  {right}".rstrip() for left, right in rows]
    return [cut(line, width) for line in lines]


def command(location: str, as_json: bool) -> int:
    """Say which project this folder belongs to, and by what its runs are known: remote, first commit, folder."""
    from runner.running.whereabouts import here, scope_of

    where = here()
    place = where.place
    counts: dict[str, int] = {}
    with reference.open_store(location) as store:
        scope = scope_of(store, where)
        for each, count in store.index.counts(scope).items() if scope is not None else ():
            at = each.path or each.remote or f"elsewhere, as {each.name}"
            counts[at] = counts.get(at, 0) + count
    facts = {
        "project": where.project.name if where.project else "",
        "folder": where.directory,
        "fault": where.fault,
        "remote": place.remote,
        "first_commit": place.first_commit,
        "subfolder": place.inside,
        "runs": counts,
    }
    if scope is None:
        return output.result(as_json, facts, ["There is no project in this folder: all runs are meant here"])
    rows = [(name.replace("_", " "), str(facts[name])) for name in facts if name != "runs" and facts[name]]
    places = [
        f"{count} in {path}" for path, count in sorted(counts.items(), key=lambda each: each[0] != place.path)
    ]
    rows += [("" if number else "runs", text) for number, text in enumerate(places or ["none yet"])]
    return output.result(as_json, facts, (f"{name:<12}  {safe(text)}" for name, text in rows))


COMMAND = Command(command, (reference.STORE, reference.JSON))
