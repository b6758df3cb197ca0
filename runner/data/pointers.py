"""Data that a tool keeps by version: DVC, Git LFS and Delta Lake. What they call it is read from their own files."""

from __future__ import annotations

import os

from runner.host import files

__all__ = ["delta", "pointer"]

LFS = b"version https://git-lfs.github.com/spec/v1\n"  # first line of a pointer file


def delta(path: str) -> str:
    """`delta:<number>:<sha256 of that commit>` of a Delta table: its last commit says which files it is made of."""
    log = os.path.join(path, "_delta_log")
    try:
        commits = [name for name in os.listdir(log) if name.endswith(".json") and name[:-5].isdigit()]
    except OSError:
        return ""
    if not commits:
        return ""
    from runner.host.hashing import digest

    last = max(commits)
    return f"delta:{int(last[:-5])}:{digest(os.path.join(log, last)).digest.removeprefix('sha256:')}"


def pointer(path: str) -> str:
    """`lfs:<oid>` of a file that git-lfs has not brought yet, `dvc:<md5>` of one that DVC tracks, or ""."""
    try:
        head = files.read(path, 200)
        if head.startswith(LFS):
            words = head.decode("ascii", "replace").split()
            return f"lfs:{words[words.index('oid') + 1]}" if "oid" in words[:-1] else ""
    except OSError:
        pass  # a folder
    try:
        with files.open_text(path + ".dvc") as file:
            for line in file:
                name, _, value = line.strip().lstrip("- ").partition(":")
                if name == "md5" and value.strip():
                    return f"dvc:{value.strip()}"
    except (OSError, UnicodeDecodeError):
        pass
    return ""
