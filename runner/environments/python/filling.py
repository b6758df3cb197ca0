"""Makes a virtual environment and installs a lock into it, both with uv."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from runner import paths
from runner.environments.python import indexes, seed, uv
from runner.environments.python.copies import Copies
from runner.environments.python.wanted import text_of
from runner.values import Report, Step

__all__ = ["download_python", "fill"]

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


def fill(plan: Mapping[str, Any], lock: str, prefix: str, handle: int, report: Report) -> str:
    """Returns what was installed besides the lock: `pip-26.3`, or nothing."""
    wheel = _pip(lock, plan)
    extra = f"pip @ file://{wheel}\n" if wheel else ""
    with report.step(f"making the environment of {plan['shown']}") as step:
        uv.call(
            ["venv", "--quiet", "--no-project", "--no-config", "--python", plan["interpreter"], prefix],
            "the virtual environment cannot be made",
            cwd=paths.temporary(),
            extra={},
            handle=handle,
        )
        if "[[packages]]" in lock:
            with _pylock(plan, lock) as path:
                _install(["sync", path], plan, "", prefix, handle, step)
            if extra:
                _install(["install", "--no-deps", "-r", "-"], plan, extra, prefix, handle, step)
        else:
            _fill_from_lines(plan, lock, extra, prefix, handle, step)
    return seed.pip_version(plan["version"]) if wheel else ""


def _fill_from_lines(
    plan: Mapping[str, Any], lock: str, extra: str, prefix: str, handle: int, step: Step
) -> None:
    with Copies(plan["local"]) as copies:
        stated = (*plan["build"], *plan["lines"])
        lines = [line for line in stated if line.startswith(WHERE) and not plan["wheels"]]
        lines += [copies.there(indexes.with_credentials(line, stated)) for line in lock.splitlines()]
        text = "\n".join(lines) + "\n" + extra
        sync = ["sync", "--allow-empty-requirements", "-"]
        if not (_all_pinned(lock) and _from_cache(sync, plan, text, prefix, handle)):
            _install(sync, plan, text, prefix, handle, step)


def _all_pinned(lock: str) -> bool:
    return all(re.match(r"\S+==|\s", line) for line in lock.splitlines() if line)


def _from_cache(verb: list[str], plan: Mapping[str, Any], text: str, prefix: str, handle: int) -> bool:
    """Exact versions with their hashes need no index when the package cache has them: quicker, and works on a train."""
    arguments = ["pip", *verb, "--quiet", "--offline", "--python", _python(prefix)]
    settings = _settings(plan)
    arguments += settings.arguments
    done = uv.attempt(arguments, cwd=plan["base"], extra=settings.widest, text=text, handle=handle)
    return done.code == 0


def _install(
    verb: list[str], plan: Mapping[str, Any], text: str, prefix: str, handle: int, step: Step
) -> None:
    settings = _settings(plan)
    offline = ["--offline"] if plan["offline"] else []
    uv.call(
        ["pip", *verb, "--python", _python(prefix), *settings.arguments, *offline],
        f"the packages of {plan['shown']} cannot be installed",
        cwd=plan["base"],
        extra=settings.widest,
        text=text,
        handle=handle,
        step=step,
    )


def _settings(plan: Mapping[str, Any]) -> indexes.Settings:
    settings = indexes.settings((*plan["build"], *plan["lines"]))
    if folder := plan["wheels"]:  # all that the lock names is there
        return settings._replace(arguments=("--no-index", "--find-links", folder), variables={})
    return settings


def _python(prefix: str) -> str:
    return os.path.join(prefix, "bin", "python")


def _pip(lock: str, plan: Mapping[str, Any]) -> str:
    """The wheel of the pip that a lock without one gets."""
    has_one = re.search(r'^(?:pip==|name = "pip"$)', lock, re.MULTILINE)
    return "" if has_one else seed.pip_wheel(plan["version"])


@contextmanager
def _pylock(plan: Mapping[str, Any], lock: str) -> Iterator[str]:
    """A file with this lock, under a name that uv accepts; the project's own, if it still says the same."""
    if plan["form"] == "pylock" and text_of(plan["file"]) == lock:
        yield plan["file"]
        return
    path = os.path.join(paths.temporary(), f"pylock.{os.getpid()}.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(lock)
    try:
        yield path
    finally:
        os.unlink(path)


def download_python(asked: str, report: Report) -> None:
    with report.step(f"downloading Python {asked}"):
        uv.call(
            ["python", "install", "--quiet", asked],
            f"Python {asked} cannot be downloaded",
            cwd=paths.temporary(),
            extra={"UV_PYTHON_DOWNLOADS": "manual"},
        )
