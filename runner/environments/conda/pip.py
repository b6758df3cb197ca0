"""The `pip:` section of a conda environment: resolved by uv for what conda installs, and installed beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from tempfile import NamedTemporaryFile

from runner import paths
from runner.environments.conda.lock import Package
from runner.environments.python import filling, locking, uv
from runner.environments.python.local import Built, installable
from runner.environments.python.plan import Plan
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


def resolve(plan: Plan, packages: Sequence[Package], report: Report) -> str:
    """Lines with hashes. What conda installs stays as it is, unless the section itself wants another version."""
    version = next((each.parts[1] for each in packages if each.parts[0] == "python"), "")
    if not version:
        raise EnvironmentFailure(
            f"{plan.shown}: its pip section needs python, which no package brings", "dependencies: [python]"
        )
    provided = _provided(packages)
    plan = plan._replace(arguments=("--python-version", version))
    with NamedTemporaryFile("w", prefix="conda-", suffix=".txt", dir=paths.temporary()) as limits:
        limits.writelines(f"{name}=={version}\n" for name, version in provided.items())
        limits.flush()
        try:
            lock = locking.resolve(plan._replace(constraints=(*plan.constraints, limits.name)), report)
        except uv.Failed as failure:
            if not failure.conflict:
                raise
            lock = locking.resolve(plan, report)
    return "".join(entry for entry in locking.entries(lock) if not _is_provided(entry, provided))


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


def _is_provided(entry: str, provided: Mapping[str, str]) -> bool:
    match = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", entry)
    return bool(match) and provided.get(canonical(match[1])) == match[2]  # type: ignore[index]


def fill(plan: Plan, lines: Sequence[str], prefix: str, handle: int, report: Report) -> list[Built]:
    """Installs the lines of the pip section; what was built from local packages. EnvironmentFailure when pip fails."""
    text = f"installing {len(lines)} packages of {plan.shown} with pip"
    wheels = plan.wheels and os.path.join(plan.wheels, "pip")
    plan = plan._replace(wheels=wheels, shown=f"the pip section of {plan.shown}")
    verb = ["install", "--quiet", "--no-deps", "--break-system-packages", "-r", "-"]
    python = filling.python_of(prefix)
    with report.step(text) as step, installable(plan, lines, python, handle, report, step) as (wanted, made):
        filling.install(verb, plan, filling.requirements(plan, wanted), prefix, handle, step)
    return made
