"""What git says when it fails, made short, and what it means."""

from __future__ import annotations

from runner.text.credentials import Credentials, redact

__all__ = ["hint", "is_damage", "last_line"]

# said whenever a remote refuses
BOILERPLATE = ("fatal: Could not read from remote", "Please make sure", "and the repository exists")
# broken objects or refs, but not
DAMAGE = (
    *("unable to read", "corrupt", "bad object", "missing", "inflate", "not a git repository", "bad ref"),
    *("broken", "could not reset index", "could not parse object", "bad config"),
)
# trouble with the disk
DISK = ("no space left", "quota exceeded", "permission denied", "read-only file system", "file name too long")


def last_line(text: str, credentials: Credentials = Credentials()) -> str:  # noqa: B008 (it is frozen)
    """Git's own explanation in short: the last line that says something, without credentials."""
    lines = [line.strip() for line in redact(text, credentials.secrets).splitlines()]
    telling = [line for line in lines if line and not line.startswith(BOILERPLATE)]
    fatal = [line for line in telling if line.startswith(("fatal: ", "ERROR: ", "error: "))]
    chosen = (fatal or telling or ["git gave no reason"])[-1]
    for word in ("fatal: ", "ERROR: ", "error: ", "remote: "):
        chosen = chosen.removeprefix(word)
    before, found, after = chosen.partition("': ")  # the URL was said already
    return (after if found and before.startswith("unable to access") else chosen).rstrip(".")


def is_damage(text: str) -> bool:
    """Whether git's words are about a repository whose objects or refs are broken."""
    text = text.lower()
    return any(word in text for word in DAMAGE) and not any(word in text for word in DISK)


def hint(url: str, reason: str) -> str:
    """What to type next, by git's own words."""
    from shlex import quote

    reason, url = reason.lower(), quote(url)  # to be typed: that of a submodule is its repository's
    if (
        "could not read username" in reason
        or "authentication failed" in reason
        or "terminal prompts" in reason
    ):
        return f"git ls-remote {url}  must work without asking: set up a credential helper or an ssh key"
    if "permission denied" in reason or "host key" in reason:
        return f"git ls-remote {url}  must work: ssh-add your key, or accept the host's key"
    if (
        "resolve host" in reason
        or "timed out" in reason
        or "unable to access" in reason
        or "connect" in reason
    ):
        return "check the network and the address"
    return f"git ls-remote {url}  shows what git says"
