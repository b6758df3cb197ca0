"""What is done to a registered model: each decides under its lock, and appends one operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from runner.errors import InputError, StoreError
from runner.tracking import entity
from runner.tracking.log import kept, new_run_id
from runner.tracking.registry import operations
from runner.tracking.registry.state import STAGES, RegisteredModel, Version
from runner.tracking.registry.store import ROOM, Changing, changing, folder_of, id_of, placed
from runner.values import Json

if TYPE_CHECKING:
    from runner.text.secrets import Secrets

__all__ = [
    "ContestedError", "NoVersionError", "ProtectedError", "TakenError", "check_free", "comment", "create", "delete",
    "describe", "drop_alias", "enter", "is_name", "move", "numbered", "register", "rename", "restore", "set_alias",
    "settle", "tag", "transition", "untag",
]  # fmt: skip


class NoVersionError(StoreError):
    """There is no version of that number."""


class TakenError(StoreError):
    """There is a registered model of that name already."""


class ProtectedError(StoreError):
    """An alias or stage that moves only with the evidence that its policy asks for; the hint is how."""


class ContestedError(StoreError):
    """Two versions claim a number, of stores that were merged."""


def numbered(model: RegisteredModel, number: int) -> Version:
    """NoVersionError when there is none, ContestedError when merged stores have two of them."""
    if claims := model.contested.get(number):
        said = ", ".join(_described(model, each) for each in claims)
        raise ContestedError(
            f"Model Version (name={model.name}, version={number}) is claimed by {len(claims)} versions, of stores"
            f" that were merged: {said}",
            f"proj models settle {model.name}  gives each a number of its own",
        )
    found = model.versions.get(number)
    if found is None:
        raise NoVersionError(
            f"Model Version (name={model.name}, version={number}) not found", f"proj models show {model.name}"
        )
    return found


def _described(model: RegisteredModel, version_id: str) -> str:
    found = model.by_id(version_id)
    if found is None:
        return version_id
    return f"{found.source} of run {found.run_id}" if found.run_id else found.source


NAME = 256  # characters


def is_name(name: str) -> bool:
    """Whether a registered model may have it: it is a part of addresses, models:/NAME/1."""
    return bool(name.strip()) and not set("/:") & set(name) and name not in (".", "..") and len(name) <= NAME


def check_free(model: RegisteredModel, *targets: str, version: Version | None = None) -> None:
    """ProtectedError when one of the targets (alias:NAME, stage:NAME) has a policy."""
    for target in targets:
        if target in model.policies:
            kind, _, name = target.partition(":")
            given = name if kind == "alias" else target
            number = version.number if version is not None else "VERSION"
            raise ProtectedError(
                f"the {kind} {name!r} of {model.name} is protected: it moves only with what its policy asks for",
                f"proj models promote {model.name}/{number} {given}",
            )


# ---- models and versions -----------------------------------------------------------------------------------


def create(
    root: str,
    name: str,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    secrets: Secrets | None = None,
    by: str = "",
) -> bool:
    """False when the name is taken. StoreError when it cannot be written."""
    name = kept(name, secrets)
    first = operations.created(name, description, tags or {}, by)
    while True:
        old, thing = placed(root, name)
        if old is not None and old.lifecycle == "active":
            return False
        if old is None:
            if entity.create(root, ROOM, thing, first, secrets=secrets):
                return True
            continue  # somebody was quicker
        with changing(root, name, secrets, deleted=True) as held:
            if held.model.lifecycle == "active":
                return False
            held.append(first)
            return True


def register(root: str, name: str, wanted: Version, secrets: Secrets | None = None) -> Version:
    """A new version, with the next number; of `wanted`, its id, number and time do not count."""
    with changing(root, name, secrets) as held:
        made = wanted._replace(version_id=new_run_id(), number=held.model.highest + 1)
        facts: dict[str, Json] = {key: getattr(made, key) for key in REGISTERED}
        held.append(
            *_fixed(held.model), operations.version({**facts, "tags": dict(made.tags), "by": made.user})
        )
        found = held.model.by_id(made.version_id)
        if found is None:
            raise StoreError(f"{root} does not keep what is written to it", "proj doctor  checks the store")
        return found


REGISTERED = (
    "version_id", "number", "source", "location", "run_id", "model_id", "digest", "description", "run_link", "user",
    "copied_from",
)  # fmt: skip


def _fixed(model: RegisteredModel) -> list[Mapping[str, Json]]:
    """The numbers that versions got which could not have theirs: later ones do not change them."""
    claimed = {each for ids in model.contested.values() for each in ids}
    numbers = {
        version.version_id: version.number
        for version in (*model.versions.values(), *model.deleted.values())
        if version.version_id in claimed
    }
    return [operations.settle(numbers, (), "")] if numbers else []


def settle(root: str, name: str, by: str, secrets: Secrets | None = None) -> dict[int, list[int]]:
    """Each version that claims a number with another gets one for good: contested number -> theirs."""
    with changing(root, name, secrets) as held:
        model = held.model
        if not model.contested:
            return {}
        found: dict[int, list[int]] = {}
        numbers: dict[str, int] = {}
        for number, ids in model.contested.items():
            versions = [version for each in ids if (version := model.by_id(each)) is not None]
            numbers |= {each.version_id: each.number for each in versions}
            found[number] = [each.number for each in versions]
        held.append(operations.settle(numbers, list(model.contested), by))
        return found


def rename(
    root: str, name: str, new: str, by: str, why: str = "", secrets: Secrets | None = None
) -> RegisteredModel:
    """TakenError when another has the name; ProtectedError where something is protected: the name would be free."""
    new = kept(new, secrets)
    with changing(root, name, secrets) as held:
        for target in held.model.policies:
            given = target.removeprefix("alias:")
            raise ProtectedError(
                f"{given} of {name} is protected: another model could take the name, and no policy would hold for it",
                f"proj models policy {name} {given} --remove",
            )
        other, _ = placed(root, new)
        place = id_of(new)
        if other is not None and other.lifecycle == "active":
            raise TakenError(f"Registered Model (name={new}) already exists.")
        if place != held.thing:
            refers: Mapping[str, Json] = {"type": "refers", "thing": held.thing}
            if not entity.create(root, ROOM, place, refers, secrets=secrets):
                entity.append(folder_of(root, place), refers, secrets=secrets)
        return held.append(operations.rename(new, by, why))


def delete(
    root: str, name: str, number: int | None, by: str, why: str = "", secrets: Secrets | None = None
) -> None:
    """A version, or the model. What a protected alias or stage has stays."""
    with changing(root, name, secrets) as held:
        model = held.model
        version = None if number is None else numbered(model, number)
        for each in model.versions.values() if version is None else (version,):
            targets = [f"alias:{alias}" for alias in model.names_of(each)]
            check_free(model, *targets, f"stage:{each.stage}", version=None)
        held.append(operations.delete(by, version.version_id if version else "", why))


def restore(
    root: str, name: str, number: int | None, by: str, secrets: Secrets | None = None
) -> RegisteredModel:
    """A version, or (None) the model. InputError when it is not deleted."""
    with changing(root, name, secrets, deleted=True) as held:
        model = held.model
        if number is None:
            if model.lifecycle == "active":
                raise InputError(f"{name} is not deleted")
            return held.append(operations.restore(by))
        if number not in model.deleted:
            raise InputError(f"{name}/{number} is not deleted", f"proj models show {name}")
        return held.append(operations.restore(by, model.deleted[number].version_id))


# ---- aliases and stages ------------------------------------------------------------------------------------


def set_alias(
    root: str, name: str, alias: str, number: int, by: str, why: str = "", secrets: Secrets | None = None
) -> RegisteredModel:
    """ProtectedError when the alias has a policy: then it moves by a promotion only."""
    with changing(root, name, secrets) as held:
        version = numbered(held.model, number)
        check_free(held.model, f"alias:{alias}", version=version)
        return move(held, alias, version.version_id, by, why)


def drop_alias(
    root: str, name: str, alias: str, by: str, why: str = "", secrets: Secrets | None = None
) -> RegisteredModel:
    with changing(root, name, secrets) as held:
        if alias not in held.model.aliases:
            return held.model
        check_free(held.model, f"alias:{alias}")
        return move(held, alias, "", by, why)


def move(
    held: Changing, alias: str, to: str, by: str, why: str, evidence: Sequence[str] = ()
) -> RegisteredModel:
    """Of a model that is held; to a protected alias with its evidence."""
    heads = held.model.heads.get(f"alias:{alias}", ())
    return held.append(operations.alias(alias, to, heads, by, why, evidence=[*evidence]))


def transition(
    root: str,
    name: str,
    number: int,
    stage: str,
    archive: bool,
    by: str,
    why: str = "",
    secrets: Secrets | None = None,
) -> RegisteredModel:
    """With `archive` those that are in the stage leave it for Archived, in the same operation."""
    with changing(root, name, secrets) as held:
        version = numbered(held.model, number)
        check_free(held.model, f"stage:{stage}", version=version)
        if version.stage != stage:
            check_free(held.model, f"stage:{version.stage}")
        return enter(held, version, stage, archive, by, why)


def enter(
    held: Changing,
    version: Version,
    stage: str,
    archive: bool,
    by: str,
    why: str,
    evidence: Sequence[str] = (),
) -> RegisteredModel:
    """Of a model that is held; into a protected stage with its evidence."""
    others = [
        each.version_id
        for each in held.model.versions.values()
        if archive and each.stage == stage and each.version_id != version.version_id
    ]
    if stage not in STAGES:
        raise InputError(f"there is no stage {stage!r}", f"there are {', '.join(STAGES)}")
    return held.append(operations.stage(version.version_id, stage, others, by, why, evidence=[*evidence]))


# ---- what is said of it ------------------------------------------------------------------------------------


def _id(model: RegisteredModel, number: int | None) -> str:
    return "" if number is None else numbered(model, number).version_id


def tag(
    root: str, name: str, number: int | None, key: str, value: str, by: str, secrets: Secrets | None = None
) -> RegisteredModel:
    with changing(root, name, secrets) as held:
        return held.append(operations.tag(key, value, by, _id(held.model, number)))


def untag(
    root: str, name: str, number: int | None, key: str, by: str, secrets: Secrets | None = None
) -> RegisteredModel:
    """Of a tag that is not there it says nothing, as MLflow."""
    with changing(root, name, secrets) as held:
        return held.append(operations.untag(key, by, _id(held.model, number)))


def describe(
    root: str, name: str, number: int | None, text: str, by: str, secrets: Secrets | None = None
) -> RegisteredModel:
    with changing(root, name, secrets) as held:
        return held.append(operations.describe(text, by, _id(held.model, number)))


def comment(
    root: str, name: str, number: int | None, text: str, by: str, secrets: Secrets | None = None
) -> RegisteredModel:
    with changing(root, name, secrets) as held:
        return held.append(operations.comment(text, by, _id(held.model, number)))
