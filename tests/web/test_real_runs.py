"""Some hundred runs of random names and values, by MLflow's own client and by `proj run`: the pages say what the store says."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from typing import Any

import pytest

from runner.text.terminal import printable
from runner.tracking.store import Store
from tests.browser import Tabs
from tests.helpers import make_tree, proj
from tests.servers import Start, run_flow

CLIENT, OWN = 60, 40  # runs
CODE = """\
import json, os, sys, urllib.request as u
def call(path, **body):
    request = u.Request(os.environ['MLFLOW_TRACKING_URI'] + '/api/2.0/mlflow/' + path, json.dumps(body).encode(),
        {'Authorization': 'Bearer ' + os.environ['MLFLOW_TRACKING_TOKEN'], 'Content-Type': 'application/json'})
    u.urlopen(request).read()
for step, value in enumerate(sys.argv[3:]):
    call('runs/log-metric', run_id=os.environ['MLFLOW_RUN_ID'], key='val/loss 1', value=float(value), timestamp=1, step=step)
print(sys.argv[1])
sys.exit(int(sys.argv[2]))
"""
PROJECT = """\
name: real
entry_points:
  main:
    parameters: {text: {type: string}, code: {type: float}, a: {type: float}, b: {type: float}}
    command: python train.py {text} {code} {a} {b}
"""


def own_runs(store: str, folder: str, count: int) -> None:
    make_tree(folder, {"train.py": CODE, "MLproject": PROJECT})
    chance = random.Random(5)
    for number in range(count):
        text = "".join(chance.choice("ab<>&'\" é漢{}") for _ in range(8)) + str(number)
        values = {
            "text": text,
            "code": (number % 5 == 4 and 3) or 0,
            "a": chance.uniform(-1, 1),
            "b": number / 7,
        }
        given = [word for key, value in values.items() for word in ("-P", f"{key}={value}")]
        words = ("--env-manager", "local", "--store", store, "--run-name", f"own {text}")
        assert proj("run", folder, *words, *given).code in (0, 3)


@pytest.mark.slow
@pytest.mark.parametrize("client_python", ["3"], indirect=True)
def test_what_clients_and_projects_recorded_is_shown(
    chromium: Any, start: Start, client_python: str, tmp_path: Any
) -> None:
    server = start()
    flow = run_flow(client_python, "pages", {"MLFLOW_TRACKING_URI": server.url}, "3", str(CLIENT))
    made = json.loads(flow[flow.index("[") :])
    own_runs(server.store, f"{tmp_path}/real", OWN)
    tabs = Tabs(chromium, server.port)
    page = tabs.open(
        "/ui/?column=metrics.val%2Floss+1&order=metrics.`val%2Floss+1`+DESC",
        viewport={"width": 1280, "height": 5000},
    )  # so high that all rows are in sight
    page.on("dialog", lambda found: tabs.problems.append(f"a dialog: {found.message}"))
    page.locator("tbody.body tr").nth(CLIENT + OWN - 1).wait_for()
    shown = [row.locator("th, td").all_inner_texts()[1:4] for row in page.locator("tbody.body tr").all()]
    listed = proj(
        "runs", "--all", "--csv", "--store", server.store, "--order-by", "metrics.`val/loss 1` DESC",
        "--columns", "name,status,metrics.val/loss 1", "-n", "200",
    ).out  # fmt: skip
    wanted = list(csv.DictReader(io.StringIO(listed)))
    for (name, status, value), want in zip(shown, wanted, strict=True):
        assert " ".join(name.split()).startswith(" ".join(printable(want["name"]).split()))
        assert status.split()[1] == want["status"].lower()
        assert same(value, want["metrics.val/loss 1"])
    for run in random.Random(1).sample(made, 12):
        page.goto(f"/ui/runs/{run['run_id']}")
        said = page.locator("main").inner_text()
        for text in (run["name"], run["status"].lower(), *run["params"].values()):
            assert squeezed(text) in squeezed(said), (text, said)
        assert same(page.locator("[data-last='val/loss 1']").inner_text(), run["points"][-1])
        if run["parent"]:
            page.get_by_role("link", name=run["parent"][:12]).first.click()
            assert (
                page.get_by_role("region", name="Steps").locator(f"a[href*='{run['run_id']}']").count() == 1
            )
        sent = page.request.get(f"/ui/chart.json?run={run['run_id']}&metric=val%2Floss+1").json()
        points = [float(value) for value in sent["lines"][0]["means"]]
        assert all(same(repr(one), two) for one, two in zip(points, run["points"], strict=True))
    ids = [run.run_id for run in Store(server.store).search("", limit=30).runs]
    for view in ("lines", "parallel", "scatter", "box", "table"):
        answer = page.goto("/ui/compare?" + "&".join(f"run={each}" for each in ids) + f"&view={view}")
        assert answer.status == 200, view
    tabs.close()


def squeezed(text: str) -> str:
    return "".join(printable(text, lines=True).split())


def same(shown: str, value: str) -> bool:
    """In the six digits of a table."""
    one, two = float(shown if shown != "–" else "nan"), float(value or "nan")
    return (
        (math.isnan(one) and math.isnan(two))
        or f"{one:.5g}" == f"{two:.5g}"
        or math.isclose(one, two, rel_tol=1e-5)
    )
