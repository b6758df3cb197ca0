"""`--notify`: what somebody wants to be told by when a run has ended: a command, or an address."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from runner import paths
from runner.host import process
from runner.text.units import iso
from runner.values import Json, Report, Silent

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = ["facts", "leave", "notify", "take", "tell_lost"]

PATIENCE = 30.0  # s for each
HURRY = 5.0  # s, where somebody waits for something else


def facts(run: Run) -> dict[str, Json]:
    """What is told, as JSON; times in UTC, `duration` in seconds."""
    ended = run.end_time if run.end_time is not None else run.start_time
    metrics: dict[str, Json] = {
        key: point.value if abs(point.value) < float("inf") else str(point.value)
        for key, point in run.metrics.items()
    }
    return {
        "run_id": run.run_id,
        "name": run.name,
        "project": run.project,
        "entry_point": run.entry_point,
        "status": run.status,
        "reason": str(run.end.get("reason", "")),
        "exit_code": run.end.get("exit_code"),
        "message": str(run.end.get("message", "")),
        "start_time": iso(run.start_time),
        "end_time": iso(run.end_time) or None,
        "duration": (ended - run.start_time) / 1000,
        "metrics": metrics,
    }


def leave(run_id: str, targets: Sequence[str]) -> bool:
    """For whoever finds the run lost. Outside of the store: a record that came from elsewhere can have nothing run.

    False when it cannot be left. Readable by this user only: an address may have a token in it.
    """
    place = _place(run_id)
    try:
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump({"targets": [*targets], "folder": os.getcwd()}, file)
    except OSError:
        return False
    return True


def take(run_id: str) -> tuple[list[str], str]:
    """(targets, folder) of what was left, for the one who comes first; ([], "") for others."""
    taken = f"{_place(run_id)}.{os.getpid()}"
    try:
        os.rename(_place(run_id), taken)
        with open(taken, encoding="utf-8", errors="surrogateescape") as file:
            note = json.load(file)
        os.unlink(taken)
        return [str(each) for each in note["targets"]], str(note["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return [], ""


def tell_lost(run: Run) -> None:
    """Of a run whose supervisor could not tell of its end; by whoever closes it, in a hurry."""
    targets, folder = take(run.run_id)
    for target in targets:
        notify(target, facts(run), Silent(), folder if os.path.isdir(folder) else None, HURRY)


def _place(run_id: str) -> str:
    return os.path.join(paths.home(), "notify", f"{run_id}.json")


def notify(
    target: str,
    told: Mapping[str, Json],
    report: Report,
    folder: str | None = None,
    patience: float = PATIENCE,
) -> None:
    """A command gets the facts as variables (PROJ_STATUS, ...) and on stdin, an address as the body of a POST.

    Whoever cannot be told changes nothing for the run: that is a warning. `folder`: where the command runs.
    """
    text = json.dumps(told, ensure_ascii=False)
    problem = (
        _post(target, text, patience)
        if target.startswith(("http://", "https://"))
        else _run(target, told, text, folder, patience)
    )
    if problem:
        report.warn(f"--notify: {problem}")


def _run(command: str, told: Mapping[str, Json], text: str, folder: str | None, patience: float) -> str:
    names = ("run_id", "name", "project", "entry_point", "status", "reason", "exit_code", "duration")
    variables = {f"PROJ_{name.upper()}": "" if told[name] is None else str(told[name]) for name in names}
    done = process.run(
        ["bash", "-c", command], cwd=folder, variables={**variables}, input=text + "\n", timeout=patience
    )
    last = (done.err.strip().splitlines() or [""])[-1]
    return f"the command ended with {done.code} {last}".rstrip() if done.code else ""


def _post(address: str, text: str, patience: float) -> str:
    """The address may have a token in it: it is named by its host alone."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.parse import urlsplit
    from urllib.request import Request, urlopen

    host = "its address"
    try:
        host = urlsplit(address).hostname or host
        request = Request(address, text.encode(), {"Content-Type": "application/json"})  # noqa: S310
        with urlopen(request, timeout=patience):  # noqa: S310
            return ""
    except HTTPError as error:
        return f"{host} answers {error.code}"
    except HTTPException:  # it has the address in its message
        return f"{host} does not answer as a web server does, or is no address"
    except (OSError, ValueError) as error:
        return f"{host} cannot be reached: {getattr(error, 'reason', error)}"
