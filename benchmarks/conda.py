"""conda environments on a channel of CHANNEL's packages: solving, installing from the package cache, a warm decision; ms.

python benchmarks/conda.py CHANNEL SPEC...   for example: file:///srv/channel python demo
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = """
import sys, time
from runner import environments, memo, paths
from runner.values import EnvironmentOptions, EnvironmentSpec, Silent
began = time.perf_counter()
environments.prepare(EnvironmentSpec("conda", "conda.yaml"), sys.argv[1], EnvironmentOptions(), Silent())
print(time.perf_counter() - began)
"""


def seconds(project: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, project], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main(channel: str, specs: list[str], turns: int = 5) -> None:
    folder = tempfile.mkdtemp()
    os.environ["PROJ_HOME"] = folder
    project = os.path.join(folder, "project")
    os.makedirs(project)
    with open(os.path.join(project, "conda.yaml"), "w", encoding="utf-8") as file:
        file.write(f"channels: ['{channel}']\ndependencies: {specs}\n")
    times: dict[str, list[float]] = {"first": [seconds(project)]}
    try:
        for _ in range(turns):
            for name, removed in (
                ("solve and install", ("memo", "locks", "environments")),
                ("install from the cache", ("environments",)),
                ("warm", ()),
            ):
                for each in removed:
                    shutil.rmtree(os.path.join(folder, "cache", each), ignore_errors=True)
                time.sleep(0.1)  # files this young are not remembered
                times.setdefault(name, []).append(seconds(project))
    finally:
        shutil.rmtree(folder)
    for name, values in times.items():
        print(f"{name:24} {statistics.median(values) * 1000:8.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
