"""Whether this machine has what runs need, and whether the store is well: one function for each question."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from runner import paths
from runner.errors import ProjError
from runner.host import process
from runner.tracking.store import Store

__all__ = ["CHECKS", "Finding", "examine"]

LITTLE, SCARCE = 1 << 30, 100 << 20  # bytes of free disk: a warning, and too little to work
SKEW = 5.0  # s
PATIENCE = 5.0  # s that a helper or a server may take to answer
SHOWN = 20  # corrupt lines that are named one by one


class Finding(NamedTuple):
    name: str
    state: str  # ok, note (only some projects need it), warning, broken
    text: str
    hint: str = ""


def examine(store: Store) -> Iterator[Finding]:
    """Every finding as soon as it is known. A check that fails in an unforeseen way is a finding, too."""
    for check in CHECKS:
        try:
            yield from check(store)
        except (ProjError, OSError) as error:
            hint = error.hint if isinstance(error, ProjError) else ""
            yield Finding(check.__name__.replace("_", " "), "broken", str(error), hint)


def python(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    import platform

    from runner.environments.python import interpreters

    yield Finding("python", "ok", f"proj runs under {platform.python_version()}")
    found = interpreters.found()
    versions = ", ".join(dict.fromkeys(each.version for each in found))
    if len(found) > 1:
        yield Finding("pythons", "ok", versions)
    else:
        yield Finding(
            "pythons",
            "note",
            versions,
            "uv python install 3.12  installs another version for projects that ask",
        )


def programs(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    from runner.environments.python.uv import executable

    if process.find("bash"):
        yield Finding("bash", "ok", process.find("bash"))
    else:
        yield Finding("bash", "broken", "not on PATH: commands of projects run under it", "install bash")
    yield _version("git", [process.find("git"), "--version"], "install git (2.25 or newer)", (2, 25))
    yield _version("uv", [process.find(executable()), "--version"], "pip install uv")


def _version(name: str, argv: list[str], hint: str, least: tuple[int, ...] = ()) -> Finding:
    if not argv[0]:
        return Finding(name, "broken", "not on PATH", hint)
    done = process.run(argv, timeout=PATIENCE)
    match = re.search(r"\d+(?:\.\d+)+", done.out)
    if done.code or match is None:
        return Finding(name, "broken", f"does not answer: {done.err.strip() or done.out.strip()}", hint)
    old = least and tuple(map(int, match[0].split(".")[: len(least)])) < least
    return Finding(
        name, "broken" if old else "ok", match[0] + (" is too old" if old else ""), hint if old else ""
    )


def docker(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    from runner.containers import engine

    problem = engine.problem()
    if problem:
        yield Finding(
            "docker", "note", problem, "only projects with a docker_env need it; install Docker or Podman"
        )
    else:
        yield Finding(
            "docker",
            "ok",
            f"{engine.info().get('ServerVersion', '')} {engine.address()}".strip(),
        )


def conda(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    from importlib.util import find_spec

    if find_spec("rattler") is not None:
        yield Finding("conda", "ok", "py-rattler")
        return
    names = ("micromamba", "mamba", "conda")
    found = next(filter(None, map(process.find, names)), "")
    if found:
        yield Finding("conda", "ok", found)
    else:
        hint = "only projects with a conda.yaml need it; pip install 'proj-runner[conda]'"
        yield Finding("conda", "note", "neither py-rattler nor micromamba, mamba or conda is there", hint)


def gpus(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    from runner.host import gpu

    query = gpu.ask()
    found = query.finish() if query else []
    if found:
        yield Finding("gpu", "ok", ", ".join(str(each["name"]) for each in found))


def disk(store: Store) -> Iterator[Finding]:
    import shutil
    import tempfile

    places = {
        "store": store.root,
        "cache": paths.cache(),
        "temporary files": tempfile.gettempdir(),
    }
    seen: dict[int, str] = {}
    for name, place in places.items():
        there = _existing(place)
        device = os.stat(there).st_dev
        if device in seen:
            continue
        seen[device] = name
        free = shutil.disk_usage(there).free
        state = "broken" if free < SCARCE else "warning" if free < LITTLE else "ok"
        hint = "" if state == "ok" else "proj env gc  and  proj gc  make room; PROJ_HOME  moves everything"
        yield Finding("disk", state, f"{free / 1e9:.1f} GB are free for the {name} ({place})", hint)


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def store_folder(store: Store) -> Iterator[Finding]:
    root = store.root
    if not os.path.isdir(root):
        parent = _existing(root)
        if not os.access(parent, os.W_OK):
            yield Finding(
                "store",
                "broken",
                f"{root} cannot be made in {parent}",
                "PROJ_HOME or PROJ_STORE  choose another place",
            )
        else:
            yield Finding("store", "ok", f"{root} (nothing was run yet)")
        return
    from runner.tracking.index.location import network

    shared = ", on a network file system" if network(root) else ""
    probe = os.path.join(root, f".probe-{os.getpid()}")
    try:
        before = time.time()
        with open(probe, "wb") as file:
            file.write(b"x")
            os.fsync(file.fileno())
        written = os.stat(probe).st_mtime
        os.unlink(probe)
    except OSError as error:
        yield Finding(
            "store",
            "warning",
            f"{root} can be read, not written: {error.strerror}",
            "PROJ_STORE  chooses another place",
        )
        return
    yield Finding("store", "ok", f"{root}{shared}")
    if abs(written - before) > SKEW:
        text = f"the file system of the store is {written - before:+.0f} s off this machine's clock"
        yield Finding("clock", "warning", text, "synchronize both clocks (NTP)")


def records(store: Store) -> Iterator[Finding]:
    if not os.path.isdir(store.root):
        return
    problems = store.problems()
    for run_id, place, message in problems[:SHOWN]:
        hint = f"it is skipped by all readers; see byte {place} of {store.run_directory(run_id)}/events.jsonl"
        yield Finding("record", "warning", f"run {run_id}, byte {place}: {message}", hint)
    if len(problems) > SHOWN:
        yield Finding("record", "warning", f"and {len(problems) - SHOWN} more lines")
    if not problems:
        yield Finding("records", "ok", f"{store.index.count()} runs, every line of their logs is sound")
    yield Finding("index", "ok", store.index.path)


def snapshots(store: Store) -> Iterator[Finding]:
    from runner.snapshots import upkeep

    wrong = upkeep.damage(store.root)
    if wrong:
        hint = f"the code of some runs cannot be restored; git -C {store.root}/snapshots.git fsck  says more"
        yield Finding("snapshots", "broken", wrong[0], hint)
    else:
        yield Finding("snapshots", "ok", "the code of all runs can be restored")


def clock(store: Store) -> Iterator[Finding]:
    """A run that begins in the future was recorded by a clock that is ahead, or ours is behind."""
    now = time.time()
    if now < 1_700_000_000:
        yield Finding("clock", "broken", f"it is {time.strftime('%Y-%m-%d')}, it says", "set the clock")
        return
    if os.path.isdir(store.root):
        latest = store.search(order_by=["start_time DESC"], limit=1, view="all").runs
        if latest and latest[0].start_time / 1000 > now + SKEW:
            text = (
                f"the run {latest[0].name} began in the future, by {latest[0].start_time / 1000 - now:.0f} s"
            )
            yield Finding("clock", "warning", text, "synchronize this machine's clock (NTP)")
            return
    yield Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %Z"))


def tracking_server(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not address.startswith(("http://", "https://")):
        return
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    from runner.text.credentials import without

    shown = without(address)
    try:
        with urlopen(Request(shown.rstrip("/") + "/health"), timeout=PATIENCE) as answer:  # noqa: S310
            yield Finding("tracking server", "ok", f"{shown} answers ({answer.status})")
    except HTTPError as error:
        yield Finding("tracking server", "ok", f"{shown} answers ({error.code})")
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        hint = "runs go on without it; proj sync  sends later what could not be sent"
        yield Finding("tracking server", "warning", f"{shown} does not answer: {reason}", hint)


CHECKS: tuple[Callable[[Store], Iterator[Finding]], ...] = (
    python,
    programs,
    docker,
    conda,
    gpus,
    disk,
    store_folder,
    records,
    snapshots,
    clock,
    tracking_server,
)
