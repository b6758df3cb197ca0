"""The pages about one run, or two: code, notes, proof, lineage, why; and a run that is followed while it is on."""

from __future__ import annotations

import json
import os
import re
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from runner import paths
from runner.host import process
from runner.snapshots import restore
from runner.tracking import events
from runner.tracking.store import Store
from runner.web import code, uncommitted
from runner.web.markdown import html
from tests.browser import Tabs
from tests.cli.records import make_run
from tests.helpers import make_repository, make_tree, proj
from tests.web.conftest import Browser
from tests.web.mass import fill
from tests.web.test_charts import drawn

MLPROJECT = """\
name: demo
environment: system
entry_points:
  main:
    parameters: {lr: {type: float, default: 0.1}}
    command: "sh train.sh {lr}"
    inputs: [data.csv]
    outputs: [model.txt]
"""
PROJECT = {
    "MLproject": MLPROJECT, "train.sh": "echo $1 > model.txt\n", "data.csv": "a,b\n1,2\n",
    "src/evil.py": "# </code><script>alert(1)</script>\ndef f(x: str) -> str:\n    return 'a' + x\n",
    "src/picture.bin": b"\0\1\2",
}  # fmt: skip


def two_runs() -> tuple[str, str]:
    """Of a repository; before the second one, code, a parameter and data were changed."""
    folder = make_repository("p", PROJECT)
    assert proj("run", folder, "--run-name", "elk").code == 0
    make_tree(folder, {"train.sh": "echo $1 more > model.txt\n", "data.csv": "a,b\n1,3\n"})
    assert proj("run", folder, "--run-name", "fox", "-P", "lr=0.5").code == 0
    runs = {run.name: run.run_id for run in Store(paths.store()).search("").runs}
    return runs["elk"], runs["fox"]


def test_code_is_browsed_and_runs_are_explained(browser: Browser) -> None:
    elk, fox = two_runs()
    page = browser.get(f"/ui/runs/{fox}/code")
    assert page.status == 200, page.text
    assert "uncommitted changes" in page.text
    assert re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', page.text) == [
        "src/",
        "MLproject",
        "data.csv",
        "model.txt",
        "train.sh",
    ]
    file = browser.get(f"/ui/runs/{fox}/code/src/evil.py").text
    assert '<span class="hl-k">def</span>' in file
    assert "&lt;script&gt;" in file
    assert "<script>" not in file
    assert 'id="L3"' in file
    assert "It is not text" in browser.get(f"/ui/runs/{fox}/code/src/picture.bin").text
    for path in ("../../../etc/passwd", "none", "src/none"):
        assert browser.get(f"/ui/runs/{fox}/code/{path}").status == 404
    page = browser.get(f"/ui/why?run={elk}&run={fox}")
    assert re.findall(r'<li><a href="#(\w+)">', page.text) == ["parameters", "code", "inputs", "command"]
    assert f"proj rerun {elk[:12]} -P lr=0.5" in page.text
    assert "lr 0.1 → 0.5" in page.text
    assert "+echo $1 more &gt; model.txt" in page.text
    assert browser.get(f"/ui/why?run={elk}&run={elk}").status == 400
    assert browser.get("/ui/why?run=nobody&run=none").status in (400, 404)


def test_uncommitted_changes_are_listed(browser: Browser) -> None:
    elk, fox = two_runs()
    assert "Uncommitted changes" not in browser.get(f"/ui/runs/{elk}").text
    folder = os.path.join(os.getcwd(), "p")
    os.unlink(os.path.join(folder, "data.csv"))
    make_tree(folder, {"new <b>.txt": "1\n", "MLproject": MLPROJECT.replace("    inputs: [data.csv]\n", "")})
    assert proj("run", folder, "--run-name", "owl").code == 0
    found = {}
    for name in ("fox", "owl"):
        run_id = Store(paths.store()).search(f"name = '{name}'").runs[0].run_id
        page = browser.get(f"/ui/runs/{run_id}").text
        listed = page.partition('<ul class="changed">')[2].partition("</ul>")[0]
        found[name] = re.findall(r"</span> (\w+)</span> (?:<a[^>]*>)?([^<]+)", listed)
    assert found["fox"] == [("changed", "data.csv"), ("new", "model.txt"), ("changed", "train.sh")]
    names = {name: how for how, name in found["owl"]}
    assert names == {
        "MLproject": "changed", "data.csv": "deleted", "new &lt;b&gt;.txt": "new", "model.txt": "new", "train.sh": "changed",
    }  # fmt: skip
    code = browser.get(f"/ui/runs/{fox}/code").text
    assert '<span class="plus">+echo $1 more &gt; model.txt</span>' in code


def test_a_patch_has_a_beginning_of_what_is_large(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text and a file's are read no further than they are shown, and a large file is in no memory."""
    files = {
        "a.csv": "5,5\n" * 300_000,
        "b.csv": "7,7\n" * 200_000,
        "c.csv": "8,8\n" * 200_000,
        "d.csv": "9,9\n" * 200_000,
    }
    folder = make_repository("p", {"MLproject": "entry_points: {main: {command: echo}}\n"})
    make_tree(folder, files)
    assert proj("run", folder, "--run-name", "wide").code == 0
    store = Store(paths.store())
    run = store.search("name = 'wide'").runs[0]
    said = []
    finish = process.Pending.finish

    def finished(*arguments: Any, **options: Any) -> process.Completed:
        said.append(finish(*arguments, **options))
        return said[-1]

    monkeypatch.setattr(process.Pending, "finish", finished)
    found = uncommitted.patch(store, run)
    assert len(found.lines) == uncommitted.LINES
    assert found.cut
    assert "Binary files /dev/null and b/a.csv differ" in found.lines
    assert not any("5,5" in line for line in found.lines)
    assert code._lines(
        store.root,
        next(
            each for each in restore.files(store.root, run.sections["code"]["tree"]) if each.path == "a.csv"
        ),
    )[1]
    patch, _, shown = said
    assert len(patch.out) < 2 * uncommitted.MOST < len("".join(files.values()))
    assert len(shown.out) < 1_000_000
    page = browser.get(f"/ui/runs/{run.run_id}/code").text
    assert "its beginning" in page
    assert "+7,7" in page
    assert (
        proj(
            "run",
            make_repository("q", {"MLproject": "entry_points: {main: {command: echo}}\n"}),
            "--run-name",
            "narrow",
        ).code
        == 0
    )
    narrow = store.search("name = 'narrow'").runs[0].run_id
    why = browser.get(f"/ui/why?run={narrow}&run={run.run_id}").text
    assert re.search(r"more than \+\d+ −0 lines", why)
    monkeypatch.setattr(uncommitted, "BUDGET", uncommitted.BUDGET._replace(seconds=0))
    assert uncommitted.patch(store, run) == uncommitted.Patch([""], True)


def test_files_are_followed_by_their_content(browser: Browser) -> None:
    folder = make_repository(
        "p",
        {
            **PROJECT,
            "MLproject": MLPROJECT + '  use:\n    command: "cat other.txt"\n    inputs: [other.txt]\n',
        },
    )
    assert proj("run", folder, "--run-name", "maker").code == 0
    os.replace(os.path.join(folder, "model.txt"), os.path.join(folder, "other.txt"))
    assert proj("run", folder, "-e", "use", "--run-name", "user").code == 0
    runs = {run.name: run.run_id for run in Store(paths.store()).search("").runs}
    page = browser.get(f"/ui/runs/{runs['user']}/lineage").text
    assert re.search(r"other\.txt.*maker</a>.*as model\.txt", page, re.S)
    assert "user</a>" in browser.get(f"/ui/runs/{runs['maker']}/lineage").text


def test_lineage_looks_at_all_runs(browser: Browser) -> None:
    """What was made before thousands of other runs is found, and a file that many used has its number."""
    facts = {"path": "model.pkl", "digest": "sha256:aa", "size": 3}
    with Store(paths.store()) as store:
        for name, event, count in (
            ("maker", events.output("model.pkl", "sha256:aa", 3), 1),
            ("user", events.input_file(facts), 25),
        ):
            for number in range(count):
                with store.create_run("0", name=f"{name}-{number}", start_time=1_000 + number) as writer:
                    writer.append(event)
                    writer.end("FINISHED")
        fill(store, 30, metrics=1, params=3)
        runs = {run.name: run.run_id for run in store.search("", limit=1000).runs}
        store.delete_run(runs["user-24"])
    made = browser.get(f"/ui/runs/{runs['maker-0']}/lineage").text
    assert len(re.findall(r">user-\d+</a>", made)) == 20
    assert "and 4 more" in made
    assert ">maker-0</a>" in browser.get(f"/ui/runs/{runs['user-3']}/lineage").text


def test_a_verdict_has_its_report(browser: Browser) -> None:
    folder = make_repository("p", {**PROJECT, "train.sh": "date +%N > model.txt\n"})
    assert proj("run", folder, "--run-name", "elk").code == 0
    assert proj("reproduce", "elk").code != 0
    run_id = Store(paths.store()).search("name = 'elk'").runs[0].run_id
    page = browser.get(f"/ui/runs/{run_id}/proof").text
    assert "different" in page
    assert "output model.txt" in page
    assert "cause: nondeterminism" in page
    assert "What was compared" in browser.get(f"/ui/runs/{run_id}").text
    with Store(paths.store()).open_run(run_id) as writer:
        writer.append({"type": "verification", "verdict": "identical", "report": "../../../../../etc/passwd"})
        writer.append(
            {"type": "verification", "verdict": "identical", "report": "broken.json", "run_ids": []}
        )
    make_tree(
        Store(paths.store()).run_directory(run_id),
        {"verifications/broken.json": '{"compared": [5, {"old": []}], "causes": 7}'},
    )
    assert browser.get(f"/ui/runs/{run_id}/proof").status == 200


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("<script>alert(1)</script>", "<script>"), ("<img src=x onerror=alert(1)>", "<img"), ("[a](javascript:alert(1))", "href"),
        ("[a](  JaVaScRiPt:alert(1))", "href"), ("[a](data:text/html,<script>)", "href"), ("![a](http://192.0.2.1/x.png)", "<img"),
        ('[a](http://x "<b onmouseover=alert(1)>")', "<b"), ("<a href='javascript:x'>", "<a"), ("[a]: javascript:x\n\n[a]", "href"),
        ("\x1b[31m", "\x1b"), ("<http://x/\"onclick=alert(1)>", '"onclick'), ("&#106;avascript:x <svg/onload=x>", "<svg"),
    ],
)  # fmt: skip
def test_markdown_is_no_markup(text: str, wrong: str) -> None:
    assert wrong not in html(text)


def test_a_note_is_shown_as_it_is_meant(browser: Browser) -> None:
    run_id = make_run(
        "a", tags={"mlflow.note.content": "# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n**bold** <b>x</b>"}
    )
    page = browser.get(f"/ui/runs/{run_id}").text
    assert "<strong>bold</strong> &lt;b&gt;x&lt;/b&gt;" in page
    assert "<table>" in page


def test_a_run_is_followed_and_left_in_peace_when_it_has_ended(tabs: Tabs) -> None:
    run_id = make_run("elk", status="RUNNING")
    writer = Store(paths.store()).open_run(run_id)
    writer.metrics(("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(5000))
    page = tabs.open(f"/ui/runs/{run_id}?first=100&last=200")
    drawn(page)
    sizes: list[int] = []
    page.on("response", lambda answer: "/changes" in answer.url and sizes.append(len(answer.body())))
    page.evaluate("scrollTo(0, 40)")
    scrolled = page.evaluate("scrollY")
    for start in range(5000, 5600, 200):
        writer.metrics(
            ("loss", float(step), 1_700_000_000_000 + step, step) for step in range(start, start + 200)
        )
        began = time.monotonic()
        page.locator("[data-last=loss]", has_text=str(start + 199)).wait_for()
        assert time.monotonic() - began < 5  # 2 s, on a machine that is not busy
    writer.metrics([("new/metric", 1.0, 1_700_000_000_000, 0), ("new/metric", 2.0, 1_700_000_000_001, 1)])
    page.locator('figure[data-metric="new/metric"]').wait_for()
    assert page.evaluate("scrollY") == scrolled
    assert "first=100" in page.url
    assert max(sizes) < 20_000
    writer.end("FAILED", exit_code=3)
    writer.close()
    page.get_by_text("exit code 3").first.wait_for()
    page.wait_for_timeout(1500)
    asked = len(tabs.requests)
    page.wait_for_timeout(2500)
    assert len(tabs.requests) == asked


def test_what_came_since_is_all_that_is_sent(browser: Browser) -> None:
    run_id = make_run("elk", status="RUNNING", metrics={"loss": [1.0] * 50_000})
    path = f"/ui/runs/{run_id}/changes?"
    first = json.loads(browser.get(path + "after=0").text)
    assert first["again"]
    assert first["points"] == {}
    with Store(paths.store()).open_run(run_id) as writer:
        writer.metric("loss", float("nan"), step=7, timestamp=8)
    second = json.loads(browser.get(path + urlencode({"after": first["after"]})).text)
    assert second["points"] == {"loss": [[7, 8, "NaN"]]}
    assert json.loads(browser.get(path + urlencode({"after": second["after"]})).text)["points"] == {}
    assert json.loads(browser.get(path + "after=99999999999").text)["again"]
