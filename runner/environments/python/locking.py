"""Resolves Python requirements with uv to a lock: pinned, with hashes, installable as it is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from runner.environments.python import indexes, uv
from runner.environments.python.copies import Copies
from runner.environments.python.plan import Plan
from runner.environments.python.wanted import relative, text_of
from runner.errors import EnvironmentFailure
from runner.text.credentials import redact
from runner.text.names import canonical
from runner.values import Report, Step

__all__ = ["entries", "resolve"]

NO_PACKAGES = "# no packages\n"  # a lock all the same: the run can be compared and made again


def resolve(plan: Plan, report: Report) -> str:
    """The text of the lock: requirement lines with hashes, or a pylock.toml (PEP 751) as it is. EnvironmentFailure for
    a conflict.
    """
    if plan.form == "pylock":
        return text_of(plan.file)
    if not plan.stated and plan.form == "requirements":
        return NO_PACKAGES
    with report.step(f"resolving packages of {plan.shown}") as step:
        if plan.form == "uv.lock":
            return _export(plan)
        try:
            return _compile(plan, plan.stated, report, step)
        except uv.Failed as failure:
            if not failure.conflict or not plan.build or not plan.lines:
                raise
            return _one_after_the_other(plan, report, step)


def _one_after_the_other(plan: Plan, report: Report, step: Step) -> str:
    """As MLflow does it: build dependencies first, and what the dependencies want instead replaces them."""
    main = _compile(plan, plan.lines, report, step)
    build = _compile(plan, plan.build, report, step)
    taken = {_name(entry) for entry in entries(main)}
    return main + "".join(entry for entry in entries(build) if _name(entry) not in taken)


def entries(lock: str) -> list[str]:
    """A requirement with its continued lines of hashes each."""
    found: list[str] = []
    for line in lock.splitlines(keepends=True):
        if line.startswith((" ", "\t")) and found:
            found[-1] += line
        else:
            found.append(line)
    return found


def _name(entry: str) -> str:
    return canonical(entry.split("==")[0].split(" @")[0].split("[")[0].strip())


def _compile(plan: Plan, lines: Sequence[str], report: Report, step: Step) -> str:
    settings = indexes.settings(lines)
    wanted = [line for line in lines if line != "--pre"]

    def run(variables: Mapping[str, str]) -> str:
        return uv.call(
            _arguments(plan, lines, settings, copies),
            f"the packages of {plan.shown} cannot be resolved",
            cwd=copies.path(plan.base),
            extra={**variables, **copies.variables},
            text="".join(f"{copies.there(line)}\n" for line in wanted),
            step=step,
        )

    with Copies(plan.local) as copies:
        try:
            out = run(settings.variables)
        except uv.Failed as failure:
            if not failure.conflict or not settings.several:
                raise
            out = run(settings.widest)
            report.warn(f"{plan.shown}: resolved with the best version of all indexes, as pip does")
        return _with_own_hashes("".join(copies.back(line) + "\n" for line in _kept(out)), wanted)


def _arguments(plan: Plan, lines: Sequence[str], settings: indexes.Settings, copies: Copies) -> list[str]:
    arguments = [
        *("pip", "compile", "--generate-hashes", "--no-header", "--no-annotate"),
        *("--python", plan.interpreter, "--no-emit-index-url"),
        *settings.arguments,
        *plan.arguments,
    ]
    if plan.offline:
        arguments.append("--offline")
    for path in plan.constraints:
        arguments += ["--constraint", path]
    if plan.refresh:
        arguments += ["--refresh", "--upgrade"]
    if "--pre" in lines:
        arguments += ["--prerelease", "allow"]
    if plan.form == "pyproject":
        arguments.append(copies.path(plan.file))
    return [*arguments, "-"] if any(line != "--pre" for line in lines) else arguments


def _with_own_hashes(lock: str, lines: Sequence[str]) -> str:
    """Hashes that the specification states replace those that the index told: only they are accepted."""
    stated = {_name(line): re.findall(r"--hash[= ](\S+)", line) for line in lines if "--hash" in line}
    if not stated:
        return lock
    found = []
    for entry in entries(lock):
        if hashes := stated.get(_name(entry)):
            pinned = entry.split(" --hash")[0].split("\\\n")[0].strip()
            entry = " \\\n".join([pinned, *(f"    --hash={each}" for each in hashes)]) + "\n"
        found.append(entry)
    return "".join(found)


def _kept(out: str) -> list[str]:
    """Options that uv repeats may hold credentials; where packages come from is the machine's affair."""
    return [
        redact(line)
        for line in out.splitlines()
        if not line.startswith(("--index", "--extra-index", "--find-links", "-i "))
    ]


def _export(plan: Plan) -> str:
    settings = indexes.settings()
    arguments = [
        "export",
        "--quiet",
        "--locked",
        "--format",
        "requirements.txt",
        "--no-header",
        "--no-annotate",
    ]
    arguments += ["--python", plan.interpreter, *settings.arguments, *plan.arguments]
    if plan.offline:
        arguments.append("--offline")
    name = os.path.relpath(plan.file, plan.base)
    root = os.path.dirname(plan.file)
    with Copies(plan.local) as copies:
        apart = copies.path(plan.base) != plan.base
        if apart:
            copies.bring(plan.file, *_manifests(plan.file))
        variables = {**settings.variables, **copies.variables}
        try:
            out = uv.call(arguments, f"{name} cannot be used", cwd=copies.path(plan.base), extra=variables)
        except uv.Failed as failure:
            if "needs to be updated" not in failure.message:
                raise
            raise EnvironmentFailure(f"{name} does not fit pyproject.toml any more", "uv lock") from None
        root = copies.top + root if apart else root
        lines = [_from(root, line, plan.base, copies) for line in _kept(out)]
    return "".join(line + "\n" for line in lines)


def _manifests(lock: str) -> list[str]:
    """Of all packages in the workspace of a uv.lock, which are asked whether it fits them."""
    folders = re.findall(r'^source = \{ \w+ = "([^":]+)" \}', text_of(lock), re.MULTILINE)
    found = (os.path.join(os.path.dirname(lock), each, "pyproject.toml") for each in [".", *folders])
    return [path for each in found if os.path.isfile(path := os.path.normpath(each))]


def _from(root: str, line: str, base: str, copies: Copies) -> str:
    """A line with the path of a local package, which starts at `root`, made to start at `base`."""
    match = re.match(
        r"(-e |[\w.-]+(?:\[[^]]*\])? @ |)((?:file://|\.{0,2}/)[^\s;\[]*|\.(?=$|[\s;\[]))(.*)", line
    )
    if match is None:
        return line
    path = copies.original(os.path.normpath(os.path.join(root, match[2].removeprefix("file://"))))
    return f"{match[1]}{relative(path, base)}{match[3]}"
