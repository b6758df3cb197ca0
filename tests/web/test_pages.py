"""The pages of `proj ui`: what they show, whom they let in, and that nothing in a record is more than text."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from urllib.parse import quote, urlencode, urlsplit

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.cli.records import make_run
from tests.helpers import make_tree
from tests.web.conftest import Browser, Ui

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 77777 * 77777 }}\x1b[31m"


def named(page: str) -> list[str]:
    """The runs of a table, in its order."""
    return re.findall(r'<th scope="row"><a href="runs/\w+">([^<]*)</a>', page)


def listed(*arguments: str) -> list[str]:
    """What `proj runs` lists."""
    words = [sys.executable, "-m", "runner", "runs", "--all", "--csv", "--columns", "name", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return [row["name"] for row in csv.DictReader(io.StringIO(done.stdout))]


# ---- who may look


def test_without_the_link_nothing_is_shown(ui: Ui) -> None:
    run_id = make_run("secret-name")
    for path in (
        "/ui/",
        "/ui/compare?run=a&run=b",
        f"/ui/runs/{run_id}",
        f"/ui/runs/{run_id}/log",
        "/ui/nothing",
    ):
        page = ui.browser.get(path)
        assert (page.status, page.where) == (303, "/ui/closed"), path
    closed = ui.browser.get("/ui/closed")
    assert closed.status == 401
    assert "proj ui" in closed.text
    assert ui.browser.post(f"/ui/runs/{run_id}/note", {"note": "x"}).status == 303
    assert ui.browser.get("/api/2.0/mlflow/experiments/search").status == 404
    assert ui.browser.get("/").where == "/ui/"


def test_the_link_lets_one_browser_in_once(ui: Ui) -> None:
    assert ui.browser.get("/ui/enter?code=wrong").status == 401
    first = ui.browser.get(ui.link)
    assert first.where == "/ui/"
    assert "httponly" in first.headers["set-cookie"].lower()
    assert "samesite=strict" in first.headers["set-cookie"].lower()
    assert ui.browser.get("/ui/").status == 200
    assert Browser(ui.browser.port).get(ui.link).status == 401


def test_pages_of_other_sites_and_names_are_refused(browser: Browser) -> None:
    run_id = make_run("a")
    csrf = browser.get(f"/ui/runs/{run_id}").csrf
    path = f"/ui/runs/{run_id}/note"
    assert browser.get("/ui/", Host="evil.example").status == 403
    assert browser.post(path, {"note": "x", "csrf": csrf}, Origin="http://evil.example").status == 403
    assert browser.post(path, {"note": "x"}).status == 403
    assert browser.post(path, {"note": "x", "csrf": "0" * 32}).status == 403
    assert Store(paths.store()).read(run_id).tags.get("mlflow.note.content") is None
    assert browser.post(path, {"note": "x" * 2_000_000, "csrf": csrf}).status == 413
    assert (
        browser.post(path, {"note": "x\r\ny", "csrf": csrf}, Origin=f"http://127.0.0.1:{browser.port}").status
        == 303
    )
    assert Store(paths.store()).read(run_id).tags["mlflow.note.content"] == "x\ny"


# ---- what they show


def test_the_table_is_what_the_command_line_lists(browser: Browser) -> None:
    for number in range(130):
        make_run(f"run-{number}", params={"lr": number % 7}, metrics={"loss": [number / 3 % 5]})
    for q, order in (
        ("", ""),
        ("params.lr = '3'", "metrics.loss ASC"),
        ("metrics.loss > 2", "start_time ASC"),
    ):
        wanted = [*([q] if q else []), *(["--order-by", order] if order else []), "-n", "1000"]
        path, found = "/ui/?" + urlencode({"q": q, "order": order}), []
        while path:
            page = browser.get(path)
            assert page.status == 200
            found += named(page.text)
            after = re.search(r'<a rel="next" href="./([^"]+)"', page.text)
            path = "/ui/" + after[1].replace("&amp;", "&") if after else ""
        assert found == listed(*wanted)


def test_a_wrong_filter_says_where(browser: Browser) -> None:
    page = browser.get("/ui/?" + urlencode({"q": "metrics.loss <"}))
    assert page.status == 400
    assert 'role="alert"' in page.text
    assert 'value="metrics.loss &lt;"' in page.text
    assert browser.get("/ui/?columns=nothing").status == 400
    assert browser.get("/ui/?view=nothing").status == 400
    assert browser.get("/ui/?start=nothing").status == 400


def test_runs_are_deleted_restored_tagged_and_compared(browser: Browser) -> None:
    ids = [
        make_run(name, params={"lr": lr}, metrics={"loss": [3, 2, lr]}) for name, lr in (("a", 1), ("b", 2))
    ]
    csrf = browser.get("/ui/").csrf
    browser.post("/ui/runs", {"csrf": csrf, "run": ids, "do": "tag", "tag": "team = vision"})
    assert Store(paths.store()).read(ids[0]).tags["team"] == "vision"
    browser.post("/ui/runs", {"csrf": csrf, "run": ids[:1], "do": "delete"})
    assert named(browser.get("/ui/").text) == ["b"]
    assert named(browser.get("/ui/?view=deleted").text) == ["a"]
    browser.post("/ui/runs", {"csrf": csrf, "run": ids[:1], "do": "restore"})
    assert sorted(named(browser.get("/ui/").text)) == ["a", "b"]
    to = browser.post("/ui/runs", {"csrf": csrf, "run": ids, "do": "compare"}).where
    page = browser.get(to)
    assert page.status == 200
    (picture,) = [
        link.removeprefix("http://x") for link in page.links if "chart.svg" in link and "download" not in link
    ]
    assert browser.get(picture).text.count('<path class="curve"') == 2
    assert re.search(r"lr</th><td>1</td><td>2</td>", page.text)
    assert browser.get(f"/ui/compare?run={ids[0]}").status == 400
    assert browser.post("/ui/runs", {"csrf": csrf, "do": "delete"}).status == 400
    assert browser.post("/ui/runs", {"csrf": csrf, "run": ids, "do": "burn"}).status == 400
    assert browser.get("/ui/runs/0123456789abcdef0123456789abcdef").status == 404


def test_a_spike_and_a_gap_are_drawn(browser: Browser) -> None:
    values = [1.0] * 20_000
    values[7_777] = 100.0
    values[9_000:12_000] = [float("nan")] * 3_000
    run_id = make_run("a", metrics={"loss": []})
    with Store(paths.store()).open_run(run_id) as writer:
        writer.metrics(("loss", value, 1000 + step, step) for step, value in enumerate(values))
    page = browser.get(f"/ui/chart.svg?run={run_id}&metric=loss").text
    assert f"chart.svg?run={run_id}&amp;metric=loss" in browser.get(f"/ui/runs/{run_id}").text
    band = re.search(r'<path class="band" d="([^"]+)"', page)
    assert band
    assert page.count('<path class="curve"') == 2  # on both sides of the gap
    heights = [float(point.split()[1]) for point in re.findall(r"[\d.]+ [\d.]+", band[1])]
    assert min(heights) == 10  # the top of the chart


def test_the_log_is_found_and_shown_in_windows(browser: Browser) -> None:
    run_id = make_run("a")
    lines = [f"line {number} {'needle' if number % 70 == 0 else ''}" for number in range(1, 3001)]
    lines[99] = "progress 1%\rprogress 100% \x1b[32mdone\x1b[0m <b>"
    make_tree(Store(paths.store()).run_directory(run_id), {"output.log": "\n".join(lines) + "\n"})
    page = browser.get(f"/ui/runs/{run_id}/log").text
    assert "3,000 lines" in page
    assert 'id="L3000"' in page
    assert 'id="L2000"' not in page
    assert (
        'progress 100% <span class="fg2">done</span> &lt;b&gt;'
        in browser.get(f"/ui/runs/{run_id}/log?from=1").text
    )
    found = browser.get(f"/ui/runs/{run_id}/log?find=needle").text
    assert f"{sum('needle' in line for line in lines)} with this text" in found
    assert '<li id="L70" class="hit">' in found
    assert '<li id="L140" class="hit">' in browser.get(f"/ui/runs/{run_id}/log?find=needle&from=71").text
    assert browser.get(f"/ui/runs/{run_id}/log.txt").text == "\n".join(lines) + "\n"
    assert browser.get(f"/ui/runs/{make_run('b')}/log").status == 200


# ---- what a record may hold


def hostile() -> str:
    run_id = make_run(
        EVIL, params={EVIL: EVIL}, metrics={EVIL: [1.0, 2.0]},
        tags={EVIL: EVIL, "mlflow.note.content": f"</textarea>{EVIL}"},
        sections={
            "machine": {"gpus": "x", "memory": EVIL}, "code": {"commit": [1], "dirty": "x", "branch": EVIL},
            "command": {"command": EVIL, "variables": {EVIL: [EVIL]}}, "resources": {"peak_memory": EVIL},
        },
    )  # fmt: skip
    store = Store(paths.store())
    with store.open_run(run_id) as writer:
        writer.append({"type": "verification", "verdict": EVIL, "cause": EVIL, "run_ids": 5})
        writer.append({"type": "verification", "verdict": "identical", "run_ids": [EVIL, 7]})
        writer.append({"type": "input", "path": EVIL, "size": EVIL, "digest": 5})
        writer.append({"type": "link", "relation": EVIL, "run_id": EVIL})
    make_tree(
        store.run_directory(run_id),
        {
            "output.log": f"{EVIL}\n",
            "artifacts/<b>&x.txt": f"</pre>{EVIL}",
            "artifacts/t.csv": f"a,{EVIL}\n<b>,</td>\n",
            "artifacts/d/page.html": "<script>parent.document.title = 'x'</script>",
            "artifacts/x.svg": f"<svg xmlns='http://www.w3.org/2000/svg'>{EVIL}</svg>",
        },
    )
    return run_id


def test_nothing_in_a_record_is_markup_and_every_link_leads_somewhere(browser: Browser) -> None:
    run_id, other = hostile(), make_run("plain", params={"lr": 1})
    waiting = ["/ui/", f"/ui/compare?run={run_id}&run={other}", f"/ui/compare?run={run_id}&run={other}&all=1"]
    waiting += [
        f"/ui/runs/{run_id}/log?find={quote(EVIL)}",
        "/ui/?" + urlencode({"q": EVIL, "columns": EVIL}),
    ]
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen or len(seen) > 300:
            continue
        seen.add(path)
        page = browser.get(path)
        assert page.status in (200, 303, 400, 404), (path, page.status, page.text[:300])
        assert "script-src" in page.headers.get("content-security-policy", "") or "/static/" in path
        if "text/html" in page.headers.get("content-type", "") and "/raw/" not in path:
            for wrong in (
                "<script>",
                "<img src=x",
                "<b>",
                "</td>a",
                "6049261729",
                *(["\x1b"] if "?q=" not in path else []),
            ):
                assert wrong not in page.text.replace("</td><td>", ""), (path, wrong)
            for link in page.links:
                parts = urlsplit(link)
                assert parts.netloc == "x", link
                if parts.path not in ("/ui/runs", "/ui/views") and not parts.path.endswith("/note"):
                    waiting.append(parts.path + (f"?{parts.query}" if parts.query else ""))
    assert len(seen) > 20


@pytest.mark.parametrize("path", ["d/page.html", "x.svg"])
def test_what_could_act_is_given_no_origin(browser: Browser, path: str) -> None:
    run_id = hostile()
    for query in ("", "?show=1"):
        page = browser.get(f"/ui/runs/{run_id}/raw/{path}{query}")
        assert page.status == 200
        assert page.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["content-disposition"].startswith("inline" if query else "attachment")


def test_artifacts_lead_nowhere_else_and_pipes_are_not_opened(browser: Browser) -> None:
    run_id = make_run("a")
    folder = os.path.join(Store(paths.store()).run_directory(run_id), "artifacts")
    make_tree(folder, {"a.txt": "text"})
    os.mkfifo(os.path.join(folder, "pipe"))
    os.symlink("/etc/passwd", os.path.join(folder, "out"))
    assert browser.get(f"/ui/runs/{run_id}/raw/a.txt", Range="bytes=1-2").text == "ex"
    for path in (
        "../events.jsonl",
        "..%2fevents.jsonl",
        "%252e%252e/events.jsonl",
        "out",
        "pipe",
        "none",
        "/etc/passwd",
    ):
        for kind in ("raw", "files"):
            page = browser.get(f"/ui/runs/{run_id}/{kind}/{path}")
            assert "root:" not in page.text
            assert '"type":"start"' not in page.text
            assert page.status in (200, 400, 404), (path, kind, page.status)
    assert browser.get(f"/ui/runs/{run_id}/raw/out").status == 400
