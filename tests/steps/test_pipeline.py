"""Pipelines from outside: what is run, what is taken over, and what is left of what failed or was killed."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.running.plan import Outcome, Request
from runner.running.run import run
from runner.tracking.fold import Run
from runner.values import Silent
from tests.helpers import Result, examples, git, make_repository, make_tree, proj, survivors
from tests.reproduction.worlds import store
from tests.test_docs import ROOT, command_lines

MLPROJECT = """\
name: demo
entry_points:
  prepare: {command: python3 prep.py, inputs: [raw.txt], outputs: [data/x.txt], code: [prep.py, lib/]}
  train:
    needs: prepare
    matrix: {model: [ridge, lasso], seed: 1..2}
    parameters: {model: string, seed: int}
    inputs: [data/x.txt]
    outputs: ["models/{model}-{seed}.txt"]
    code: [train.sh]
    command: "bash train.sh {model} {seed}"
  main:
    needs: train
    parameters: {publish: {type: bool, default: true}, title: {type: string, default: t}}
    when: "{publish}"
    inputs: ["models/*.txt"]
    outputs: [report.txt]
    command: "(echo {title}; cat models/*.txt) > report.txt"
"""
FILES = {
    "MLproject": MLPROJECT,
    "prep.py": "import lib.part\nopen('data/x.txt', 'w').write(lib.part.change(open('raw.txt').read()))\n",
    "lib/__init__.py": "",
    "lib/part.py": "def change(text):\n    return text.upper()\n",
    "train.sh": 'cat data/x.txt > "models/$1-$2.txt"; echo "$1 $2" >> "models/$1-$2.txt"\n',
    "raw.txt": "raw\n",
}
REPORT = "RAW\nlasso 1\nRAW\nlasso 2\nRAW\nridge 1\nRAW\nridge 2\n"


@pytest.fixture
def project(tmp_path: object) -> str:
    return make_repository(f"{tmp_path}/demo", FILES)


def read(*parts: str) -> str:
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


def piped(project: str, *arguments: str, code: int = 0) -> tuple[Run, dict[str, str], Result]:
    """The run around them, and the state of each step."""
    done = proj("run", project, "--json", *arguments)
    assert done.code == code, done.err
    parent = store().read(json.loads(done.out)["run_id"])
    steps = {each["step"]: str(each["state"]) for each in _of(parent)}
    return parent, steps, done


def _of(parent: Run) -> list[dict[str, Any]]:
    return [dict(each) for _, each in sorted(parent.sections["steps"].items(), key=lambda item: int(item[0]))]  # type: ignore[call-overload]


def children(parent: Run) -> list[Run]:
    return [store().read(each["run_id"]) for each in _of(parent) if each.get("run_id")]


def foreseen(project: str, *arguments: str) -> dict[str, str]:
    """The state of each step as `proj plan` tells it, which leaves nothing behind."""
    before = store().search("").runs
    done = proj("plan", project, "--json", *arguments)
    assert done.code == 0, done.err
    assert store().search("").runs == before
    return {each["step"]: each["state"] for each in json.loads(done.out)["steps"]}


def assert_as_foreseen(told: dict[str, str], steps: dict[str, str]) -> None:
    known = {"hit": "cached", "run": "finished", "skipped": "skipped", "kept": "kept"}
    assert list(told) == list(steps)
    assert {name: known.get(state, steps[name]) for name, state in told.items()} == steps
    assert "unknown" not in told.values() or "run" in told.values()


def changed(steps: dict[str, str]) -> set[str]:
    return {name.partition("[")[0] for name, state in steps.items() if state != "cached"}


def test_what_is_needed_is_run_before_and_not_again(project: str) -> None:
    parent, steps, _ = piped(project, "-j", "2")
    assert set(steps.values()) == {"finished"}
    assert list(steps) == [
        "prepare",
        "train[ridge,1]",
        "train[ridge,2]",
        "train[lasso,1]",
        "train[lasso,2]",
        "main",
    ]
    assert read(project, "report.txt") == f"t\n{REPORT}"
    assert (parent.kind, parent.status, parent.entry_point) == ("pipeline", "FINISHED", "main")
    assert {child.parent for child in children(parent)} == {parent.run_id}
    assert [child.name for child in children(parent)] == list(steps)
    assert {child.sections["code"]["tree"] for child in children(parent)} == {parent.sections["code"]["tree"]}
    for name in ("data", "models", "report.txt"):  # whatever has become of them
        subprocess.run(["rm", "-rf", os.path.join(project, name)], check=True)
    again, steps, _ = piped(project)
    assert set(steps.values()) == {"cached"}
    assert read(project, "report.txt") == f"t\n{REPORT}"
    for one, other in zip(children(parent), children(again), strict=True):  # found by one look-up
        found = store().search(f"cache_key = '{one.sections['key']['digest']}'").runs
        assert {each.run_id for each in found} == {one.run_id, other.run_id}


@pytest.mark.parametrize(
    ("edit", "again"),
    [
        ({"README.md": "hello\n"}, {"main"}),
        ({"MLproject": MLPROJECT.replace("echo {title}; ", "echo {title} more; ")}, {"main"}),
        ({"MLproject": MLPROJECT.replace("outputs: [report.txt]", "outputs: [report.txt]\n    description: x")}, set()),
        ({"lib/part.py": "def change(text):\n    return text.title()\n"}, {"prepare", "train", "main"}),
        ({"lib/part.py": "def change(text):\n    return str(text).upper()\n"}, {"prepare"}),
        ({"train.sh": FILES["train.sh"] + "# more\n"}, {"train"}),
        ({"raw.txt": "new\n"}, {"prepare", "train", "main"}),
        ({"raw.txt": "Raw\n"}, {"prepare"}),
        ({"data/x.txt": "spoilt\n", "models/ridge-1.txt": "spoilt\n"}, set()),
    ],
)  # fmt: skip
def test_only_what_an_edit_reaches_is_run_again(project: str, edit: dict[str, str], again: set[str]) -> None:
    """`main` has no `code`, and reads nothing else of the project: only what is new in it counts."""
    text = MLPROJECT if again == {"main"} and "README.md" in edit else MLPROJECT.replace(
        "    outputs: [report.txt]\n", "    outputs: [report.txt]\n    code: [none]\n"
    )  # fmt: skip
    make_tree(project, {"MLproject": text})
    piped(project)
    if "MLproject" in edit:
        edit = {
            "MLproject": edit["MLproject"].replace(
                "outputs: [report.txt]\n", "outputs: [report.txt]\n    code: [none]\n"
            )
        }
    make_tree(project, edit)
    told = foreseen(project)
    _, steps, done = piped(project)
    assert changed(steps) == again, done.err
    assert_as_foreseen(told, steps)


def test_a_failure_says_what_was_not_run(project: str) -> None:
    make_tree(project, {"train.sh": 'echo half > "models/$1-$2.txt"; [ "$1 $2" != "ridge 2" ]\n'})
    parent, steps, done = piped(project, code=1)
    assert (parent.status, parent.end["reason"]) == ("FAILED", "step")
    assert "train[ridge,2] failed (exit code 1)" in done.err
    assert steps["train[lasso,1]"] == steps["main"] == "not run"
    assert not os.path.exists(os.path.join(project, "models", "ridge-2.txt"))
    failed = next(child for child in children(parent) if child.status == "FAILED")
    assert read(store().run_directory(failed.run_id), "artifacts", "models", "ridge-2.txt") == "half\n"
    _, steps, _ = piped(project, "--keep-going", code=1)
    assert steps["train[ridge,1]"] == "cached"
    assert steps["train[lasso,2]"] == "finished"
    assert steps["main"] == "not run"


def test_options(project: str) -> None:
    done = proj("run", project, "-e", "train", "--only", "-P", "model=ridge", "-P", "seed=1")
    assert "models/ridge-1.txt: No such file" in done.err  # in the project's folder as it is, as by MLflow
    _, steps, _ = piped(project, "-P", "model=ridge", "-P", "title=new", "-P", "seed=2")
    assert list(steps) == ["prepare", "train[ridge,2]", "main"]
    assert read(project, "report.txt") == "new\nRAW\nridge 2\n"
    _, steps, _ = piped(project, "-P", "publish=false")
    assert steps["main"] == "skipped"
    _, steps, _ = piped(project, "--force", "train", "--force", "prep*")
    assert changed(steps) == {"prepare", "train", "main"} - {
        name for name in ("main",) if steps["main"] == "cached"
    }
    make_tree(project, {"raw.txt": "new\n"})
    _, steps, _ = piped(project, "--from", "train")
    assert steps.pop("prepare") == "kept"
    assert "new" not in read(project, "report.txt").lower()
    for arguments, message in (
        (["--force", "tarin"], "there is no step tarin"),
        (["--jobs", "0"], "not a number from 1 to 999"),
        (["-P", "seed=x"], "seed"),
        (["-P", "model=../x"], "train would write models/../x-1.txt"),
        (["-P", "model=ridge", "--run-id", "none"], "none"),
    ):
        done = proj("run", project, *arguments)
        assert done.code == 2
        assert message in done.err


def test_mistakes_are_told_before_anything_is_run(project: str) -> None:
    make_tree(
        project,
        {
            "MLproject": MLPROJECT.replace(
                "{model: string, seed: int}", "{model: string, seed: int, lr: float}"
            )
        },
    )
    done = proj("run", project)
    assert done.code == 2
    assert "lr" in done.err
    make_tree(project, {"MLproject": MLPROJECT})
    os.unlink(os.path.join(project, "raw.txt"))
    done = proj("run", project)
    assert done.code == 2
    assert "prepare reads raw.txt, which is not there, and no step makes it" in done.err
    assert not store().search("").runs


def test_code_is_all_only_where_the_command_has_nothing_else(project: str) -> None:
    """In the project's folder a script may read whatever lies there."""
    make_tree(project, {"MLproject": MLPROJECT.replace("code: [train.sh]", "code: [none]")})
    git(project, "commit", "-qam", "x")
    make_tree(project, {".gitignore": "data\nmodels\nreport.txt\n", "data/.keep": "", "models/.keep": ""})
    for _ in "123":
        _, steps, _ = piped(project, "--workdir=project", "-P", "model=ridge", "-P", "seed=1")
    assert steps["train[ridge,1]"] == "cached"
    make_tree(project, {"train.sh": FILES["train.sh"] + "echo more >> models/$1-$2.txt\n"})
    _, steps, _ = piped(project, "--workdir=project", "-P", "model=ridge", "-P", "seed=1")
    assert steps["train[ridge,1]"] == "finished"
    assert read(project, "report.txt").endswith("more\n")


def test_why_a_step_is_run_each_time_is_said_once(project: str) -> None:
    make_tree(project, {"MLproject": MLPROJECT.replace("bash train.sh", "date; bash train.sh")})
    _, _, done = piped(project)
    assert (
        done.err.count("steps that are run each time, since command: what date gives is another each time")
        == 1
    )
    make_tree(project, {"MLproject": MLPROJECT})
    assert "each time" not in piped(project)[2].err


def test_inputs_that_are_not_declared_are_missing(project: str) -> None:
    make_tree(project, {"train.sh": "cat raw.txt\n"})
    _, steps, done = piped(project, code=1)
    assert steps["prepare"] == "finished"
    assert "`inputs: [raw.txt]` of train" in done.err


def test_a_step_that_writes_no_output_has_failed(project: str) -> None:
    """What an earlier one wrote lies there: the next step must not read it."""
    piped(project)
    make_tree(project, {"prep.py": "print('nothing')\n"})
    parent, steps, _ = piped(project, code=1)
    assert (steps["prepare"], steps["main"]) == ("failed", "not run")
    assert children(parent)[0].end["reason"] == "outputs"
    assert "wrote no output data/x.txt" in str(_of(parent)[0]["reason"])


def test_what_an_earlier_run_of_a_glob_left_is_not_read(project: str) -> None:
    text = """entry_points:
  split: {command: bash split.sh, inputs: [raw.txt], outputs: ["parts/*.txt"]}
  main: {command: "cat parts/*.txt > all.txt", needs: split, inputs: ["parts/*.txt"], outputs: [all.txt], code: [none]}
"""
    make_tree(
        project,
        {
            "MLproject": text,
            "split.sh": "for each in $(cat raw.txt); do echo $each > parts/$each.txt; done\n",
        },
    )
    for raw in (
        "a b\n",
        "c\n",
        "a b\n",
        "c\n",
    ):  # the last ones are taken over, from runs of which one was, too
        make_tree(project, {"raw.txt": raw})
        piped(project)
        assert read(project, "all.txt").split() == raw.split()
        assert sorted(os.listdir(os.path.join(project, "parts"))) == [f"{each}.txt" for each in raw.split()]
    make_tree(project, {"parts/mine.txt": "mine\n", "raw.txt": "d\n"})
    _, _, done = piped(project)
    assert "parts/mine.txt is no output of this run" in done.err
    assert sorted(os.listdir(os.path.join(project, "parts"))) == ["d.txt", "mine.txt"]


def test_a_step_is_tried_again(project: str) -> None:
    counter = os.path.join(os.path.dirname(project), "count")
    command = f"echo x >> {counter}; [ $(wc -l < {counter}) = 3 ]"
    text = f"entry_points:\n  a: {{command: '{command}', retries: {{on: [exit], times: 2}}}}\n"
    text += "  main: {command: 'true', needs: a}\n"
    make_tree(project, {"MLproject": text})
    parent, steps, _ = piped(project)
    assert steps == {"a": "finished", "main": "finished"}
    runs = [
        each for each in store().search("").runs if each.parent == parent.run_id and each.entry_point == "a"
    ]
    assert sorted(each.status for each in runs) == ["FAILED", "FAILED", "FINISHED"]


def test_a_run_in_a_run_is_never_a_pipeline(project: str) -> None:
    text = "entry_points:\n  a: {command: echo a-was-run}\n  b: {command: echo b, needs: a}\n"
    text += f"  main: {{command: '{sys.executable} -m runner run . -e b'}}\n"
    make_tree(project, {"MLproject": text})
    done = proj("run", project)
    assert done.code == 0
    assert "a-was-run" not in done.out + done.err


SLOW = """\
entry_points:
  a: {command: "sleep 100", parameters: {k: int}, matrix: {k: 1..3}}
  main: {command: "true", needs: a}
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_ends_all_of_it(project: str, jobs: str) -> None:
    make_tree(project, {"MLproject": SLOW})
    started = subprocess.Popen(
        [sys.executable, "-m", "runner", "run", project, "-j", jobs],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: len(_on()) == int(jobs))
    on = _on()
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=60)
    assert started.returncode == 130
    assert not any(survivors(each) for each in on)
    runs = store().search("").runs
    assert {each.status for each in runs} == {"KILLED"}
    assert len(runs) == int(jobs) + 1


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_cancelling_the_whole_ends_its_steps(project: str, jobs: str) -> None:
    make_tree(project, {"MLproject": SLOW})
    started = subprocess.Popen(
        [sys.executable, "-m", "runner", "run", project, "-j", jobs],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(lambda: len(_on()) == int(jobs))
    on, whole = _on(), next(each for each in store().search("").runs if each.kind == "pipeline")
    assert proj("cancel", whole.run_id, "--wait", "60").code == 0
    started.communicate(timeout=60)
    assert started.returncode == 143
    assert not any(survivors(each) for each in on)
    runs = store().search("").runs
    assert {(each.status, each.end["reason"]) for each in runs} == {("KILLED", "cancelled")}
    assert len(runs) == int(jobs) + 1


def _on() -> list[str]:
    runs = [each for each in store().search("status = 'RUNNING'").runs if each.entry_point == "a"]
    return [each.run_id for each in runs if survivors(each.run_id)]


def wait_for(condition: object, seconds: float = 60) -> None:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.timeout(900)
def test_whenever_it_is_killed_each_step_finishes_once(project: str) -> None:
    """SIGKILL at random moments, until a run comes through: no step is lost, none is done twice, none reads half a file."""
    make_tree(project, {"train.sh": FILES["train.sh"] + "sleep 0.05\n"})
    moments, kills, rounds = random.Random(18), 0, 0
    while kills < examples(50):
        rounds += 1
        make_tree(project, {"raw.txt": f"raw {rounds}\n"})
        for _ in range(moments.choice((1, 2, 4))):
            started = subprocess.Popen(
                [sys.executable, "-m", "runner", "run", project, "-j", moments.choice("12")],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            time.sleep(moments.uniform(0.1, 1.2))
            kills += started.poll() is None
            started.send_signal(signal.SIGKILL)
            started.wait()
        _, steps, _ = piped(project)
        assert set(steps.values()) <= {"finished", "cached"}
        assert read(project, "report.txt") == f"t\n{REPORT.replace('RAW', f'RAW {rounds}')}"
        proj("runs")  # those that were killed are concluded
        assert not store().search("status = 'RUNNING'").runs
        done = [
            each
            for each in store().search("status = 'FINISHED'", limit=10_000).runs
            if each.kind == "project"
        ]
        made = [
            each.name for each in done if not any(link["relation"] == "cached-from" for link in each.links)
        ]
        assert {name: made.count(name) for name in steps} == dict.fromkeys(steps, rounds)


# ---- whatever the graph and the edits ----------------------------------------------------------------------


@st.composite
def worlds(draw: Any) -> tuple[dict[int, list[int]], list[tuple[str, int, str]]]:
    number = draw(st.integers(2, 4))
    needs = {
        at: draw(st.lists(st.sampled_from(range(at)), unique=True, max_size=2)) if at else []
        for at in range(number)
    }
    edits = st.tuples(
        st.sampled_from(["code", "raw", "text"]), st.integers(0, number - 1), st.sampled_from("abA")
    )
    return needs, draw(st.lists(edits, min_size=1, max_size=3))


@pytest.mark.timeout(900)
@given(worlds())
@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
def test_random_graphs_and_edits(
    tmp_path_factory: pytest.TempPathFactory, world: tuple[dict[int, list[int]], list[tuple[str, int, str]]]
) -> None:
    """The bytes are those that an oracle computes, and only a step whose code or inputs it has not seen is run."""
    needs, edits = world
    folder = str(tmp_path_factory.mktemp("world"))
    files = {f"s{at}.sh": f"# a\n(cat r{at}.txt {' '.join(f'o{each}.txt' for each in each_of)} | tr a-z A-Z; echo {at}) > o{at}.txt\n"
             for at, each_of in needs.items()}  # fmt: skip
    raw = {f"r{at}.txt": "a" for at in needs}
    points = [
        f"  s{at}: {{command: bash s{at}.sh, code: [s{at}.sh], needs: [{', '.join(f's{each}' for each in each_of)}], "
        f"inputs: [{', '.join([f'r{at}.txt', *(f'o{each}.txt' for each in each_of)])}], outputs: [o{at}.txt]}}\n"
        for at, each_of in needs.items()
    ]
    all_of = f"  main: {{command: 'true', code: [none], needs: [{', '.join(f's{at}' for at in needs)}]}}\n"
    make_repository(
        folder,
        {
            **files,
            **raw,
            "MLproject": f"name: {os.path.basename(folder)}\nentry_points:\n{''.join(points)}{all_of}",
        },
    )
    seen: set[tuple[int, str, tuple[str, ...]]] = set()
    made: dict[int, str] = {}
    for kind, at, letter in [("", 0, ""), *edits]:
        if kind == "code":
            files[f"s{at}.sh"] = f"# {letter}" + files[f"s{at}.sh"][3:]
        elif kind == "raw":
            raw[f"r{at}.txt"] = letter
        elif kind == "text":
            make_tree(folder, {"README.md": letter, f"o{at}.txt": letter})
        make_tree(folder, {**files, **raw})
        expected = set()
        for step, each_of in needs.items():
            inputs = (raw[f"r{step}.txt"], *(made[each] for each in each_of))
            made[step] = "".join(inputs).upper() + f"{step}\n"
            if (step, files[f"s{step}.sh"], inputs) not in seen:
                expected.add(f"s{step}")
            seen.add((step, files[f"s{step}.sh"], inputs))
        told = foreseen(folder)
        _, steps, done = piped(folder)
        assert {name for name, state in steps.items() if state != "cached"} - {"main"} == expected, done.err
        assert_as_foreseen(told, steps)
        assert {step: read(folder, f"o{step}.txt") for step in needs} == made


def test_a_step_is_made_again_like_any_run(project: str) -> None:
    parent, _, _ = piped(project)
    for child in children(parent)[1:3]:
        done = proj("reproduce", child.run_id, "--json")
        assert json.loads(done.out)["verdict"] == "identical", done.out + done.err


SCRIPTS = {
    "prep.py": "import lib\nopen('data/train.csv', 'w').write(open('raw.csv').read())\n",
    "lib/__init__.py": "",
    "train.py": "import sys\nmodel, seed = sys.argv[1:]\ndata = open('data/train.csv').read()\n"
    "open(f'models/{model}-{seed}.json', 'w').write(data)\n",
    "evaluate.py": "import glob\nopen('report.json', 'w').write(str(sorted(glob.glob('models/*.json'))))\n",
    "raw.csv": "1\n",
}


@pytest.mark.slow
def test_every_line_of_the_guide_works(tmp_path: object) -> None:
    page = "docs/guides/pipelines.md"
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        text = file.read()
    block = text.partition("```yaml\n")[2].partition("```")[0]
    folder = make_repository(
        f"{tmp_path}/guide", {"MLproject": block.replace("python ", "python3 "), **SCRIPTS}
    )
    lines = [line for place, line in command_lines() if place.startswith(f"{page}:")]
    assert len(lines) > 8
    for line in lines:
        done = proj(*shlex.split(line, comments=True)[1:], cwd=folder)
        assert done.code == 0, f"{line}\n{done.out}\n{done.err}"
    assert "ridge-1" in read(folder, "report.json")


def test_a_single_run_of_many_goes_on_as_it_was(project: str) -> None:
    outcome = run(Request(project, "prepare", workdir="fresh"), Silent())
    assert isinstance(outcome, Outcome)
    assert store().read(outcome.run_id).kind == "project"
    assert git(project, "status", "--porcelain") == "?? data/"


def test_what_became_of_its_steps_is_shown_and_exported(project: str) -> None:
    parent, _, _ = piped(project, "-P", "model=ridge", "-P", "publish=false")
    shown = proj("show", parent.run_id).out
    assert "  prepare         finished  " in shown
    assert "  main            skipped  when {publish}" in shown
    rows = json.loads(proj("export", parent.run_id, "--json").out)
    assert {each["name"] for each in rows} == {parent.name, "prepare", "train[ridge,1]", "train[ridge,2]"}
