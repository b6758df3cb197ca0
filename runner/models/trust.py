"""Whether a model is what was looked at, registered and signed: asked before it is loaded, for that may run code of it.

A signature is over an in-toto statement (promotion/statement.py): the digest of the version's files, and the digests of
the lock and the log of the run that made it.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from runner.errors import InputError, StoreError
from runner.host import files, hashing
from runner.models.address import Located
from runner.models.mlmodel import Model
from runner.tracking.events import Event
from runner.tracking.registry import RegisteredModel, Version, get, signing, sources
from runner.tracking.store import Store
from runner.values import Report

__all__ = ["Signed", "check", "signed", "tell_risks"]

OF_THE_RUN = ("environment.lock", "events.jsonl")  # files of its record whose digests are signed


class Signed(NamedTuple):
    who: str  # a principal whose key this machine trusts
    problem: str  # why the signature does not hold any more; "" when it does


def check(store: Store, found: Located, digest: str, only_signed: bool = False) -> tuple[str, ...]:
    """Who signed it, of those whom this machine trusts. Nothing is loaded.

    `digest`: of the files when they were looked at. StoreError when they are other ones now, or when the lock or the
    log of the run is not what was signed. InputError with `only_signed` when nobody did.
    """
    version = None
    if found.version_id:
        model = get(store.root, found.name)
        version = model.by_id(found.version_id)
        if version is None:
            raise StoreError(f"{found.address} was deleted meanwhile")
    if version is not None and version.digest:
        now, digest = sources.current_digest(store, version), version.digest
    else:
        now = _digest(found.folder)
    if now != digest:
        when = "that were registered" if version is not None else "that it had when it was looked at"
        raise StoreError(f"the files of {found.address} are not those {when}")
    signatures = signed(store, model, version) if version is not None else []
    holding = tuple(each.who for each in signatures if not each.problem)
    if signatures and not holding:
        raise StoreError(
            f"{found.address} is not what {signatures[0].who} signed: {signatures[0].problem}",
            f"proj models verify {found.name}/{found.number}",
        )
    if only_signed and not holding:
        raise InputError(
            f"{found.address} has no signature of a key in {signing.allowed()}",
            f"proj models sign {found.name}/{found.number} --key KEY"
            if version is not None
            else "only versions of registered models in the store have signatures",
        )
    return holding


def _digest(folder: str) -> str:
    try:
        return hashing.digest(folder).digest
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror or error}") from None


def signed(store: Store, model: RegisteredModel, version: Version) -> list[Signed]:
    """The signatures of its files by keys that this machine trusts."""
    whose = signing.verifier()
    return [
        Signed(who, _problem(store, version, each))
        for each in model.evidence.values()
        if each["type"] == "signature"
        and each.get("version_id") == version.version_id
        and each.get("digest") == version.digest
        and (who := whose(each))
    ]


def _problem(store: Store, version: Version, signature: Event) -> str:
    """What of the run is not as it was signed. A run that is not in this store has nothing that would be used."""
    try:
        stated = json.loads(str(signature["statement"]))["predicate"]["buildDefinition"][
            "resolvedDependencies"
        ]
        wanted = {each["name"]: each["digest"].get("sha256") for each in stated}
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its statement cannot be read"
    if not version.run_id or not os.path.isdir(store.run_directory(version.run_id)):
        return ""
    for name in OF_THE_RUN:
        path = os.path.join(store.run_directory(version.run_id), name)
        if name in wanted and (not os.path.isfile(path) or files.digest(path).hex != wanted[name]):
            return f"{name} of the run {version.run_id} was changed"
    return ""


def tell_risks(found: Located, model: Model, report: Report) -> None:
    """Of a model from elsewhere: what of it may run code."""
    if "://" in found.address and model.risks:
        first, more = model.risks[0], len(model.risks) - 1
        what = f"{first.file}: {first.reason}" if first.file else first.reason
        report.note(
            f"{found.address} is not of this store, and may run code: {what}"
            + (f", and {more} more: proj models info" if more else "")
        )
