"""The operations of a registered model. Format: docs/record.md. `by`: who did it, `why`: in their words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.tracking.events import Event, Facts
from runner.values import Json, JsonObject

__all__ = [
    "alias", "approve", "comment", "created", "delete", "describe", "gate", "policy", "rebuilt", "reject", "rename",
    "request", "restore", "settle", "signature", "stage", "tag", "untag", "version",
]  # fmt: skip


def _given(kind: str, **keys: Json) -> JsonObject:
    return {"type": kind, **{key: value for key, value in keys.items() if value not in (None, "", {}, [])}}


def created(name: str, description: str, tags: Mapping[str, str], by: str = "") -> Event:
    return _given("registered-model", name=name, description=description, tags=dict(tags), by=by)


def version(facts: Facts) -> Event:
    """state.Version; what is empty is left out."""
    return _given("version", **facts)


def alias(name: str, to: str, after: Sequence[str], by: str, why: str = "", **proof: Json) -> Event:
    """`to`: version_id, "" takes it away; `proof` of a protected one: evidence (ops)."""
    return {**_given("alias", by=by, why=why, **proof), "alias": name, "to": to, "after": [*after]}


def stage(
    version_id: str, name: str, archived: Sequence[str], by: str, why: str = "", **proof: Json
) -> Event:
    """`archived`: version ids that leave the stage for Archived with the same operation."""
    return _given("stage", version_id=version_id, stage=name, archived=[*archived], by=by, why=why, **proof)


def tag(key: str, value: str, by: str, version_id: str = "") -> Event:
    return {**_given("tag", by=by, version_id=version_id), "key": key, "value": value}


def untag(key: str, by: str, version_id: str = "") -> Event:
    return {**_given("untag", by=by, version_id=version_id), "key": key}


def describe(text: str, by: str, version_id: str = "") -> Event:
    return {**_given("describe", by=by, version_id=version_id), "text": text}


def comment(text: str, by: str, version_id: str = "") -> Event:
    return _given("comment", by=by, version_id=version_id, text=text)


def rename(name: str, by: str, why: str = "") -> Event:
    return _given("rename", name=name, by=by, why=why)


def delete(by: str, version_id: str = "", why: str = "") -> Event:
    return _given("delete", by=by, version_id=version_id, why=why)


def restore(by: str, version_id: str = "", why: str = "") -> Event:
    return _given("restore", by=by, version_id=version_id, why=why)


def settle(numbers: Mapping[str, int], settled: Sequence[int], by: str) -> Event:
    """version_id -> its number for good; `settled`: numbers that are contested no more."""
    return {**_given("settle", by=by), "numbers": dict(numbers), "settled": [*settled]}


def policy(
    target: str,
    text: str,
    needs: Sequence[JsonObject],
    by: str,
    heads: Sequence[str],
    why: str = "",
    name: str = "",
) -> Event:
    """`text`: as it was written, `needs`: what it says (policy.py); none takes the protection away.

    `heads`: the moves of the target that count when it is set; `name`: that of the model then, which it keeps.
    """
    facts = _given("policy", by=by, why=why, name=name)
    return {**facts, "target": target, "text": text, "needs": [*needs], "heads": [*heads]}


def request(target: str, version_id: str, digest: str, by: str, why: str = "") -> Event:
    return _given("request", target=target, version_id=version_id, digest=digest, by=by, why=why)


def approve(
    target: str, version_id: str, digest: str, by: str, role: str, why: str = "", signature: str = ""
) -> Event:
    facts: dict[str, Json] = {"target": target, "version_id": version_id, "digest": digest}
    return _given("approve", **facts, by=by, role=role, why=why, signature=signature)


def reject(target: str, version_id: str, digest: str, by: str, role: str, why: str = "") -> Event:
    return _given("reject", target=target, version_id=version_id, digest=digest, by=by, role=role, why=why)


def gate(need: str, version_id: str, digest: str, verdict: str, by: str, **more: Json) -> Event:
    """`verdict`: pass or fail; `more`: run_id, detail, against (version_id)."""
    return _given("gate", need=need, version_id=version_id, digest=digest, verdict=verdict, by=by, **more)


def rebuilt(version_id: str, digest: str, verdict: str, by: str, **more: Json) -> Event:
    """`verdict`: as of proj reproduce; `more`: run_ids, cause, tolerance."""
    return _given("rebuilt", version_id=version_id, digest=digest, verdict=verdict, by=by, **more)


def signature(version_id: str, digest: str, statement: str, signed: str, by: str) -> Event:
    return _given(
        "signature", version_id=version_id, digest=digest, statement=statement, signature=signed, by=by
    )
