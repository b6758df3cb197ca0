"""Artifacts are looked at without being trusted: what each kind shows, and what a hostile one can reach."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from typing import Any

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.browser import Tabs
from tests.cli.records import make_run
from tests.helpers import make_tree
from tests.web.conftest import Browser

EVIL = "<script>document.title = 'evil'</script><img src=x onerror=\"document.title = 'evil'\">"


def with_files(files: dict[str, str | bytes]) -> str:
    run_id = make_run("a")
    make_tree(
        Store(paths.store()).run_directory(run_id),
        {f"artifacts/{name}": data for name, data in files.items()},
    )
    return run_id


def notebook(output: dict[str, Any]) -> str:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", EVIL]},
        {
            "cell_type": "code",
            "source": "def f():\n    return 1",
            "outputs": [output, {"text": ["\x1b[31mred\x1b[0m ", EVIL]}],
        },
    ]
    return json.dumps({"cells": cells, "metadata": {"kernelspec": {"language": "python"}}})


def test_each_kind_is_shown(browser: Browser) -> None:
    dot = base64.b64encode(b"\x89PNG").decode()
    run_id = with_files({
        "a.md": f"# Title\n\n{EVIL}", "a.py": f"# {EVIL}\nx = 'a'\n", "a.json": '{"a":[1,2]}', "a.pdf": b"%PDF-1.4\n\0", "no.pdf": EVIL,
        "a.wav": b"RIFF\0", "none.ipynb": "{}", "old.ipynb": '{"nbformat": 3, "worksheets": [{"cells": []}]}', "a.ipynb": notebook({"data": {"image/png": dot, "text/html": EVIL}}), "bad.ipynb": f'{{"cells": "{EVIL[:8]}"}}',
        "evil.ipynb": notebook({"data": {"image/png": '"><script>'}}), "a.bin": b"\0\1", "a.txt": EVIL, "big.log": "x" * 10_000_000,
    })  # fmt: skip

    def shown(name: str) -> str:
        page = browser.get(f"/ui/runs/{run_id}/files/{name}")
        assert page.status == 200
        assert "<script>" not in page.text, name
        assert "<img src=x" not in page.text, name
        return page.text

    assert "<h1>Title</h1>" in shown("a.md")
    assert '<span class="hl-s1">' in shown("a.py")
    assert '<span class="hl-nt">' in shown("a.json")
    assert re.search(r'<iframe class="preview" src="[^"]+a\.pdf\?show=1"', shown("a.pdf"))
    assert "<iframe" not in shown("no.pdf")
    assert "<audio controls" in shown("a.wav")
    page = shown("a.ipynb")
    assert f'src="data:image/png;base64,{dot}"' in page
    assert '<span class="fg1">red</span>' in page
    assert '<span class="hl-k">def</span>' in page
    assert "data:image" not in shown("evil.ipynb")
    for name in ("bad", "none", "old"):
        assert "It is no notebook" in shown(f"{name}.ipynb")
    shown("a.txt")
    assert "It is not text" in shown("a.bin")
    assert "the beginning is shown" in shown("big.log")
    assert len(shown("big.log")) < 300_000


def test_tables_have_pages(browser: Browser) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"n": n, "text": f"<b>{n}</b>", "none": None} for n in range(1050)]
    file, binary = io.StringIO(), io.BytesIO()
    writer = csv.DictWriter(file, ["n", "text", "none"])
    writer.writeheader()
    writer.writerows(rows)
    parquet.write_table(pyarrow.Table.from_pylist(rows), binary, row_group_size=300)
    run_id = with_files(
        {
            "t.csv": file.getvalue(),
            "t.parquet": binary.getvalue(),
            "bad.parquet": b"PAR1 no",
            "wide.csv": "a," * 5000,
        }
    )
    for name in ("t.csv", "t.parquet"):
        found: list[str] = []
        path = f"/ui/runs/{run_id}/files/{name}"
        while path:
            page = browser.get(path)
            found += re.findall(r"<tr><td>(\d+)</td><td>&lt;b&gt;", page.text)
            after = re.search(r'<a rel="next" href="([^"]+)"', page.text)
            path = f"/ui/runs/{run_id}/files/{name}{after[1]}" if after else ""
        assert found == [str(n) for n in range(1050)], name
    assert "of 1,050" in browser.get(f"/ui/runs/{run_id}/files/t.parquet").text
    assert "cannot be read as Parquet" in browser.get(f"/ui/runs/{run_id}/files/bad.parquet").text
    assert browser.get(f"/ui/runs/{run_id}/files/wide.csv?from=99999999999").status == 200


def test_a_hostile_page_reads_nothing(tabs: Tabs) -> None:
    attack = """<!doctype html><p id=said></p><script>
    const tried = {};
    const attempt = (name, go) => { try { tried[name] = String(go()); } catch (error) { tried[name] = "refused"; } };
    attempt("cookie", () => document.cookie);
    attempt("storage", () => localStorage.length);
    attempt("parent", () => parent.document.title);
    if (top !== self) attempt("top", () => { top.location = "about:blank#taken"; return "asked"; });
    fetch("/ui/").then((r) => r.text()).then((t) => tried.fetch = t, () => tried.fetch = "refused")
      .then(() => { said.textContent = JSON.stringify(tried); });
    </script>"""
    run_id = with_files(
        {
            "evil.html": attack,
            "evil.svg": f"<svg xmlns='http://www.w3.org/2000/svg'><script>{attack}</script></svg>",
        }
    )
    for address in (f"/ui/runs/{run_id}/files/evil.html", f"/ui/runs/{run_id}/raw/evil.html?show=1"):
        page = tabs.open(address)
        frame = page.frame_locator("iframe") if "/files/" in address else page
        frame.locator("#said", has_text="fetch").wait_for()
        said = json.loads(frame.locator("#said").inner_text())
        assert {said["cookie"], said["storage"], said["fetch"]} == {"refused"}
        assert said["parent"] == "refused" or "/raw/" in address
        if "/files/" in address:
            assert page.url.endswith(address)
        page.close()
    tabs.problems.clear()  # what the browser said when it refused
    tabs.open(f"/ui/runs/{run_id}/files/evil.svg")


def test_a_report_is_one_file(tabs: Tabs, tmp_path: Any) -> None:
    from tests.helpers import proj

    ids = [
        make_run(
            f"<b>{n}</b>{EVIL}",
            params={"lr": n},
            metrics={"loss": [3.0, 2.0, float(n)]},
            tags={"mlflow.note.content": EVIL},
        )
        for n in range(2)
    ]
    target = str(tmp_path / "page.html")
    done = proj("export", "--html", *ids, "-o", target)
    assert done.code == 0, done.err
    with open(target, encoding="utf-8") as file:
        text = file.read()
    assert text.lstrip().startswith("<!doctype html>")
    assert text.count('<path class="curve"') == 2
    assert not re.search(r"<(script|link|iframe|img|object)|@import|url\(", text)
    for link in re.findall(r'href="([^"]*)"', text):
        assert link.startswith("#runs/"), link
        assert f'id="{link[1:]}"' in text
    page = tabs.open()
    page.set_content(text)
    assert page.title() == "2 runs"
    assert page.locator("svg").first.bounding_box()["height"] > 100
    assert proj("export", "--html", ids[0]).out.count("<h1>") == 1
    assert proj("export", "--html", "--filter", "params.lr = 'none'").code == 2
