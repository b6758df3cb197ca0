"""A protected alias or stage moves: gates are judged, people are asked, and one operation lists the evidence."""

from __future__ import annotations

from typing import NamedTuple

from runner.errors import InputError
from runner.promotion.gates import Case, judge
from runner.tracking.registry import numbered, operations, signing
from runner.tracking.registry.decisions import check_files, checked, evidence_of, finish, moved, standing
from runner.tracking.registry.policy import AUTOMATIC, Unmet, needs_of
from runner.tracking.registry.store import changing, get
from runner.tracking.store import Store
from runner.values import Report

__all__ = ["Promoted", "promote", "sign"]

PEOPLE = ("approvals", "signed")  # what somebody has to do


class Promoted(NamedTuple):
    name: str
    version: int
    target: str  # alias:NAME or stage:NAME
    state: str  # moved, pending, refused
    missing: tuple[Unmet, ...] = ()
    gates: tuple[tuple[str, str, str], ...] = ()  # (kind, verdict, detail) of those that were judged now


def promote(store: Store, name: str, number: int, target: str, by: str, why: str, report: Report) -> Promoted:
    """Runs the gates that are not yet passed, asks for what people have to do, and moves when all is there."""
    target = checked(target)
    version = numbered(get(store.root, name), number)
    check_files(store, name, version)
    with changing(store.root, name, store.secrets) as held:
        model = held.model
        if target not in model.policies:
            moved(held, numbered(model, number), target, by, why, ())
            return Promoted(name, number, target, "moved")
        asked = [each for each in evidence_of(model, version) if each["type"] == "request"]
        if not any(each.get("target") == target and each.get("digest") == version.digest for each in asked):
            held.append(operations.request(target, version.version_id, version.digest, by, why))
    gates = _judged(store, name, number, target, by, report)
    missing = finish(store, name, number, target, by, why)
    if not missing:
        return Promoted(name, number, target, "moved", (), tuple(gates))
    failed = [each for each in missing if each.need.kind not in PEOPLE or each.reason.startswith("rejected")]
    return Promoted(name, number, target, "refused" if failed else "pending", tuple(missing), tuple(gates))


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


def sign(store: Store, name: str, number: int, key: str, by: str) -> str:
    """The statement about a version (statement.py), signed, and kept with it. InputError."""
    from runner.promotion.statement import statement

    version = numbered(get(store.root, name), number)
    check_files(store, name, version)
    if not version.digest:
        raise InputError(f"the files of {name}/{number} are not in this store: there is nothing to sign")
    text = statement(store, name, version)
    signed = signing.sign(text, key)
    with changing(store.root, name, store.secrets) as held:
        held.append(operations.signature(version.version_id, version.digest, text, signed, by))
    return text
