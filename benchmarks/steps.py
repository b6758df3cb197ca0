"""A pipeline of five trivial steps: everything new, nothing changed, and the bare commands; ms, the median of TURNS.

python benchmarks/steps.py [FILES [TURNS [FOLDER]]]   FILES: of code in the project, all of which each step gets;
FOLDER: with the programs dvc and snakemake (a virtualenv's bin), which then do the same, turn by turn.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

STEPS = range(1, 6)
COMMANDS = {at: f"cat o{at - 1}.txt > o{at}.txt" for at in STEPS}
DVC = "".join(
    f"  s{at}: {{cmd: '{command}', deps: [o{at - 1}.txt], outs: [o{at}.txt]}}\n"
    for at, command in COMMANDS.items()
)
SNAKEMAKE = "".join(
    f"rule s{at}:\n  input: 'o{at - 1}.txt'\n  output: 'o{at}.txt'\n  shell: '{command}'\n"
    for at, command in reversed(COMMANDS.items())
)


def project(folder: str, files: int) -> None:
    lines = ["name: bench", "entry_points:"]
    for at, command in COMMANDS.items():
        needs = f", needs: s{at - 1}" if at > 1 else ""
        lines.append(
            f"  s{at}: {{command: '{command}', inputs: [o{at - 1}.txt], outputs: [o{at}.txt]{needs}}}"
        )
    os.makedirs(folder)
    for number in range(files):
        place = os.path.join(folder, f"f{number // 50}")
        os.makedirs(place, exist_ok=True)
        write(os.path.join(place, f"m{number}.py"), "x = 1\n" * 20)
    write(os.path.join(folder, "MLproject"), "\n".join(lines) + "\n")
    write(os.path.join(folder, "dvc.yaml"), f"stages:\n{DVC}")
    write(os.path.join(folder, "Snakefile"), SNAKEMAKE)
    write(os.path.join(folder, "o0.txt"), "0\n")
    write(os.path.join(folder, ".gitignore"), "o?.txt\n.snakemake/\n")
    for words in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def milliseconds(words: Sequence[str], folder: str) -> tuple[float, float]:
    """Of the clock, and of processors, by it and by all that it starts."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return (time.perf_counter() - began) * 1000, used * 1000


def programs(base: str, files: int, others: str) -> dict[str, tuple[str, Sequence[str]]]:
    """Name -> a project of its own, and the line that brings its last file up to date."""
    last = STEPS[-1]
    found: dict[str, tuple[str, Sequence[str]]] = {
        "proj": ("", (sys.executable, "-m", "runner", "run", ".", "-e", f"s{last}"))
    }
    if others:
        found["dvc"] = ("", (os.path.join(others, "dvc"), "repro", "-q"))
        found["snakemake"] = ("", (os.path.join(others, "snakemake"), "-q", "-c1", f"o{last}.txt"))
    for name, (_, words) in found.items():
        folder = os.path.join(base, name)
        project(folder, files)
        if name == "dvc":
            subprocess.run([os.path.join(others, "dvc"), "init", "-q"], cwd=folder, check=True)
        found[name] = (folder, words)
    return found


def main(files: int, turns: int, others: str = "") -> None:
    base = tempfile.mkdtemp()
    os.environ.update(PROJ_HOME=os.path.join(base, "home"), DVC_NO_ANALYTICS="1")
    bare = ["bash", "-c", "; ".join(f"bash -c '{command}'" for command in COMMANDS.values())]
    times: dict[str, list[tuple[float, float]]] = {}
    try:
        found = programs(base, files, others)
        for folder, words in found.values():
            milliseconds(words, folder)
        for turn in range(turns):
            for name, (folder, words) in found.items():
                times.setdefault(f"{name}: nothing changed", []).append(milliseconds(words, folder))
                write(os.path.join(folder, "o0.txt"), f"new {turn}\n")
                times.setdefault(f"{name}: five steps", []).append(milliseconds(words, folder))
            folder, words = found["proj"]
            times.setdefault("bare commands", []).append(milliseconds(bare, folder))
            alone = [*words[:-1], "s1", "--only"]
            times.setdefault("proj: a single run", []).append(milliseconds(alone, folder))
    finally:
        shutil.rmtree(base)
    show(times)


def show(times: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for name, values in sorted(times.items()):
        clock, used = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{name:28} {clock:8.1f} ms  {used:8.1f} ms of processors")


if __name__ == "__main__":
    words = sys.argv[1:]
    main(*[int(each) for each in words[:2]], *(0, 5)[len(words[:2]) :], *words[2:3])
