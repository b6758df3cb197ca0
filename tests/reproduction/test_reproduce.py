"""Recorded runs made again: the right verdict, and the right cause, for each way in which a run can change."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from runner import paths
from runner.errors import InputError
from runner.reproduction.verdict import tolerance
from tests.helpers import git, make_repository, make_tree, proj
from tests.reproduction.worlds import (
    DETERMINISTIC,
    LOG,
    MLPROJECT,
    TRAIN,
    artifact,
    ran,
    reproduced,
    result,
    store,
    unseeded,
)


@pytest.fixture
def project(tmp_path: object) -> str:
    return make_tree(f"{tmp_path}/demo", DETERMINISTIC)


def test_deterministic_training_is_identical(project: str) -> None:
    run = ran(project, "-P", "lr=0.5")
    verdict = reproduced(run)
    assert (verdict["verdict"], verdict["cause"]) == ("identical", "")
    assert result(verdict, "loss") == result(verdict, "model.json") == "identical"
    (made,) = verdict["runs"]
    again = store().read(made)
    assert again.params == run.params
    assert again.links == ({"relation": "reproduces", "run_id": run.run_id},)
    assert again.sections["code"]["tree"] == run.sections["code"]["tree"]
    assert os.listdir(paths.cache("checkouts")) == []  # the clean room is gone


def test_the_report_is_kept_with_the_run(project: str) -> None:
    run = ran(project)
    verdict = reproduced(run)
    folder = os.path.join(store().run_directory(run.run_id), "verifications")
    (report,) = [name for name in os.listdir(folder) if name.endswith(".json")]
    with open(f"{folder}/{report}") as file:
        assert json.load(file)["verdict"] == "identical"
    (text,) = [name for name in os.listdir(folder) if name.endswith(".txt")]
    with open(f"{folder}/{text}") as file:
        assert "loss" in file.read()
    (event,) = store().read(run.run_id).verifications
    assert event["run_ids"] == verdict["runs"]


def test_unseeded_training_varies_by_itself(tmp_path: object) -> None:
    counter = f"{tmp_path}/counter"
    make_tree(tmp_path, {"counter": ""})
    run = ran(make_tree(f"{tmp_path}/demo", unseeded(counter)))
    within = reproduced(run, "-n", "5")
    assert within["verdict"] == "within-tolerance"
    assert len(within["runs"]) == 5


@pytest.mark.slow
def test_unseeded_training_by_other_tolerances(tmp_path: object) -> None:
    make_tree(tmp_path, {"counter": ""})
    run = ran(make_tree(f"{tmp_path}/demo", unseeded(f"{tmp_path}/counter")))
    exact = reproduced(run, "-n", "2", "--tolerance", "0")
    assert (exact["verdict"], exact["cause"]) == ("different", "nondeterminism")
    once = reproduced(run)  # told by making it again
    assert (once["verdict"], once["cause"]) == ("different", "nondeterminism")
    assert len(once["runs"]) == 5
    wide = reproduced(run, "--tolerance", "0.5")
    assert wide["verdict"] == "within-tolerance"


@pytest.mark.slow
def test_a_result_outside_the_spread_is_different(tmp_path: object) -> None:
    """Noise does not excuse everything: the recorded value is far from all repetitions."""
    make_tree(tmp_path, {"counter": ""})
    run = ran(make_tree(f"{tmp_path}/demo", unseeded(f"{tmp_path}/counter")))
    with store().open_run(run.run_id) as writer:
        writer.metric("loss", 99.0, 5)
        writer.metric("loss", 99.0, 6)
    path = os.path.join(store().run_directory(run.run_id), "events.jsonl")
    assert reproduced(run, "-n", "3")["verdict"] == "different"
    assert os.path.exists(path)


def test_a_changed_input(tmp_path: object) -> None:
    files = {
        "MLproject": MLPROJECT.replace("    outputs:", "    inputs: ['data/*.csv']\n    outputs:"),
        "train.py": TRAIN + "print(open('data/a.csv').read())\n",
        "log.py": LOG,
        ".gitignore": "data/\nmodel.json\n",
    }
    project = make_repository(f"{tmp_path}/demo", files)
    make_tree(project, {"data/a.csv": "1\n", "data/b.csv": "2\n"})
    run = ran(project)
    assert [each["path"] for each in run.inputs] == ["data/a.csv", "data/b.csv"]
    assert reproduced(run)["verdict"] == "identical"
    make_tree(project, {"data/a.csv": "3\n"})
    verdict = reproduced(run)
    assert (verdict["verdict"], verdict["cause"]) == ("cannot-run", "inputs")
    assert verdict["runs"] == []
    assert "data/a.csv" in verdict["causes"][0]["text"]
    assert verdict["exit_code"] == 125
    os.unlink(f"{project}/data/b.csv")
    both = reproduced(run)["causes"][0]["text"]
    assert "data/a.csv has changed since" in both
    assert "data/b.csv is not there" in both


@pytest.mark.slow
def test_a_changed_input_used_anyway(tmp_path: object) -> None:
    files = {
        "MLproject": "entry_points:\n  main:\n    parameters: {data: path}\n    command: python3 train.py {data}\n",
        "train.py": "import sys\nfrom log import log\nlog('rows', len(open(sys.argv[1]).read()))\n",
        "log.py": LOG,
    }
    make_tree(tmp_path, {"elsewhere/data.csv": "1,2,3"})
    run = ran(make_tree(f"{tmp_path}/demo", files), "-P", f"data={tmp_path}/elsewhere/data.csv")
    assert run.inputs[0]["origin"] == "parameter:data"
    assert reproduced(run)["verdict"] == "identical"
    make_tree(tmp_path, {"elsewhere/data.csv": "1,2,3,4"})
    assert reproduced(run)["cause"] == "inputs"
    verdict = reproduced(run, "--anyway")
    assert (verdict["verdict"], verdict["cause"]) == ("different", "inputs")


def test_a_changed_default_does_not_matter(project: str) -> None:
    run = ran(project)
    make_tree(project, {"MLproject": MLPROJECT.replace("default: 0.1", "default: 0.9")})
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical"
    assert store().read(verdict["runs"][0]).params == {"lr": 0.1}


def test_a_deleted_branch_with_a_commit_that_was_never_pushed(tmp_path: object) -> None:
    project = make_repository(f"{tmp_path}/demo", DETERMINISTIC)
    git(project, "checkout", "-q", "-b", "experiment")
    make_tree(project, {"train.py": TRAIN.replace("seed(7)", "seed(8)")})
    git(project, "commit", "-q", "-a", "-m", "try")
    run = ran(project)
    git(project, "checkout", "-q", "main")
    git(project, "branch", "-q", "-D", "experiment")
    git(project, "reflog", "expire", "--expire=now", "--all")
    git(project, "gc", "-q", "--prune=now")
    shutil.rmtree(project)
    assert reproduced(run)["verdict"] == "identical"


def test_a_dirty_tree_with_all_kinds_of_change(tmp_path: object) -> None:
    kept = {
        "edited.py": "1",
        "staged.py": "1",
        "deleted.txt": "1",
        "renamed.txt": "a\nb\n",
        "tool.sh": "#!/bin/sh\n",
    }
    show = (
        "import os\nfor folder, _, names in sorted(os.walk('.')):\n    if '.git' in folder: continue\n"
        "    for name in sorted(names):\n        path = os.path.join(folder, name)\n"
        "        print(path, os.path.islink(path), os.access(path, os.X_OK), open(path, 'rb').read()[:20])\n"
    )
    main = (
        "entry_points:\n  main:\n    command: python3 -B show.py > listing.txt\n    outputs: [listing.txt]\n"
    )
    project = make_repository(
        f"{tmp_path}/demo", {**kept, "show.py": show, "MLproject": main, ".gitignore": "listing.txt\n"}
    )
    make_tree(
        project,
        {
            "edited.py": "2",
            "staged.py": "2",
            "new.py": "new",
            "binary.bin": b"\0\1\2",
            "deep/er/new.txt": "x",
        },
    )
    git(project, "add", "staged.py")
    os.unlink(f"{project}/deleted.txt")
    git(project, "mv", "renamed.txt", "moved.txt")
    os.chmod(f"{project}/tool.sh", 0o755)
    os.symlink("edited.py", f"{project}/link")
    run = ran(project)
    git(project, "reset", "-q", "--hard")
    git(project, "clean", "-q", "-fdx")
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical", verdict
    with open(artifact(verdict["runs"][0], "listing.txt")) as file:
        listing = file.read()
    for line in (
        "./link True",
        "./tool.sh False True",
        "./moved.txt",
        "./new.py",
        r"\x00\x01\x02",
        "./deep/er/new.txt",
    ):
        assert line in listing
    assert "deleted.txt" not in listing


def test_a_run_of_another_store(project: str, tmp_path: object) -> None:
    done = proj("run", project, "--json", "--store", f"{tmp_path}/theirs")
    run_id = json.loads(done.out)["run_id"]
    shutil.copytree(f"{tmp_path}/theirs", paths.store())
    shutil.rmtree(f"{tmp_path}/theirs")
    shutil.rmtree(project)
    assert reproduced(run_id)["verdict"] == "identical"


def test_a_record_without_its_snapshots(project: str, tmp_path: object) -> None:
    run = ran(project)
    shutil.rmtree(os.path.join(paths.store(), "snapshots.git"))
    verdict = reproduced(run)
    assert (verdict["verdict"], verdict["cause"]) == ("cannot-run", "code")
    assert "bundle" in verdict["hint"]


@pytest.mark.slow
def test_a_clean_run_without_its_snapshots_is_its_commit(tmp_path: object) -> None:
    project = make_repository(f"{tmp_path}/demo", DETERMINISTIC)
    run = ran(project)
    shutil.rmtree(os.path.join(paths.store(), "snapshots.git"))
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical", verdict
    assert any("commit" in note for note in verdict["notes"])


def test_a_damaged_snapshot_repository(project: str) -> None:
    run = ran(project)
    objects = os.path.join(paths.store(), "snapshots.git", "objects")
    for folder, _, names in os.walk(objects):
        for name in names:
            if len(name) == 38 or name.endswith(".pack"):
                path = os.path.join(folder, name)
                os.chmod(path, 0o644)
                with open(path, "r+b") as file:
                    file.truncate(os.path.getsize(path) // 2)
    verdict = reproduced(run)
    assert (verdict["verdict"], verdict["cause"]) == ("cannot-run", "code")
    assert "damaged" in verdict["causes"][0]["text"]
    assert verdict["hint"]


def test_an_unknown_run() -> None:
    done = proj("reproduce", "0123456789ab")
    assert done.code == 2
    assert "no run" in done.err
    assert "Traceback" not in done.err


def test_a_failed_run_fails_again_in_the_same_way(tmp_path: object) -> None:
    project = make_tree(
        f"{tmp_path}/demo", {"MLproject": "entry_points:\n  main:\n    command: 'echo no; exit 3'\n"}
    )
    run = ran(project, code=3)
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical"
    again = store().read(verdict["runs"][0])
    assert (again.status, again.end["exit_code"]) == ("FAILED", 3)


def test_another_exit_code_is_different(tmp_path: object) -> None:
    marker = f"{tmp_path}/marker"
    command = f"test -e {marker} && exit 4; exit 3"
    project = make_tree(
        f"{tmp_path}/demo", {"MLproject": f"entry_points:\n  main:\n    command: '{command}'\n"}
    )
    run = ran(project, code=3)
    make_tree(tmp_path, {"marker": ""})
    verdict = reproduced(run)
    assert (verdict["verdict"], verdict["cause"]) == ("different", "inputs")  # a file that the command names
    assert marker in verdict["causes"][0]["text"]
    assert result(verdict, "exit code") == "different"


def test_a_secret_must_be_given_again(tmp_path: object) -> None:
    main = """\
entry_points:
  main:
    parameters:
      token: {type: string, secret: true}
    command: "python3 -c 'import sys; sys.exit(len(sys.argv[1]) - 9)' {token}"
"""
    run = ran(make_tree(f"{tmp_path}/demo", {"MLproject": main}), "-P", "token=s3cr3t-99")
    without = reproduced(run)
    assert (without["verdict"], without["cause"]) == ("cannot-run", "parameters")
    assert "-P token=" in without["hint"]
    assert reproduced(run, "-P", "token=s3cr3t-99")["verdict"] == "identical"
    with open(os.path.join(store().run_directory(run.run_id), "events.jsonl")) as file:
        assert "s3cr3t" not in file.read()


def test_files_that_git_ignores_and_nobody_declared(tmp_path: object) -> None:
    files = {
        "MLproject": "entry_points:\n  main:\n    command: python3 train.py\n",
        "train.py": "open('data/x.csv')\n",
        ".gitignore": "data/\n",
    }
    project = make_repository(f"{tmp_path}/demo", files)
    make_tree(project, {"data/x.csv": "1"})
    verdict = reproduced(ran(project))
    assert (verdict["verdict"], verdict["cause"]) == ("different", "inputs")
    assert "data/x.csv" in verdict["causes"][0]["text"]
    assert "inputs:" in verdict["causes"][0]["text"]


def test_recorded_variables_hold(tmp_path: object) -> None:
    main = "entry_points:\n  main:\n    command: 'echo $TZ $PROJ_SEED $PYTHONHASHSEED > out.txt'\n    outputs: [out.txt]\n"
    run = ran(make_tree(f"{tmp_path}/demo", {"MLproject": main}), "--seed", "7", TZ="UTC")
    assert run.sections["command"]["variables"]["PYTHONHASHSEED"] == "7"
    assert run.sections["command"]["variables"]["OMP_NUM_THREADS"]
    assert reproduced(run, TZ="Asia/Tokyo")["verdict"] == "identical"


def test_a_seed_must_be_a_number(project: str) -> None:
    assert proj("run", project, "--seed", "x").code == 2
    assert proj("run", project, "--seed", str(2**32)).code == 2


def test_a_tolerance_must_be_a_number(project: str) -> None:
    assert proj("reproduce", ran(project).run_id, "--tolerance=x").code == 2
    for wrong in ("x", "rmse=", "=1", "rmse=rel:x", "-1", "nan"):
        with pytest.raises(InputError):
            tolerance.parse([wrong])


def test_the_choice_of_an_outer_run_is_recorded_for_its_steps(tmp_path: object, index: str) -> None:
    """A step that ran in the system's environment because the outer run did is made again there, by itself too."""
    files = {
        "MLproject": (
            "python_env: env.yaml\nentry_points:\n  main: {command: proj run . -e step}\n"
            "  step: {command: python3 -c 'print(1)'}\n"
        ),
        "env.yaml": "dependencies: [factor]\n",
    }
    outer = ran(make_tree(f"{tmp_path}/demo", files), "--env-manager", "local")
    (step,) = [run for run in store().search().runs if run.parent == outer.run_id]
    again = store().read(reproduced(step)["runs"][0])
    assert again.sections["environment"]["kind"] == "system"


def test_a_run_that_is_still_on(project: str) -> None:
    with store().create_run(name="busy", kind="client") as writer:
        done = proj("reproduce", writer.run_id)
    assert done.code == 2
    assert "not over" in done.err


def test_a_run_of_a_client_has_no_command() -> None:
    with store().create_run(name="theirs", kind="client") as writer:
        writer.end("FINISHED")
    verdict = reproduced(writer.run_id)
    assert (verdict["verdict"], verdict["cause"]) == ("cannot-run", "code")


def test_a_project_in_a_folder_of_a_git_repository(tmp_path: object) -> None:
    """Fetched by URL; a default path lies in the checkout that is gone by now."""
    files = {
        "sub/MLproject": (
            "entry_points:\n  main:\n    parameters: {data: {type: path, default: data.csv}}\n"
            "    command: cat {data} ../shared.txt > out.txt\n    outputs: [out.txt]\n"
        ),
        "sub/data.csv": "1,2\n",
        "shared.txt": "shared\n",
    }
    origin = make_repository(f"{tmp_path}/origin", files)
    run = ran(f"file://{origin}#sub")
    assert not os.path.exists(run.sections["command"]["directory"])
    shutil.rmtree(origin)
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical", verdict
    with open(artifact(verdict["runs"][0], "out.txt")) as file:
        assert file.read() == "1,2\nshared\n"


def test_a_folder_without_a_project_file(tmp_path: object) -> None:
    run = ran(make_tree(f"{tmp_path}/plain", {"main.py": "print('hello')\n"}))
    assert reproduced(run)["verdict"] == "identical"


def test_what_is_printed_is_told_and_does_not_count(tmp_path: object) -> None:
    run = ran(make_tree(f"{tmp_path}/plain", {"main.py": "import time\nprint(time.time_ns())\n"}))
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical"
    assert result(verdict, "standard output") == "differs"


@pytest.mark.slow
def test_an_output_that_is_not_written_any_more(tmp_path: object) -> None:
    marker = f"{tmp_path}/marker"
    main = (
        f"entry_points:\n  main:\n    outputs: ['*.txt']\n    command: 'test -e {marker} || echo 1 > a.txt'\n"
    )
    run = ran(make_tree(f"{tmp_path}/demo", {"MLproject": main}))
    make_tree(tmp_path, {"marker": ""})
    verdict = reproduced(run)
    assert verdict["verdict"] == "different"
    assert result(verdict, "a.txt") == "missing"
    assert reproduced(run, "--ignore", "*.txt")["verdict"] == "identical"


STEPS = """\
entry_points:
  main:
    command: "proj run . -e make -P n=1 && proj run . -e make -P n=2"
  make:
    parameters: {n: int}
    outputs: ["out*.txt"]
    command: "python3 make.py {n}"
"""
MAKE = """\
import os, sys
from log import log
n = int(sys.argv[1])
extra = 1 if n == 2 and os.path.exists(%r) else 0
log("n", n + extra)
open(f"out{n}.txt", "w").write(str(n + extra))
"""


def test_the_steps_of_a_run_are_compared_too(tmp_path: object) -> None:
    run = ran(
        make_tree(f"{tmp_path}/demo", {"MLproject": STEPS, "make.py": MAKE % "/nowhere", "log.py": LOG})
    )
    same = reproduced(run)
    assert same["verdict"] == "identical"
    assert result(same, "make #2: n") == result(same, "make #2: out2.txt") == "identical"


@pytest.mark.slow
def test_a_step_that_has_changed_is_named(tmp_path: object) -> None:
    marker = f"{tmp_path}/marker"
    run = ran(make_tree(f"{tmp_path}/demo", {"MLproject": STEPS, "make.py": MAKE % marker, "log.py": LOG}))
    make_tree(tmp_path, {"marker": ""})
    other = reproduced(run)
    assert other["verdict"] == "different"
    assert result(other, "make: n") == "identical"
    assert result(other, "make #2: n") == result(other, "make #2: out2.txt") == "different"


@pytest.mark.slow
def test_artifacts_that_are_kept_elsewhere(tmp_path: object) -> None:
    """They are fetched, to be compared by what they mean."""
    experiment = store().create_experiment("away", f"file://{tmp_path}/away")
    make_tree(tmp_path, {"counter": ""})
    run = ran(make_tree(f"{tmp_path}/demo", unseeded(f"{tmp_path}/counter")), "--experiment-id", experiment)
    assert not os.path.exists(artifact(run.run_id, "model.json"))
    verdict = reproduced(run, "--tolerance", "0.5")
    assert result(verdict, "model.json") == "within-tolerance"


@pytest.mark.slow
def test_an_input_that_was_downloaded(tmp_path: object) -> None:
    """Kept where it was put; when that is gone it is fetched again, and must be what it was."""
    main = "entry_points:\n  main:\n    parameters: {data: path}\n    outputs: [out.txt]\n    command: cat {data} > out.txt\n"
    project = make_tree(f"{tmp_path}/demo", {"MLproject": main})
    source = ran(make_tree(f"{tmp_path}/source", DETERMINISTIC))
    run = ran(project, "-P", f"data=runs:/{source.run_id}/model.json")
    assert run.inputs[0]["uri"].startswith("runs:/")
    assert reproduced(run)["verdict"] == "identical"
    shutil.rmtree(paths.cache())
    assert reproduced(run)["verdict"] == "identical"
    shutil.rmtree(paths.cache())
    assert reproduced(run, "--offline")["cause"] == "inputs"
