"""Registered models: a name, and the versions that were registered under it.

A version is its `version_id` and the digest of its files: aliases, stages, approvals and signatures point at it. Its
number is given under a lock, one after the other, and never again. After a merge of two stores two versions may claim
one number: the earlier keeps it, the later gets the next one after the greatest, and until that is settled neither is
found by it.
"""

from runner.tracking.registry.change import (
    ContestedError,
    NoVersionError,
    ProtectedError,
    TakenError,
    create,
    numbered,
    register,
)
from runner.tracking.registry.state import STAGES, RegisteredModel, Version
from runner.tracking.registry.store import NoModelError, find, get, id_of, listing

__all__ = [
    "STAGES", "ContestedError", "NoModelError", "NoVersionError", "ProtectedError", "RegisteredModel", "TakenError",
    "Version", "create", "find", "get", "id_of", "listing", "numbered", "register",
]  # fmt: skip
