"""Two versions of `proj` side by side: the same warm run by each, in turn.

    python benchmarks/warm.py OLD/bin/proj NEW/bin/proj [--runs 60] [--case plain,git,environment,version,reproduce,cached]
        [--cpu]

Prints the median and the quartiles in milliseconds, and the median of the ratios of neighbouring runs: a machine that
drifts or is shared hits both alike. Each program has a home, and so a store and caches, of its own. --cpu
counts the processor time of all processes instead, which a loaded machine changes less.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import TINY_ENV, TRIVIAL, git, write

MAKING = (
    "name: making\nentry_points:\n  main:\n    command: python train.py > out.txt\n    outputs: [out.txt]\n"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("programs", nargs=2, metavar="PROJ")
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--case", default="plain,git,environment,version")
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="proj-bench-")
    os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(f"{'':12} {'':28} {'cpu ms' if options.cpu else 'median ms':>10} {'quartiles':>16}")
    try:
        for case in options.case.split(","):
            compare(case, folder, [os.path.abspath(program) for program in options.programs], options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def compare(case: str, folder: str, programs: list[str], options: argparse.Namespace) -> None:
    words = prepare(case, os.path.join(folder, case))
    homes = [os.path.join(folder, f"home-{number}") for number in (0, 1)]
    argvs = [[program, *words] for program in programs]
    if case == "reproduce":
        for argv, home in zip(argvs, homes, strict=True):
            argv[1:] = ["reproduce", run_id([*argv, "--json"], home)]
    elif case == "cached":
        for argv in argvs:
            argv.append("--cached")
    count = processor if options.cpu else once
    times: list[list[float]] = [[], []]
    for turn in range(options.runs + 2):
        for number in (0, 1) if turn % 2 else (1, 0):
            took = count(argvs[number], homes[number], folder)
            if turn > 1:  # the first ones fill caches
                times[number].append(took)
    for program, values in zip(programs, times, strict=True):
        low, middle, high = statistics.quantiles(values, n=4)
        print(f"{case:12} {program[-28:]:28} {middle:10.1f} {low:8.1f}{high:8.1f}")
    ratio = statistics.median(new / old for old, new in zip(*times, strict=True))
    print(f"{case:12} {'ratio':28} {ratio:10.2f}")


def prepare(case: str, project: str) -> list[str]:
    """Makes the project of a case; the words after the program."""
    if case == "version":
        return ["--version"]
    write(project, TRIVIAL)
    if case in ("reproduce", "cached"):
        write(project, {"MLproject": MAKING})
    words = ["run", project]
    if case == "environment":
        write(project, {"python_env.yaml": TINY_ENV})
        with open(os.path.join(project, "MLproject"), "a", encoding="utf-8") as file:
            file.write("python_env: python_env.yaml\n")
    else:
        words += ["--env-manager", "local"]
    if case != "plain":
        git(project, "init", "-q", "-b", "main")
        git(project, "add", "-A")
        git(project, "commit", "-q", "-m", "first")
    return words


def once(argv: list[str], home: str, folder: str) -> float:
    """Milliseconds of one run."""
    variables = {**os.environ, "PROJ_HOME": home}
    began = time.perf_counter()
    done = subprocess.run(
        argv,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    took = time.perf_counter() - began
    assert done.returncode == 0, f"{argv}: {done.stderr.decode()[-2000:]}"
    return took * 1000


def run_id(argv: list[str], home: str) -> str:
    """Of the run that this makes."""
    done = subprocess.run(
        argv, env={**os.environ, "PROJ_HOME": home}, stdin=subprocess.DEVNULL, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    return str(json.loads(done.stdout)["run_id"])


def processor(argv: list[str], home: str, folder: str) -> float:
    """Milliseconds of processor time, of all processes, also those that nobody waits for: perf-stat(1)."""
    counted = os.path.join(folder, "counted")
    once(["perf", "stat", "-x", ",", "-e", "task-clock", "-o", counted, *argv], home, folder)
    with open(counted, encoding="utf-8") as file:
        return next(float(line.split(",")[0]) for line in file if "task-clock" in line)


if __name__ == "__main__":
    main()
