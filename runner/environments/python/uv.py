"""uv, which resolves, creates and installs: how it is found, called, and how its failures are told."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

from runner import paths
from runner.environments.python.progress import Progress, plain
from runner.errors import EnvironmentFailure
from runner.host import process
from runner.text.credentials import redact
from runner.values import Step

__all__ = ["Failed", "attempt", "call", "executable", "explain"]

# Variables by which a caller's uv is pointed to an environment or a project of his own.
REMOVED = (
    *("UV_PROJECT_ENVIRONMENT", "UV_PROJECT", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PREFIX", "UV_WORKING_DIR"),
    *("UV_REQUIRE_HASHES", "UV_ENV_FILE", "UV_PYTHON", "VIRTUAL_ENV", "PYTHONPATH"),
)

NETWORK = re.compile(
    r"dns error|failed to lookup address|error sending request|connection (?:refused|reset|closed)"
    r"|timed? ?out|request failed after|network is unreachable|no route to host|certificate"
    r"|HTTP status server error|could not resolve host|unable to access '\w+://|error trying to connect"
    r"|tls handshake",
    re.IGNORECASE,
)
REFUSED = re.compile(r"\b(401 Unauthorized|403 Forbidden)\b", re.IGNORECASE)
CHATTER = (
    "warning:",
    "Resolved ",
    "Using ",
    "Prepared ",
    "Downloading ",
    "Downloaded ",
    "Building ",
    "Built ",
)
BUILD = re.compile(
    r"failed to build|build backend returned an error|failed to download and build|failed to prepare",
    re.IGNORECASE,
)


class Failed(EnvironmentFailure):
    """uv gave up. `conflict`: the requirements cannot be met together, or one of them does not exist."""

    def __init__(self, message: str, hint: str, conflict: bool, said: str = "") -> None:
        super().__init__(message, hint)
        self.conflict = conflict
        self.said = said  # all of it


def executable() -> str:
    """The uv that was installed with `proj`, or the one on PATH."""
    beside = os.path.join(sys.prefix, "bin", "uv")
    return process.find(beside) or process.find("uv") or "uv"


def variables(extra: Mapping[str, str]) -> dict[str, str | None]:
    """For every call of uv. Its cache must be on our file system, or packages are copied, not linked."""
    result: dict[str, str | None] = dict.fromkeys(REMOVED)
    result |= {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_NO_ENV_FILE": "1"}
    ours = paths.cache()
    os.makedirs(ours, exist_ok=True)
    given = os.environ.get("UV_CACHE_DIR")
    shared = given or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "uv")
    try:
        same = os.stat(shared).st_dev == os.stat(ours).st_dev
    except FileNotFoundError:
        same = True
    if not given and not same:
        result["UV_CACHE_DIR"] = paths.cache("packages")
    elif not same and "UV_LINK_MODE" not in os.environ:
        result["UV_LINK_MODE"] = "copy"  # or it warns at each call
    return {**result, **extra}


def attempt(
    arguments: Sequence[str],
    *,
    cwd: str,
    extra: Mapping[str, str],
    text: str | None = None,
    handle: int = -1,
    step: Step | None = None,
) -> process.Completed:
    """On a terminal of the user's uv draws its progress, which is shown as the step's."""
    drawing = step is not None and os.isatty(2)
    done = process.run(
        [executable(), *arguments],
        cwd=cwd,
        variables=variables(extra) | ({"UV_NO_PROGRESS": None, "TERM": "xterm"} if drawing else {}),
        input=text,
        on_line=Progress(step) if step else None,
        pass_fds=(handle,) if handle >= 0 else (),
        drawing=drawing,
    )
    return done._replace(err=plain(done.err)) if drawing else done


def call(
    arguments: Sequence[str],
    what: str,
    *,
    cwd: str,
    extra: Mapping[str, str],
    text: str | None = None,
    handle: int = -1,
    step: Step | None = None,
) -> str:
    """Runs uv and returns its output; `what` says in an error what was tried. What uv is doing is shown on `step`."""
    done = attempt(arguments, cwd=cwd, extra=extra, text=text, handle=handle, step=step)
    if done.code != 0:
        explain(what, [executable(), *arguments], done, text)
    return done.out


def explain(what: str, argv: Sequence[str], done: process.Completed, text: str | None) -> NoReturn:
    """Raises Failed: the resolver's own explanation in short, and where the whole of it lies."""
    errors = redact(done.err)
    log = _log(argv, errors, redact(text or ""), redact(done.out))
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(CHATTER)]
    first = next((index for index, line in enumerate(lines) if line.startswith(("error:", "×", "x "))), 0)
    short = [re.sub(r"^(error:|cause:|Caused by:|×|├─▶|╰─▶|│)\s*", "", line) for line in lines[first:]]
    short = [line for line in short if line]
    if argv[1] == "build":  # what the backend said comes before
        short = [*lines[max(0, first - 6) : first], *short]
    where = f"full log: {log}"
    conflict = False
    if "network was disabled" in errors or "connectivity is disabled" in errors:
        reason = "a package that it needs is not in the package cache, and --offline forbids the network"
        where = f"run once without --offline\n{where}"
    elif match := REFUSED.search(errors):
        reason = f"the package index refused us ({match[1]})"
        where = f"check its credentials (netrc, keyring, or user and password in the index URL)\n{where}"
    elif NETWORK.search(errors) and "build backend returned an error" not in errors:
        reason = "the package index cannot be reached (the requirements themselves may be fine)"
        where = f"check the network or the index's URL, or use --offline with what is cached\n{where}"
    elif BUILD.search(errors):
        reason = "a package could not be built"
    elif "No space left" in errors:
        reason = "the disk is full"
        where = f"proj env gc  makes room\n{where}"
    else:
        conflict = "No solution found" in errors
        reason = ""
    if done.code < 0:
        reason = f"uv was ended by signal {-done.code}"
    parts = [what, reason, *(f"  {line}" for line in short[:8])]
    raise Failed("\n".join(part for part in parts if part), where, conflict, errors)


def _log(argv: Sequence[str], errors: str, text: str, out: str) -> str:
    folder = paths.scratch("logs")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(
        folder, f"environment-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}.log"
    )
    with open(path, "a", encoding="utf-8") as file:
        file.write("$ " + " ".join(redact(word) for word in argv) + "\n")
        for title, body in (("input", text), ("output", out), ("messages", errors)):
            if body.strip():
                file.write(f"--- {title}\n{body}\n")
    return path
