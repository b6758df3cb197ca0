"""What the end of a failed command's output tells about its cause, where the cause is one that we know."""

from __future__ import annotations

import os

from runner.host import files

__all__ = ["of"]

TAIL = 16_384  # bytes of the output


def of(directory: str, run_id: str) -> str:
    """A sentence for the user, or ""."""
    try:
        with files.open_file(os.path.join(directory, "output.log")) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    if any(run_id in line and "not found" in line and "Run" in line for line in lines):
        return (
            "the program logs to another place than this run (mlflow.set_tracking_uri, or MLFLOW_TRACKING_URI set in"
            " it), where the run is not known: remove that line; MLFLOW_TRACKING_URI in your own shell says where"
            " runs are sent on to"
        )
    return ""
