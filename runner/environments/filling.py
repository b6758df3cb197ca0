"""Makes a virtual environment and installs a lock into it, both with uv."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from runner import paths
from runner.environments import indexes, resolver, seed
from runner.environments.copies import Copies
from runner.environments.locking import common
from runner.values import Report

__all__ = ["download_python", "fill"]

# Lines that say where packages come from; they may hold credentials, so no lock has them.
WHERE = (
    "--index-url",
    "-i ",
    "--extra-index-url",
    "--find-links",
    "-f ",
    "--no-index",
    *("--no-binary", "--only-binary"),
)


def fill(plan: Mapping[str, Any], lock: str, prefix: str, handle: int, report: Report) -> None:
    options: dict[str, Any] = {"offline": plan.get("offline")}
    settings = indexes.settings()
    with report.step(f"making the environment of {plan['shown']}") as step:
        resolver.call(
            ["venv", "--quiet", "--no-project", "--no-config", "--python", plan["interpreter"], prefix],
            "the virtual environment cannot be made",
            cwd=paths.temporary(),
            extra={},
            handle=handle,
        )
        with Copies(plan["local"]) as copies:
            lines = [line for line in (*plan["build"], *plan["lines"]) if line.startswith(WHERE)]
            lines += [copies.there(line) for line in lock.splitlines()]
            if not any(line.startswith("pip==") for line in lines) and (
                wheel := seed.pip_wheel(plan["version"])
            ):
                lines.append(f"pip @ file://{wheel}")
            resolver.call(
                [
                    *("pip", "sync", "--quiet", "--python", os.path.join(prefix, "bin", "python")),
                    *("--no-progress", "--allow-empty-requirements"),
                    *common(settings, options),
                    "-",
                ],
                f"the packages of {plan['shown']} cannot be installed",
                cwd=plan["base"],
                extra=settings.variables,
                text="\n".join(lines) + "\n",
                handle=handle,
                step=step,
            )


def download_python(asked: str, report: Report) -> None:
    with report.step(f"downloading Python {asked}"):
        resolver.call(
            ["python", "install", "--quiet", asked],
            f"Python {asked} cannot be downloaded",
            cwd=paths.temporary(),
            extra={"UV_PYTHON_DOWNLOADS": "manual"},
        )
