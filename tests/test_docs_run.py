"""The command lines of the README and of the guides, run one after the other as somebody would who reads them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys

import pytest

from runner.tracking.store import Store
from tests.helpers import git, make_repository, make_tree, proj
from tests.servers import Start
from tests.test_docs import ROOT, command_lines

PAGES = (
    *("README.md", "docs/index.md", "docs/reproduce.md"),
    *(f"docs/guides/{name}.md" for name in ("ci", "migrate", "paper", "share-environment", "templates")),
)
PROJECT = {
    "MLproject": """\
name: demo
python_env: python_env.yaml
entry_points:
  main: &step
    parameters: {lr: {type: float, default: 0.1}}
    command: "python main.py {lr}"
    outputs: [out.json]
  train: *step
""",
    "python_env.yaml": f'python: "{sys.version_info[0]}.{sys.version_info[1]}"\ndependencies: []\n',
    "main.py": """\
import json, subprocess, sys
subprocess.run(["proj", "log", "metric", f"rmse={float(sys.argv[1]) + 1}", "val_x=2"], check=True)
json.dump({"rmse": 1}, open("out.json", "w"))
""",
    ".gitignore": "*.zip\nwalks\nmy-project*\nscripts\ntemplate\nverdict.json\nenvironment.lock\nplot.png\nout.json\nresults\n",
}
SCRIPT = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', type=int, default=3)\nprint(p.parse_args())\n"
# commands that are typed in another folder than the project's
PLACES = {"proj update": "my-project", "proj init": "scripts", "proj init --yes": "scripts"}
WRONG = {"stpes=": 2}  # what the page shows to fail


@pytest.fixture
def sandbox(tmp_path: object) -> str:
    """A folder with all that the pages speak of."""
    root = os.path.join(str(tmp_path), "sandbox")
    project = make_repository(
        os.path.join(root, "demo"), {**PROJECT, **{f"training/{k}": v for k, v in PROJECT.items()}}
    )
    git(project, "tag", "v1.2")
    shutil.copytree(project, os.path.join(root, "remote"))
    shutil.make_archive(os.path.join(project, "analysis"), "zip", os.path.join(root, "remote"))
    make_tree(os.path.join(project, "scripts"), {"main.py": SCRIPT})
    make_tree(
        os.path.join(project, "template"),
        {"copier.yml": "a: {type: str, default: b}\n", "x.txt.jinja": "{{ a }}"},
    )
    make_tree(project, {"plot.png": "p"})
    return project


def prepared(text: str, sandbox: str, number: int) -> list[str]:
    remote = f"file://{os.path.join(os.path.dirname(sandbox), 'remote')}"
    for old, new in (
        ("GIT-URL", remote),
        ("https://git.example.org/team/model.git", remote),
        ("${{ github.sha }}", "main"),
        ("RUN RUN", "last~1 last"),
        (" RUN", " last"),
        ("results/best.zip", "run.zip"),
        ("gh:team/template", "./template"),
    ):
        text = text.replace(old, new)
    if "proj new" in text and number:
        text = text.replace("my-project", f"my-project-{number}")
    return shlex.split(text)[1:]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_page_works(page: str, sandbox: str) -> None:
    lines = [text for place, text in command_lines() if place.startswith(f"{page}:")]
    assert lines, page
    for turn in range(2):  # two runs to compare, and one that was packed
        assert proj("run", ".", "-P", f"lr=0.{turn + 3}", cwd=sandbox).code == 0
    assert proj("bundle", "last", "-o", "run.zip", cwd=sandbox).code == 0
    assert proj("new", "basic", "walks", "--defaults", cwd=sandbox).code == 0
    assert proj("new", "basic", "my-project", "--defaults", cwd=sandbox).code == 0
    mine = os.path.join(sandbox, "my-project")
    git(mine, "init", "-q", "-b", "main")
    git(mine, "add", "-A")
    git(mine, "commit", "-q", "-m", "made")
    run_id = re.findall(r'"run_id": "(\w+)"', proj("runs", "--json", cwd=sandbox).out)[0]
    for number, text in enumerate(lines, 1):
        inside = {"PROJ_RUN_ID": run_id} if text.startswith("proj log ") else {}
        place = os.path.join(sandbox, PLACES.get(text, ""))
        done = proj(*prepared(text, sandbox, number), cwd=place, **inside)
        expected = next((code for mark, code in WRONG.items() if mark in text), 0)
        assert done.code == expected, f"{text}\n{done.out[-1500:]}\n{done.err[-1500:]}"
        assert "Traceback" not in done.err


@pytest.mark.slow
def test_every_line_about_a_server_that_is_there_works(start: Start, sandbox: str, tmp_path: object) -> None:
    server = start("--store", os.path.join(str(tmp_path), "team"))
    lines = [text for place, text in command_lines() if place.startswith("docs/guides/existing-server.md:")]
    assert lines
    for number, text in enumerate(lines, 1):
        done = proj(*prepared(text, sandbox, number), cwd=sandbox, MLFLOW_TRACKING_URI=server.url)
        assert done.code == 0, f"{text}\n{done.err}"
    assert len(Store(os.path.join(str(tmp_path), "team")).search().runs) == 1


def test_the_pages_are_there() -> None:
    for page in PAGES:
        assert os.path.isfile(os.path.join(ROOT, page)), page
