"""What fetching and capturing code costs, by the number of files: medians in milliseconds.

    python benchmarks/snapshot.py [--files 100,2000,20000] [--runs 9]

Everything is made in a temporary folder. `status` is `git status`, which overlaps with other work of a run; `capture`
is what the command has to wait for; `copy` is done while it runs. All processes' times are included.
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

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from runner import sources
from runner.snapshots import snapshot
from runner.values import Checkout, Silent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", default="100,2000,20000")
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    sizes = [int(text) for text in options.files.split(",")]
    folder = tempfile.mkdtemp(prefix="proj-bench-")
    os.environ.update(PROJ_HOME=os.path.join(folder, "home"), GIT_CONFIG_GLOBAL=os.devnull)
    try:
        columns = {size: measure(os.path.join(folder, str(size)), size, options.runs) for size in sizes}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{'':44}" + "".join(f"{size:>10}" for size in sizes) + "  files")
    for row in columns[sizes[0]]:
        print(f"{row:44}" + "".join(f"{columns[size][row]:10.1f}" for size in sizes))


def measure(folder: str, count: int, runs: int) -> dict[str, float]:
    """Row -> milliseconds for a repository with `count` files of about 1 kB."""
    rows: dict[str, float] = {}
    root = make_repository(os.path.join(folder, "repo"), count)
    store = os.path.join(folder, "store")
    rows["local folder: fetch"] = median(runs, lambda: sources.fetch(root, "", Silent()))
    checkout = sources.fetch(root, "", Silent())

    rows["git status alone"] = median(runs, lambda: snapshot.begin(checkout).finish())
    first = times(checkout, store)
    rows["first snapshot, clean: capture"], rows["first snapshot, clean: copy"] = first[1], first[2]
    clean = [times(checkout, store) for _ in range(runs)]
    rows["clean: status"] = statistics.median(time[0] for time in clean)
    rows["clean: capture"] = statistics.median(time[1] for time in clean)
    dirty = []
    for number in range(runs):
        with open(os.path.join(root, "d0", "f0.py"), "a") as file:
            file.write(f"# edit {number}\n")
        dirty.append(times(checkout, store))
    rows["one edited file: status"] = statistics.median(time[0] for time in dirty)
    rows["one edited file: capture"] = statistics.median(time[1] for time in dirty)
    rows["one edited file: copy"] = statistics.median(time[2] for time in dirty)
    fresh = os.path.join(folder, "other store")
    rows["first snapshot with an edit: capture"] = times(checkout, fresh)[1]

    state = snapshot.capture(checkout, snapshot.begin(checkout).finish(), store)
    target = os.path.join(folder, "restored")
    rows["restore"] = median(min(runs, 3), lambda: restore(store, state.tree, target))

    plain = os.path.join(folder, "plain")
    shutil.copytree(root, plain, ignore=shutil.ignore_patterns(".git"))
    without = sources.fetch(plain, "", Silent())
    rows["folder without git, first: capture"] = sum(times(without, store)[:2])
    rows["folder without git, again: capture"] = median(runs, lambda: times(without, store))

    url = f"file://{root}"
    rows["git URL, first: fetch and checkout"] = median(1, lambda: fetch_and_release(url))
    rows["git URL, cached: fetch, checkout, release"] = median(min(runs, 5), lambda: fetch_and_release(url))
    rows["git ls-remote alone"] = median(
        runs, lambda: subprocess.run(["git", "ls-remote", url, "HEAD"], check=True, capture_output=True)
    )
    return rows


def times(checkout: Checkout, store: str) -> tuple[float, float, float]:
    """Milliseconds of status, capture and copy."""
    start = time.perf_counter()
    pending = snapshot.begin(checkout)
    state = pending.finish()
    asked = time.perf_counter()
    capture = snapshot.take(pending, state, store)
    captured = time.perf_counter()
    capture.finish()
    return (asked - start) * 1e3, (captured - asked) * 1e3, (time.perf_counter() - captured) * 1e3


def median(runs: int, work: Callable[[], object]) -> float:
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)


def restore(store: str, tree: str, target: str) -> None:
    shutil.rmtree(target, ignore_errors=True)
    snapshot.restore(store, tree, target)


def fetch_and_release(url: str) -> None:
    sources.release(sources.fetch(url, "", Silent()))


def make_repository(root: str, count: int) -> str:
    for number in range(count):
        path = os.path.join(root, f"d{number // 100}", f"f{number % 100}.py")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(f"# file {number}\n" + "x = 1\n" * 160)
    identity = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
    identity |= {"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org"}
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "all"], ["status"]):
        subprocess.run(
            ["git", "-C", root, *command], check=True, env={**os.environ, **identity}, capture_output=True
        )
    return root


if __name__ == "__main__":
    main()
