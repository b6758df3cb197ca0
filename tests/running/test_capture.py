"""What is captured without the user doing anything."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import pytest

from runner import paths
from runner.host import gpu, machine, process_tree
from runner.running.sampling import Sampler
from runner.running.variables import chosen, looks_secret
from runner.text.units import duration as took
from runner.tracking.events import Metric
from runner.tracking.fold import Run
from runner.tracking.log import new_run_id
from runner.tracking.metrics import points as points_in
from runner.tracking.store import Store
from tests.helpers import make_tree, proj

LINUX = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="only on Linux")


def only_run() -> Run:
    (run_id,) = [name for name in os.listdir(os.path.join(paths.store(), "runs")) if not name.startswith(".")]
    return Store(paths.store()).read(run_id)


def execute(tmp_path: object, command: str, *words: str, **variables: str) -> Run:
    text = f"name: capture\nentry_points:\n  main: {{command: {command!r}}}\n"
    done = proj("run", make_tree(f"{tmp_path}/capture", {"MLproject": text}), *words, **variables)
    assert done.code == 0, done.err
    return only_run()


def test_a_run_says_where_and_how_it_ran(tmp_path: object) -> None:
    run = execute(tmp_path, "echo hello; sleep 0.2")
    found: Any = run.sections
    assert found["machine"]["host"] == os.uname().nodename
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["memory"] > 100_000_000
    assert found["environment"]["python"].count(".") == 2
    assert found["environment"]["interpreter"].startswith("/")
    with open(
        os.path.join(Store(paths.store()).run_directory(run.run_id), "packages.txt"), encoding="utf-8"
    ) as file:
        assert all("==" in line for line in file)
    assert found["resources"]["peak_memory"] > 1_000_000
    assert found["resources"]["cpu_time"] >= 0
    assert 0.1 <= found["resources"]["duration"] < 20
    assert found["supervisor"]["pid_namespace"] == os.readlink("/proc/self/ns/pid")
    assert run.user


def test_variables_are_chosen_and_secrets_are_not_kept(tmp_path: object) -> None:
    run = execute(
        tmp_path,
        "true",
        OMP_NUM_THREADS="2",
        PYTHONPATH="/a:/b",
        XLA_FLAGS="--token=eyJhbGciOiJIUzI1NiIsInR5cCI6",
        AWS_SECRET_ACCESS_KEY="nobody's business",
        MODEL_SIZE="7b",
        MODEL_API_TOKEN="short",
        PROJ_RECORD_VARIABLES="MODEL_*, OTHER",
    )
    kept = run.sections["command"]["variables"]
    assert kept["OMP_NUM_THREADS"] == "2"
    assert kept["PYTHONPATH"] == "/a:/b"
    assert kept["XLA_FLAGS"] == "****"
    assert kept["MODEL_SIZE"] == "7b"
    assert kept["MODEL_API_TOKEN"] == "****"
    assert not any("AWS" in name or "business" in value for name, value in kept.items())


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("LANG", "C.UTF-8", False),
        ("PYTHONPATH", "/home/ada/project/src:/usr/lib/python3/dist-packages", False),
        ("CUDA_VISIBLE_DEVICES", "GPU-8a1f6c9e-1234-1234-1234-0123456789ab", False),
        ("XLA_FLAGS", "--xla_gpu_deterministic_ops=true", False),
        ("SLURM_JOB_NODELIST", "node[001-128]", False),
        ("X", "", False),
        ("X", "0123456789", False),
        ("X", "AKIAIOSFODNN7EXAMPLE", True),
        ("X", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", True),
        ("X", "postgresql://ada:pw@host/db", True),
        ("X", "https://host/path@2", False),
        ("X", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", True),
        ("X", "0123456789abcdef0123456789abcdef", True),
        ("MY_PASSWORD", "x", True),
        ("api_key", "x", True),
    ],
)
def test_what_looks_like_a_secret(name: str, value: str, secret: bool) -> None:
    assert looks_secret(name, value) is secret


def test_a_known_secret_is_hidden_wherever_it_is() -> None:
    assert chosen({"TZ": "a hunter2 b", "LANG": "C"}, ["hunter2", ""]) == {"LANG": "C", "TZ": "****"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "a/b",
                "GITHUB_RUN_ID": "7",
            },
            {"provider": "GitHub Actions", "url": "https://github.com/a/b/actions/runs/7"},
        ),
        (
            {"GITLAB_CI": "true", "CI": "1", "CI_JOB_URL": "https://g/1"},
            {"provider": "GitLab CI", "url": "https://g/1"},
        ),
        (
            {"JENKINS_URL": "http://j", "BUILD_URL": "http://j/1"},
            {"provider": "Jenkins", "url": "http://j/1"},
        ),
        (
            {"BUILDKITE": "true", "BUILDKITE_BUILD_URL": "https://b/1"},
            {"provider": "Buildkite", "url": "https://b/1"},
        ),
        (
            {"CIRCLECI": "true", "CIRCLE_BUILD_URL": "https://c/1"},
            {"provider": "CircleCI", "url": "https://c/1"},
        ),
        ({"CI": "true"}, {"provider": "CI", "url": ""}),
        ({}, {}),
    ],
)
def test_ci_jobs(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: dict[str, str]
) -> None:
    for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TEAMCITY_VERSION", "TF_BUILD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert machine.ci() == expected


SMI = """#!/bin/sh
echo asked >> "$0.count"
case "$*" in
  *--loop*) while :; do echo "0, 87, 1024, 250.5, 60"; echo "1, [N/A], 2048, [N/A], 40"; sleep 0.1; done;;
esac
sleep {pause}
echo "0, NVIDIA A100, GPU-1, 40960, 535.1, 8.0"
"""


def fake_gpu(tmp_path: object, pause: float = 0) -> str:
    folder = make_tree(f"{tmp_path}/bin", {"nvidia-smi*": SMI.format(pause=pause)})
    os.utime(f"{folder}/nvidia-smi", (time.time() - 60, time.time() - 60))
    return folder


def with_path(folder: str) -> str:
    return folder + os.pathsep + os.environ["PATH"]


def test_gpus_are_recorded_and_asked_for_once(tmp_path: object) -> None:
    folder = fake_gpu(tmp_path)
    path = with_path(folder)
    run = execute(tmp_path, "true", PATH=path)
    assert run.sections["machine"]["gpus"][0]["name"] == "NVIDIA A100"
    assert run.sections["machine"]["gpus"][0]["memory"] == 40960 << 20
    again = proj("run", f"{tmp_path}/capture", "--run-name", "again", PATH=path)
    assert again.code == 0
    store = Store(paths.store())
    assert store.read(store.resolve("again")).sections["machine"]["gpus"][0]["name"] == "NVIDIA A100"
    with open(f"{folder}/nvidia-smi.count", encoding="utf-8") as file:
        assert len(file.readlines()) == 1


def test_a_slow_gpu_tool_does_not_slow_the_run(tmp_path: object) -> None:
    path = with_path(fake_gpu(tmp_path, pause=30))
    began = time.monotonic()
    run = execute(tmp_path, "true", PATH=path)
    assert time.monotonic() - began < 10
    assert "gpus" not in run.sections["machine"]


@LINUX
def test_resources_are_sampled(tmp_path: object) -> None:
    busy = "import time\nkeep = bytearray(60_000_000)\nend = time.time() + 2.4\nwhile time.time() < end: sum(range(1000))\n"
    make_tree(f"{tmp_path}/capture", {"busy.py": busy})
    # a child in a session of its own counts, too
    run = execute(
        tmp_path,
        f"setsid -w {sys.executable} busy.py",
        "--sample-resources",
        PATH=with_path(fake_gpu(tmp_path)),
    )
    points: dict[str, list[Metric]] = {}
    for name, point in points_in(Store(paths.store()).run_directory(run.run_id)):
        points.setdefault(name, []).append(point)
    assert len(points["system/cpu_percent"]) >= 2
    assert max(point.value for point in points["system/cpu_percent"]) > 20
    assert 60 < max(point.value for point in points["system/memory_megabytes"]) < 500
    assert points["system/processes"][-1].value >= 1
    assert points["system/gpu_0_utilization_percentage"][0].value == 87
    assert points["system/gpu_1_memory_usage_megabytes"][0].value == 2048
    assert "system/gpu_1_power_usage_watts" not in points
    assert run.sections["resources"]["peak_memory_of_all"] > 60_000_000
    assert [point.step for point in points["system/processes"]] == list(
        range(len(points["system/processes"]))
    )
    assert not any("--loop" in str(words) for words in commands())


def commands() -> list[bytes]:
    found = []
    for pid, _ in process_tree.table():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"nvidia-smi" in (words := file.read()):
                    found.append(words)
        except OSError:
            continue
    return found


def test_without_being_asked_nothing_is_sampled(tmp_path: object) -> None:
    assert not execute(tmp_path, "sleep 0.3").metrics


@LINUX
def test_a_sampler_stops_at_once() -> None:
    store = Store(paths.store())
    with store.create_run(run_id=new_run_id()) as writer:
        began = time.monotonic()
        sampler = Sampler(writer, os.getpgrp())
        time.sleep(0.3)
        assert sampler.stop() > 0
    assert time.monotonic() - began < 10


def test_lines_of_nvidia_smi() -> None:
    fields = ("index", "power.draw")
    assert gpu.parse("0, 12.5\n1, [N/A]\nNo devices were found\n", fields) == [
        {"index": "0", "power.draw": "12.5"},
        {"index": "1"},
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "12 ms"), (3.25, "3.2 s"), (61, "1 min 01 s"), (3725, "1 h 02 min"), (None, "")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert took(seconds) == text
