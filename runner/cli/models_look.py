"""`proj models ls, show, history, diff, events`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.errors import InputError
from runner.text.units import ago, iso

if TYPE_CHECKING:
    from runner.tracking.registry import RegisteredModel, Version
    from runner.tracking.registry.story import Entry

__all__ = ["diff", "events", "history", "ls", "show"]

EVERY = 1.0  # s between looks for new operations


def ls(filter: str, everything: bool, location: str, as_json: bool) -> int:  # noqa: A002
    """List registered models, with their aliases and latest version."""
    from runner.tracking import registry
    from runner.tracking.index.grammar import parse_filter
    from runner.tracking.registry.filters import MODELS, passes

    wanted = parse_filter(filter, MODELS)
    with reference.open_store(location) as store:
        found = [each for each in registry.listing(store.root, everything) if passes(wanted, each, each)]
    found.sort(key=lambda model: model.name)
    render = ago if output.is_terminal() else iso
    rows = []
    for model in found:
        latest = model.latest.number if model.latest else ""
        state = "" if model.lifecycle == "active" else "deleted"
        state = "contested: proj models settle" if model.contested else state
        rows.append((model.name, latest, _aliases(model), render(model.last_update_time), state))
    columns = ("name", "latest", "aliases", "changed", "state")
    return output.result(as_json, [model_facts(each) for each in found], output.table(columns, rows))


def _aliases(model: RegisteredModel) -> str:
    return ", ".join(
        f"{name}={version.number}" for name in model.aliases if (version := model.aliased(name)) is not None
    )


def model_facts(model: RegisteredModel) -> dict[str, object]:
    return {
        "name": model.name,
        "description": model.description,
        "lifecycle": model.lifecycle,
        "creation_time": iso(model.creation_time),
        "last_update_time": iso(model.last_update_time),
        "tags": dict(model.tags),
        "aliases": {
            name: version.number for name in model.aliases if (version := model.aliased(name)) is not None
        },
        "protected": sorted(model.policies),
        "latest": model.latest.number if model.latest else None,
        "versions": len(model.versions),
        "contested": sorted(model.contested),
    }


def version_facts(model: RegisteredModel, version: Version, problem: str = "") -> dict[str, object]:
    return {
        **version._asdict(),
        "name": model.name,
        "tags": dict(version.tags),
        "aliases": model.names_of(version),
        "creation_time": iso(version.creation_time),
        "last_update_time": iso(version.last_update_time),
        "comments": [{**each._asdict(), "time": iso(each.time)} for each in version.comments],
        "rebuilt": version.rebuilt["verdict"] if version.rebuilt else None,
        "problem": problem,
    }


def show(ref: str, location: str, as_json: bool) -> int:
    """Show a registered model with its versions, or everything about a version."""
    from runner.tracking.registry.reference import named
    from runner.tracking.registry.sources import problem_of

    with reference.open_store(location) as store:
        model, version = named(store.root, ref)
        problem = problem_of(store, model, version) if version else ""
    if version is None:
        versions = [version_facts(model, each) for each in model.versions.values()]
        return output.result(as_json, {**model_facts(model), "versions": versions}, _model_lines(model))
    return output.result(
        as_json, version_facts(model, version, problem), _version_lines(model, version, problem)
    )


def _model_lines(model: RegisteredModel) -> Iterator[str]:
    yield f"{model.name}  {model.description}".rstrip()
    for name, value in model.tags.items():
        yield f"  {name}={value}"
    for name, alias in model.aliases.items():
        version = model.aliased(name)
        note = " (protected)" if f"alias:{name}" in model.policies else ""
        if alias.others:
            others = [found.number for each in alias.others if (found := model.by_id(each)) is not None]
            note += f" (stores that were merged lead it to {', '.join(map(str, others))})"
        yield f"  @{name} -> {version.number if version else '?'}{note}"
    for number in model.contested:
        yield f"  {number} is claimed by several versions: proj models settle {model.name}"
    for each in model.ignored[-5:]:
        yield f"  a move of {each.move.target.removeprefix('alias:')} by {each.move.by} does not count: {each.reason}"
    yield ""
    render = ago if output.is_terminal() else iso
    rows = [
        (
            each.number,
            each.stage,
            ", ".join(model.names_of(each)),
            each.run_id[:12],
            render(each.creation_time),
            each.user,
            each.rebuilt["verdict"] if each.rebuilt else "",
        )
        for each in reversed(model.versions.values())  # type: ignore[call-overload]
    ]
    yield from output.table(("version", "stage", "aliases", "run", "registered", "by", "rebuilt"), rows)


def _version_lines(model: RegisteredModel, version: Version, problem: str) -> Iterator[str]:
    yield f"{model.name}/{version.number}  {version.description}".rstrip()
    facts = {
        "aliases": ", ".join(model.names_of(version)),
        "stage": version.stage if version.stage != "None" else "",
        "registered": f"{iso(version.creation_time)} {version.user}".strip(),
        "source": version.source,
        "files": version.location if version.location != version.source else "",
        "digest": version.digest,
        "run": version.run_id,
        "logged model": version.model_id,
        "rebuilt": version.rebuilt["verdict"] if version.rebuilt else "",
        "problem": problem,
    }
    for name, text in facts.items():
        if text:
            yield f"  {name:<12}  {text}"
    for key, value in version.tags.items():
        yield f"  {key}={value}"
    for comment in version.comments:
        yield f"  {iso(comment.time)} {comment.by}: {comment.text}"


def history(ref: str, location: str, as_json: bool) -> int:
    """Show who did what to a registered model or a version, when and why."""
    from runner.tracking.registry.reference import named
    from runner.tracking.registry.story import story

    with reference.open_store(location) as store:
        model, version = named(store.root, ref)
        found = story(store.root, model)
    if version is not None:
        found = [each for each in found if each.version == str(version.number)]
    rows = [
        (
            iso(each.time),
            each.by,
            each.what + (f" (does not count: {each.ignored})" if each.ignored else ""),
            each.why,
        )
        for each in found
    ]
    facts = [_entry(model, each) for each in found]
    return output.result(as_json, facts, output.table(("when", "who", "what", "why"), rows))


def _entry(model: RegisteredModel, entry: Entry) -> dict[str, object]:
    return {"name": model.name, **entry._asdict(), "time": iso(entry.time), "version": entry.version or None}


def diff(refs: tuple[str, ...], location: str, as_json: bool) -> int:
    """Show how two versions differ: signature and requirements, then all in which their runs do."""
    from runner.promotion.differing import between
    from runner.tracking.registry.reference import version_of

    if len(refs) != 2:
        raise InputError("it takes two versions to tell a difference", "proj models diff NAME/6 NAME/7")
    with reference.open_store(location, quiet=True) as store:
        one, two = (version_of(store.root, each)[1] for each in refs)
        found = between(store, one, two)
    lines = [f"{refs[0]} -> {refs[1]}"]
    for change in found.changes:
        lines.append(f"  {change.name}  {_shown(change.old)} -> {_shown(change.new)}")
    if found.runs is not None:
        from runner.cli.diff import lines as run_lines

        lines += ["", *run_lines(found.runs, True, output.colours())]
    for note in found.notes:
        lines.append(note)
    return output.result(as_json, found.facts(), lines)


def _shown(value: object) -> str:
    return "absent" if value is None else str(value)


def events(follow: bool, after: str, location: str, as_json: bool) -> int:
    """Print what is done to registered models, one line each; with --json one JSON object a line."""
    from runner.tracking import registry
    from runner.tracking.registry.story import story

    known: dict[str, object] = {}  # thing -> the state that was looked at
    with reference.open_store(location, quiet=True) as store:
        while True:
            found = []
            for model in registry.listing(store.root, deleted=True):
                if known.get(model.thing) is not model:
                    known[model.thing] = model
                    found += [(each, model) for each in story(store.root, model) if each.op > after]
            found.sort(key=lambda pair: pair[0].op)
            for entry, model in found:
                after = max(after, entry.op)
                line = f"{iso(entry.time)}\t{model.name}\t{entry.by}\t{entry.what}"
                output.emit_lines([output.json_text(_entry(model, entry)) if as_json else line])
            if not follow:
                return 0
            sys.stdout.flush()
            time.sleep(EVERY)
