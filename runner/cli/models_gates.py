"""`proj models policy, promote, approve, reject, rebuild, sign, verify`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.errors import InputError

if TYPE_CHECKING:
    from runner.tracking.registry.policy import Unmet

__all__ = ["PENDING", "approve", "policy", "promote", "rebuild", "reject", "sign", "verify"]

EVERY = 1.0  # s between looks for an approval
PENDING = 3  # exit code: somebody has to approve or to sign


def policy(name: str, target: str, file: str, remove: bool, why: str, location: str, as_json: bool) -> int:
    """Protect an alias or stage: it moves only with what the policy asks for. Without FILE, show the policy."""
    from runner.host import files
    from runner.tracking.registry.decisions import checked, set_policy
    from runner.tracking.registry.reference import model_of
    from runner.tracking.store import user_name

    target = checked(target)
    text = ""
    if file:
        try:
            text = files.read(file).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file} cannot be read: {error}") from None
        if not text.strip():
            raise InputError(f"{file} is empty", "--remove  protects it no more")
    with reference.open_store(location) as store:
        model = model_of(store.root, name)
        if file or remove:
            set_policy(store, name, target, text, user_name(), why)
        elif target not in model.policies:
            raise InputError(
                f"{target.partition(':')[2]} of {name} is not protected", "proj models policy NAME ALIAS FILE"
            )
        else:
            text = str(model.policies[target]["text"])
    lines = text.splitlines() if not file else ()
    return output.result(as_json, {"name": name, "target": target, "policy": text or None}, lines)


def promote(ref: str, target: str, why: str, wait: bool, quiet: bool, location: str, as_json: bool) -> int:
    """Judge the gates of a protected alias or stage, and lead it to the version when all that it needs is there.

    Exits with 0 when it was moved, 1 when a gate failed or somebody rejected it, 3 while it waits for somebody to
    approve or to sign: promote it again afterwards.
    """
    from runner.cli.terminal import Terminal
    from runner.host.interrupts import Interrupts
    from runner.promotion.promote import promote as move
    from runner.tracking.registry.reference import version_of
    from runner.tracking.store import user_name

    with reference.open_store(location, quiet=True) as store:
        model, version = version_of(store.root, ref)
        with output.own_stdout(True), Interrupts():
            report = Terminal(quiet=quiet)
            found = move(store, model.name, version.number, target, user_name(), why, report)
            while wait and found.state == "pending":
                time.sleep(EVERY)
                found = move(store, model.name, version.number, target, user_name(), why, report)
    name = found.target.removeprefix("alias:")
    label = f"{found.name}/{found.version}"
    lines = [
        f"{kind}: {verdict}" + (f" ({detail})" if detail else "") for kind, verdict, detail in found.gates
    ]
    if found.state == "moved":
        lines.append(f"{name} -> {label}")
    else:
        lines += [f"{each.need.kind}: {each.reason}" for each in found.missing]
        lines.append(f"{found.state}: {name} stays where it is" + _next(found.missing, label, name))
    facts = {**found._asdict(), "missing": _facts(found.missing)}
    output.result(as_json, facts, lines)
    return {"moved": 0, "pending": PENDING}.get(found.state, 1)


def _facts(missing: tuple[Unmet, ...] | list[Unmet]) -> list[dict[str, object]]:
    return [
        {"kind": each.need.kind, "options": dict(each.need.options), "reason": each.reason}
        for each in missing
    ]


def _next(missing: tuple[Unmet, ...], label: str, name: str) -> str:
    kinds = {each.need.kind for each in missing}
    if kinds == {"signed"}:
        return f"; proj models sign {label} --key KEY"
    return f"; proj models approve {label} {name}" if kinds <= {"approvals", "signed"} else ""


def approve(ref: str, target: str, why: str, key: str, location: str, as_json: bool) -> int:
    """Approve that a protected alias or stage moves to this version."""
    return _decide(ref, target, why, os.path.expanduser(key), location, as_json, True)


def reject(ref: str, target: str, why: str, location: str, as_json: bool) -> int:
    """Reject that a protected alias or stage moves to this version."""
    return _decide(ref, target, why, "", location, as_json, False)


def _decide(ref: str, target: str, why: str, key: str, location: str, as_json: bool, approved: bool) -> int:
    from runner.tracking.registry.decisions import decide
    from runner.tracking.registry.reference import version_of
    from runner.tracking.store import user_name

    with reference.open_store(location) as store:
        model, version = version_of(store.root, ref)
        # who may write to the store's folder may do everything there
        missing = decide(store, model.name, version.number, target, user_name(), "admin", approved, why, key)
    label = f"{model.name}/{version.number}"
    lines = [f"{each.need.kind}: {each.reason}" for each in missing]
    if approved and not missing:
        lines = [f"nothing is missing; proj models promote {label} {target}  moves it"]
    value = {"name": model.name, "version": version.number, "approved": approved, "missing": _facts(missing)}
    return output.result(as_json, value, lines)


def rebuild(ref: str, tolerance: tuple[str, ...], quiet: bool, location: str, as_json: bool) -> int:
    """Make a version again from its run, compare run and model, and keep the verdict with the version.

    Exits as proj reproduce: 0 when it is identical or within the tolerance, 1 when it differs, 125 when it cannot be
    made again.
    """
    from runner.cli.terminal import Terminal
    from runner.promotion.rebuild import rebuild as make
    from runner.reproduction.verdict.compared import DIFFERENT
    from runner.tracking.registry.reference import version_of
    from runner.tracking.store import user_name

    with reference.open_store(location, quiet=True) as store:
        model, version = version_of(store.root, ref)
        with output.own_stdout(True):
            found = make(store, model.name, version, tolerance, user_name(), Terminal(quiet=quiet))
    lines = [f"{model.name}/{version.number}: {found.verdict}" + (f" ({found.cause})" if found.cause else "")]
    lines += [
        f"  {each.kind} {each.name}: {each.result} {each.detail}".rstrip()
        for each in found.compared
        if each.result in DIFFERENT and each.counts
    ]
    lines += [f"hint: {found.hint}"] if found.hint else []
    facts = {**found._asdict(), "compared": [each._asdict() for each in found.compared]}
    output.result(as_json, {"name": model.name, "version": version.number, **facts}, lines)
    return found.exit_code


def sign(ref: str, key: str, location: str, as_json: bool) -> int:
    """Sign what a version is made of and what its files are, with an ssh key."""
    from runner.promotion.promote import sign as make
    from runner.tracking.registry.reference import version_of
    from runner.tracking.store import user_name

    if not key:
        raise InputError("it is not said with which key", "--key ~/.ssh/id_ed25519")
    with reference.open_store(location) as store:
        model, version = version_of(store.root, ref)
        make(store, model.name, version.number, os.path.expanduser(key), user_name())
    return output.result(as_json, {"name": model.name, "version": version.number}, ())


def verify(ref: str, output_folder: str, location: str, as_json: bool) -> int:
    """Say whose trusted signatures a version has, and whether its files, lock and log are what was signed.

    Lock and log are those of the run that made it. Exits with 1 where no signature holds.
    """
    from runner.host import files
    from runner.models import trust
    from runner.tracking.registry import signing, sources
    from runner.tracking.registry.reference import version_of

    with reference.open_store(location) as store:
        model, version = version_of(store.root, ref)
        now = sources.current_digest(store, version) if version.digest else ""
        trusted = trust.signed(store, model, version) if now == version.digest else []
    signed = [
        each
        for each in model.evidence.values()
        if each["type"] == "signature" and each.get("version_id") == version.version_id
    ]
    whole = bool(version.digest) and now == version.digest
    good = [each.who for each in trusted if not each.problem]
    broken = [f"signed by {each.who}, but {each.problem}" for each in trusted if each.problem]
    if output_folder:
        try:
            os.makedirs(output_folder, exist_ok=True)
            for number, each in enumerate(signed, 1):
                path = os.path.join(output_folder, f"{model.name}-{version.number}-{number}.intoto.json")
                files.write(path, str(each["statement"]))
                files.write(f"{path}.sig", str(each["signature"]))
        except OSError as error:
            raise InputError(f"{output_folder} cannot be written: {error.strerror or error}") from None
    if not whole:
        lines = [
            "its files are not those that were registered" if version.digest else "its files lie elsewhere"
        ]
    else:
        lines = [*broken, *(f"signed by {who}" for who in good)] or [
            f"no signature of a key in {signing.allowed()} ({len(signed)} of others)"
        ]
    value = {
        "name": model.name,
        "version": version.number,
        "signed_by": good,
        "unchanged": whole,
        "signatures": len(signed),
        "broken": broken,
    }
    output.result(as_json, value, lines)
    return 0 if whole and good else 1
