"""A pipeline as a whole, made again: verified, run with changes, and carried to another machine."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests.helpers import make_repository, make_tree, proj
from tests.reproduction.worlds import store
from tests.steps.test_pipeline import FILES, MLPROJECT, children, piped, read


@pytest.fixture
def project(tmp_path: object) -> str:
    return make_repository(f"{tmp_path}/demo", FILES)


def reproduced(ref: str, *arguments: str) -> dict[str, Any]:
    done = proj("reproduce", ref, "--json", *arguments)
    found: dict[str, Any] = json.loads(done.out)
    assert done.code == found["exit_code"], done.err
    return found


def test_it_is_verified_step_by_step(project: str) -> None:
    parent, steps, _ = piped(project)
    for name in ("data", "models"):  # what one step made for another is in the record
        subprocess.run(["rm", "-rf", os.path.join(project, name)], check=True)
    make_tree(project, {"train.sh": "exit 1\n"})
    found = reproduced(parent.run_id)
    assert found["verdict"] == "identical"
    assert {f"{name}: end" for name in steps} <= {
        f"{each['name'].split(': ')[0]}: {each['kind']}" for each in found["compared"]
    }
    assert len(found["runs"]) == len(steps)
    assert [each.verdict for each in children(store().read(parent.run_id))] == ["identical"] * len(steps)
    assert store().read(parent.run_id).verdict == "identical"


def test_a_step_that_varies_is_named_and_the_others_are_not_blamed(project: str) -> None:
    make_tree(project, {"train.sh": FILES["train.sh"] + '[ $1 = lasso ] || date +%N >> "models/$1-$2.txt"\n'})
    parent, steps, _ = piped(project)
    found = reproduced(parent.run_id)
    assert (found["verdict"], found["cause"]) == ("different", "nondeterminism")
    assert {each["text"].split(":")[0] for each in found["causes"]} == {"train[ridge,1]", "train[ridge,2]"}
    verdicts = {each.name: each.verdict for each in children(parent)}
    assert {name for name, verdict in verdicts.items() if verdict == "different"} == {
        "train[ridge,1]",
        "train[ridge,2]",
    }
    assert set(verdicts) == set(steps)


def test_it_is_run_again_with_changes(project: str) -> None:
    parent, _, _ = piped(project, "-P", "model=ridge", "-P", "title=old")
    before = read(project, "report.txt")
    make_tree(project, {"prep.py": "raise SystemExit('of today')\n", "raw.txt": FILES["raw.txt"]})
    done = proj("rerun", parent.run_id, "-P", "title=new", "--json", "--name", "again")
    assert done.code == 0, done.err
    again = store().read(json.loads(done.out)["run_id"])
    assert (again.kind, again.name) == ("pipeline", "again")
    assert [dict(each)["run_id"] for each in again.links] == [parent.run_id]
    assert [each.name for each in children(again)] == ["prepare", "train[ridge,1]", "train[ridge,2]", "main"]
    assert again.sections["code"]["tree"] == parent.sections["code"]["tree"]
    artifacts = os.path.join(store().run_directory(children(again)[-1].run_id), "artifacts")
    assert read(artifacts, "report.txt") == before.replace("old", "new", 1)
    assert read(project, "report.txt") == before  # today's project is left alone
    assert again.sections["command"]["command"] == "proj run . -e main -P model=ridge -P title=new"


def test_no_secret_is_in_what_was_typed(project: str) -> None:
    text = MLPROJECT.replace(
        "{model: string, seed: int}", "{model: string, seed: int, key: {type: string, secret: true}}"
    )
    make_tree(project, {"MLproject": text})
    parent, _, _ = piped(project, "-P", "key=verysecretindeed", "-P", "model=ridge")
    with open(os.path.join(store().run_directory(parent.run_id), "events.jsonl"), encoding="utf-8") as file:
        assert "verysecretindeed" not in file.read()
    assert parent.sections["command"]["command"] == "proj run . -e main -P model=ridge"


def test_a_bundle_has_all_steps(project: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    parent, steps, _ = piped(project)
    done = proj("bundle", parent.run_id, "-o", f"{tmp_path}/all.zip", "--json")
    assert done.code == 0, done.err
    assert not [each for each in json.loads(done.out)["lacking"] if "system's own" not in each]
    subprocess.run(["rm", "-rf", project], check=True)
    monkeypatch.setenv("PROJ_HOME", f"{tmp_path}/other-home")
    found = reproduced(f"{tmp_path}/all.zip", "--offline")
    assert found["verdict"] == "identical", found
    assert len(found["runs"]) == len(steps)
