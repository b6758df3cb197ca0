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
from runner.text.units import counted
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
            yield Finding(check.__name__.replace("_", " "), "broken", str(error), getattr(error, "hint", ""))


def python(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    import platform

    from runner.environments.python import interpreters

    yield Finding("python", "ok", f"proj runs under {platform.python_version()}")
    found = interpreters.found()
    hint = "uv python install 3.12  installs another version for projects that ask"
    state = ("ok", "") if len(found) > 1 else ("note", hint)
    yield Finding("pythons", state[0], ", ".join(dict.fromkeys(each.version for each in found)), state[1])


def programs(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    from runner.environments.python.uv import executable

    if bash := process.find("bash"):
        yield Finding("bash", "ok", bash)
    else:
        yield Finding("bash", "broken", "not on PATH: commands of projects run under it", "install bash")
    yield _version("git", "git", "install git (2.25 or newer)", (2, 25))
    yield _version("uv", executable(), "pip install uv")


def _version(name: str, program: str, hint: str, least: tuple[int, ...] = ()) -> Finding:
    path = process.find(program)
    if not path:
        return Finding(name, "broken", "not on PATH", hint)
    done = process.run([path, "--version"], timeout=PATIENCE)
    match = re.search(r"\d+(?:\.\d+)+", done.out)
    if done.code or match is None:
        return Finding(name, "broken", f"does not answer: {done.err.strip() or done.out.strip()}", hint)
    if least and tuple(map(int, match[0].split(".")[: len(least)])) < least:
        return Finding(name, "broken", f"{match[0]} is too old", hint)
    return Finding(name, "ok", match[0])


def docker(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    from runner.containers import engine

    if problem := engine.problem():
        hint = "only projects with a docker_env need it; install Docker or Podman"
        yield Finding("docker", "note", problem, hint)
    else:
        yield Finding("docker", "ok", f"{engine.info().version} {engine.address()}".strip())


def conda(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    from importlib.util import find_spec

    programs = map(process.find, ("micromamba", "mamba", "conda"))
    if found := "py-rattler" if find_spec("rattler") else next(filter(None, programs), ""):
        yield Finding("conda", "ok", found)
    else:
        hint = "only projects with a conda.yaml need it; pip install 'proj-runner[conda]'"
        yield Finding("conda", "note", "neither py-rattler nor micromamba, mamba or conda is there", hint)


def gpus(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    from runner.host import gpu

    query = gpu.ask()
    if found := query.finish() if query else []:
        yield Finding("gpu", "ok", ", ".join(str(each["name"]) for each in found))


def disk(store: Store) -> Iterator[Finding]:
    import shutil
    import tempfile

    places = {"store": store.root, "cache": paths.cache(), "temporary files": tempfile.gettempdir()}
    seen = set()
    for name, place in places.items():
        there = _existing(place)
        device = os.stat(there).st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(there).free
        state = "broken" if free < SCARCE else "warning" if free < LITTLE else "ok"
        hint = "" if state == "ok" else "proj env gc  and  proj gc  make room; PROJ_HOME  moves everything"
        yield Finding("disk", state, f"{free / 1e9:.1f} GB are free for the {name} ({place})", hint)


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def store_folder(store: Store) -> Iterator[Finding]:
    from runner.tracking.index.location import network

    root = store.root
    if not os.path.isdir(root):
        parent = _existing(root)
        if os.access(parent, os.W_OK):
            yield Finding("store", "ok", f"{root} (nothing was run yet)")
        else:
            hint = "PROJ_HOME or PROJ_STORE  choose another place"
            yield Finding("store", "broken", f"{root} cannot be made in {parent}", hint)
        return
    probe = os.path.join(root, f".probe-{os.getpid()}")
    try:
        before = time.time()
        with open(probe, "wb") as file:
            file.write(b"x")
            os.fsync(file.fileno())
        written = os.stat(probe).st_mtime
        os.unlink(probe)
    except OSError as error:
        text = f"{root} can be read, not written: {error.strerror}"
        yield Finding("store", "warning", text, "PROJ_STORE  chooses another place")
        return
    yield Finding("store", "ok", root + (", on a network file system" if network(root) else ""))
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
        yield Finding(
            "records", "ok", f"{counted(store.index.count(), 'run')}, every line of their logs is sound"
        )
    yield from _index(store)


def _index(store: Store) -> Iterator[Finding]:
    """All of it is looked at, and it is compared with the logs."""
    if wrong := store.index.damage():
        store.index.refresh()
        text = f"{store.index.path} was damaged ({wrong}), and was made again from the logs"
        yield Finding("index", "warning", text, "is the disk well?  smartctl -a, dmesg")
    found, logs = store.index.count(), store.logs()
    if found != logs:
        text = f"{store.index.path} has {counted(found, 'run')}, and there are the logs of {logs}"
        yield Finding("index", "broken", text, "remove it: it is made again from the logs")
    elif not wrong:
        yield Finding(
            "index", "ok", f"{store.index.path}: {counted(found, 'run')}, as many as there are logs"
        )


def snapshots(store: Store) -> Iterator[Finding]:
    from runner.snapshots import upkeep

    if wrong := upkeep.damage(store.root):
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
    there = os.path.isdir(store.root)
    latest = store.search(order_by=["start_time DESC"], limit=1, view="all").runs if there else ()
    ahead = latest[0].start_time / 1000 - now if latest else 0
    if ahead > SKEW:
        text = f"the run {latest[0].name} began in the future, by {ahead:.0f} s"
        yield Finding("clock", "warning", text, "synchronize this machine's clock (NTP)")
    else:
        yield Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %Z"))


def tracking_server(store: Store) -> Iterator[Finding]:  # noqa: ARG001
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not address.startswith(("http://", "https://")):
        return
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    from runner.text.credentials import without

    shown = without(address)
    try:
        with urlopen(Request(shown.rstrip("/") + "/health"), timeout=PATIENCE) as answer:  # noqa: S310
            yield Finding("tracking server", "ok", f"{shown} answers ({answer.status})")
    except HTTPError as error:
        yield Finding("tracking server", "ok", f"{shown} answers ({error.code})")
    except (OSError, ValueError) as error:  # URLError is an OSError
        hint = "runs go on without it; proj sync  sends later what could not be sent"
        text = f"{shown} does not answer: {getattr(error, 'reason', error)}"
        yield Finding("tracking server", "warning", text, hint)


CHECKS: tuple[Callable[[Store], Iterator[Finding]], ...] = (
    python, programs, docker, conda, gpus, disk, store_folder, records, snapshots, clock, tracking_server,
)  # fmt: skip
