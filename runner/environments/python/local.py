"""Local packages of a lock, built to wheels: as they are, or following their folder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import NamedTuple

from runner import paths
from runner.environments.python import indexes, uv
from runner.environments.python.copies import Copies
from runner.environments.python.plan import Plan
from runner.environments.python.redirect import Source, follow
from runner.environments.python.requirements import Local
from runner.environments.python.wheels import BUILD
from runner.host import files
from runner.text.names import canonical
from runner.values import Json, Report, Step

__all__ = ["Built", "installable", "note", "told"]

# A backend that finds no package in the project: there is nothing to install, and it ran from its folder before.
NOTHING = re.compile(
    r"Multiple top-level (?:packages|modules) discovered|No file/folder found for package"
    r"|Unable to determine which files to ship|Expected a Python module at|No file/folder found for module"
)


class Built(NamedTuple):
    """A local package that was built."""

    local: Local
    name: str
    version: str
    wheel: str


@contextmanager
def installable(
    plan: Plan, lines: Iterable[str], python: str, handle: int, report: Report, step: Step
) -> Iterator[tuple[list[str], list[Built]]]:
    """The lines of a lock with wheels in the place of local folders, as long as the context lasts."""
    lines = list(lines)
    folders = {each.text: each for each in plan.local if os.path.isdir(each.path)}
    wanted = [
        each for each in folders.values() if any(_replaced(line, each, "") is not None for line in lines)
    ]
    if not wanted:
        yield lines, []
        return
    with (
        Copies(list(folders.values())) as copies,
        TemporaryDirectory(dir=paths.temporary(), prefix="wheel-") as out,
    ):
        made = []
        for number, each in enumerate(wanted):
            found = _build(plan, each, copies, python, os.path.join(out, str(number)), handle, report, step)
            requirement = f"{found.name} @ file://{found.wheel}" if found else ""
            lines = [line if (new := _replaced(line, each, requirement)) is None else new for line in lines]
            made += [found] if found else []
        yield lines, made


def _replaced(line: str, local: Local, requirement: str) -> str | None:
    """The line of a package with `requirement` for it, its marker kept; None for another's line."""
    match = re.fullmatch(
        rf"(?:-e |[\w.-]+(?:\[[^]]*\])? @ )?{re.escape(local.text)}(?:\[[^]]*\])?(\s*;.*)?", line.strip()
    )
    return None if match is None else f"{requirement}{match[1] or ''}" if requirement else ""


def _build(
    plan: Plan, local: Local, copies: Copies, python: str, out: str, handle: int, report: Report, step: Step
) -> Built | None:
    """None for a project without a package in it."""
    try:
        _call(plan, local, copies, python, out, handle, step)
    except uv.Failed as failure:
        if not (local.path == plan.base and (found := NOTHING.search(failure.said))):
            raise
        report.warn(f"the project itself is not installed, as it is no package: {found[0]}")
        return None
    (name,) = (each for each in os.listdir(out) if each.endswith(".whl"))
    wheel = os.path.join(out, name)
    parts = name.split("-")
    if local.editable:
        os.makedirs(os.path.join(out, "editable"))
        built, wheel = wheel, os.path.join(out, "editable", name)
        source = Source(copies.folders[local.text], copies.names[local.text], local.seen or local.path)
        follow(built, source, wheel)
    return Built(local, canonical(parts[0]), parts[1], wheel)


def _call(plan: Plan, local: Local, copies: Copies, python: str, out: str, handle: int, step: Step) -> None:
    settings = indexes.settings(plan.stated)
    arguments, variables = [*settings.arguments], {**settings.widest, **copies.variables}
    if plan.wheels:
        places = [each for each in (plan.wheels, os.path.join(plan.wheels, BUILD)) if os.path.isdir(each)]
        arguments = ["--no-index", *(word for each in places for word in ("--find-links", each))]
        variables = dict(copies.variables)
    step.update(f"building {local.text}")
    uv.call(
        [
            *("build", "--wheel", "--out-dir", out, "--python", python, *arguments),
            *(["--offline"] if plan.offline else []),
            copies.folders[local.text],
        ],
        f"the package {local.text} of {plan.shown} cannot be built",
        cwd=copies.folders[local.text],
        extra=variables,
        handle=handle,
    )


def note(site: str, made: Iterable[Built]) -> None:
    """Says in each installed package where it comes from (PEP 610), in place of our temporary wheel."""
    for each in made:
        told = {
            "url": f"file://{each.local.seen}",
            "dir_info": {"editable": True} if each.local.editable else {},
        }
        for name in os.listdir(site):
            stem = name.removesuffix(".dist-info")
            if stem != name and canonical(stem.rpartition("-")[0]) == each.name:
                files.write(os.path.join(site, name, "direct_url.json"), json.dumps(told))


def told(made: Iterable[Built]) -> list[Json]:
    """For the record, and for `maintenance.forget`."""
    found: list[Json] = []
    for each in made:
        follows: dict[str, Json] = {"follows": each.local.seen} if each.local.editable else {}
        found.append({"path": each.local.text, "name": each.name, "version": each.version, **follows})
    return found
