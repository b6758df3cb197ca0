"""Makes a virtual environment and installs a lock into it, both with uv."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from runner import paths
from runner.environments.python import indexes, seed, uv
from runner.environments.python.local import Built, installable
from runner.environments.python.lockfile import apart
from runner.environments.python.plan import Plan
from runner.environments.python.wanted import text_of
from runner.values import Report, Step

__all__ = ["Filled", "download_python", "fill", "install", "python_of", "requirements"]

# Lines that say where packages come from; they may hold credentials, so no lock has them.
WHERE = (
    "--index-url",
    "-i ",
    "--extra-index-url",
    "--find-links",
    "-f ",
    "--no-index",
    *("--no-binary", "--only-binary"),
)


class Filled(NamedTuple):
    seeded: str  # what was installed besides the lock: `pip-26.3`, or nothing
    local: tuple[Built, ...]


def fill(plan: Plan, lock: str, prefix: str, handle: int, report: Report) -> Filled:
    """Makes the virtualenv and installs exactly what the lock names. EnvironmentFailure when uv fails.

    `handle`: of the lock file of the build, which uv inherits, so that it is held as long as any of us works.
    """
    made: list[Built] = []
    wheel = _pip(lock, plan)
    extra = f"pip @ file://{wheel}\n" if wheel else ""
    with report.step(f"making the environment of {plan.shown}") as step:
        uv.call(
            ["venv", "--quiet", "--no-project", "--no-config", "--python", plan.interpreter, prefix],
            "the virtual environment cannot be made",
            cwd=paths.temporary(),
            extra={},
            handle=handle,
        )
        stated, whole = lock.splitlines(), "[[packages]]" not in lock
        if not whole:
            lock, stated = apart(lock, os.path.dirname(plan.file), plan.base)
            with _pylock(plan, lock) as path:
                install(["sync", path], plan, "", prefix, handle, step)
        with installable(plan, stated, python_of(prefix), handle, report, step) as (lines, made):
            if whole:
                _fill_from_lines(plan, lines, extra, prefix, handle, step)
            elif text := "".join(f"{line}\n" for line in lines) + extra:
                install(["install", "--no-deps", "-r", "-"], plan, text, prefix, handle, step)
    return Filled(seed.pip_version(plan.version) if wheel else "", tuple(made))


def _fill_from_lines(
    plan: Plan, lines: Sequence[str], extra: str, prefix: str, handle: int, step: Step
) -> None:
    text = requirements(plan, lines) + extra
    sync = ["sync", "--allow-empty-requirements", "-"]
    if not (_all_pinned(lines) and _from_cache(sync, plan, text, prefix, handle, step)):
        install(sync, plan, text, prefix, handle, step)


def requirements(plan: Plan, lines: Iterable[str]) -> str:
    """The text that uv gets for lines of a lock: with the credentials and the places that the lock has not."""
    where = [line for line in plan.stated if line.startswith(WHERE) and not plan.wheels]
    whole = [indexes.with_credentials(line, plan.stated) for line in lines]
    return "\n".join([*where, *whole]) + "\n"


def _all_pinned(lines: Sequence[str]) -> bool:
    return all(re.match(r"\S+==|\s|[\w.-]+ @ file://", line) for line in lines if line)


def _from_cache(verb: list[str], plan: Plan, text: str, prefix: str, handle: int, step: Step) -> bool:
    """Exact versions with their hashes need no index when the package cache has them: quicker, and works on a train."""
    settings = _settings(plan)
    arguments = ["pip", *verb, "--offline", "--python", python_of(prefix), *settings.arguments]
    done = uv.attempt(arguments, cwd=plan.base, extra=settings.widest, text=text, handle=handle, step=step)
    return done.code == 0


def install(verb: list[str], plan: Plan, text: str, prefix: str, handle: int, step: Step) -> None:
    """`verb`: of `uv pip`, with the place of the requirements; `text` is its input."""
    settings = _settings(plan)
    offline = ["--offline"] if plan.offline else []
    uv.call(
        ["pip", *verb, "--python", python_of(prefix), *settings.arguments, *offline],
        f"the packages of {plan.shown} cannot be installed",
        cwd=plan.base,
        extra=settings.widest,  # the versions are known; they may be in any index
        text=text,
        handle=handle,
        step=step,
    )


def _settings(plan: Plan) -> indexes.Settings:
    settings = indexes.settings(plan.stated)
    if folder := plan.wheels:  # all that the lock names is there
        return settings._replace(arguments=("--no-index", "--find-links", folder), variables={})
    return settings


def python_of(prefix: str) -> str:
    return os.path.join(prefix, "bin", "python")


def _pip(lock: str, plan: Plan) -> str:
    """The wheel of the pip that a lock without one gets."""
    has_one = re.search(r'^(?:pip==|name = "pip"$)', lock, re.MULTILINE)
    return "" if has_one else seed.pip_wheel(plan.version)


@contextmanager
def _pylock(plan: Plan, lock: str) -> Iterator[str]:
    """A file with this lock, under a name that uv accepts; the project's own, if it still says the same."""
    if plan.form == "pylock" and text_of(plan.file) == lock:
        yield plan.file
        return
    path = os.path.join(paths.temporary(), f"pylock.{os.getpid()}.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(lock)
    try:
        yield path
    finally:
        os.unlink(path)


def download_python(asked: str, report: Report) -> None:
    """By uv, into the folder of its own Pythons. EnvironmentFailure when it cannot."""
    with report.step(f"downloading Python {asked}"):
        uv.call(
            ["python", "install", "--quiet", asked],
            f"Python {asked} cannot be downloaded",
            cwd=paths.temporary(),
            extra={"UV_PYTHON_DOWNLOADS": "manual"},
        )
