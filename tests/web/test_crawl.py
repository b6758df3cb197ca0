"""Every page that a link leads to, in a real browser: nothing comes from elsewhere, and nothing is complained of."""

from __future__ import annotations

import csv
import io
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.browser import Tabs
from tests.cli.records import make_run
from tests.helpers import make_tree, proj
from tests.servers import Start
from tests.web.conftest import Browser
from tests.web.mass import fill
from tests.web.test_pages import EVIL, hostile
from tests.web.test_team_pages import signed_in, token

MOST = 90  # pages
LINKS = "[...document.querySelectorAll('a[href]:not([download])')].map((each) => new URL(each.getAttribute('href'), location.href).href)"


@pytest.mark.slow
def test_a_crawl_of_every_link(tabs: Tabs) -> None:
    with Store(paths.store()) as store:
        fill(store, 12, metrics=3, params=4, points=3)
        store.tag_experiment("0", "mlflow.note.content", f"# {EVIL}\n\n[x](https://elsewhere.example/)\n")
    run_id = hostile()
    csrf_page = tabs.open("/ui/")
    csrf_page.locator("summary", has_text="Save view").click()
    csrf_page.get_by_label("Name").fill(EVIL)
    csrf_page.get_by_role("button", name="Save", exact=True).click()
    csrf_page.wait_for_load_state()
    page = tabs.open()
    page.on("dialog", lambda found: tabs.problems.append(f"a dialog: {found.message}"))
    waiting = ["/ui/", "/ui/overview", f"/ui/compare?run={run_id}&run={make_run('plain', params={'lr': 1})}"]
    seen: set[str] = set()
    kinds: dict[str, int] = {}
    while waiting and len(seen) < MOST:
        path = waiting.pop(0)
        kind = urlsplit(path).path.replace(run_id, "ID")
        kinds[kind] = kinds.get(kind, 0) + 1
        if path in seen or kinds[kind] > 12:
            continue
        seen.add(path)
        answer = page.goto(path)
        assert answer.status == 200, (path, answer.status)
        assert page.evaluate("document.title") != "x"
        hover_each_chart(page)
        for link in page.evaluate(LINKS):
            parts = urlsplit(link)
            if (
                f"{parts.scheme}://{parts.netloc}" != tabs.base
                or "/raw/" in parts.path
                or ".csv" in parts.path
            ):
                continue
            if parts.path.endswith((".html", ".svg", ".txt")) and "/files/" not in parts.path:
                continue
            if "/runs/%3Cscript" in parts.path:  # the record names a run that is not there
                continue
            if "d/page" not in parts.path:  # what is in it tries to get out, which is refused aloud
                waiting.append(parts.path + (f"?{parts.query}" if parts.query else ""))
    assert len(seen) > 40


def hover_each_chart(page: Any) -> None:
    for canvas in page.locator("figure[data-metric] canvas").all()[:6]:
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        for share in (0.3, 0.7):
            page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)


@pytest.mark.slow
def test_real_runs_are_shown_as_they_are_listed(tabs: Tabs, tmp_path: Any) -> None:
    code = (
        "import os, sys, json, urllib.request as u\n"
        "a, n = float(sys.argv[1]), int(sys.argv[2])\n"
        "def call(path, **body):\n"
        "    request = u.Request(os.environ['MLFLOW_TRACKING_URI'] + '/api/2.0/mlflow/' + path, json.dumps(body).encode(),\n"
        "        {'Authorization': 'Bearer ' + os.environ['MLFLOW_TRACKING_TOKEN'], 'Content-Type': 'application/json'})\n"
        "    u.urlopen(request).read()\n"
        "for step in range(3):\n"
        "    call('runs/log-metric', run_id=os.environ['MLFLOW_RUN_ID'], key='loss', value=a / (step + 1), timestamp=1, step=step)\n"
        "sys.exit(n % 4 == 3)\n"
    )
    entry = "name: real\nentry_points:\n  main:\n    parameters:\n      a: {type: float}\n      n: {type: float}\n"
    folder = make_tree(
        f"{tmp_path}/real",
        {"train.py": code, "MLproject": f"{entry}    command: python train.py {{a}} {{n}}\n"},
    )
    for number in range(12):
        proj("run", folder, "--env-manager", "local", "-P", f"a={number / 7}", "-P", f"n={number}")
    page = tabs.open("/ui/?order=metrics.loss+DESC")
    listed = proj(
        "runs", "--all", "--csv", "--order-by", "metrics.loss DESC", "--columns", "name,status,metrics.loss"
    ).out
    wanted = list(csv.DictReader(io.StringIO(listed)))
    assert len(wanted) == 12
    place = page.evaluate(
        "[...document.querySelectorAll('thead th')].findIndex((each) => each.dataset.name === 'metrics.loss')"
    )
    for row, want in zip(page.locator("tbody.body tr").all(), wanted, strict=True):
        cells = row.locator("th, td").all_inner_texts()
        assert cells[1] == want["name"]
        assert cells[2].split()[1] == want["status"].lower()
        assert ("exit 1" in cells[2]) == (want["status"] == "FAILED")
        assert float(cells[place]) == float(f"{float(want['metrics.loss']):.6g}")


def test_below_a_path_of_a_proxy(tabs: Tabs, browser: Browser) -> None:
    with Store(paths.store()) as store:
        fill(store, 150, metrics=2, params=4)
        store.index.refresh()

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            link = HTTPConnection("127.0.0.1", browser.port, timeout=20)
            headers = {name: self.headers[name] for name in ("X-Rows", "If-None-Match") if self.headers[name]}
            assert self.path.startswith("/team/a/")
            link.request(
                "GET", self.path.removeprefix("/team/a"), None, {"Cookie": browser.cookie, **headers}
            )
            answer = link.getresponse()
            body = answer.read()
            link.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in (
                    "transfer-encoding",
                    "content-length",
                    "connection",
                    "date",
                    "server",
                ):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        other = Tabs(tabs._chromium, server.server_port)
        page = other.open("/team/a/ui/")
        page.get_by_role("link", name="rmse").click()
        page.wait_for_url("**/team/a/ui/?order=*")
        page.locator("run-table").evaluate("(each) => (each.scrollTop = each.scrollHeight)")
        page.locator("tbody.body tr[aria-rowindex='151']").wait_for()
        page.get_by_role("link", name="Overview").click()
        page.get_by_role("link", name="vision").click()
        page.get_by_role("heading", name="vision").wait_for()
        assert "/team/a/ui/projects" in page.url
        other.close()
    finally:
        server.shutdown()
        server.server_close()


def test_a_revoked_token_ends_what_is_open(chromium: Any, start: Start) -> None:
    server = start()
    text = token(server.store, "reader")
    time.sleep(1.2)
    cookie = signed_in(server.port, text).cookie
    tabs = Tabs(chromium, server.port, cookie)
    page = tabs.open("/ui/")
    assert page.locator("h1").inner_text() == "Runs"
    assert proj("server", "token", "revoke", text.split("_")[1], "--store", server.store).code == 0
    began = time.monotonic()
    while page.goto("/ui/overview") and page.locator("#token").count() == 0:
        assert time.monotonic() - began < 20
        page.wait_for_timeout(100)
    tabs.problems = [each for each in tabs.problems if "401" not in each]
    tabs.close()
