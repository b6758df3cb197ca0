"""The cache under real processes: first runs at once, kills at any moment, removal while in use."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from runner.environments import building, cache, maintenance
from runner.host import files
from tests.environments.conftest import Recorder
from tests.environments.packages import make_source, make_wheel
from tests.environments.test_virtualenv import VERSION, output, prepare, project_with

PREPARE = """
import sys, os
from runner import environments
from runner.values import EnvironmentOptions, EnvironmentSpec, Silent
spec = EnvironmentSpec("virtualenv", "python_env.yaml")
environment = environments.prepare(spec, sys.argv[1], EnvironmentOptions(), Silent())
print(environment.activation.python)
"""


def preparing(project: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", PREPARE, project]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_complaint_2201_sixteen_first_runs_at_once_build_once(tmp_path: object) -> None:
    project = project_with(f"{tmp_path}/p", "other", "./slow")
    make_source(
        f"{project}/slow", "slow", "V = 1\n", fault=f"open({str(tmp_path)!r} + '/builds', 'a').write('x')"
    )
    children = [preparing(project) for _ in range(16)]
    pythons = set()
    for child in children:
        out, err = child.communicate(timeout=100)
        assert child.returncode == 0, err
        pythons.add(out.strip())
    assert len(pythons) == 1
    with open(f"{tmp_path}/builds", encoding="utf-8") as file:
        assert file.read() == "x"
    code = "import other, tiny, slow; print(slow.V)"
    done = subprocess.run([pythons.pop(), "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def kill_and_check(project: str, rounds: int, modules: list[str], seed: int) -> None:
    chance = random.Random(seed)
    longest = 0.5
    for turn in range(rounds):
        for key in cache.ready():
            cache.release(key)
            assert building.remove(key)
        child = preparing(project)
        time.sleep(chance.uniform(0, longest))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        # the children of the killed one may still write: the next builder has to wait for them
        began = time.monotonic()
        second = preparing(project)
        out, err = second.communicate(timeout=60)
        longest = max(0.1, min(1.0, time.monotonic() - began))
        assert second.returncode == 0, f"turn {turn}: {err}"
        code = f"import {', '.join(modules)}"
        done = subprocess.run([out.strip(), "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"turn {turn}: {done.stderr}"


def many(index: str, count: int) -> list[str]:
    names = [f"pack{number}" for number in range(count)]
    for name in names:
        files = {f"{name}/part{number}.py": "" for number in range(200)}
        files[f"{name}/__init__.py"] = f"from {name} import part199\n"
        make_wheel(index, name, "1.0", modules=files)
    return names


@pytest.mark.slow
def test_kill_at_random_moments_leaves_no_half_built_environment(tmp_path: object, index: str) -> None:
    names = many(index, 5)
    kill_and_check(project_with(f"{tmp_path}/p", *names), 4, names, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_at_fifty_random_moments(tmp_path: object, index: str) -> None:
    names = many(index, 10)
    kill_and_check(project_with(f"{tmp_path}/p", *names), 50, names, seed=2)


def test_the_orphan_of_a_killed_build_keeps_the_next_builder_out(tmp_path: object) -> None:
    """uv goes on after its parent was killed; two of them in one folder leave a broken environment."""
    log = f"{tmp_path}/builds"
    fault = f"import time; say = open({log!r}, 'a', 1).write; say('begin\\n'); time.sleep(0.7); say('end\\n')"
    project = project_with(f"{tmp_path}/p", "./slow")
    make_source(f"{project}/slow", "slow", "V = 1\n", fault=fault)
    first = preparing(project)
    for _ in range(2000):
        if os.path.exists(log) and os.path.getsize(log):
            break
        time.sleep(0.01)
    first.kill()
    first.communicate()
    out, err = preparing(project).communicate(timeout=60)
    assert os.path.exists(out.strip()), err
    with open(log, encoding="utf-8") as file:
        assert file.read().split() in (["begin", "end", "begin", "end"], ["begin", "end"])


def test_rubble_without_a_marker_is_cleared(tmp_path: object) -> None:
    project = project_with(f"{tmp_path}/p", "tiny")
    environment = prepare(project, "python_env.yaml")
    cache.release(environment.key)
    os.unlink(cache.folder(f"{environment.key}.ready"))
    with open(os.path.join(environment.activation.prefix, "rubble"), "w", encoding="utf-8"):
        pass
    again = prepare(project, "python_env.yaml")
    assert output(again, VERSION) == "2.0"
    assert not os.path.exists(os.path.join(environment.activation.prefix, "rubble"))


def test_complaint_519_an_environment_in_use_is_never_removed(tmp_path: object) -> None:
    project = project_with(f"{tmp_path}/p", "tiny")
    environment = prepare(project, "python_env.yaml")
    job = subprocess.Popen(["sleep", "60"], pass_fds=(cache.hold(environment),))
    try:
        cache.release(environment.key)  # as when the supervisor is killed: the job alone holds it
        assert building.in_use(environment.key)
        assert maintenance.remove([environment.key]) == ([], [environment.key])
        assert maintenance.collect(older_than=0) == []
        assert output(environment, VERSION) == "2.0"
    finally:
        job.kill()
        job.wait()
    assert not building.in_use(environment.key)
    assert maintenance.remove([environment.key]) == ([environment.key], [])
    assert not os.path.exists(environment.activation.prefix)
    assert output(prepare(project, "python_env.yaml"), VERSION) == "2.0"


def test_gc_removes_the_oldest_first(tmp_path: object) -> None:
    environments = []
    for number, line in enumerate(("tiny==1.0", "tiny==2.0", "other")):
        environment = prepare(project_with(f"{tmp_path}/{number}", line), "python_env.yaml")
        cache.release(environment.key)
        os.utime(cache.folder(f"{environment.key}.in-use"), (1000 + number, 1000 + number))
        environments.append(environment)
    rows = maintenance.listing(sizes=True)
    assert [row.key for row in rows] == [each.key for each in reversed(environments)]
    assert all(row.size for row in rows)
    limit = sum(row.size or 0 for row in rows) - 1
    assert maintenance.collect(max_size=limit) == [environments[0].key]
    assert maintenance.collect(older_than=30 * 86400) == [environments[1].key, environments[2].key]
    assert maintenance.listing() == []


def test_gc_clears_what_killed_builds_left(tmp_path: object) -> None:
    environment = prepare(project_with(f"{tmp_path}/p", "tiny"), "python_env.yaml")
    cache.release(environment.key)
    os.unlink(cache.folder(f"{environment.key}.ready"))
    draft = cache.folder(f"{files.DRAFT}999999-abc")
    with open(draft, "w", encoding="utf-8") as file:
        json.dump({}, file)
    os.utime(draft, (1, 1))
    maintenance.collect(older_than=30 * 86400)
    assert not os.path.exists(environment.activation.prefix)
    assert not os.path.exists(draft)


def test_a_second_environment_costs_little_disk(tmp_path: object, index: str, report: Recorder) -> None:
    """Under 5 % of the first, with the same packages: files are hard links into the package cache."""
    big = {"big/__init__.py": "", "big/data.py": "# " + "x" * 4_000_000}
    make_wheel(index, "big", "1.0", modules=big)
    first = prepare(project_with(f"{tmp_path}/a", "big"), "python_env.yaml")
    second = prepare(project_with(f"{tmp_path}/b", "big", "tiny"), "python_env.yaml")
    assert first.key != second.key
    whole, more = maintenance.disk_use([first.key]), maintenance.disk_use([first.key, second.key])
    assert more - whole < 0.05 * whole


def test_keys_differ_for_ambiguous_parts() -> None:
    assert building.key_of("virtualenv", "ab", ["c"]) != building.key_of("virtualenv", "a", ["bc"])
    assert building.key_of("virtualenv", "a", ["b", "c"]) != building.key_of("virtualenv", "a", ["bc"])
