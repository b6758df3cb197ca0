"""Care for a store's snapshots.git: packing, checking, forgetting the code of deleted runs."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from runner.errors import StoreError
from runner.host import files
from runner.snapshots.vault import EMPTY, Vault

__all__ = ["damage", "forget", "tidy"]

LOOSE = 2000  # objects, and
PACKS = 40  # packs: more are packed together
GRACE = "2.days.ago"  # what is younger may belong to a snapshot in the making


def tidy(vault: Vault) -> None:
    """Packs loose objects and small packs together, when there are many and nobody else is at it."""
    if not _is_untidy(vault):
        return
    with _alone(vault) as alone:
        if alone:
            # geometric: all objects of the packs that it joins, and all loose ones, reachable or not
            vault.start("repack", "--geometric=2", "-d", "--quiet").finish()
            _remove_drafts(vault)


def damage(store: str) -> list[str]:
    """What git finds wrong with the snapshots of a store. Reads everything."""
    vault = Vault(os.path.join(store, "snapshots.git"))
    if not os.path.isdir(vault.folder):
        return []
    done = vault.start("fsck", "--full", "--no-dangling", "--no-progress").finish()
    lines = [line for line in (done.err + done.out).splitlines() if line.strip()]
    return [line for line in lines if not line.startswith(("notice:", "warning:"))] or (
        [f"git fsck ended with {done.code}"] if done.code else []
    )


def forget(store: str, keep: Collection[str]) -> int:
    """Removes all snapshots but those of the trees `keep`; returns how many. Their space is freed after two days."""
    vault = Vault(os.path.join(store, "snapshots.git"))
    if not os.path.isdir(vault.folder):
        return 0
    vault.git("pack-refs", "--all")  # deletes by git, which knows both places
    listed = vault.git(
        "for-each-ref", "--format=%(objectname) %(refname)", "refs/trees", "refs/commits", "refs/last"
    )
    refs = [line.split(" ", 1) for line in listed.splitlines()]
    wanted = {*keep, EMPTY}
    gone = {tree for tree, name in refs if name.startswith("refs/trees/")} - wanted
    with _alone(vault) as alone:
        if not alone:
            raise StoreError(f"{vault.folder} is being tidied by another process", "try again later")
        files.write(os.path.join(vault.folder, "generation"), os.urandom(8).hex())
        for tree, name in refs:
            if tree in gone:
                vault.git("update-ref", "-d", name)
        hashed = os.path.join(vault.folder, "hashed")
        for name in os.listdir(hashed) if os.path.isdir(hashed) else []:
            os.unlink(os.path.join(hashed, name))  # it says that files are here
        vault.git("repack", "-A", "-d", "--quiet", f"--unpack-unreachable={GRACE}")
        vault.git("prune", f"--expire={GRACE}")
    return len(gone)


@contextmanager
def _alone(vault: Vault) -> Iterator[bool]:
    handle = files.try_lock(os.path.join(vault.folder, "tidy.lock"))
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _is_untidy(vault: Vault) -> bool:
    objects = os.path.join(vault.folder, "objects")
    try:
        if len(os.listdir(os.path.join(objects, "17"))) > LOOSE // 256:
            return True
    except FileNotFoundError:
        pass
    return sum(name.endswith(".pack") for name in os.listdir(os.path.join(objects, "pack"))) > PACKS


def _remove_drafts(vault: Vault) -> None:
    """Of processes that were killed a day ago."""
    for folder in (vault.folder, os.path.join(vault.folder, "objects", "pack")):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if (
                name.startswith((files.DRAFT, "draft-", "tmp_"))
                and time.time() - os.stat(path).st_mtime > 86_400
            ):
                os.unlink(path)
