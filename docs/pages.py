"""Makes the pictures of docs/web.md from real pages: `python docs/pages.py` (needs Chromium, and playwright).

`proj ui` serves a store of its own, filled by the product's own writer: nothing of this machine is in a picture.
"""

from __future__ import annotations

import math
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

from playwright.sync_api import sync_playwright

from runner.tracking import events
from runner.tracking.store import Store

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IMAGES = os.path.join(ROOT, "docs", "images")
NAMES = ("elk-12", "fox-03", "owl-77", "bee-41", "yak-08", "emu-19")
START = 1_750_000_000_000  # ms
PICTURES = (  # name, address, width, height, colours; {runs} are all of them, {run} the first
    ("run", "runs/{run}", 1100, 760, "light"),
    ("compare", "compare?{runs}&group=", 1100, 620, "dark"),
    ("parallel", "compare?{runs}&view=parallel&brush=0:0.5:params.lr", 1100, 820, "light"),
)


def fill(store: Store) -> list[str]:
    """Six runs of one model, with noise; ids in the order of the names."""
    chance = random.Random(7)
    ids = []
    for place, name in enumerate(NAMES):
        rate = (0.1, 0.01, 0.1, 0.01, 0.03, 0.03)[place]
        writer = store.create_run(
            store.ensure_experiment("big"), name=name, params={"lr": rate, "depth": place + 2, "model": ("ridge", "lasso")[place % 2]},
            start_time=START + place * 3_600_000, project="big", entry_point="train", user="ada", uri="/home/ada/big",
            sections={
                "command": {"command": f"python train.py --lr {rate}"}, "code": {"commit": "a1f3c2d4e5f6", "branch": "main", "dirty": False},
                "environment": {"kind": "virtualenv", "python": "3.12.4"}, "machine": {"host": "lab-3", "cores": 16, "memory": 64 << 30},
                "resources": {"peak_memory": 812 << 20, "cpu_time": 75.2, "duration": 74.9},
            },
        )  # fmt: skip
        with writer:
            points = []
            for step in range(6000):
                at = START + place * 3_600_000 + step * 12
                loss = 2 * math.exp(-step / (1500 * (1 + rate))) + abs(chance.gauss(0, 0.06)) + rate
                points.append(("loss", loss, at, step))
                if step % 60 == 0:
                    points.append(
                        ("val/rmse", math.exp(-step / 2000) * (0.7 + rate) + chance.gauss(0, 0.01), at, step)
                    )
                    points.append(
                        (
                            "val/accuracy",
                            1 - math.exp(-step / 1400) * (0.8 + rate) + chance.gauss(0, 0.008),
                            at,
                            step,
                        )
                    )
            writer.metrics(points)
            if place == 0:
                writer.append(events.verification("identical", "", (), ""))
            writer.end("FINISHED", exit_code=0, end_time=START + place * 3_600_000 + 75_000)
        ids.append(writer.run_id)
    return ids


def main() -> None:
    folder = tempfile.mkdtemp()
    environ = {**os.environ, "PROJ_HOME": folder, "TZ": "UTC"}
    store = os.path.join(folder, "store")
    os.makedirs(store)
    ids = fill(Store(store))
    words = [sys.executable, "-m", "runner", "ui", "--no-browser", "--store", store]
    server = subprocess.Popen(words, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr
        line = server.stderr.readline()
        link = re.search(r"http://\S+", line)
        if link is None:
            sys.exit(f"{shlex.join(words)} said: {line}")
        shoot(link[0], ids)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        shutil.rmtree(folder)


def shoot(link: str, ids: list[str]) -> None:
    base = link.partition("enter?")[0]
    program = shutil.which("chromium") or shutil.which("google-chrome")
    runs = "&".join(f"run={each}" for each in ids)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        first = browser.new_context()
        first.new_page().goto(link)
        state = first.storage_state()
        for name, address, width, height, colours in PICTURES:
            context = browser.new_context(
                storage_state=state,
                viewport={"width": width, "height": height},
                color_scheme=colours,
                timezone_id="UTC",
            )
            page = context.new_page()
            page.goto(base + address.format(run=ids[0], runs=runs))
            for figure in page.locator("figure[data-metric]").all():
                figure.scroll_into_view_if_needed()
            page.wait_for_load_state("networkidle")
            page.evaluate("scrollTo(0, 0)")
            page.screenshot(path=os.path.join(IMAGES, f"page-{name}.png"))
        browser.close()


if __name__ == "__main__":
    main()
