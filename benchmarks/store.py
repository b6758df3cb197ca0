"""How quick the store is: appending, listing, catching up, and how that grows. It makes its stores itself.

python benchmarks/store.py              1,000 and 10,000 runs
python benchmarks/store.py --full       also 100,000 runs and a run of 1,000,000 points (takes minutes, 2 GB)
python benchmarks/store.py --keep DIR   keeps the stores in DIR and uses those that are there
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from runner.tracking import journal
from runner.tracking.log import encode, new_run_id
from runner.tracking.store import Store

FILTER = "metrics.m0 < 0.8 and params.model = 'ridge'"
ORDER = ["metrics.m0"]
BEGIN = 1_700_000_000_000  # ms
LIST = """
import sys, time
began = time.perf_counter()
from runner.tracking.store import Store
with Store(sys.argv[1]) as store:
    page = store.search(sys.argv[2], order_by=sys.argv[3:], limit=100)
took = time.perf_counter() - began
with open("/proc/self/status") as file:
    peak = next(line.split()[1] for line in file if line.startswith("VmHWM"))
print(len(page.runs), took, peak)
"""


def row(what: str, value: str) -> None:
    print(f"{what:<62} {value:>18}", flush=True)


def timed(function: Callable[[], object], times: int = 1) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def generate(root: str, count: int, first: int = 0, old: bool = True) -> None:
    """`count` runs of 10 parameters and 10 metrics that ended; `old`: their logs are of long ago."""
    rng = random.Random(first)
    os.makedirs(os.path.join(root, "runs"), exist_ok=True)
    hints = []
    for number in range(first, first + count):
        moment = BEGIN + number * 1000
        run_id = new_run_id(moment)
        start = {"type": "start", "format": 1, "run_id": run_id, "experiment_id": str(number % 5)}
        events: list[dict[str, object]] = [
            {
                **start,
                "name": f"run-{number}",
                "user": "ada",
                "kind": "project",
                "project": f"p{number % 20}",
            },
            {"type": "param", "key": "model", "value": ("ridge", "lasso", "tree", "knn")[number % 4]},
            *({"type": "param", "key": f"p{key}", "value": rng.random()} for key in range(9)),
            {"type": "tag", "key": "team", "value": f"t{number % 7}"},
            *(
                {"type": "metric", "key": f"m{key}", "value": rng.random(), "timestamp": moment, "step": 1}
                for key in range(10)
            ),
            {"type": "end", "status": "FINISHED", "exit_code": 0, "reason": "exit"},
        ]
        folder = os.path.join(root, "runs", run_id)
        os.mkdir(folder)
        with open(os.path.join(folder, "events.jsonl"), "wb") as file:
            file.write(b"".join(encode({**event, "time": moment}) for event in events))
        if old:
            os.utime(os.path.join(folder, "events.jsonl"), (moment / 1000, moment / 1000))
        hints.append(run_id)
    name = journal.path(root)
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, "a", encoding="ascii") as file:
        file.write("".join(f"{run_id}\n" for run_id in hints))


def appending(folder: str, points: int) -> None:
    store = Store(os.path.join(folder, "append"))
    writer = store.create_run()

    def single() -> None:
        for step in range(points):
            writer.metric("loss", 0.5, step)

    row("append points one by one", f"{points / timed(single):,.0f} points/s")
    batch = [("loss", 0.5, BEGIN, step) for step in range(1000)]

    def batches() -> None:
        for _ in range(points // 100):
            writer.metrics(batch)

    row("append points in batches of 1,000", f"{points * 10 / timed(batches):,.0f} points/s")


WRITE = """
import sys, time
from runner.tracking.store import Store
writer = Store(sys.argv[1]).create_run(name=sys.argv[2])
print(flush=True)
sys.stdin.readline()
began = time.process_time()
for step in range(int(sys.argv[3])):
    writer.metric("loss", 0.5, step)
print(time.process_time() - began)
writer.end("FINISHED", sync=False)
"""


def writers(folder: str, count: int, points: int) -> None:
    root = os.path.join(folder, "writers")
    shutil.rmtree(root, ignore_errors=True)
    argv = [sys.executable, "-c", WRITE, root]
    made = [
        subprocess.Popen([*argv, f"w{number}", str(points)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for number in range(count)
    ]
    for process in made:
        process.stdout.readline()  # type: ignore[union-attr]
    began = time.perf_counter()
    for process in made:
        process.stdin.write(b"\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
    used = sum(float(process.communicate()[0]) for process in made)
    taken = time.perf_counter() - began
    with Store(root) as store:
        runs = store.search("status = 'FINISHED'", limit=1000).runs
        complete = all(run.metrics["loss"].step == points - 1 for run in runs)
        lost = count - len(runs) if complete else -1
        kept = sum(len(store.history(run.run_id, "loss", points * 2).points) for run in runs)
    row(f"{count} writers of {points:,} points each, in sum", f"{count * points / taken:,.0f} points/s")
    row("  for each second of a processor", f"{count * points / used:,.0f} points")
    row("  of these runs and points lost", f"{lost} and {count * points - kept}")


def listing(root: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of a new process that lists 100 rows."""
    argv = [sys.executable, "-c", LIST, root, FILTER, *ORDER]
    taken, memory = [], 0.0
    for _ in range(7):
        began = time.perf_counter()
        out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
        taken.append(time.perf_counter() - began)
        memory = float(out[2]) / 1024
    return statistics.median(taken), memory


def sizes(folder: str, counts: list[int]) -> None:
    empty = os.path.join(folder, "empty")
    os.makedirs(os.path.join(empty, "runs"), exist_ok=True)
    base, memory = listing(empty)
    row("list 100 of 0 runs, a new process", f"{base * 1000:.0f} ms {memory:.0f} MB")
    for count in counts:
        size(os.path.join(folder, f"store-{count}"), count)
        time.sleep(2.1)  # what changed within two seconds is looked at again
        taken, memory = listing(os.path.join(folder, f"store-{count}"))
        row(f"  list 100 of {count:,} runs, a new process", f"{taken * 1000:.0f} ms {memory:.0f} MB")
        row("    against an empty store", f"{taken / base:.2f} x")


def size(root: str, count: int) -> None:
    if not os.path.isdir(root):
        row(f"[made {count:,} runs]", f"{timed(lambda: generate(root, count)):.0f} s")
    for name in os.listdir(root):
        if name.startswith("index.sqlite"):
            os.unlink(os.path.join(root, name))
    with Store(root) as store:
        rebuilt = timed(lambda: store.search(limit=1))
        row(f"full rebuild of the index of {count:,} runs", f"{store.index.count() / rebuilt:,.0f} runs/s")
        row("  its size", f"{os.path.getsize(os.path.join(root, 'index.sqlite')) / 1e6:.0f} MB")
        time.sleep(2.1)
        store.search(limit=1)
        taken = timed(lambda: store.search(FILTER, order_by=ORDER, limit=100), 11)
        row(f"  filter and order by a metric, of {count:,} runs", f"{taken * 1000:.1f} ms")
        rare = "metrics.m0 < 0.0005 and params.model = 'ridge'"
        taken = timed(lambda: store.search(rare, order_by=["params.p3"]), 11)
        row("  a rare metric, order by a parameter", f"{taken * 1000:.1f} ms")
        taken = timed(lambda: store.search(order_by=["params.p3 DESC"]), 3)
        row("  no filter, order by a parameter", f"{taken * 1000:.1f} ms")
        generate(root, 1000, first=10_000_000 + random.randrange(1 << 30), old=False)
        caught = timed(lambda: store.search(limit=1))
        row("  catch up with 1,000 new runs", f"{caught * 1000:.0f} ms")


def all_points(folder: str, counts: list[int]) -> None:
    for count in counts:
        points(folder, count)


def points(folder: str, count: int) -> None:
    root = os.path.join(folder, f"points-{count}")
    shutil.rmtree(root, ignore_errors=True)
    with Store(root) as store:
        writer = store.create_run()
        for first in range(0, count, 1000):
            point = {"type": "metric", "key": "loss", "value": 0.1, "timestamp": BEGIN, "time": BEGIN}
            steps = range(first, min(first + 1000, count))
            writer.log.append_lines(encode({**point, "step": step}) for step in steps)
        row(f"run of {count:,} points: into the index", f"{timed(store.search) * 1000:.0f} ms")
        writer.metric("loss", 1.0, count)
        row("  one point more", f"{timed(store.search) * 1000:.1f} ms")
        taken = timed(lambda: store.history(writer.run_id, "loss", 1_000_000))
        row("  its history", f"{taken * 1000:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--keep", default="")
    parser.add_argument("--only", default="", help="append, writers, sizes or points")
    given = parser.parse_args()
    folder = os.path.abspath(given.keep) if given.keep else tempfile.mkdtemp(prefix="store-benchmark-")
    os.makedirs(folder, exist_ok=True)
    parts: dict[str, Callable[[], object]] = {
        "append": lambda: appending(folder, 100_000 if given.full else 20_000),
        "writers": lambda: writers(folder, 64, 20_000 if given.full else 3000),
        "sizes": lambda: sizes(folder, [1000, 10_000, *([100_000] if given.full else [])]),
        "points": lambda: all_points(folder, [1000, 10_000, 100_000, *([1_000_000] if given.full else [])]),
    }
    try:
        for name, part in parts.items():
            if given.only in ("", name):
                part()
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"python": sys.version.split()[0], "cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
