"""What environments cost: cold against `uv venv && uv pip sync` of the same lock, warm, and a second one's disk.

    python benchmarks/environments.py [--rounds 5] [--packages numpy,pandas,scikit-learn] [--mlflow PATH]

Runs of both sides are interleaved in one session, with a warm package cache; the figures are medians.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from runner.environments.python import uv as resolver

PREPARE = """
import sys, time
began = time.perf_counter()
from runner import environments
from runner.values import EnvironmentOptions, EnvironmentSpec, Silent
spec = EnvironmentSpec("virtualenv", "python_env.yaml")
environment = environments.prepare(spec, sys.argv[1], EnvironmentOptions(), Silent())
print((time.perf_counter() - began) * 1000, environment.key, environment.activation.prefix)
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--packages", default="numpy,pandas,scikit-learn")
    arguments.add_argument("--mlflow", default="", help="an mlflow executable to compare with")
    given = arguments.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROJ_HOME"] = os.path.join(folder, "home")
        os.environ.setdefault("UV_CACHE_DIR", os.path.join(folder, "uv"))
        project = os.path.join(folder, "project")
        os.makedirs(project)
        write(project, "MLproject", "name: bench\npython_env: python_env.yaml\n" + ENTRY)
        write(project, "train.py", "print('trained')\n")
        packages = given.packages.split(",")
        write(project, "python_env.yaml", "dependencies:\n" + "".join(f"  - {name}\n" for name in packages))
        cold(project, folder, given.rounds)
        warm(project, given.rounds)
        disk(project, packages)
        if given.mlflow:
            against_mlflow(given.mlflow, project, folder)


ENTRY = "entry_points:\n  main:\n    command: python train.py\n"


def write(folder: str, name: str, text: str) -> None:
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)
    os.utime(os.path.join(folder, name), (1_000_000, 1_000_000))


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def call(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def prepare(project: str) -> list[str]:
    return call(sys.executable, "-c", PREPARE, project).split()


def row(name: str, value: str) -> None:
    print(f"{name:<58} {value:>14}")


def cold(project: str, folder: str, rounds: int) -> None:
    first, key, prefix = prepare(project)
    row("first: resolved, downloaded, built", f"{float(first):.0f} ms")
    lock = os.path.join(folder, "lock.txt")
    shutil.copy(os.path.join(os.path.dirname(prefix), f"{key}.lock"), lock)
    base = os.path.realpath(os.path.join(prefix, "bin", "python"))
    plain, uv = os.path.join(folder, "plain"), resolver.executable()

    def with_uv() -> None:
        call(uv, "venv", "-q", "--no-project", "--no-config", "--python", base, plain)
        call(uv, "pip", "sync", "-q", "--python", os.path.join(plain, "bin", "python"), lock)

    theirs, ours, whole = [], [], []
    for _ in range(rounds):
        shutil.rmtree(plain, ignore_errors=True)
        theirs.append(timed(with_uv))
        call(sys.executable, "-m", "runner", "env", "rm", key)
        began = time.perf_counter()
        ours.append(float(prepare(project)[0]))
        whole.append((time.perf_counter() - began) * 1000)
    uv_time = statistics.median(theirs)
    row("cold, lock kept: uv venv && uv pip sync", f"{uv_time:.0f} ms")
    row("cold, lock kept: prepare (adds a pip)", f"{statistics.median(ours):.0f} ms")
    row("cold, lock kept: process with prepare", f"{statistics.median(whole):.0f} ms")
    row("ratio, prepare : uv (aim: under 1.2)", f"{statistics.median(ours) / uv_time:.2f}")
    row("ratio, process : uv", f"{statistics.median(whole) / uv_time:.2f}")


def warm(project: str, rounds: int) -> None:
    from runner import environments
    from runner.values import EnvironmentOptions, EnvironmentSpec, Silent

    spec = EnvironmentSpec("virtualenv", "python_env.yaml")
    environment = environments.prepare(spec, project, EnvironmentOptions(), Silent())
    decided = [
        timed(lambda: environments.prepare(spec, project, EnvironmentOptions(), Silent())) for _ in range(200)
    ]
    row("warm: deciding that it is there (aim: under 10 ms)", f"{statistics.median(decided):.2f} ms")
    script = os.path.join(project, "train.py")
    bare, ours = [], []
    for _ in range(max(rounds, 9)):
        bare.append(timed(lambda: call(environment.activation.python, script)))
        ours.append(timed(lambda: call(sys.executable, "-m", "runner", "run", project)))
    row("warm: the command alone", f"{statistics.median(bare):.0f} ms")
    row("warm: proj run", f"{statistics.median(ours):.0f} ms")


def disk(project: str, packages: list[str]) -> None:
    from runner.environments import maintenance

    first = prepare(project)[1]
    write(
        project,
        "python_env.yaml",
        "dependencies:\n" + "".join(f"  - {each}\n" for each in (*packages, "click")),
    )
    second = prepare(project)[1]
    whole, both = maintenance.disk_use([first]), maintenance.disk_use([first, second])
    row("disk: the first environment", f"{whole / 1e6:.0f} MB")
    row("disk: a second with the same packages (aim: under 5 %)", f"{100 * (both - whole) / whole:.1f} %")


def against_mlflow(mlflow: str, project: str, folder: str) -> None:
    variables = {**os.environ, "MLFLOW_ENV_ROOT": os.path.join(folder, "mlflow-envs")}
    variables["PATH"] = os.path.dirname(os.path.abspath(mlflow)) + os.pathsep + variables["PATH"]
    variables["PATH"] = os.path.dirname(resolver.executable()) + os.pathsep + variables["PATH"]
    for manager in ("virtualenv", "uv"):
        argv = [mlflow, "run", project, "--env-manager", manager]
        for state in ("cold", "warm"):

            def run(argv: list[str] = argv) -> None:
                subprocess.run(argv, env=variables, cwd=folder, check=True, capture_output=True)

            row(f"{state}: mlflow run --env-manager {manager}", f"{timed(run):.0f} ms")


if __name__ == "__main__":
    main()
