"""`proj models alias, stage, rollback, settle`."""

from __future__ import annotations

from collections.abc import Container, Sequence

from runner.cli import output, reference
from runner.errors import InputError

__all__ = ["alias", "rollback", "settle", "stage"]


def alias(name: str, alias: str, number: str, remove: bool, why: str, location: str, as_json: bool) -> int:
    """Lead an alias to a version; without VERSION, show where it leads."""
    from runner.tracking.registry import change
    from runner.tracking.registry.reference import model_of, version_of
    from runner.tracking.store import user_name

    with reference.open_store(location) as store:
        model = model_of(store.root, name)
        if remove:
            if alias not in model.aliases:
                raise InputError(f"{name} has no alias {alias!r}")
            change.drop_alias(store.root, name, alias, user_name(), why, store.secrets)
            return output.result(as_json, {"name": name, "alias": alias, "version": None}, ())
        if number:
            _check(alias)
            _, version = version_of(store.root, f"{name}/{number.removeprefix(f'{name}/')}")
            change.set_alias(store.root, name, alias, version.number, user_name(), why, store.secrets)
        else:
            _, version = version_of(store.root, f"{name}@{alias}")
    value = {"name": name, "alias": alias, "version": version.number}
    return output.result(as_json, value, () if number else [f"{name}/{version.number}"])


def _check(alias: str) -> None:
    word = alias.replace("-", "_")
    if not word or not (word.isidentifier() or f"_{word}".isidentifier()):
        raise InputError(f"{alias!r} cannot be an alias: it has letters, digits, _ and - only")
    if alias.lower() == "latest" or (alias[0] in "vV" and alias[1:].isdigit()):
        raise InputError(f"the alias {alias!r} is reserved")


def stage(ref: str, name: str, archive: bool, why: str, location: str, as_json: bool) -> int:
    """Move a version into a stage."""
    from runner.tracking.registry import STAGES, change
    from runner.tracking.registry.reference import version_of
    from runner.tracking.store import user_name

    stages = {each.lower(): each for each in STAGES}
    if name.lower() not in stages:
        raise InputError(f"there is no stage {name!r}", f"there are {', '.join(STAGES)}")
    wanted = stages[name.lower()]
    with reference.open_store(location) as store:
        model, version = version_of(store.root, ref)
        change.transition(
            store.root, model.name, version.number, wanted, archive, user_name(), why, store.secrets
        )
    value = {"name": model.name, "version": version.number, "stage": wanted}
    return output.result(as_json, value, ())


def rollback(ref: str, why: str, location: str, as_json: bool) -> int:
    """Lead an alias back to the version to which it led before."""
    from runner.tracking.registry import change
    from runner.tracking.registry.reference import named
    from runner.tracking.registry.story import story
    from runner.tracking.store import user_name

    with reference.open_store(location) as store:
        model, version = named(store.root, ref)
        name = ref.rpartition("@")[2]
        if version is None or name not in model.aliases:
            raise InputError(f"{ref!r} names no alias", "proj models rollback NAME@champion")
        mark = f"led {name} to version "
        led = [
            int(each.version)
            for each in story(store.root, model)
            if each.kind == "alias" and each.version and not each.ignored and each.what.startswith(mark)
        ]
        before = _before(led, model.versions)
        if not before:
            raise InputError(
                f"{ref} led to no version before that it was not led back from",
                f"proj models history {model.name}",
            )
        reason = why or f"rollback from {version.number}"
        change.set_alias(store.root, model.name, name, before[-1], user_name(), reason, store.secrets)
    value = {"name": model.name, "alias": name, "version": before[-1], "before": version.number}
    return output.result(as_json, value, [f"{model.name}@{name}: {version.number} -> {before[-1]}"])


def _before(led: Sequence[int], there: Container[int]) -> list[int]:
    """Where it led before, the last one last. A move back to the one before takes back the move from there."""
    found: list[int] = []
    for number in led:
        if found[-2:-1] == [number]:
            found.pop()
        elif found[-1:] != [number]:
            found.append(number)
    return [each for each in found[:-1] if each in there]


def settle(name: str, location: str, as_json: bool) -> int:
    """Give each version that claims a number with another, of stores that were merged, one for good."""
    from runner.tracking.registry import change
    from runner.tracking.registry.reference import model_of
    from runner.tracking.store import user_name

    with reference.open_store(location) as store:
        model_of(store.root, name)
        found = change.settle(store.root, name, user_name(), store.secrets)
    lines = [
        f"{name}/{number}: {', '.join(f'{name}/{each}' for each in given)}" for number, given in found.items()
    ]
    return output.result(
        as_json, {str(key): given for key, given in found.items()}, lines or ["nothing to settle"]
    )
