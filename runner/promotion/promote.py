"""A protected alias or stage moves: gates are judged, people are asked, and one operation lists the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from runner.errors import InputError
from runner.promotion.gates import Case, judge
from runner.tracking.events import Event
from runner.tracking.registry import RegisteredModel, Version, change, numbered, operations, signing, sources
from runner.tracking.registry.policy import AUTOMATIC, Need, Shown, Unmet, needs_of, parse, unmet
from runner.tracking.registry.state import STAGES, target_of
from runner.tracking.registry.store import Changing, changing, get
from runner.tracking.store import Store
from runner.values import Report

__all__ = ["Promoted", "decide", "promote", "set_policy", "sign", "standing"]

PEOPLE = ("approvals", "signed")  # what somebody has to do


class Promoted(NamedTuple):
    name: str
    version: int
    target: str  # alias:NAME or stage:NAME
    state: str  # moved, pending, refused
    missing: tuple[Unmet, ...] = ()
    gates: tuple[tuple[str, str, str], ...] = ()  # (kind, verdict, detail) of those that were judged now


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
        return held.append(operations.policy(target, text, needs, by, heads, why))


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
    )
    return unmet(needs_of(policy), shown)


def promote(store: Store, name: str, number: int, target: str, by: str, why: str, report: Report) -> Promoted:
    """Runs the gates that are not yet passed, asks for what people have to do, and moves when all is there."""
    target = checked(target)
    version = numbered(get(store.root, name), number)
    _check_files(store, name, version)
    with changing(store.root, name, store.secrets) as held:
        model = held.model
        if target not in model.policies:
            _move(held, numbered(model, number), target, by, why, ())
            return Promoted(name, number, target, "moved")
        asked = [each for each in evidence_of(model, version) if each["type"] == "request"]
        if not any(each.get("target") == target and each.get("digest") == version.digest for each in asked):
            held.append(operations.request(target, version.version_id, version.digest, by, why))
    gates = _judged(store, name, number, target, by, report)
    with changing(store.root, name, store.secrets) as held:
        model = held.model
        version = numbered(model, number)
        missing = standing(model, version, target)
        if not missing:
            proof = [str(each["op"]) for each in evidence_of(model, version)]
            _move(held, version, target, by, why, proof)
            return Promoted(name, number, target, "moved", (), tuple(gates))
    failed = [each for each in missing if each.need.kind not in PEOPLE or each.reason.startswith("rejected")]
    return Promoted(name, number, target, "refused" if failed else "pending", tuple(missing), tuple(gates))


def _check_files(store: Store, name: str, version: Version) -> None:
    """Evidence counts for the exact bytes only."""
    if version.digest and sources.current_digest(store, version) != version.digest:
        raise InputError(f"the files of {name}/{version.number} are not those that were registered")


def _judged(
    store: Store, name: str, number: int, target: str, by: str, report: Report
) -> list[tuple[str, str, str]]:
    found = []
    model = get(store.root, name)
    for need in needs_of(model.policies[target]):
        if need.kind not in AUTOMATIC:
            continue
        model = get(store.root, name)
        version = numbered(model, number)
        if not any(each.need == need for each in standing(model, version, target)):
            continue  # passed before, for these bytes
        judged = judge(need, Case(store, model, version, by, report))
        with changing(store.root, name, store.secrets) as held:
            facts = {key: value for key, value in judged.facts.items() if value}
            made = operations.gate(
                need.key,
                version.version_id,
                version.digest,
                judged.verdict,
                by,
                detail=judged.detail,
                **facts,
            )
            held.append(made)
        found.append((need.kind, judged.verdict, judged.detail))
    return found


def _move(held: Changing, version: Version, target: str, by: str, why: str, evidence: Sequence[str]) -> None:
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
) -> list[Unmet]:
    """An approval, or a rejection; what is missing now. InputError when nobody asked, or it would not count."""
    target = checked(target)
    with changing(store.root, name, store.secrets) as held:
        version = numbered(held.model, number)
        policy = held.model.policies.get(target)
        if policy is None:
            raise InputError(f"{target.partition(':')[2]} of {name} is not protected: it needs no approval")
        _check_files(store, name, version)
        if approved:
            _check_counts(needs_of(policy), version, by, key)
            facts = operations.approve(target, version.version_id, version.digest, by, role, why)
            if key:
                facts = {**facts, "signature": signing.sign(signing.payload(facts), key)}
        else:
            facts = operations.reject(target, version.version_id, version.digest, by, role, why)
        held.append(facts)
        return standing(held.model, version, target)


def _check_counts(needs: Sequence[Need], version: Version, by: str, key: str) -> None:
    for need in needs:
        if need.kind == "approvals" and need.options.get("not_author") and version.user == by:
            raise InputError(f"{by} registered it, and its author's approval does not count")
        if need.kind == "approvals" and need.options.get("signed") and not key:
            raise InputError("the policy asks for signed approvals", "--key ~/.ssh/id_ed25519")


def sign(store: Store, name: str, number: int, key: str, by: str) -> str:
    """The statement about a version (statement.py), signed, and kept with it. InputError."""
    from runner.promotion.statement import statement

    version = numbered(get(store.root, name), number)
    _check_files(store, name, version)
    if not version.digest:
        raise InputError(f"the files of {name}/{number} are not in this store: there is nothing to sign")
    text = statement(store, name, version)
    signed = signing.sign(text, key)
    with changing(store.root, name, store.secrets) as held:
        held.append(operations.signature(version.version_id, version.digest, text, signed, by))
    return text
