"""The `pip:` section of a conda environment: resolved by uv for what conda installs, and installed beside it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from runner import paths
from runner.environments.conda.lock import Package
from runner.environments.python import indexes, uv
from runner.errors import EnvironmentFailure
from runner.text.names import canonical
from runner.values import Report

__all__ = ["fill", "resolve"]

# conda's name -> the package index's, where they differ
NAMES = {
    "pytorch": "torch",
    "matplotlib-base": "matplotlib",
    "pytables": "tables",
    "msgpack-python": "msgpack",
    "dask-core": "dask",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "tensorflow-base": "tensorflow",
    "ruamel_yaml": "ruamel.yaml",
}
NOT_PYTHON = ("python", "python_abi", "tzdata", "setuptools", "wheel", "pip")


def resolve(
    plan: Mapping[str, Any], packages: Sequence[Package], options: Mapping[str, Any], report: Report
) -> str:
    """Lines with hashes. What conda installs stays as it is, unless the section itself wants another version."""
    from runner.environments.python.locking import resolve as compile_lines

    version = next((each.parts[1] for each in packages if each.parts[0] == "python"), "")
    if not version:
        raise EnvironmentFailure(
            f"{plan['shown']}: its pip section needs python, which no package brings",
            "dependencies: [python]",
        )
    provided = _provided(packages)
    base = {
        **plan,
        "interpreter": sys.executable,
        "arguments": ["--python-version", version],
        "form": "requirements",
    }
    with _constraints(provided) as path:
        try:
            lock = compile_lines({**base, "constraints": [*plan["constraints"], path]}, options, report)
        except uv.Failed as failure:
            if not failure.conflict:
                raise
            lock = compile_lines(base, options, report)
    return "".join(entry for entry in _entries(lock) if not _is_provided(entry, provided))


def _provided(packages: Sequence[Package]) -> dict[str, str]:
    """Distributions that conda most likely brings, by the index's names: noarch ones and those built for a Python."""
    found = {}
    for package in packages:
        name, version, build = package.parts
        if name not in NOT_PYTHON and (
            package.subdir == "noarch" or re.search(r"py\d", build) or name in NAMES
        ):
            found[canonical(NAMES.get(name, name))] = version
    return found


class _constraints:  # noqa: N801 a context manager
    """A file that says which versions are there already."""

    def __init__(self, provided: Mapping[str, str]) -> None:
        self.path = os.path.join(paths.temporary(), f"conda-{os.getpid()}.txt")
        self.text = "".join(f"{name}=={version}\n" for name, version in provided.items())

    def __enter__(self) -> str:
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(self.text)
        return self.path

    def __exit__(self, *error: object) -> None:
        os.unlink(self.path)


def _entries(lock: str) -> list[str]:
    entries: list[str] = []
    for line in lock.splitlines(keepends=True):
        if line.startswith((" ", "\t")) and entries:
            entries[-1] += line
        else:
            entries.append(line)
    return entries


def _is_provided(entry: str, provided: Mapping[str, str]) -> bool:
    match = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", entry)
    return bool(match) and provided.get(canonical(match[1])) == match[2]  # type: ignore[index]


def fill(plan: Mapping[str, Any], lines: Sequence[str], prefix: str, handle: int, report: Report) -> None:
    from runner.environments.python.copies import Copies
    from runner.environments.python.filling import WHERE

    settings = indexes.settings(plan["lines"])
    where = [line for line in plan["lines"] if line.startswith(WHERE)]
    if folder := plan["wheels"]:  # all that the lock names is there
        where = []
        settings = settings._replace(
            arguments=("--no-index", "--find-links", os.path.join(folder, "pip")), variables={}
        )
    offline = ["--offline"] if plan["offline"] else []
    with (
        report.step(f"installing {len(lines)} packages of {plan['shown']} with pip"),
        Copies(plan["local"]) as copies,
    ):
        text = "\n".join([*where, *(copies.there(_whole(line, plan)) for line in lines)]) + "\n"
        uv.call(
            [
                *(
                    "pip",
                    "install",
                    "--quiet",
                    "--no-deps",
                    "--python",
                    os.path.join(prefix, "bin", "python"),
                ),
                *("--break-system-packages", *settings.arguments, *offline, "-r", "-"),
            ],
            f"the pip packages of {plan['shown']} cannot be installed",
            cwd=plan["base"],
            extra=settings.widest,  # the versions are known; they may be in any index
            text=text,
            handle=handle,
        )


def _whole(line: str, plan: Mapping[str, Any]) -> str:
    return indexes.with_credentials(line, plan["lines"])
