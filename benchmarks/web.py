"""The pages of `proj ui` and MLflow's own, side by side in one Chromium: the same runs, interleaved, medians.

    python benchmarks/web.py --mlflow PATH/TO/mlflow [--runs 10000] [--repeats 5] [--large 100000] [--charts] [--check]

MLflow's store is filled by SQL as its server would, ours by the product's own writer. Times are from the click or the
address until what was asked for can be seen. `--check` fails when a ratio is worse than it may be. `--charts` compares
our twenty charts of fifty runs of 10,000 points, of their logs, with MLflow's first one; what our curve files take to be
made, the first time, is told by itself.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from runner.tracking.store import Store
from tests.web.mass import MODELS, fill

METRICS, PARAMS = 20, 12
RATIOS = {  # ours / MLflow's, at most
    "rows, cold (ms)": 1 / 12, "reload (ms)": 1 / 8, "filter (ms)": 1 / 15, "run page (ms)": 1 / 10, "JS heap (MB)": 1 / 8,
    "charts (ms)": 1 / 8,
}  # fmt: skip
CURVES, DRAWN, POINTS = 50, 20, 10_000  # runs, metrics, points of each
SENT = 200  # kB of the table with all that it loads
TIMEOUT = 240_000  # ms
PATIENCE = 60  # s, for rows of a search; after it nothing was measured
GROWTH = 1.5  # of rows, cold, in a store ten times as large
LOOSE = {
    "rows, cold (ms)": 3000,
    "reload (ms)": 3000,
    "filter (ms)": 3000,
    "run page (ms)": 3000,
    "JS heap (MB)": 20,
}


class Side(NamedTuple):
    """Where something is on the pages of one of them."""

    name: str
    table: str  # address
    row: str  # selector
    search: str
    match: str  # filter, which MATCHING runs meet
    run: str  # address of a run
    shown: str  # selector of what tells that the run is shown
    charts: str  # address; "" for none
    curve: str  # selector of what tells that one is drawn
    many: int  # charts on that page
    cookies: list[dict[str, Any]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill_mlflow(database: str, runs: int) -> str:
    """As tests.web.mass fills ours; returns the id of the last run."""
    rng = random.Random(1)
    link = sqlite3.connect(database, timeout=60)
    now, run_id = int(time.time() * 1000), ""
    for number in range(runs):
        run_id, start = uuid.uuid4().hex, now - (runs - number) * 60_000
        link.execute(
            "insert into runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
            " end_time, source_version, lifecycle_stage, artifact_uri, experiment_id)"
            " values (?, ?, 'UNKNOWN', '', '', 'ada', 'FINISHED', ?, ?, '', 'active', '', 0)",
            (run_id, f"elk-{number:05d}", start, start + 50_000),
        )
        rate, model = rng.choice((0.1, 0.01, 0.001)), number % len(MODELS)
        level = rate + model / 10 + 1 + rng.random() / 20
        values = {"rmse": level, **{f"m{place:02d}": level * (place + 1) for place in range(METRICS - 1)}}
        for table in ("metrics", "latest_metrics"):
            link.executemany(
                f"insert into {table} (key, value, timestamp, run_uuid, step, is_nan) values (?, ?, ?, ?, 0, 0)",
                [(key, value, start, run_id) for key, value in values.items()],
            )
        params = {
            "lr": rate,
            "model": MODELS[model],
            **{f"p{at:02d}": rng.randrange(10) for at in range(PARAMS - 2)},
        }
        link.executemany(
            "insert into params (key, value, run_uuid) values (?, ?, ?)",
            [(key, str(value), run_id) for key, value in params.items()],
        )
        tags = {"mlflow.runName": f"elk-{number:05d}", "mlflow.user": "ada"}
        link.executemany(
            "insert into tags (key, value, run_uuid) values (?, ?, ?)",
            [(*each, run_id) for each in tags.items()],
        )
    link.commit()
    link.close()
    return run_id


def values(run: int, metric: int) -> Iterator[float]:
    rng = random.Random(run * 100 + metric)
    return (math.exp(-step / 3000) * (1 + run / CURVES) + rng.gauss(0, 0.05) for step in range(POINTS))


def curves(store: Store) -> list[str]:
    """Long before all other runs, so that the table does not begin with them."""
    ids = []
    for run in range(CURVES):
        writer = store.create_run("0", name=f"curve-{run}", start_time=1_000_000 + run)
        with writer:
            columns = [list(values(run, metric)) for metric in range(DRAWN)]
            for first in range(0, POINTS, 100):
                writer.metrics(
                    (f"c{metric:02d}", columns[metric][step], 1_000_000 + step * 1000, step)
                    for step in range(first, first + 100)
                    for metric in range(DRAWN)
                )
            writer.end("FINISHED", end_time=1_000_000 + POINTS * 1000)
        ids.append(writer.run_id)
    return ids


def curves_mlflow(database: str) -> list[str]:
    """One metric: it is its first chart that is waited for."""
    link = sqlite3.connect(database, timeout=60)
    ids = [uuid.uuid4().hex for _ in range(CURVES)]
    for run, run_id in enumerate(ids):
        link.execute(
            "insert into runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
            " end_time, source_version, lifecycle_stage, artifact_uri, experiment_id)"
            " values (?, ?, 'UNKNOWN', '', '', 'ada', 'FINISHED', ?, ?, '', 'active', '', 0)",
            (run_id, f"curve-{run}", 1_000_000 + run, 2_000_000),
        )
        link.executemany(
            "insert into metrics (key, value, timestamp, run_uuid, step, is_nan) values ('c00', ?, ?, ?, ?, 0)",
            [(value, 1_000_000 + step * 1000, run_id, step) for step, value in enumerate(values(run, 0))],
        )
        link.execute(
            "insert into latest_metrics (key, value, timestamp, run_uuid, step, is_nan) values ('c00', 0, 0, ?, ?, 0)",
            (run_id, POINTS - 1),
        )
        link.execute(
            "insert into tags (key, value, run_uuid) values ('mlflow.runName', ?, ?)",
            (f"curve-{run}", run_id),
        )
    link.commit()
    link.close()
    return ids


def chart_of_mlflow(base: str, ids: list[str]) -> str:
    given = {
        "runs": json.dumps(ids), "metric": '"c00"', "experiments": '["0"]', "plot_metric_keys": '["c00"]',
        "plot_layout": "{}", "x_axis": "step", "y_axis_scale": "linear", "line_smoothness": "1", "show_point": "false",
        "deselected_curves": "[]", "last_linear_y_axis_range": "[]",
    }  # fmt: skip
    return f"{base}/#/metric/c00?{urlencode(given, quote_via=quote)}"


@contextmanager
def mlflow(program: str, folder: str, runs: int, charts: bool) -> Iterator[Side]:
    database = os.path.join(folder, "mlflow.db")
    upgrade = [program, "db", "upgrade", f"sqlite:///{database}"]
    subprocess.run(upgrade, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ids = curves_mlflow(database) if charts else []
    run_id, port = fill_mlflow(database, runs), free_port()
    argv = [
        program,
        "server",
        "--port",
        str(port),
        "--workers",
        "1",
        "--backend-store-uri",
        f"sqlite:///{database}",
    ]
    process = subprocess.Popen(
        [*argv, "--artifacts-destination", os.path.join(folder, "artifacts")],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            if process.poll() is not None:
                sys.exit("mlflow did not start")
            time.sleep(0.1)
    base = f"http://127.0.0.1:{port}/#/experiments/0/runs"
    try:
        yield Side(
            "mlflow", base, ".ag-center-cols-container .ag-row", '[data-testid="search-box"]',
            "params.model = 'ridge' and metrics.rmse < 1.05", f"{base}/{run_id}", "text=m07",
            chart_of_mlflow(f"http://127.0.0.1:{port}", ids) if charts else "", ".js-plotly-plot .trace, .js-plotly-plot canvas", 1, [],
        )  # fmt: skip
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # and its workers
        process.wait()


@contextmanager
def ours(chromium: Any, folder: str, runs: int, charts: bool = False) -> Iterator[Side]:
    root = os.path.join(folder, f"store-{runs}")
    with Store(root) as store:
        ids = curves(store) if charts else []
        run_id = fill(store, runs, METRICS, PARAMS)[-1]
        store.index.refresh()
    argv = [sys.executable, "-m", "runner", "ui", "--no-browser", "--store", root]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"(http://127\.0\.0\.1:\d+)(/\S+)", line)
    assert found, line
    context = chromium.new_context()
    context.new_page().goto(found[1] + found[2])
    cookies = context.cookies()
    context.close()
    try:
        yield Side(
            f"proj {runs}", f"{found[1]}/ui/", "tbody.body tr", "#q", "params.model = 'ridge' and metrics.rmse < 1.05",
            f"{found[1]}/ui/runs/{run_id}", "text=m07",
            f"{found[1]}/ui/compare?{urlencode([('run', each) for each in ids])}" if charts else "",
            "figure[data-state=drawn]", DRAWN, cookies,
        )  # fmt: skip
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def once(chromium: Any, side: Side) -> dict[str, float]:
    """In a profile of its own."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.add_cookies(side.cookies)
    context.set_default_timeout(TIMEOUT)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sent = [0.0]
    session.on(
        "Network.loadingFinished", lambda event: sent.__setitem__(0, sent[0] + event["encodedDataLength"])
    )
    row = page.locator(side.row).first
    found = {}

    def load() -> None:
        page.goto(side.table, wait_until="commit")
        row.wait_for()

    def again() -> None:
        page.reload(wait_until="commit")
        row.wait_for()

    def search() -> None:
        page.locator(side.search).press("Enter")
        end = time.perf_counter() + PATIENCE
        while time.perf_counter() < end and (
            not row.count() or row.inner_text() == before
        ):  # the newest one is no match
            page.wait_for_timeout(5)

    before = ""
    found["rows, cold (ms)"] = ms(load)
    page.wait_for_timeout(1500)
    found["sent (kB)"] = sent[0] / 1000
    session.send("HeapProfiler.collectGarbage")
    found["JS heap (MB)"] = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    found["reload (ms)"] = ms(again)
    page.wait_for_timeout(1000)
    page.locator(side.search).fill(side.match)
    page.wait_for_timeout(300)
    before = row.inner_text()
    took = ms(search)
    found["filter (ms)"] = took if took < PATIENCE * 1000 else math.nan
    other = context.new_page()

    def show() -> None:
        other.goto(side.run, wait_until="commit")
        other.locator(side.shown).first.wait_for()

    found["run page (ms)"] = ms(show)
    if side.charts:
        drawing = context.new_page()
        drawing.set_viewport_size({"width": 1600, "height": 2600})  # all of them in sight

        def draw() -> None:
            drawing.goto(side.charts, wait_until="commit")
            drawing.locator(side.curve).nth(side.many - 1).wait_for(state="attached")

        found["charts (ms)"] = ms(draw)
    context.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--mlflow", default="", help="the mlflow program to compare with")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=0, help="runs of a second store of ours")
    parser.add_argument("--charts", action="store_true", help="twenty charts of fifty runs, too")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    from tests.browser import PROGRAMS

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    folder = tempfile.mkdtemp(prefix="proj-bench-")
    os.environ["PROJ_HOME"] = os.path.join(folder, "home")
    results: dict[str, list[dict[str, float]]] = {}
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
            sides = [ours(chromium, folder, options.runs, options.charts)]
            sides += [ours(chromium, folder, options.large)] if options.large else []
            sides += [mlflow(options.mlflow, folder, options.runs, options.charts)] if options.mlflow else []
            found = [each.__enter__() for each in sides]
            try:
                for _ in range(options.repeats):
                    for side in found:
                        results.setdefault(side.name, []).append(once(chromium, side))
            finally:
                for each in sides:
                    each.__exit__(None, None, None)
            chromium.close()
    finally:
        subprocess.Popen(["rm", "-rf", folder])
    medians = {
        name: {what: statistics.median(each[what] for each in every) for what in every[0]}
        for name, every in results.items()
    }
    if options.charts:
        first = results[f"proj {options.runs}"][0]["charts (ms)"]
        print(f"the first time, with the curve files: {first:.0f} ms")
    return report(medians, f"proj {options.runs}", options.check)


def report(medians: dict[str, dict[str, float]], mine: str, check: bool) -> int:
    names = list(medians)
    print(f"{'':20}" + "".join(f"{name:>14}" for name in names) + f"{'1 /':>10}")
    wrong = []
    for what, value in medians[mine].items():
        theirs = medians.get("mlflow", {}).get(what)
        ratio = f"{theirs / value:10.1f}" if theirs else ""
        print(f"{what:20}" + "".join(f"{medians[name].get(what, math.nan):14.1f}" for name in names) + ratio)
        if theirs and what in RATIOS and value > theirs * RATIOS[what]:
            wrong.append(f"{what}: 1/{theirs / value:.1f} is more than 1/{1 / RATIOS[what]:.0f}")
        if not theirs and value > LOOSE.get(what, value):
            wrong.append(f"{what}: {value:.0f}")
    if medians[mine]["sent (kB)"] > SENT:
        wrong.append(f"the table and all that it loads has {medians[mine]['sent (kB)']:.0f} kB")
    for name in names:
        first, large = medians[mine]["rows, cold (ms)"], medians[name]["rows, cold (ms)"]
        if name not in (mine, "mlflow") and large > GROWTH * first:
            wrong.append(f"{name}: {large / first:.2f} times as long")
    for each in wrong:
        print(f"too much: {each}")
    return 1 if wrong and check else 0


if __name__ == "__main__":
    sys.exit(main())
