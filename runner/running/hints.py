"""What the end of a failed command's output tells about its cause, where the cause is one that we know."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from runner.tracking.output import last_lines

if TYPE_CHECKING:
    from runner.running.plan import Plan

__all__ = ["not_there", "of"]


def of(directory: str, run_id: str) -> str:
    """A sentence for the user, or ""."""
    lines = last_lines(directory)
    if any(run_id in line and "not found" in line and "Run" in line for line in lines):
        return (
            "the program logs to another place than this run (mlflow.set_tracking_uri, or MLFLOW_TRACKING_URI set in"
            " it), where the run is not known: remove that line; MLFLOW_TRACKING_URI in your own shell says where"
            " runs are sent on to"
        )
    return ""


def not_there(directory: str, project: str, work: str, plan: Plan) -> str:
    """What a command lacked in its work folder that the project has, and how it is declared; or ""."""
    inside = plan.checkout.subdirectory
    for line in last_lines(directory):
        if "No such file" not in line and "cannot open" not in line and "No module named" not in line:
            continue
        for word in re.findall(r"""'([^'\n]+)'|"([^"\n]+)"|([^\s'":,;()]+)""", line):
            text = "".join(word).rstrip(":")
            path = os.path.normpath(os.path.join(work, inside, text))
            for name in (path, f"{path}.py"):
                relative = os.path.relpath(name, os.path.join(work, inside))
                there = os.path.join(project, inside, relative)
                if not name.startswith(f"{work}/") or os.path.exists(name) or not os.path.exists(there):
                    continue
                top = relative.split("/")[0]
                shown = f"{top}/" if "/" in relative or os.path.isdir(there) else relative
                return (
                    f"the project has {relative}, but the work folder of this run does not: it has the code that is"
                    f" recorded, and the declared inputs. `inputs: [{shown}]` of {plan.entry_point.name} in MLproject"
                    " declares it; --workdir=project  runs in the project's folder"
                )
    return ""
