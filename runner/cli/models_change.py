"""`proj models register, tag, note, comment, rename, rm, restore`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.options import pairs
from runner.errors import InputError

if TYPE_CHECKING:
    from runner.tracking.registry import Version
    from runner.tracking.store import Store

__all__ = ["comment", "note", "register", "rename", "restore", "rm", "tag"]


def register(
    source: str, name: str, path: str, description: str, tags: tuple[str, ...], location: str, as_json: bool
) -> int:
    """Register the model of a run, a logged model or another version, under the next number."""
    from runner.models.of_runs import root_of
    from runner.tracking import events, registry
    from runner.tracking.registry.sources import StatedSource, resolve
    from runner.tracking.store import user_name

    _check(name)
    with reference.open_store(location) as store:
        uri = _source(store, source, path)
        found = resolve(store, lambda experiment_id: root_of(store, experiment_id), StatedSource(uri))
        found = found._replace(description=description, tags=dict(pairs(tags)), user=user_name())
        registry.create(store.root, name, secrets=store.secrets, by=user_name())
        made = registry.register(store.root, name, found, store.secrets)
        if made.run_id and os.path.isdir(store.run_directory(made.run_id)):
            with store.open_run(made.run_id) as writer:
                writer.append(events.registered_link(name, made.number, made.source, made.model_id))
    value = {"name": name, "version": made.number, **_facts(made)}
    return output.result(as_json, value, [f"{name}/{made.number}"])


def _check(name: str) -> None:
    from runner.tracking.registry.change import NAME, is_name

    if not is_name(name):
        shown = name if len(name) <= NAME else f"{name[:20]}..."
        raise InputError(
            f"{shown!r} cannot be the name of a registered model: it has no / and no :, is no . or .., and at most"
            f" {NAME} characters"
        )


def _facts(version: Version) -> dict[str, object]:
    return {key: getattr(version, key) for key in ("version_id", "source", "run_id", "model_id", "digest")}


def _source(store: Store, text: str, path: str) -> str:
    """The URI of what is to be registered. Of a run: its only model, or the artifact that is named."""
    from runner.models.of_runs import model_of
    from runner.tracking.registry.reference import version_of

    if "://" in text or text.startswith(("models:/", "runs:/", "mlflow-artifacts:/")):
        return text
    if text.startswith("m-"):
        return f"models:/{text}"
    if "/" in text or "@" in text:
        model, version = version_of(store.root, text)
        return f"models:/{model.name}/{version.number}"
    return model_of(store, reference.find(store, text), path)


def tag(ref: str, tags: tuple[str, ...], removed: tuple[str, ...], location: str, as_json: bool) -> int:
    """Set tags of a registered model or a version (NAME=VALUE ...), or remove them; with neither, show them."""
    from runner.tracking.registry import change
    from runner.tracking.registry.reference import named
    from runner.tracking.store import user_name

    new = pairs(tags)
    with reference.open_store(location) as store:
        model, version = named(store.root, ref)
        number = version.number if version else None
        known = version.tags if version else model.tags
        if absent := [key for key in removed if key not in known]:
            raise InputError(f"{ref} has no tag {absent[0]!r}")
        for key in removed:
            model = change.untag(store.root, model.name, number, key, user_name(), store.secrets)
        for key, value in new:
            model = change.tag(store.root, model.name, number, key, value, user_name(), store.secrets)
        known = model.versions[number].tags if number else model.tags
    lines = () if new or removed else output.table(("tag", "value"), list(known.items()))
    return output.result(as_json, dict(known), lines)


def _text(words: tuple[str, ...]) -> str:
    return sys.stdin.read().rstrip("\n") if words == ("-",) else " ".join(words)


def note(ref: str, words: tuple[str, ...], location: str, as_json: bool) -> int:
    """Describe a registered model or a version, as MLflow's pages show it; without TEXT, show the description."""
    from runner.tracking.registry import change
    from runner.tracking.registry.reference import named
    from runner.tracking.store import user_name

    text = _text(words)
    with reference.open_store(location) as store:
        model, version = named(store.root, ref)
        before = version.description if version else model.description
        if text:
            number = version.number if version else None
            change.describe(store.root, model.name, number, text, user_name(), store.secrets)
    return output.result(
        as_json, {"description": text or before}, before.split("\n") if before and not text else ()
    )


def comment(ref: str, words: tuple[str, ...], location: str, as_json: bool) -> int:
    """Say something about a registered model or a version; it is kept in its history."""
    from runner.tracking.registry import change
    from runner.tracking.registry.reference import named
    from runner.tracking.store import user_name

    text = _text(words)
    if not text.strip():
        raise InputError("there is nothing to say", 'proj models comment NAME/7 "looks good"')
    with reference.open_store(location) as store:
        model, version = named(store.root, ref)
        number = version.number if version else None
        change.comment(store.root, model.name, number, text, user_name(), store.secrets)
    return output.result(as_json, {"name": model.name, "version": number, "comment": text}, ())


def rename(name: str, new: str, why: str, location: str, as_json: bool) -> int:
    """Give a registered model another name; its versions, aliases and history stay."""
    from runner.tracking.registry import change
    from runner.tracking.registry.reference import model_of
    from runner.tracking.store import user_name

    _check(new)
    with reference.open_store(location) as store:
        model_of(store.root, name)
        change.rename(store.root, name, new, user_name(), why, store.secrets)
    return output.result(as_json, {"name": new}, ())


def rm(ref: str, why: str, location: str, as_json: bool) -> int:
    """Delete a version, or a registered model; it can be restored, and its numbers are not given again."""
    from runner.tracking.registry import change
    from runner.tracking.registry.reference import named
    from runner.tracking.store import user_name

    with reference.open_store(location) as store:
        model, version = named(store.root, ref)
        number = version.number if version else None
        change.delete(store.root, model.name, number, user_name(), why, store.secrets)
    what = f"{model.name}/{number}" if number else model.name
    return output.result(as_json, {"name": model.name, "version": number}, [f"{what} deleted"])


def restore(ref: str, location: str, as_json: bool) -> int:
    """Bring a deleted version or registered model back."""
    from runner.tracking.registry import NoModelError, change
    from runner.tracking.store import user_name

    name, slash, which = ref.partition("/")
    if slash and not (which.isascii() and which.isdigit() and len(which) < 19):
        raise InputError(f"{ref!r} names no version", "proj models restore NAME/7")
    with reference.open_store(location) as store:
        try:
            change.restore(store.root, name, int(which) if slash else None, user_name(), store.secrets)
        except NoModelError:
            raise InputError(f"there was no registered model {name!r}", "proj models ls --all") from None
    return output.result(
        as_json, {"name": name, "version": int(which) if slash else None}, [f"{ref} is back"]
    )
