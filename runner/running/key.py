"""The key of a run: everything that decides its result, as far as it can be known before the command starts.

Two runs with equal keys have the same result, so `--cached` takes the outputs of the one for the other. Each factor is
kept by itself, as the digest of its value, so that what differs can be named. What cannot be known stands under
`forbids`: such a run is never taken for another one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

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
from runner.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from runner.tracking.events import Facts
    from runner.tracking.fold import Run
    from runner.values import CodeState

__all__ = ["Key", "Known", "code_files", "files", "of", "of_code", "of_run", "outputs"]

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
        facts = {"format": FORMAT, "factors": dict(self.factors), "forbids": [*self.forbids]}
        return events.section("key", {**facts, "digest": self.digest})

    @property
    def digest(self) -> str:
        """By which a run with the same key is found; "" where none may be taken."""
        return "" if self.forbids else _digest([FORMAT, dict(self.factors)])


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
    """The digest of all that can decide on the result, by factor; and what forbids to take a result over."""
    entry, code, root, is_code = plan.entry_point, known.code, plan.root, of_code(plan)
    stdin = plan.origin.stdin or machine.standard_input()
    names = {*ALLOWED, *seen.named, *mentioned(plan.parameters.command, os.environ.get(MORE, "").split(","))}
    options = {name: value for name, value in options_of(plan.request).items() if name not in TIMES}
    values: dict[str, object] = {
        "code": code_files(known.store, code.tree, plan),
        "folders": sorted(_folders(code.folders, plan)),
        "left out": [
            [str(each["path"]), str(each.get("digest"))]
            for each in code.left_out
            if is_code(str(each["path"]))
        ],
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
    return _filled(plan.entry_point.outputs, plan)


def _is_step(plan: Plan) -> bool:
    return bool(plan.entry_point.code) or any(point.needs for point in plan.project.entry_points)


def _filled(patterns: tuple[str, ...], plan: Plan) -> list[str]:
    if not patterns:
        return []
    from runner.data.outputs import filled

    return filled(patterns, plan.parameters.texts)


def _folders(empty: Sequence[str], plan: Plan) -> Iterable[str]:
    """Empty folders of the snapshot, but those that hold outputs: a program may ask whether they are there."""
    if not empty:
        return
    from runner.text.globs import matcher

    inside, patterns = plan.checkout.subdirectory, outputs(plan)
    top, is_output, is_code = f"{inside}/" if inside else "", matcher(patterns), of_code(plan)
    for path in empty:
        name = path.removeprefix(top)
        full = is_output(name) or any(each.removeprefix("./").startswith(f"{name}/") for each in patterns)
        if not (full or CACHES.intersection(path.split("/"))) and is_code(path):
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
    if _is_step(plan):
        from runner.project import graph

        subject += f" {graph.apart(plan.project.entry_points)} {_named(plan)}"
    if known := memo.recall("code", subject):
        return str(known)
    began = now()
    found = _digest([[name, *of_file] for name, of_file in files(store, tree, plan).items()])
    memo.keep("code", subject, (), found, began)
    return found


def files(store: str, tree: str, plan: Plan) -> dict[str, tuple[str, str]]:
    """Path in the snapshot -> (blob, mode), of the files that count as code."""
    from runner.text.globs import matcher

    inside, is_output = plan.checkout.subdirectory, matcher(outputs(plan))
    top = f"{inside}/" if inside else ""
    own, is_code = f"{top}{plan.project.file}", of_code(plan)
    found = {}
    for each in snapshot.files(store, tree):
        name = each.path[len(top) :] if each.path.startswith(top) else ""
        if CACHES.intersection(each.path.split("/")):  # made again from the code
            continue
        if each.path != own and not (name and is_output(name)) and is_code(each.path):
            found[each.path] = (each.blob, str(each.mode))
    return found


def _named(plan: Plan) -> list[str]:
    """The part of the project that `code` says is all, where the command has nothing else; [] for the whole."""
    return _filled(plan.entry_point.code, plan) if plan.request.workdir == "fresh" else []


def of_code(plan: Plan) -> Callable[[str], bool]:
    """Tells of a path in the snapshot whether it is code of this step: in its `code`, and no step's data."""
    if not _is_step(plan):
        return lambda path: True  # noqa: ARG005
    from runner.project import graph
    from runner.text.globs import matcher

    inside = plan.checkout.subdirectory
    top, data = f"{inside}/" if inside else "", graph.apart(plan.project.entry_points)
    code = _named(plan)
    is_data, is_named = matcher(data), matcher(code)

    def tell(path: str) -> bool:
        name = path[len(top) :] if path.startswith(top) else ""
        return not (data and name and is_data(name)) and (not code or (bool(name) and is_named(name)))

    return tell
