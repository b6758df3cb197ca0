"""`proj env` from outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from runner.environments import cache
from runner.environments.python import fingerprint
from tests.environments.packages import make_wheel
from tests.environments.test_virtualenv import output, prepare, project_with
from tests.helpers import make_tree, proj


def test_list_show_size_and_remove(tmp_path: object) -> None:
    environment = prepare(project_with(f"{tmp_path}/p", "other"), "python_env.yaml")
    cache.release(environment.key)
    rows = json.loads(proj("env", "ls", "--json").out)
    assert [(row["key"], row["kind"], row["packages"]) for row in rows] == [
        (environment.key, "virtualenv", 2)
    ]
    assert "python_env.yaml" in proj("env", "ls").out
    shown = json.loads(proj("env", "show", environment.key[:6], "--json").out)
    assert shown["packages"] == {"other": "1.0", "tiny": "1.0"}
    assert shown["folder"] == environment.activation.prefix
    assert "tiny 1.0" in proj("env", "show", environment.key[:6]).out
    assert json.loads(proj("env", "du", "--json").out)["total"] > 100_000
    assert proj("env", "gc").out == "nothing to remove\n"
    assert proj("env", "rm", environment.key[:6]).out == f"removed {environment.key[:12]}\n"
    assert json.loads(proj("env", "ls", "--json").out) == []


def test_mistakes(tmp_path: object) -> None:
    for words in (
        ["rm"],
        ["rm", "zzz"],
        ["show", "zzz"],
        ["gc", "--older-than", "3x"],
        ["gc", "--max-size", "big"],
    ):
        result = proj("env", *words)
        assert (result.code, result.out) == (2, ""), words
        assert "error" in result.err.lower()


def test_verify_finds_edited_files(tmp_path: object) -> None:
    environment = prepare(project_with(f"{tmp_path}/p", "tiny"), "python_env.yaml")
    path = output(environment, "import tiny; print(tiny.__file__)")
    assert proj("env", "verify").code == 0
    os.unlink(path)  # a hard link: the package cache must not change
    make_tree(os.path.dirname(path), {"tiny.py": "VERSION = '2.1'\n"})
    assert proj("env", "verify").code == 0
    result = proj("env", "verify", "--deep", "--json")
    assert (result.code, json.loads(result.out)) == (1, {"damaged": {environment.key: ["tiny.py"]}})
    os.unlink(path)
    assert "tiny.py" in proj("env", "verify", environment.key[:8]).out


@pytest.mark.slow
def test_a_fingerprint_is_the_same_for_pip_and_uv(tmp_path: object, index: str) -> None:
    environment = prepare(project_with(f"{tmp_path}/p", "other"), "python_env.yaml")
    mine = environment.details["fingerprint"]
    assert len(str(mine)) == 64
    assert prepare(project_with(f"{tmp_path}/q", "other"), "python_env.yaml").details["fingerprint"] == mine
    found = cache.read(environment.key)
    assert found
    site = f"{tmp_path}/other-site"
    pip = [environment.activation.python, "-m", "pip", "install", "-q", "--target", site, "--no-compile"]
    wheels = [f"{index}/other-1.0-py3-none-any.whl", f"{index}/tiny-1.0-py3-none-any.whl"]
    subprocess.run([*pip, *wheels], check=True, capture_output=True)
    ours = os.path.join(found.prefix, found.facts["site"])
    for name in list(os.listdir(ours)):
        if name.startswith("pip"):
            shutil.rmtree(os.path.join(ours, name))
    assert fingerprint.fingerprint(ours) == fingerprint.fingerprint(site)
    assert fingerprint.fingerprint(ours) != mine


def test_lock_prints_and_refreshes(tmp_path: object, index: str) -> None:
    project = project_with(f"{tmp_path}/p", "tiny")
    make_tree(project, {"MLproject": "python_env: python_env.yaml\n"})
    assert proj("env", "lock", project).out.startswith("tiny==2.0")
    make_wheel(index, "tiny", "2.5")
    assert proj("env", "lock", project).out.startswith("tiny==2.0")
    result = proj("env", "lock", "--refresh", project)
    assert result.out.startswith("tiny==2.5")
    assert "~ tiny 2.0 -> 2.5" in result.err


def test_diff_of_two_runs(tmp_path: object) -> None:
    project = project_with(f"{tmp_path}/p", "tiny<2")
    text = (
        "name: p\npython_env: python_env.yaml\nentry_points:\n  main:\n    command: python -c 'import tiny'\n"
    )
    make_tree(project, {"MLproject": text})
    first = proj("run", project, "--run-name", "first")
    assert first.code == 0, first.err
    project_with(project, "tiny>=2", "./mine")
    from tests.environments.packages import make_source

    make_source(f"{project}/mine", "mine", "")
    assert proj("run", project, "--run-name", "second").code == 0
    result = proj("env", "diff", "first", "second")
    assert result.out == "+ ./mine local\n~ tiny 1.0 -> 2.0\n"
    changes = json.loads(proj("env", "diff", "--json", "first", "second").out)
    assert changes[1] == {"name": "tiny", "old": "1.0", "new": "2.0"}
