"""The key of a run: everything that decides its result, as far as it can be known before the command starts.

Two runs with equal keys have the same result, so `--cached` takes the outputs of the one for the other. Each factor is
kept by itself, as the digest of its value, so that what differs can be named. What cannot be known stands under
`forbids`: such a run is never taken for another one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from runner.data.outputs import filled
from runner.environments.system import editable, packages
from runner.host import machine, memo
from runner.host.files import now
from runner.running.beginning import options_of
from runner.running.plan import Plan
from runner.running.recorded import Recorded, without_root
from runner.running.recorded import of as recorded_of
from runner.running.surroundings import MOST, Surroundings, mentioned, short_digest
from runner.running.variables import ALLOWED, MORE
from runner.snapshots import snapshot
from runner.tracking import events
from runner.tracking.events import Event
from runner.tracking.fold import Run
from runner.values import Json

if TYPE_CHECKING:
    from runner.running.record import Record
    from runner.values import Activation

__all__ = ["Key", "code_files", "files", "is_output", "known", "of_run", "outputs"]

FORMAT = 1
MADE_BY = ("kind", "key", "python", "image", "digest", "existing", "interpreter")
UNKNOWN_INPUT = ("pipe", "file", "other")


class Key(NamedTuple):
    factors: Mapping[str, str]  # name -> digest
    forbids: tuple[str, ...] = ()  # why no other run may be taken for this one, nor this for another

    def event(self) -> Event:
        return events.section(
            "key", {"format": FORMAT, "factors": dict(self.factors), "forbids": [*self.forbids]}
        )


def of_run(run: Run) -> Key | None:
    """As it was recorded. None for a run that has none, or one of another format."""
    section = run.sections.get("key", {})
    if section.get("format") != FORMAT:
        return None
    return Key(dict(section["factors"]), tuple(section["forbids"]))


def known(plan: Plan, record: Record, seen: Surroundings, activation: Activation) -> tuple[Recorded, Key]:
    """The run as far as its record goes before its command starts, and its key. StoreError without its code."""
    recorded = recorded_of(record.store, record.store.read(record.run_id))
    if not recorded.lock:  # found, not made: what is in it is recorded while the command runs
        recorded = recorded._replace(installed="".join(f"{each}\n" for each in packages(activation)))
    return recorded, of(recorded, plan, seen, plan.origin.stdin or machine.standard_input())


def of(recorded: Recorded, plan: Plan, seen: Surroundings, stdin: str) -> Key:
    environment, options = recorded.section("environment"), options_of(plan.request)
    entry = plan.entry_point
    names = {*ALLOWED, *mentioned(plan.parameters.command, os.environ.get(MORE, "").split(","))}
    values: dict[str, Json] = {
        "code": code_files(recorded, plan),
        "left out": [[str(each["path"]), str(each.get("digest"))] for each in recorded.code.left_out],
        "definition": [
            entry.command,
            [*entry.inputs],
            [*entry.outputs],
            [plan.specification.kind, plan.specification.file],
            repr(sorted(plan.specification.options.items())),
        ],
        "parameters": without_root(recorded),
        "command": plan.parameters.shown.replace(recorded.root or "\0", ""),
        "options": {name: value for name, value in options.items() if name not in ("timeout", "grace")},
        "environment": [
            {name: environment.get(name) for name in MADE_BY if environment.get(name)},
            recorded.lock or recorded.installed,
        ],
        "inputs": [f"{each.get('path') or each['uri']} {each.get('digest')}" for each in recorded.run.inputs],
        "variables": [seen.key, {name: seen.variables.get(name, "") for name in sorted(names)}],
        "programs": dict(seen.programs),
        "files": dict(seen.files),
        "ignored": dict(seen.ignored),
        "stdin": stdin,
    }
    return Key(
        {name: _digest(value) for name, value in values.items()}, tuple(_forbids(recorded, plan, seen, stdin))
    )


def _forbids(recorded: Recorded, plan: Plan, seen: Surroundings, stdin: str) -> Iterable[str]:
    if plan.parameters.secrets:
        yield f"secrets: {', '.join(plan.parameters.secrets)}: the record keeps none, so none can be compared"
    if not recorded.code.tree:
        yield "code: there is no snapshot of it"
    if stdin in UNKNOWN_INPUT:
        yield "stdin: what comes through standard input is not known"
    if seen.ignored_count:
        yield f"ignored: git ignores more than {MOST} files of the project, and any of them may be read"
    if seen.links:
        yield f"links: {_few(seen.links)} lead out of the project"
    if unknown := [
        str(each.get("path") or each["uri"]) for each in recorded.run.inputs if not each.get("digest")
    ]:
        yield f"inputs: of {_few(unknown)} the content is not known"
    if both := [each for each in plan.entry_point.inputs if each in plan.entry_point.outputs]:
        yield f"outputs: {_few(both)} is an input, too"
    if packages := editable(str(recorded.section("environment").get("interpreter", "")), recorded.lock):
        yield f"environment: {_few(packages)} is installed editable: its code is not in the lock"
    if hidden := [text for text in plan.request.docker_args if _takes_value(text)]:
        names = _few(text.partition("=")[2].partition("=")[0] for text in hidden)
        yield f"docker: the value of {names} is not recorded"


def _takes_value(text: str) -> bool:
    """`e=TOKEN=abc`, of which the record keeps only the name."""
    name, _, value = text.partition("=")
    return name in ("e", "env") and bool(value)


def _few(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")


def _digest(value: Json) -> str:
    import json

    text = json.dumps(value, sort_keys=True, default=str)
    return short_digest(text.encode("utf-8", "surrogateescape"))


# ---- code ----------------------------------------------------------------------------------------------------


def outputs(plan: Plan) -> list[str]:
    """Patterns, relative to the project, of what the command writes."""
    return filled(plan.entry_point.outputs, plan.parameters.texts)


def is_output(name: str, patterns: Iterable[str]) -> bool:
    """Whether a path in the project is what one of the patterns stands for, or lies in it. `*` does not cross "/"."""
    return any(_pattern(each).match(name) for each in patterns)


def _pattern(text: str) -> re.Pattern[str]:
    parts = text.removeprefix("./").rstrip("/").split("/")
    folders = [r"(?:.*/)?" if part == "**" else _part(part) + "/" for part in parts[:-1]]
    last = ".*" if parts[-1] == "**" else _part(parts[-1])
    return re.compile("".join(folders) + last + r"(?:/.*)?\Z", re.DOTALL)


def _part(text: str) -> str:
    """As glob takes it: within one name, and a leading dot must be written."""
    found, at = "" if text.startswith(".") else r"(?!\.)", 0
    while at < len(text):
        letter, at = text[at], at + 1
        end = text.find("]", at + 1) if letter == "[" else -1
        if letter == "*":
            found += "[^/]*"
        elif letter == "?":
            found += "[^/]"
        elif end > 0:
            inside = text[at:end].replace("\\", r"\\")
            found += f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
            at = end + 1
        else:
            found += re.escape(letter)
    return found


def code_files(recorded: Recorded, plan: Plan) -> str:
    """Digest of the files of the snapshot but the command's own outputs, and MLproject, which counts as understood."""
    tree, inside, patterns = recorded.code.tree, recorded.subdirectory, outputs(plan)
    if not tree:
        return ""
    subject = f"{tree} {inside} {plan.project.file} {patterns}"
    if known := memo.recall("code", subject):
        return str(known)
    began = now()
    found = _digest([[name, blob, mode] for name, (blob, mode) in files(recorded, plan).items()])
    memo.keep("code", subject, (), found, began)
    return found


def files(recorded: Recorded, plan: Plan) -> dict[str, tuple[str, str]]:
    """Path in the snapshot -> (blob, mode), of the files that count as code."""
    top = f"{recorded.subdirectory}/" if recorded.subdirectory else ""
    patterns, own = outputs(plan), f"{top}{plan.project.file}"
    found = {}
    for each in snapshot.files(recorded.store, recorded.code.tree):
        inside = each.path[len(top) :] if each.path.startswith(top) else ""
        if each.path != own and not (inside and is_output(inside, patterns)):
            found[each.path] = (each.blob, str(each.mode))
    return found
