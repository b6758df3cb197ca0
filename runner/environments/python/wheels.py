"""The packages of a lock as files: fetched with pip, checked against the lock, what has no wheel is built."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runner.environments.python import build_requirements, indexes
from runner.environments.python.lockfile import apart, packages
from runner.errors import EnvironmentFailure
from runner.host import process
from runner.host.hashing import digest
from runner.text.credentials import redact
from runner.text.names import canonical
from runner.text.units import counted
from runner.values import Report

__all__ = ["BUILD", "Code", "Wheels", "collect"]

EPOCH = "315532800"  # 1980: wheels that are built have the same bytes each time
LOCAL = re.compile(r"^(?:\./|\.\./|/|file:|-e )|^\.$")


BUILD = "build"  # folder beside the packages: what the local ones are built with


class Wheels(NamedTuple):
    lock: str  # requirements that are these files, and what comes with the code
    pinned: str  # those that are these files
    notes: tuple[str, ...] = ()  # what the bundle lacks


class Code(NamedTuple):
    """Where local packages are."""

    directory: str  # that their paths are relative to
    versions: Mapping[str, str] = {}  # path in the lock -> name==version, as recorded


def collect(lock: str, pip: Sequence[str], code: Code, folder: str, report: Report) -> Wheels:
    """Fills `folder`. `pip`: argv of one on the right Python."""
    os.makedirs(folder, exist_ok=True)
    pinned = []
    rest, local = apart(lock, code.directory, code.directory) if "[[packages]]" in lock else (lock, [])
    for name, version in packages(rest).items():
        if version == "local" or LOCAL.match(version):
            local.append(name if version == "local" else f"{name} @ {version}")
        elif "://" in version:
            _build([f"{name} @ {version}"], pip, code.directory, folder)
        else:
            pinned.append(f"{name}=={version}")
    with report.step(f"collecting {counted(len(pinned), 'package')}"):
        if pinned:
            _fetch(pinned, pip, folder)
            _check(lock, folder)
        _built(pip, folder)
    lines = "".join(f"{_requirement(os.path.join(folder, name))}\n" for name in sorted(os.listdir(folder)))
    notes = _build_requirements(local, pip, code, os.path.join(folder, BUILD), report) if local else []
    return Wheels(lines + "".join(f"{line}\n" for line in local), lines, tuple(notes))


def _built(pip: Sequence[str], folder: str) -> None:
    """Wheels in the place of sources."""
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".whl"):
            _build([os.path.join(folder, name)], pip, folder, folder)
            os.unlink(os.path.join(folder, name))


def _build_requirements(
    local: Sequence[str], pip: Sequence[str], code: Code, folder: str, report: Report
) -> list[str]:
    """Fills `folder`, with what is needed in turn. Returns what is lacking."""
    packages = build_requirements.local(local, code.directory, code.versions)
    wanted = list(dict.fromkeys(line for each in packages for line in build_requirements.stated(each.path)))
    with report.step(f"collecting what {counted(len(packages), 'local package')} needs to be built"):
        try:
            if wanted:
                _fetch(wanted, pip, folder, alone=False)
                _built(pip, folder)
            if more := build_requirements.asked_by(packages, pip[0], folder):
                _fetch(more, pip, folder, alone=False)
                _built(pip, folder)
        except EnvironmentFailure as failure:
            names = ", ".join(each.text for each in packages)
            return [f"what {names} is built with cannot be packed: {failure.message}"]
    return []


def _fetch(requirements: list[str], pip: Sequence[str], folder: str, *, alone: bool = True) -> None:
    """Unless `alone`, with all that they require."""
    argv = [*pip, "download", "--quiet", *(["--no-deps"] if alone else []), "--disable-pip-version-check"]
    done = process.run([*argv, "--dest", folder, *requirements], variables=_variables())
    if done.code:
        raise EnvironmentFailure(
            f"the packages cannot be fetched: {redact(_reason(done.err))}",
            "a bundle needs the index once; without it: --no-packages",
        )


def _build(requirements: list[str], pip: Sequence[str], directory: str, folder: str) -> None:
    argv = [*pip, "wheel", "--quiet", "--no-deps", "--disable-pip-version-check"]
    variables = {**_variables(), "SOURCE_DATE_EPOCH": EPOCH}
    done = process.run([*argv, "--wheel-dir", folder, *requirements], cwd=directory, variables=variables)
    if done.code:
        what = os.path.basename(requirements[0])
        raise EnvironmentFailure(f"{what} has no wheel, and none can be built: {redact(_reason(done.err))}")


def _variables() -> dict[str, str | None]:
    """What the user says to uv only, in pip's words."""
    index, more, links = indexes.places()
    told = {"PIP_INDEX_URL": index, "PIP_EXTRA_INDEX_URL": " ".join(more), "PIP_FIND_LINKS": " ".join(links)}
    own = {name: value for name, value in told.items() if value and not os.environ.get(name)}
    return {"PYTHONHOME": None, "PYTHONPATH": None, **own}


def _check(lock: str, folder: str) -> None:
    """A lock with hashes accepts nothing else."""
    known = set(re.findall(r"sha256[:=]\"?\s*\"?([0-9a-f]{64})", lock))
    if not known:
        return
    for name in sorted(os.listdir(folder)):
        if digest(os.path.join(folder, name)).digest.removeprefix("sha256:") not in known:
            raise EnvironmentFailure(f"{name}: the index has another file than the lock names")


def _requirement(path: str) -> str:
    name, version = os.path.basename(path).split("-")[:2]
    return f"{canonical(name)}=={version} --hash={digest(path).digest}"


def _reason(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["?"])[-1].removeprefix("ERROR: ")
