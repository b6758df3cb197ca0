"""Who protects, approves and rejects, and what is missing for a move of a protected alias or stage."""

from __future__ import annotations

from collections.abc import Sequence

from runner.errors import InputError
from runner.tracking.events import Event
from runner.tracking.registry import change, operations, signing, sources
from runner.tracking.registry.change import numbered
from runner.tracking.registry.policy import Need, Shown, Texts, Unmet, needs_of, parse, person, unmet
from runner.tracking.registry.state import STAGES, RegisteredModel, Version, target_of
from runner.tracking.registry.store import Changing, changing
from runner.tracking.store import Store

__all__ = ["check_files", "checked", "decide", "evidence_of", "finish", "moved", "set_policy", "standing"]


def checked(target: str) -> str:
    """alias:NAME or stage:NAME. InputError for what can be neither."""
    full = target_of(target)
    kind, _, name = full.partition(":")
    if kind == "stage" and name not in STAGES[1:]:
        raise InputError(f"there is no stage {name!r} to protect", f"there are {', '.join(STAGES[1:])}")
    if kind == "alias" and (not name or not name.replace("-", "_").replace("_", "a").isalnum()):
        raise InputError(f"{target!r} is neither an alias nor stage:NAME")
    return full


def set_policy(store: Store, name: str, target: str, text: str, by: str, why: str = "") -> RegisteredModel:
    """`text`: YAML; "" takes the protection away. InputError for one that is wrong."""
    target = checked(target)
    needs = parse(text) if text else []
    with changing(store.root, name, store.secrets) as held:
        heads = held.model.heads.get(target, ())
        return held.append(operations.policy(target, text, needs, by, heads, why, held.model.name))


def evidence_of(model: RegisteredModel, version: Version) -> list[Event]:
    return [each for each in model.evidence.values() if each.get("version_id") == version.version_id]


def standing(model: RegisteredModel, version: Version, target: str) -> list[Unmet]:
    """What is missing for this move."""
    policy = model.policies.get(target)
    if policy is None:
        return []
    shown = Shown(
        target,
        version,
        evidence_of(model, version),
        [each for each in model.evidence.values() if each["type"] == "reject"],
        lambda alias: found.version_id if (found := model.aliased(alias)) else "",
        signing.verifier(),
        Texts(model.description, model.tags),
    )
    return unmet(needs_of(policy), shown)


def check_files(store: Store, name: str, version: Version) -> None:
    """Evidence counts for the exact bytes only."""
    if version.digest and sources.current_digest(store, version) != version.digest:
        raise InputError(f"the files of {name}/{version.number} are not those that were registered")


def moved(held: Changing, version: Version, target: str, by: str, why: str, evidence: Sequence[str]) -> None:
    kind, _, name = target.partition(":")
    if kind == "alias":
        change.move(held, name, version.version_id, by, why, evidence)
    else:
        change.enter(held, version, name, name in ("Staging", "Production"), by, why, evidence)


def decide(
    store: Store,
    name: str,
    number: int,
    target: str,
    by: str,
    role: str,
    approved: bool,
    why: str = "",
    key: str = "",
    signature: str = "",
) -> list[Unmet]:
    """An approval, or a rejection; what is missing now. InputError when it would not count.

    `key`: to sign it with, or else its `signature`.
    """
    target = checked(target)
    with changing(store.root, name, store.secrets) as held:
        version = numbered(held.model, number)
        policy = held.model.policies.get(target)
        if policy is None:
            raise InputError(f"{target.partition(':')[2]} of {name} is not protected: it needs no approval")
        check_files(store, name, version)
        if approved:
            _check_counts(needs_of(policy), version, by, key or signature)
            facts = operations.approve(target, version.version_id, version.digest, by, role, why)
            if key:
                signature = signing.sign(signing.payload(facts), key)
            if signature:
                facts = {**facts, "signature": signature}
        else:
            facts = operations.reject(target, version.version_id, version.digest, by, role, why)
        held.append(facts)
        return standing(held.model, version, target)


def _check_counts(needs: Sequence[Need], version: Version, by: str, key: str) -> None:
    for need in needs:
        if need.kind == "approvals" and need.options.get("not_author") and person(version.user) == person(by):
            raise InputError(f"{by} registered it, and its author's approval does not count")
        if need.kind == "approvals" and need.options.get("signed") and not key:
            raise InputError("the policy asks for signed approvals", "--key ~/.ssh/id_ed25519")


def finish(store: Store, name: str, number: int, target: str, by: str, why: str) -> list[Unmet]:
    """Moves when all is there that the policy asks for; what is missing otherwise. No gate is judged."""
    target = checked(target)
    with changing(store.root, name, store.secrets) as held:
        version = numbered(held.model, number)
        check_files(store, name, version)
        missing = standing(held.model, version, target)
        if not missing:
            proof = [str(each["op"]) for each in evidence_of(held.model, version)]
            moved(held, version, target, by, why, proof if target in held.model.policies else ())
        return missing
