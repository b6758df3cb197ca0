"""The key of a run: everything that decides its result, as far as it can be known before the command starts.

Two runs with equal keys have the same result, so `--cached` takes the outputs of the one for the other. Each factor is
kept by itself, as the digest of its value, so that what differs can be named. What cannot be known stands under
`forbids`: such a run is never taken for another one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from runner.environments.system import editable
from runner.host import machine, memo
from runner.host.files import now
from runner.running.beginning import options_of
from runner.running.marks import PARTLY, short_digest
from runner.running.plan import Plan
from runner.running.surroundings import MOST, Surroundings, mentioned
from runner.running.variables import ALLOWED, MORE
from runner.snapshots import snapshot
from runner.tracking import events
from runner.tracking.events import Event
from runner.tuples import NamedTuple

if TYPE_CHECKING:
    from runner.tracking.events import Facts
    from runner.tracking.fold import Run
    from runner.values import CodeState

__all__ = ["Key", "Known", "code_files", "files", "is_output", "of", "of_run", "outputs"]

FORMAT = 4
MADE_BY = ("kind", "key", "python", "image", "digest", "existing", "interpreter")
CACHES = frozenset(("__pycache__", ".pytest_cache", ".ipynb_checkpoints"))
TIMES = ("timeout", "grace")
VARYING = frozenset("date uuidgen mktemp shuf RANDOM SRANDOM EPOCHSECONDS EPOCHREALTIME curl wget".split())
WORD = r"(?<![\w./-])\w+(?![\w.-])"
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


class Known(NamedTuple):
    """A run as far as it is known before its command starts."""

    store: str
    code: CodeState
    environment: Facts  # section of the record
    packages: str  # the lock, or what is installed
    loose: tuple[str, ...]  # what lies beside packages, in an environment that we did not make
    lock: str
    inputs: tuple[Facts, ...]


def of(plan: Plan, known: Known, seen: Surroundings) -> Key:
    entry, code, root = plan.entry_point, known.code, plan.root
    stdin = plan.origin.stdin or machine.standard_input()
    names = {*ALLOWED, *seen.named, *mentioned(plan.parameters.command, os.environ.get(MORE, "").split(","))}
    options = {name: value for name, value in options_of(plan.request).items() if name not in TIMES}
    values: dict[str, object] = {
        "code": code_files(known.store, code.tree, plan),
        "folders": sorted(_folders(code.folders, plan)),
        "left out": [[str(each["path"]), str(each.get("digest"))] for each in code.left_out],
        "definition": [
            entry.command,
            entry.inputs,
            entry.outputs,
            [plan.specification.kind, plan.specification.file],
            repr(sorted(plan.specification.options.items())),
        ],
        "parameters": {
            name: value.replace(root, "") if isinstance(value, str) and root else value
            for name, value in plan.parameters.values.items()
        },
        "command": plan.parameters.shown.replace(root or "\0", ""),
        "options": options,
        "environment": [
            {name: known.environment.get(name) for name in MADE_BY if known.environment.get(name)},
            known.packages,
        ],
        "modules": known.loose,
        "inputs": [
            *(f"{each.get('path') or each['uri']} {each.get('digest')}" for each in known.inputs),
            *sorted(_empty(plan, known.inputs)),
        ],
        "variables": [seen.key, {name: seen.variables.get(name, "") for name in sorted(names)}],
        "programs": seen.programs,
        "umask": seen.umask,
        "git": seen.git,
        "files": seen.files,
        "ignored": seen.ignored,
        "stdin": stdin,
    }
    forbids = tuple(_forbids(plan, known, seen, stdin))
    return Key({name: _digest(value) for name, value in values.items()}, forbids)


def _forbids(plan: Plan, known: Known, seen: Surroundings, stdin: str) -> Iterable[str]:
    if plan.parameters.secrets:
        yield f"secrets: {', '.join(plan.parameters.secrets)}: the record keeps none, so none can be compared"
    if not known.code.tree:
        yield "code: there is no snapshot of it"
    if stdin in UNKNOWN_INPUT:
        yield "stdin: what comes through standard input is not known"
    if seen.ignored_count:
        yield f"ignored: git ignores more than {MOST} files of the project, and any of them may be read"
    if seen.links:
        yield f"links: {_few(seen.links)} lead out of the project"
    if parts := [name for name, mark in seen.files.items() if mark.startswith(PARTLY)]:
        yield f"files: {_few(parts)} has more files than are looked at"
    if seen.remote:
        yield f"network: {seen.remote} reads from it"
    command = plan.parameters.command
    varying = [each for each in sorted(VARYING) if each in command]
    if varying and (asked := sorted(set(varying).intersection(re.findall(WORD, command)))):
        yield f"command: what {_few(asked)} gives is another each time"
    if unknown := [str(each.get("path") or each["uri"]) for each in known.inputs if not each.get("digest")]:
        yield f"inputs: of {_few(unknown)} the content is not known"
    if both := [each for each in plan.entry_point.inputs if each in plan.entry_point.outputs]:
        yield f"outputs: {_few(both)} is an input, too"
    if packages := sorted(_outside(plan, known)):
        yield f"environment: {_few(packages)} is installed editable: its code is not in the snapshot"
    if hidden := [text for text in plan.request.docker_args if _takes_value(text)]:
        names = _few(text.partition("=")[2].partition("=")[0] for text in hidden)
        yield f"docker: the value of {names} is not recorded"


def _outside(plan: Plan, known: Known) -> Iterable[str]:
    """Packages that follow a folder which the snapshot does not have."""
    if known.environment.get("key"):  # made by us: the lock tells
        lines = (line for line in known.lock.splitlines() if line.startswith("-e "))
        found = {line[3:].strip(): os.path.join(plan.directory, line[3:].strip()) for line in lines}
    else:
        found = editable(str(known.environment.get("interpreter", "")))
    for name, folder in found.items():
        if not f"{os.path.normpath(folder)}/".startswith(f"{plan.root}/"):
            yield name


def _takes_value(text: str) -> bool:
    """`e=TOKEN=abc`, of which the record keeps only the name."""
    name, _, value = text.partition("=")
    return name in ("e", "env") and bool(value)


def _few(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return short_digest(text.encode("utf-8", "surrogateescape"))


# ---- code ----------------------------------------------------------------------------------------------------


def outputs(plan: Plan) -> list[str]:
    """Patterns, relative to the project, of what the command writes."""
    if not plan.entry_point.outputs:
        return []
    from runner.data.outputs import filled

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


def _folders(empty: Iterable[str], plan: Plan) -> Iterable[str]:
    """Empty folders of the snapshot, but those that hold outputs: a program may ask whether they are there."""
    inside, patterns = plan.checkout.subdirectory, outputs(plan)
    top = f"{inside}/" if inside else ""
    for path in empty:
        name = path.removeprefix(top)
        full = is_output(name, patterns) or any(
            each.removeprefix("./").startswith(f"{name}/") for each in patterns
        )
        if not (full or CACHES.intersection(path.split("/"))):
            yield path


def _empty(plan: Plan, inputs: Iterable[Facts]) -> Iterable[str]:
    """Empty folders in inputs: their digest is of files alone."""
    for each in inputs:
        top = os.path.join(plan.checkout.directory, str(each.get("path") or ""))
        if each.get("path") and os.path.isdir(top):
            for folder, folders, names in os.walk(top):
                if not (folders or names) and folder != top:
                    yield f"{each['path']}/{os.path.relpath(folder, top)}"


def code_files(store: str, tree: str, plan: Plan) -> str:
    """Digest of the files of the snapshot but the command's own outputs, and MLproject, which counts as understood."""
    if not tree:
        return ""
    subject = f"{FORMAT} {tree} {plan.checkout.subdirectory} {plan.project.file} {outputs(plan)}"
    if known := memo.recall("code", subject):
        return str(known)
    began = now()
    found = _digest([[name, *of_file] for name, of_file in files(store, tree, plan).items()])
    memo.keep("code", subject, (), found, began)
    return found


def files(store: str, tree: str, plan: Plan) -> dict[str, tuple[str, str]]:
    """Path in the snapshot -> (blob, mode), of the files that count as code."""
    inside, patterns = plan.checkout.subdirectory, outputs(plan)
    top = f"{inside}/" if inside else ""
    own = f"{top}{plan.project.file}"
    found = {}
    for each in snapshot.files(store, tree):
        name = each.path[len(top) :] if each.path.startswith(top) else ""
        if CACHES.intersection(each.path.split("/")):  # made again from the code
            continue
        if each.path != own and not (name and is_output(name, patterns)):
            found[each.path] = (each.blob, str(each.mode))
    return found
