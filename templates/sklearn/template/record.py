"""Metrics into the record of the run, if this is one."""

import os
import shutil
import subprocess


def log_metrics(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        print(f"{name} = {value:.4f}")
    if "PROJ_RUN_ID" in os.environ and shutil.which("proj"):
        subprocess.run(["proj", "log", "metric", *(f"{name}={value}" for name, value in metrics.items())], check=True)
