"""The table of runs without a browser: forms, roles, views, CSV, bounds, and what is shown while the index is made."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import threading
import time
from html import unescape
from urllib.parse import quote, urlencode

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.cli.records import make_run
from tests.helpers import make_tree, proj
from tests.servers import Start
from tests.web.conftest import Browser
from tests.web.mass import fill
from tests.web.test_team_pages import signed_in, token

EVIL = "<script>alert(1)</script>\"'`><img src=x onerror=alert(2)>[a](javascript:alert(3)){{ 7 * 7 }}"


def test_runs_are_given_a_note_and_a_form_leads_back(browser: Browser) -> None:
    ids = [make_run(name, metrics={"loss": [1.0]}) for name in ("a", "b")]
    csrf = browser.get("/ui/").csrf
    state = urlencode({"q": "metrics.loss < 2", "order": "name ASC", "sel": ids[0]})
    done = browser.post(
        "/ui/runs", {"csrf": csrf, "run": ids, "do": "note", "note": "# x\r\ny", "state": state}
    )
    assert done.where.startswith("/ui/?" + urlencode({"q": "metrics.loss < 2", "order": "name ASC"}))
    assert "2 runs given the note" in browser.get(done.where).text
    assert [Store(paths.store()).read(each).tags["mlflow.note.content"] for each in ids] == ["# x\ny"] * 2
    based = browser.post("/ui/runs", {"csrf": csrf, "run": ids, "do": "base", "state": "://evil.example"})
    assert based.where == f"/ui/?base={ids[0]}"
    assert browser.post("/ui/runs", {"csrf": csrf, "run": ids[:1], "do": "why"}).status == 400
    both = {"csrf": csrf, "run": ids, "do": ["delete", "compare"]}
    browser.post("/ui/runs", both)  # the first is what counts: it was one of us who may do it
    assert browser.post("/ui/runs", {"csrf": csrf, "run": ["0" * 32], "do": "delete"}).status == 404


def test_views_are_kept_in_the_store(browser: Browser) -> None:
    csrf = browser.get("/ui/").csrf
    address = "?" + urlencode({"q": "metrics.loss < 2", "order": "name ASC"})
    kept = browser.post("/ui/views", {"csrf": csrf, "name": f" {EVIL}  x", "address": address})
    assert kept.status == 303, kept.text
    assert kept.where == f"/ui/{address}"
    page = browser.get("/ui/").text
    assert "<img src=x" not in page
    assert f'href="./{address}"'.replace("&", "&amp;") in page
    assert 'aria-current="page"' in browser.get(f"/ui/{address}").text
    (folder,) = os.listdir(os.path.join(paths.store(), "views"))
    browser.post("/ui/views", {"csrf": csrf, "name": f"{EVIL} x", "address": "?view=all"})  # replaced
    assert os.listdir(os.path.join(paths.store(), "views")) == [folder]
    assert 'href="./?view=all"' in browser.get("/ui/").text
    for wrong in (
        "//evil.example",
        "javascript:alert(1)",
        "../api",
        "https://evil.example/x",
        "runs/../../x",
        "a\nb",
    ):
        assert browser.post("/ui/views", {"csrf": csrf, "name": "x", "address": wrong}).status == 400, wrong
    assert browser.post("/ui/views", {"csrf": csrf, "name": " ", "address": "?"}).status == 400
    assert browser.post("/ui/views/forget", {"csrf": csrf, "view": folder}).where == "/ui/"
    assert "?view=all" not in browser.get("/ui/").text
    pinned = browser.post(
        "/ui/views", {"csrf": csrf, "name": "best", "address": "?q=a", "place": "experiments/0"}
    )
    assert pinned.where == "/ui/experiments/0"
    assert 'href="../?q=a"' in browser.get("/ui/experiments/0").text
    assert "?q=a" not in browser.get("/ui/").text


def test_notes_are_markdown_and_never_markup(browser: Browser) -> None:
    csrf = browser.get("/ui/").csrf
    text = f"# Plan\n\n**bold** {EVIL}\n\n<b onclick=x>y</b>\n\n![p](http://evil.example/x.png)\n"
    assert browser.post("/ui/experiments/0/note", {"csrf": csrf, "note": text}).where == "/ui/experiments/0"
    page = browser.get("/ui/experiments/0").text
    assert "<h1>Plan</h1>" in page
    assert "<strong>bold</strong>" in page
    for wrong in ("<img src=x", "<b onclick", 'javascript:alert(3)"', "<script>alert", 'src="http'):
        assert wrong not in page
    assert browser.get("/ui/experiments/123").status == 404
    assert browser.post("/ui/experiments/123/note", {"csrf": csrf, "note": "x"}).status == 404


def test_a_project_has_a_note_and_pins(browser: Browser) -> None:
    name = "vis/ion & 'co' #1"
    csrf = browser.get("/ui/").csrf
    address = f"/ui/projects?{urlencode({'name': name})}"
    assert browser.post("/ui/projects/note", {"csrf": csrf, "name": name, "note": "# Old"}).where == address
    browser.post("/ui/projects/note", {"csrf": csrf, "name": name, "note": f"# Plan\r\n{EVIL}"})
    place = address.removeprefix("/ui/")
    pinned = browser.post("/ui/views", {"csrf": csrf, "name": "best", "address": "?q=a", "place": place})
    assert pinned.where == address
    page = browser.get(address).text
    assert "<h1>Plan</h1>" in page
    assert "Old" not in page
    assert "<img src=x" not in page
    assert 'href="./?q=a"' in page
    (view_id,) = os.listdir(os.path.join(paths.store(), "views"))
    assert browser.post("/ui/views/forget", {"csrf": csrf, "view": view_id, "place": place}).where == address
    assert 'href="./?q=a"' not in browser.get(address).text
    other = browser.get("/ui/projects?name=vision").text
    assert "Plan" not in other
    assert browser.post("/ui/projects/note", {"csrf": csrf, "name": "", "note": "x"}).status == 400


def test_runs_that_are_on_have_a_small_line_and_their_last_words(browser: Browser) -> None:
    run_id = make_run("live", status="RUNNING", metrics={"system/cpu": [1.0, 2.0], "loss": [3.0, 2.0, 1.0]})
    make_run("ended", metrics={"loss": [3.0, 2.0, 1.0]})
    make_tree(Store(paths.store()).run_directory(run_id), {"output.log": f"first\nepoch 3 {EVIL}\n"})
    table = browser.get("/ui/").text
    assert re.findall(r'class="spark"[^>]* aria-label="([^"]*)"', table) == ["loss, now 1"]
    before = browser.get("/ui/rows")
    with Store(paths.store()).open_run(run_id) as writer:
        writer.metrics([("loss", 0.5, 1, 3)])
    keys = ",".join(re.findall(r'data-key="(\w+)"', before.text))
    after = browser.get("/ui/rows", **{"X-Rows": keys, "If-None-Match": before.headers["etag"]})
    assert (after.status, "loss, now 0.5" in after.text) == (200, True)
    page = browser.get("/ui/overview").text
    assert "loss, now 0.5" in page
    assert "epoch 3 &lt;" in page
    assert "first" not in page.partition("epoch 3")[0].rpartition("tail")[2]


@pytest.mark.parametrize("role", ["reader", "approver"])
def test_a_reader_is_offered_nothing_to_write_and_refused(start: Start, role: str) -> None:
    server = start()
    run_id = server.client().new_run()
    text = token(server.store, role)
    time.sleep(1.2)
    reader = signed_in(server.port, text)
    for path in ("/ui/", "/ui/experiments/0", f"/ui/runs/{run_id}"):
        page = reader.get(path).text
        assert 'name="do" value="compare"' in page or path != "/ui/"
        for wrong in ("Save view", "<textarea", 'value="delete"', 'value="save"', 'action="../views'):
            assert wrong not in page, (path, wrong)
    csrf = reader.get("/ui/").csrf
    for path, fields in (
        ("/ui/runs", {"run": [run_id], "do": "note", "note": "x"}),
        ("/ui/runs", {"run": [run_id], "do": ["delete", "compare"]}),
        ("/ui/runs", {"run": [run_id], "do": ["compare", "delete"]}),
        ("/ui/views", {"name": "x", "address": "?", "do": "compare"}),
        ("/ui/views/forget", {"view": "x"}),
        ("/ui/experiments/0/note", {"note": "x"}),
    ):
        assert reader.post(path, {"csrf": csrf, **fields}).status == 403, (path, fields)
    assert reader.post("/ui/runs", {"csrf": csrf, "run": [run_id], "do": "base"}).status == 303


def test_the_overview_counts_what_the_table_selects(browser: Browser) -> None:
    with Store(paths.store()) as store:
        fill(store, 120, metrics=3, params=4)
        store.create_run("0", name="on").close()
    for path in ("/ui/overview", "/ui/projects?name=vision", "/ui/experiments/0?metric=m01&best=greatest"):
        page = browser.get(path)
        found = re.findall(
            r'<li class="\w*"><a href="([^"]+)"><strong>([\d,]+)</strong> ([\w ]+)</a>', page.text
        )
        assert [name for _, _, name in found] == ["running", "failed today", "not reproducible", "runs"]
        for address, size, name in found:
            table = browser.get(
                "/ui/" + address.replace("&amp;", "&").removeprefix("../").removeprefix("./")
            ).text
            assert f"{size} run" in re.sub("<[^>]+>", "", table), (path, name)
        assert found[3][1] != "0"
    values = {
        run.metrics["m01"].value
        for run in Store(paths.store()).search("experiment_id = '0'", limit=500).runs
        if run.metrics
    }
    assert f"{max(values):.6g}</a> is the greatest" in page.text


def test_csv_holds_what_the_table_selects(browser: Browser) -> None:
    make_run("a", params={"lr": 0.1}, metrics={"loss": [1 / 3]})
    make_run('b,"\n=1+1', params={"lr": 0.2}, tags={"t": EVIL})
    done = browser.get("/ui/runs.csv?" + urlencode({"q": "params.lr != '7'", "order": "params.lr ASC"}))
    assert done.headers["content-disposition"] == 'attachment; filename="runs.csv"'
    listed = proj("runs", "--all", "--active", "--csv", "params.lr != '7'", "--order-by", "params.lr").out
    one, other = (list(csv.DictReader(io.StringIO(text))) for text in (done.text, listed))
    for mine, theirs in zip(one, other, strict=True):
        assert {key: mine[key] for key in theirs if key not in ("duration",)} == {
            key: value for key, value in theirs.items() if key not in ("duration",)
        }
    chosen = list(csv.reader(io.StringIO(browser.get("/ui/runs.csv?column=metrics.loss").text)))
    assert chosen[0] == ["run_id", "name", "status", "metrics.loss"]
    assert browser.get("/ui/runs.csv?q=%3C").status == 400


def test_what_would_take_long_is_refused(browser: Browser) -> None:
    make_run("a", params={"lr": 1})
    many = " or ".join(f"params.p{number} LIKE '%a%'" for number in range(200))
    assert "the limit is 100" in browser.get("/ui/?" + urlencode({"q": many})).text
    wild = "tags.x LIKE '" + "%a" * 60 + "'"
    assert browser.get("/ui/?" + urlencode({"q": wild})).status == 400
    for wrong in (
        "start=99999999999",
        "start=-1",
        "group=metrics.loss",
        "group=x",
        "column=x",
        "view=x",
        "base=nothing",
    ):
        assert browser.get(f"/ui/?{wrong}").status in (400, 404), wrong
    many = urlencode({"column": [f"metrics.m{number}" for number in range(300)]}, doseq=True)
    assert browser.get(f"/ui/?{many}").status == 400


def test_names_and_groups_are_text(browser: Browser) -> None:
    make_run(EVIL, params={EVIL: EVIL}, metrics={EVIL: [1.0]}, tags={EVIL: EVIL})
    assert f"metrics.{EVIL}" in json.loads(browser.get("/ui/names?q=" + quote("<scr")).text)
    assert json.loads(browser.get("/ui/names?q=dura").text)[0] == "duration"
    for query in (
        {"column": f"metrics.{EVIL}"},
        {"group": "project"},
        {"q": EVIL},
        {"order": EVIL},
        {"base": EVIL},
    ):
        page = browser.get("/ui/?" + urlencode(query)).text
        assert "<script>" not in page
        assert "<img src=x" not in page
    rows = browser.get("/ui/rows?column=" + quote(f"params.{EVIL}"), **{"X-Rows": ""})
    assert "<img src=x" not in rows.text
    assert browser.get("/ui/rows", **{"If-None-Match": browser.get("/ui/rows").headers["etag"]}).status == 304


@pytest.mark.parametrize("also", [" or ", "\tor\t", "\nOR\n"])
def test_a_group_leads_to_its_runs_whatever_the_filter(browser: Browser, also: str) -> None:
    for model, loss in (("a", 1.0), ("b", 1.7e308), ("b", -1.7e308)):
        make_run(f"{model}{loss}", params={"model": model}, metrics={"loss": [loss]})
    q = f"params.model = 'a'{also}params.model = 'b'"
    page = browser.get("/ui/?" + urlencode({"q": q, "group": "params.model"}))
    (link,) = re.findall(r'<a href="([^"]+)">a</a>', page.text)
    found = browser.get("/ui/" + unescape(link).removeprefix("./")).text
    assert re.search(r'id="count">1 run<', found)
    assert "0 ± inf" in page.text


def test_a_cold_store_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest runs are shown meanwhile, and all of them once the index is there."""
    from runner.web import indexing

    with Store(paths.store()) as store:
        ids = fill(store, 60, metrics=2, params=4)
        gate = indexing.Indexing(store)
        monkeypatch.setattr(indexing, "PATIENCE", 0.0)
        store.index._lock.acquire()
        try:
            gate._progress.update("3200 of 10000 runs")
            with pytest.raises(indexing.StillIndexing) as found:
                gate.wait()
            assert (found.value.done, found.value.total) == (3200, 10_000)
            found_runs, there = indexing.newest(store)
            assert ([run.run_id for run in found_runs], there) == (ids[:-51:-1], 60)
        finally:
            store.index._lock.release()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                gate.wait()
                break
            except indexing.StillIndexing:
                time.sleep(0.01)
        assert len(store.search(limit=100).runs) == 60


def test_an_end_does_not_wait_for_a_large_index() -> None:
    with Store(paths.store()) as store:
        fill(store, 3, metrics=2, params=4)
        store.index.refresh()
        held, done = threading.Event(), threading.Event()

        def at_work(_: object) -> None:
            held.set()
            done.wait(30)

        worker = threading.Thread(target=lambda: store.index.ask(at_work))
        worker.start()
        assert held.wait(10)
        began = time.monotonic()
        store.close()
        took = time.monotonic() - began
        done.set()
        worker.join()
        assert took < 5
