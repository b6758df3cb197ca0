"""Data that a tool keeps by version: DVC and Git LFS. What they call it is read from their own files."""

from __future__ import annotations

from runner.host import files

__all__ = ["pointer"]

LFS = b"version https://git-lfs.github.com/spec/v1\n"  # first line of a pointer file


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
