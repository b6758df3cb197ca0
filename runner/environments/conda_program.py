"""The user's own conda, mamba or micromamba, for who sets PROJ_CONDA_EXE: it solves, and installs the lock."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from runner import paths, process
from runner.environments.conda_channels import redact
from runner.environments.conda_lock import Package
from runner.errors import EnvironmentFailure
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


def solve(
    program: str,
    specs: Sequence[str],
    addresses: Sequence[str],
    platform: str,
    plan: Mapping[str, Any],
    report: Report,
) -> list[Package]:
    """By making the environment in a folder of its own and listing it: `--dry-run` tells no hashes everywhere."""
    folder = os.path.join(paths.temporary(), f"conda-{os.getpid()}")
    channels = [word for address in addresses for word in ("-c", address)]
    offline = ["--offline"] if plan["offline"] else []
    try:
        with report.step(f"solving the environment of {plan['shown']} with {os.path.basename(program)}"):
            _call(
                [
                    program,
                    "create",
                    "-y",
                    "-q",
                    "-p",
                    folder,
                    "--override-channels",
                    *channels,
                    *offline,
                    *specs,
                ],
                f"{plan['shown']} cannot be solved",
                variables={"CONDA_SUBDIR": platform},
            )
            done = _call(
                [program, "list", "-p", folder, "--explicit", "--md5"], f"{plan['shown']} cannot be listed"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    packages = []
    for line in done.out.splitlines():
        url, _, digest = line.strip().partition("#")
        if url and not url.startswith("@"):
            packages.append(Package(url, digest))
    return packages


def install(
    program: str,
    packages: Sequence[Package],
    prefix: str,
    plan: Mapping[str, Any],
    report: Report,
    handle: int,
) -> None:
    """From an explicit file; the program checks the hashes."""
    path = os.path.join(paths.temporary(), f"explicit-{os.getpid()}.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write("@EXPLICIT\n" + "".join(f"{each.url}#{each.digest}\n" for each in packages))
    os.chmod(path, 0o600)
    try:
        with report.step(f"installing {len(packages)} packages with {os.path.basename(program)}"):
            _call(
                [program, "create", "-y", "-q", "-p", prefix, "--file", path],
                f"the packages of {plan['shown']} cannot be installed",
                handle=handle,
            )
    finally:
        os.unlink(path)


def _call(
    argv: Sequence[str], what: str, *, variables: Mapping[str, str] | None = None, handle: int = -1
) -> process.Completed:
    done = process.run(argv, variables=variables, pass_fds=(handle,) if handle >= 0 else ())
    if done.code:
        said = redact("\n".join((done.err.strip() or done.out.strip()).splitlines()[-25:]))
        raise EnvironmentFailure(f"{what}:\n{said}", f"{argv[0]} says it")
    return done
