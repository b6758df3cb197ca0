"""The CI files that a new project gets: each `run:` step and script line of each template is run, in a virtualenv of
its own, with the proj of this checkout; and what proj says of itself in a CI job."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import yaml

from runner import paths
from runner.tracking.store import Store
from tests.ci_lines import READERS, ROOT, commit, made, run_lines
from tests.helpers import make_tree, proj
from tests.pytorch_index import on_own_index

TEMPLATES = sorted(name for name in os.listdir(os.path.join(ROOT, "templates")) if name != "common")
# conda and docker have tests of their own (tests/environments), with a channel and an image of the tests
ELSEWHERE = ("conda", "docker")


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_the_files_say(template: str) -> None:
    """The install line is a variable, the tests of a project are run, its runs are kept, its caches cached."""
    folder = made(template, f"of-{template}")
    with open(os.path.join(folder, "MLproject"), encoding="utf-8") as file:
        entries = yaml.safe_load(file)["entry_points"]
    for provider, read in READERS.items():
        variables, lines = read(folder)
        assert variables["PROJ_SOURCE"].startswith("proj-runner"), provider
        assert lines.count('pip install "$PROJ_SOURCE"') == 1, provider
        assert not any("proj-runner" in line for line in lines), provider
        assert ("proj run . -e test" in lines) == ("test" in entries), provider
        assert [line for line in lines if line.startswith("proj check")], provider
        assert not variables["PROJ_STORE"].startswith(variables["PROJ_CACHE"]), provider
    ignored = subprocess.run(
        ["git", "-C", folder, "status", "--porcelain", "--ignored"], capture_output=True, check=True
    )
    assert ignored.stdout == b""


def test_the_line_that_installs_is_in_one_place() -> None:
    done = proj(
        "new",
        "basic",
        "own",
        "--defaults",
        "-d",
        "proj_source=proj-runner @ git+https://example.org/p.git@v1",
    )
    assert done.code == 0, done.err
    for reader in READERS.values():
        assert reader("own")[0]["PROJ_SOURCE"] == "proj-runner @ git+https://example.org/p.git@v1"


def test_an_answer_to_no_question_is_refused() -> None:
    for words in (["unknown=1"], ["descripton=x"], ["ci_packages=x"]):
        done = proj("new", "basic", "p", "-d", *words, "--defaults")
        assert done.code == 2
        assert f"the template asks no question {words[0].split('=')[0]!r}" in done.err
        assert not os.path.exists("p")
    assert "did you mean description?" in proj("new", "basic", "p", "-d", "descripton=x", "--defaults").err


@pytest.mark.parametrize(("answer", "there"), [("cpu", True), ("cuda", False)])
def test_which_pytorch(answer: str, there: bool) -> None:
    assert proj("new", "pytorch", "p", "--defaults", "-d", f"accelerator={answer}").code == 0
    with open("p/python_env.yaml", encoding="utf-8") as file:
        dependencies = yaml.safe_load(file)["dependencies"]
    assert any(line.endswith("/whl/cpu") for line in dependencies) == there
    assert "torch>=2.4" in dependencies


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(900)
@pytest.mark.parametrize("provider", READERS)
@pytest.mark.parametrize("template", [name for name in TEMPLATES if name not in ELSEWHERE])
def test_every_line_passes(template: str, provider: str, ci_python: str) -> None:
    folder = made(template, f"of-{template}")
    if template == "pytorch":
        on_own_index(folder)
        commit(folder)
    run_lines(template, folder, provider, ci_python)


# ---- what proj says in a job of GitHub Actions --------------------------------------------------------------

FAILS = """
import json
def read(text):
    return json.loads(text)
read("no JSON")
"""


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of the job's summary."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.path.abspath("summary.md"))
    monkeypatch.setenv("GITHUB_WORKSPACE", os.getcwd())
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    return os.path.abspath("summary.md")


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_a_traceback_is_an_annotation_with_its_place(job: str) -> None:
    make_tree("p", {"src/train.py": FAILS})
    done = proj("run", "p", "-e", "src/train.py", "--env-manager", "local")
    assert done.code == 1
    notes = [line for line in done.err.splitlines() if line.startswith("::error")]
    assert notes == [
        "::error file=p/src/train.py,line=4::json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"
    ]
    text = read(job)
    assert "failed (exit code 1)" in text
    assert 'read("no JSON")' in text
    assert text.count("```") == 2


def test_a_failure_without_a_traceback_is_one_too(job: str) -> None:
    make_tree("p", {"fail.sh": "echo no; exit 3\n"})
    done = proj("run", "p", "-e", "fail.sh")
    assert done.code == 3
    assert re.search(r"^::error::run \S+ failed: exit code 3$", done.err, re.MULTILINE)
    assert "failed (exit code 3)" in read(job)


LOGS = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'runner', 'log', 'metric', 'rmse=' + sys.argv[1]], check=True)\n"


def test_a_summary_compares_with_the_base_branch(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    project = "name: demo\nentry_points: {main: {parameters: {rmse: 0.5, 'a|b': {default: '<x>'}}, command: '%s log.py {rmse}'}}\n"
    make_tree("p", {"MLproject": project % sys.executable, "log.py": LOGS})
    monkeypatch.setenv("PYTHONPATH", ROOT)
    git = ["git", "-C", "p", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    assert proj("run", "p").code == 0
    subprocess.run([*git, "switch", "-q", "-c", "change"], check=True)
    os.unlink(job)
    done = proj("run", "p", "-P", "rmse=0.25")
    assert done.code == 0, done.err
    base = Store(paths.store()).resolve("last~1")
    text = read(job)
    assert (
        f"| rmse | 0.25 | main (`{base[:12]}`) | -0.25 (-50.0%) |" not in text
    )  # the head names the branch, a row its value
    assert f"| metric | value | main (`{base[:12]}`) | change |" in text
    assert "| rmse | 0.25 | 0.5 | -0.25 (-50.0%) |" in text
    assert r"| a\|b | \<x\> |" in text
    assert "made again" not in text
    assert proj("reproduce", "last").code == 0
    assert "made again: **identical**" in read(job)
    printed = proj("ci", "report")
    assert printed.code == 0, printed.err
    assert "| rmse | 0.25 | 0.5 | -0.25 (-50.0%) |" in printed.out
    assert "made again: **identical**" in printed.out
    assert "| metric | value |" in proj("ci", "report", "--base", "nowhere").out.splitlines()


def test_elsewhere_nothing_is_said() -> None:
    make_tree("p", {"fail.sh": "exit 3\n"})
    assert "::" not in proj("run", "p", "-e", "fail.sh").err


def test_steps_have_no_summary_of_their_own(job: str) -> None:
    step = f"{sys.executable} -m runner run . -e step.sh"
    make_tree("p", {"main.sh": f"PYTHONPATH={ROOT} {step}\n", "step.sh": "echo step\n"})
    done = proj("run", "p", "-e", "main.sh", "--env-manager", "local")
    assert done.code == 0, done.err
    assert read(job).count("###") == 1
