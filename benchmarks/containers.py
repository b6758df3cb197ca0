"""What `proj run` costs over a plain `docker run` of the same command: medians of alternating runs, in ms.

Needs a container engine (DOCKER_HOST) and an image that has `true`: python benchmarks/containers.py IMAGE [TURNS]
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def seconds(argv: list[str], **variables: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        argv, env={**os.environ, **variables}, check=True, stdin=subprocess.DEVNULL, capture_output=True
    )
    return time.perf_counter() - began


def main(image: str, turns: int) -> None:
    folder = tempfile.mkdtemp()
    project = os.path.join(folder, "project")
    os.makedirs(project)
    with open(os.path.join(project, "MLproject"), "w", encoding="utf-8") as file:
        file.write(f"name: p\ndocker_env: {{image: '{image}'}}\nentry_points:\n  main: {{command: 'true'}}\n")
    user = f"{os.getuid()}:{os.getgid()}"
    plain = ["docker", "run", "--rm", "--init", "--network", "host", "--user", user]
    plain += ["-v", f"{project}:/p", "-w", "/p", image, "sh", "-c", "true"]
    program = shutil.which("proj", path=os.path.dirname(sys.executable)) or "proj"
    home = {"PROJ_HOME": os.path.join(folder, "home")}
    try:
        seconds(plain)
        seconds([program, "run", project], **home)
        pairs = [(seconds(plain), seconds([program, "run", project], **home)) for _ in range(turns)]
    finally:
        shutil.rmtree(folder)
    ours = [proj - docker for docker, proj in pairs]
    for name, values in (
        ("docker run", [a for a, _ in pairs]),
        ("proj run", [b for _, b in pairs]),
        ("overhead", ours),
    ):
        print(
            f"{name:12} {statistics.median(values) * 1000:7.1f} ms   (from {min(values) * 1000:.1f} to {max(values) * 1000:.1f})"
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10)
