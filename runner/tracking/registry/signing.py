"""Signatures by ssh keys (`ssh-keygen -Y`), and whose this machine trusts.

Trusted are the keys of the file `allowed_signers` (ssh-keygen(1)) in PROJ_HOME, or of PROJ_ALLOWED_SIGNERS: outside of
the store, so that who writes to a store cannot say whom others trust.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import OrderedDict

from runner import paths
from runner.errors import InputError, ProjError
from runner.host import files, process
from runner.tracking.events import Event
from runner.tracking.registry.policy import Verify, signable

__all__ = ["NAMESPACE", "allowed", "payload", "sign", "trusted", "verifier", "verify"]

NAMESPACE = "proj-model"
KEPT = 4096

_known: OrderedDict[tuple[object, str, str], str] = OrderedDict()


def allowed() -> str:
    """The path of the file with the keys that are trusted."""
    return os.environ.get("PROJ_ALLOWED_SIGNERS") or os.path.join(paths.home(), "allowed_signers")


def trusted() -> object:
    """Something else when the file was changed; None when there is none."""
    return files.stamp(allowed())


def payload(event: Event) -> str:
    """What the signature of an operation is about."""
    return str(event["statement"]) if event["type"] == "signature" else signable(event)


def verifier() -> Verify:
    """Whose valid signature an operation has. Of one that signs a statement: this must be about its version."""

    def whose(event: Event) -> str:
        signature = str(event.get("signature", ""))
        if not signature or (event["type"] == "signature" and not _is_about(event)):
            return ""
        return verify(payload(event), signature)

    return whose


def _is_about(event: Event) -> bool:
    try:
        statement = json.loads(str(event["statement"]))
        about = statement["predicate"]["buildDefinition"]["externalParameters"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(
        about.get("digest") == event.get("digest") and about.get("version_id") == event.get("version_id")
    )


def verify(text: str, signature: str) -> str:
    """The principal whose key signed it; "" where it is nobody's that is trusted, or not a signature of this text."""
    path, stamp = allowed(), trusted()
    if stamp is None:
        return ""
    key = (stamp, text, signature)
    if key in _known:
        return _known[key]
    with tempfile.NamedTemporaryFile("w", suffix=".sig", encoding="utf-8") as file:
        file.write(signature)
        file.flush()
        found = _ssh_keygen(["find-principals", "-s", file.name, "-f", path]).splitlines()
        who = ""
        for name in found:
            argv = ["verify", "-f", path, "-I", name, "-n", NAMESPACE, "-s", file.name]
            if _ssh_keygen(argv, text):
                who = name
                break
    _known[key] = who
    while len(_known) > KEPT:
        _known.popitem(last=False)
    return who


def _ssh_keygen(argv: list[str], text: str | None = None) -> str:
    """What it printed; "" when it failed."""
    try:
        done = process.run(["ssh-keygen", "-Y", *argv], input=text, timeout=30)
    except ProjError:
        return ""
    return done.out.strip() if done.code == 0 else ""


def sign(text: str, key: str) -> str:
    """The signature with the private key of this path (or the public one of a key that an agent has)."""
    if not os.path.isfile(key):
        raise InputError(f"there is no key {key}", "ssh-keygen -t ed25519 -f KEY  makes one")
    done = process.run(["ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", NAMESPACE], input=text)
    if done.code:
        raise InputError(f"{key} does not sign: {done.err.strip()}")
    return done.out
