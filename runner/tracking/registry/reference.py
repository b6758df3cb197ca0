"""What a text means: NAME, NAME/7, NAME@alias, NAME/Production; `models:/` may stand before it."""

from __future__ import annotations

from runner.errors import InputError
from runner.tracking.registry.change import numbered
from runner.tracking.registry.state import STAGES, RegisteredModel, Version
from runner.tracking.registry.store import find, listing

__all__ = ["model_of", "named", "version_of"]


def named(root: str, text: str) -> tuple[RegisteredModel, Version | None]:
    """InputError when there is none."""
    text = text.removeprefix("models:").lstrip("/") if text.startswith("models:") else text
    name, slash, which = text.partition("/")
    if slash:
        model = model_of(root, name)
        return model, _which(model, which)
    if find(root, text) is None and "@" in text:
        name, _, alias = text.rpartition("@")
        model = model_of(root, name)
        version = model.latest if alias.lower() == "latest" else model.aliased(alias)
        if version is None:
            known = ", ".join(f"{name}@{each}" for each in model.aliases)
            raise InputError(f"{name} has no alias {alias!r}", f"there are {known}" if known else "")
        return model, version
    return model_of(root, text), None


def model_of(root: str, name: str) -> RegisteredModel:
    """InputError, with the names that there are."""
    found = find(root, name)
    if found is None:
        names = ", ".join(sorted(each.name for each in listing(root))[:20])
        raise InputError(
            f"there is no registered model {name!r}",
            f"there are {names}" if names else "proj models register RUN NAME  makes one",
        )
    return found


def version_of(root: str, text: str) -> tuple[RegisteredModel, Version]:
    """InputError when it does not name a version."""
    model, version = named(root, text)
    if version is None:
        hint = f"such as {model.name}/{model.latest.number}" if model.latest else ""
        raise InputError(f"{text!r} names no version", hint)
    return model, version


def _which(model: RegisteredModel, which: str) -> Version:
    if which.isascii() and which.isdigit() and len(which) < 19:
        number = int(which)
        if number in model.deleted:
            raise InputError(
                f"{model.name}/{number} is deleted", f"proj models restore {model.name}/{number}"
            )
        if number not in model.versions and number not in model.contested:
            raise InputError(f"there is no version {model.name}/{number}", f"proj models show {model.name}")
        return numbered(model, number)
    stages = {each.stage.lower(): each for each in model.latest_of_stages()}
    found = model.latest if which.lower() == "latest" else stages.get(which.lower())
    if found is None:
        known = "" if which.capitalize() in STAGES else f"{which!r} is no number and no stage of a version: "
        raise InputError(f"{known}{model.name} has no version {which!r}", f"proj models show {model.name}")
    return found
