"""What pip installs to get the proj that is running: for the CI files and containers of new projects."""

from __future__ import annotations

import json
import os
from importlib import metadata

from runner.host import git
from runner.text.credentials import without

__all__ = ["source"]

NAME = "proj-runner"


def source() -> str:
    """`git+URL@COMMIT` where it came from a repository (PEP 610), or from a clone of one; else its name on an index."""
    try:
        text = metadata.distribution(NAME).read_text("direct_url.json")
        direct = json.loads(text or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        direct = {}
    url, vcs = str(direct.get("url", "")), direct.get("vcs_info") or {}
    if vcs.get("vcs") == "git":
        return (
            f"{NAME} @ git+{without(url)}@{vcs.get('commit_id') or vcs.get('requested_revision') or 'HEAD'}"
        )
    if url.startswith("file://") and "dir_info" in direct:
        return _of_clone(url.removeprefix("file://")) or NAME
    return NAME


def _of_clone(folder: str) -> str:
    """By the remote of the clone, at the branch that is checked out: an unpublished commit is nowhere else."""
    if not os.path.isdir(os.path.join(folder, ".git")):
        return ""
    remote = git.run("remote", "get-url", "origin", folder=folder, variables=git.looking(folder)).out.strip()
    if not remote.startswith(("https://", "http://", "ssh://")):
        return ""
    return f"{NAME} @ git+{without(remote)}"
