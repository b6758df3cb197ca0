"""`proj run` from outside: real folders, real processes, and what the record says of them afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from runner import paths
from runner.running import reconcile
from runner.tracking.fold import Run
from runner.tracking.store import Store
from tests.helpers import git, make_repository, make_tree, proj, survivors

MLPROJECT = """\
name: demo
entry_points:
  main:
    parameters:
      lr: {type: float, default: 0.1, min: 0}
      name: {type: string, default: x}
    command: "python train.py --lr {lr} --name {name}"
  fail:
    command: "python -c 'import sys; sys.exit(3)'"
  shell:
    command: "printf '%s\\n' \\"$PROJ_RUN_ID\\" && echo $((1 + 1))"
  slow:
    command: "echo on; sleep 100"
"""
TRAIN = "import sys\nprint(sys.argv[1:])\n"
FILES = {"MLproject": MLPROJECT, "train.py": TRAIN}


@pytest.fixture
def project(tmp_path: object) -> str:
    return make_tree(os.path.join(str(tmp_path), "demo"), FILES)


def only_run() -> Run:
    (run_id,) = os.listdir(os.path.join(paths.store(), "runs"))
    return Store(paths.store()).read(run_id)


def output(run: Run) -> str:
    with open(os.path.join(paths.store(), "runs", run.run_id, "output.log"), encoding="utf-8") as file:
        return file.read()


def test_a_folder_becomes_a_recorded_run(project: str) -> None:
    done = proj("run", project, "-P", "lr=0.5", "-P", "name=a 'b' $(c);")
    assert done.code == 0, done.err
    assert done.out == "['--lr', '0.5', '--name', \"a 'b' $(c);\"]\n"
    run = only_run()
    assert run.status == "FINISHED"
    assert run.params == {"lr": 0.5, "name": "a 'b' $(c);"}
    assert run.sections["source"]["uri"] == project
    assert run.sections["command"]["directory"] == project
    assert run.sections["environment"]["kind"] == "system"
    assert run.sections["machine"]["cores"] >= 1
    assert run.end is not None
    assert (run.end["exit_code"], run.end["reason"]) == (0, "exit")
    assert output(run) == done.out
    assert run.run_id[:12] in done.err


def test_the_commands_own_code_passes_through(project: str) -> None:
    assert proj("run", project, "-e", "fail").code == 3
    run = only_run()
    assert run.status == "FAILED"
    assert run.end is not None
    assert run.end["exit_code"] == 3


def test_a_shell_command_sees_its_run(project: str) -> None:
    done = proj("run", project, "-e", "shell", "--quiet")
    assert done.out == f"{only_run().run_id}\n2\n"
    assert done.err == ""


def test_wrong_input_ends_before_anything_is_recorded(project: str) -> None:
    for words, expected in (
        (["-P", "lr=abc"], "lr"),
        (["-P", "lr=-1"], "lr"),
        (["-P", "nname=1"], "name"),
        (["-e", "mian"], "main"),
        (["-P", "lr"], "="),
        (["--backend", "slurmm"], "slurmm"),
        (["--timeout", "soon"], "soon"),
        (["--env-manager", "docke"], "docker"),
        (["-t", "x"], "NAME=VALUE"),
    ):
        done = proj("run", project, *words)
        assert done.code == 2, (words, done.err)
        assert expected in done.err
        assert "Traceback" not in done.err
    assert not os.path.exists(os.path.join(paths.store(), "runs"))


def test_a_missing_folder_is_told(tmp_path: object) -> None:
    done = proj("run", os.path.join(str(tmp_path), "nowhere"))
    assert done.code == 2
    assert "nowhere" in done.err
    assert "hint" in done.err


def test_dry_run_shows_the_plan_and_runs_nothing(project: str) -> None:
    done = proj("run", project, "--dry-run", "--json", "-P", "lr=0.3")
    plan = json.loads(done.out)
    assert plan["command"] == "python train.py --lr 0.3 --name x"
    assert plan["parameters"] == {"lr": 0.3, "name": "x"}
    assert not os.path.exists(os.path.join(paths.store(), "runs"))
    assert "python train.py" in proj("run", project, "--dry-run").out


def test_json_outcome_is_alone_on_stdout(project: str) -> None:
    done = proj("run", project, "--json")
    outcome = json.loads(done.out)
    assert outcome["status"] == "FINISHED"
    assert outcome["run_id"] == only_run().run_id
    assert "--lr" in done.err


def test_extra_arguments_are_passed_through(project: str) -> None:
    done = proj("run", project, "--", "--flag", "a b")
    assert done.out == "['--lr', '0.1', '--name', 'x', '--flag', 'a b']\n"


def test_a_git_url_leaves_the_repository_alone(tmp_path: object) -> None:
    origin = make_repository(os.path.join(str(tmp_path), "origin"), FILES)
    commit = git(origin, "rev-parse", "HEAD")
    done = proj("run", f"file://{origin}", "-P", "lr=1", "-v", "main")
    assert done.code == 0, done.err
    run = only_run()
    assert run.sections["source"]["commit"] == commit
    assert run.tags["mlflow.source.git.commit"] == commit
    assert run.sections["code"]["dirty"] is False
    assert git(origin, "status", "--porcelain") == ""


def test_complaint_1912_a_dirty_tree_is_recorded_and_can_be_refused(tmp_path: object) -> None:
    repository = make_repository(os.path.join(str(tmp_path), "repository"), FILES)
    make_tree(repository, {"train.py": TRAIN + "#\n"})
    assert proj("run", repository).code == 0
    assert only_run().sections["code"]["dirty"] is True
    done = proj("run", repository, "--require-clean")
    assert done.code == 2
    assert "uncommitted" in done.err


def test_complaint_2194_a_run_inside_a_run_becomes_its_child(tmp_path: object) -> None:
    text = """\
name: nested
entry_points:
  main: {command: "proj run . -e inner -q"}
  inner: {command: "echo inner"}
"""
    folder = make_tree(os.path.join(str(tmp_path), "nested"), {"MLproject": text})
    done = proj("run", folder, "--experiment-name", "outer")
    assert done.code == 0, done.err
    store = Store(paths.store())
    runs = [store.read(name) for name in os.listdir(os.path.join(paths.store(), "runs"))]
    parent = next(run for run in runs if not run.parent)
    child = next(run for run in runs if run.parent)
    assert child.parent == parent.run_id
    assert child.experiment_id == parent.experiment_id != "0"
    assert store.resolve("last") == parent.run_id  # what was typed, not its last step


def start(project: str, *words: str) -> tuple[subprocess.Popen[bytes], str]:
    """Starts a run and returns it with its id, once its command is on."""
    child = subprocess.Popen(
        [sys.executable, "-m", "runner", "run", project, "-e", "slow", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"on\n"
    return child, only_run().run_id


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_complaint_7078_a_signal_ends_the_run_and_the_record(project: str, number: int, code: int) -> None:
    child, run_id = start(project)
    child.send_signal(number)
    child.communicate(timeout=20)
    assert child.returncode == code
    run = only_run()
    assert run.status == "KILLED"
    assert run.end is not None
    assert run.end["reason"] == "interrupted"
    assert survivors(run_id) == []
    assert output(run) == "on\n"


def test_complaint_7078_a_killed_supervisor_is_noticed_by_the_next_reader(project: str) -> None:
    child, run_id = start(project, "--grace", "1")
    child.kill()
    child.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while survivors(run_id) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert survivors(run_id) == []
    run: Any = reconcile.current(Store(paths.store()), run_id)
    assert run.status == "KILLED"
    assert run.end["reason"] == "lost"
    assert output(run) == "on\n"


def test_time_out_of_a_run(project: str) -> None:
    done = proj("run", project, "-e", "slow", "--timeout", "0.5", "--grace", "1")
    assert done.code == 143
    run: Any = only_run()
    assert (run.status, run.end["reason"]) == ("KILLED", "timeout")


def test_secret_parameters_are_nowhere_in_the_record(tmp_path: object) -> None:
    text = """\
name: secretive
entry_points:
  main:
    parameters:
      token: {type: string, secret: true}
      user: {default: ada}
    command: "echo user={user} token={token}; tr '\\\\0' ' ' < /proc/$$/cmdline"
"""
    folder = make_tree(os.path.join(str(tmp_path), "secretive"), {"MLproject": text})
    done = proj("run", folder, "-P", "token=hunter2hunter2")
    assert done.code == 0, done.err
    assert "user=ada token=****" in done.out
    record = os.path.join(paths.store(), "runs", only_run().run_id)
    for name in os.listdir(record):
        path = os.path.join(record, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                assert b"hunter2" not in file.read(), name


def test_a_failure_of_the_environment_is_recorded(tmp_path: object) -> None:
    files = {
        "MLproject": "name: x\npython_env: python_env.yaml\nentry_points:\n  main: {command: 'true'}\n",
        "python_env.yaml": 'python: "3.11"\ndependencies: [./missing-package]\n',
    }
    folder = make_tree(os.path.join(str(tmp_path), "broken"), files)
    done = proj("run", folder)
    assert done.code in (2, 125)
    assert "missing-package" in done.err
    run: Any = only_run()
    assert (run.status, run.end["reason"]) == ("FAILED", "error")
    assert "missing-package" in run.end["message"]


def test_a_run_finds_this_proj_whatever_is_on_the_path(tmp_path: object) -> None:
    text = "name: x\nentry_points:\n  main: {command: proj --version}\n"
    folder = make_tree(os.path.join(str(tmp_path), "x"), {"MLproject": text})
    done = proj("run", folder, PATH="/usr/bin:/bin")
    assert done.code == 0, done.err
    assert done.out.startswith("proj ")


def test_gc_frees_the_code_of_runs_that_are_gone_and_doctor_notices_lost_code(tmp_path: object) -> None:
    text = "name: x\nentry_points:\n  main: {command: 'true'}\n"
    kept = make_tree(os.path.join(str(tmp_path), "kept"), {"MLproject": text, "a": "kept"})
    gone = make_tree(os.path.join(str(tmp_path), "gone"), {"MLproject": text, "a": "gone"})
    for folder in (kept, gone):
        assert proj("run", folder).code == 0
    store = Store(paths.store())
    first, second = (store.read(name) for name in sorted(os.listdir(os.path.join(paths.store(), "runs"))))
    assert proj("rm", second.run_id).code == 0
    assert proj("gc", "--yes").code == 0
    snapshots = os.path.join(paths.store(), "snapshots.git")
    refs = git(snapshots, "for-each-ref", "--format=%(objectname)", "refs/trees").split()
    assert first.sections["code"]["tree"] in refs
    assert second.sections["code"]["tree"] not in refs
    assert proj("restore", first.run_id, os.path.join(str(tmp_path), "back")).code == 0
    found = {each["name"]: each for each in json.loads(proj("doctor", "--json").out)}
    assert found["snapshots"]["state"] == "ok"
    for place, _, names in os.walk(os.path.join(snapshots, "objects")):
        for name in names:
            os.chmod(os.path.join(place, name), 0o644)
            with open(os.path.join(place, name), "r+b") as file:
                file.truncate(5)
    found = {each["name"]: each for each in json.loads(proj("doctor", "--json").out)}
    assert found["snapshots"]["state"] == "broken"
