"""`--notify`: what somebody wants to be told by when a run has ended: a command, or an address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from runner.host import process
from runner.text.units import iso
from runner.values import Json, Report

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = ["facts", "notify"]

PATIENCE = 30.0  # s for each


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


def notify(target: str, told: Mapping[str, Json], report: Report) -> None:
    """A command gets the facts as variables (PROJ_STATUS, ...) and on stdin, an address as the body of a POST.

    Whoever cannot be told changes nothing for the run: that is a warning.
    """
    text = json.dumps(told, ensure_ascii=False)
    problem = _post(target, text) if target.startswith(("http://", "https://")) else _run(target, told, text)
    if problem:
        report.warn(f"--notify: {problem}")


def _run(command: str, told: Mapping[str, Json], text: str) -> str:
    names = ("run_id", "name", "project", "entry_point", "status", "reason", "exit_code", "duration")
    variables = {f"PROJ_{name.upper()}": "" if told[name] is None else str(told[name]) for name in names}
    done = process.run(["bash", "-c", command], variables={**variables}, input=text + "\n", timeout=PATIENCE)
    last = (done.err.strip().splitlines() or [""])[-1]
    return f"the command ended with {done.code} {last}".rstrip() if done.code else ""


def _post(address: str, text: str) -> str:
    """The address may have a token in it: it is named by its host alone."""
    from urllib.error import HTTPError
    from urllib.parse import urlsplit
    from urllib.request import Request, urlopen

    host = urlsplit(address).hostname
    request = Request(address, text.encode(), {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urlopen(request, timeout=PATIENCE):  # noqa: S310
            return ""
    except HTTPError as error:
        return f"{host} answers {error.code}"
    except (OSError, ValueError) as error:
        return f"{host} cannot be reached: {getattr(error, 'reason', error)}"
