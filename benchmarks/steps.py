"""A pipeline of five trivial steps: everything new, nothing changed, and the bare commands; ms, the median of TURNS.

python benchmarks/steps.py [FILES [TURNS]]   FILES: of code in the project, all of which each step gets
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

STEPS = 5


def project(folder: str, files: int) -> None:
    lines = ["name: bench", "entry_points:"]
    for at in range(1, STEPS + 1):
        needs = f", needs: s{at - 1}" if at > 1 else ""
        command = f"cat o{at - 1}.txt > o{at}.txt"
        lines.append(
            f"  s{at}: {{command: '{command}', inputs: [o{at - 1}.txt], outputs: [o{at}.txt]{needs}}}"
        )
    os.makedirs(folder)
    for number in range(files):
        place = os.path.join(folder, f"f{number // 50}")
        os.makedirs(place, exist_ok=True)
        write(os.path.join(place, f"m{number}.py"), "x = 1\n" * 20)
    write(os.path.join(folder, "MLproject"), "\n".join(lines) + "\n")
    write(os.path.join(folder, "o0.txt"), "0\n")
    write(os.path.join(folder, ".gitignore"), "o?.txt\n")
    for words in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def milliseconds(words: Sequence[str], folder: str) -> float:
    began = time.perf_counter()
    subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000


def main(files: int, turns: int) -> None:
    base = tempfile.mkdtemp()
    os.environ["PROJ_HOME"] = os.path.join(base, "home")
    folder = os.path.join(base, "project")
    project(folder, files)
    run = [sys.executable, "-m", "runner", "run", folder, "-e", f"s{STEPS}"]
    bare = ["bash", "-c", "; ".join(f"bash -c 'cat o{at - 1}.txt > o{at}.txt'" for at in range(1, STEPS + 1))]
    times: dict[str, list[float]] = {}
    try:
        milliseconds(run, folder)
        for turn in range(turns):
            times.setdefault("nothing changed", []).append(milliseconds(run, folder))
            write(os.path.join(folder, "o0.txt"), f"new {turn}\n")
            times.setdefault("five steps", []).append(milliseconds(run, folder))
            times.setdefault("bare commands", []).append(milliseconds(bare, folder))
            alone = [*run[:-1], "s1", "--only"]
            times.setdefault("a single run", []).append(milliseconds(alone, folder))
    finally:
        shutil.rmtree(base)
    for name, values in times.items():
        print(f"{name:24} {statistics.median(values):8.1f} ms")


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*given, *(0, 5)[len(given) :])
