"""The user's own conda, mamba or micromamba, for who sets PROJ_CONDA_EXE: it solves, and installs the lock."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from tempfile import NamedTemporaryFile

from runner import paths
from runner.environments.conda.lock import Package
from runner.environments.conda.plan import Plan
from runner.environments.conda.spec import CondaFile
from runner.errors import EnvironmentFailure
from runner.host import process
from runner.text.credentials import redact
from runner.values import Report

__all__ = ["find", "install", "solve"]


def find() -> str:
    """The program, or "" when none was set."""
    chosen = os.environ.get("PROJ_CONDA_EXE", "")
    if not chosen:
        return ""
    found = process.find(os.path.expanduser(chosen))
    if not found:
        raise EnvironmentFailure(
            f"PROJ_CONDA_EXE={chosen} is not there", "unset PROJ_CONDA_EXE, or give its path"
        )
    return found


def solve(program: str, plan: Plan, platform: str, report: Report) -> list[Package]:
    """By making the environment in a folder of its own and reading its conda-meta, which all of them write."""
    folder = os.path.join(paths.temporary(), f"conda-{os.getpid()}")
    offline = ["--offline"] if plan.pip.offline else []
    try:
        with report.step(f"solving the environment of {plan.shown} with {os.path.basename(program)}"):
            _call(
                [program, "create", "-y", "-q", "-p", folder, *_channels(plan.file), *offline, *plan.specs],
                f"{plan.shown} cannot be solved",
                variables={"CONDA_SUBDIR": platform},
            )
        return _installed(os.path.join(folder, "conda-meta"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _channels(file: CondaFile) -> list[str]:
    """As the file states them: what a name means, and the logins, the program knows from its own configuration."""
    words = ["--override-channels"] if file.nodefaults else []
    for name in file.channels:
        folder = name.startswith(("./", "../", "~"))
        path = os.path.normpath(os.path.join(file.base, os.path.expanduser(name))) if folder else name
        words += ["-c", path]
    return words


def _installed(folder: str) -> list[Package]:
    packages = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                record = json.load(file)
            packages.append(Package(record["url"], record.get("sha256") or record.get("md5") or ""))
    return packages


def install(
    program: str, packages: Sequence[Package], prefix: str, shown: str, handle: int, report: Report
) -> None:
    """From an explicit file; the program checks the hashes."""
    what = f"the packages of {shown} cannot be installed"
    lines = ["@EXPLICIT\n", *(f"{each.url}#{each.digest}\n" for each in packages)]
    with (
        report.step(f"installing {len(packages)} packages with {os.path.basename(program)}"),
        NamedTemporaryFile(
            "w", prefix="explicit-", suffix=".txt", dir=paths.temporary()
        ) as file,  # for us only
    ):
        file.writelines(lines)
        file.flush()
        _call([program, "create", "-y", "-q", "-p", prefix, "--file", file.name], what, handle=handle)


def _call(
    argv: Sequence[str], what: str, *, variables: Mapping[str, str] | None = None, handle: int = -1
) -> process.Completed:
    done = process.run(argv, variables=variables, pass_fds=(handle,) if handle >= 0 else ())
    if done.code:
        said = redact("\n".join((done.err.strip() or done.out.strip()).splitlines()[-25:]))
        raise EnvironmentFailure(f"{what}:\n{said}", f"{argv[0]} says it")
    return done
