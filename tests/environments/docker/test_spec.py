"""What docker_env and -A mean; no engine is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from runner.containers import command as container
from runner.containers import engine
from runner.environments.docker import spec, volumes
from runner.errors import InputError
from runner.values import Activation, Container, Job
from tests.helpers import make_tree


def words(job: Job, **more: Any) -> list[str]:
    """The command line of a container."""
    made = Container("sha256:1", "/p", "/c", "7:8", **more)
    return container.argv(job._replace(activation=Activation("docker", container=made)))


def pairs(line: list[str], flag: str) -> list[str]:
    return [line[at + 1] for at, word in enumerate(line) if word == flag]


@pytest.fixture(autouse=True)
def _program(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(os.path.join(str(tmp_path), "bin"), {"docker*": "#!/bin/sh\n"})
    monkeypatch.setenv("PROJ_DOCKER_EXE", os.path.join(str(tmp_path), "bin", "docker"))


def test_volumes_mean_the_project() -> None:
    given = [
        "$(pwd):/a",
        "%cd%/x:/b:ro",
        "./data:/c",
        "../up:/d",
        ".:/e",
        "named:/f",
        "/abs/:/g",
        "${PWD}/y:/h",
        "/anonymous",
    ]
    assert volumes.mounts(given, "/home/ada/p") == [
        ("/home/ada/p", "/a", ""),
        ("/home/ada/p/x", "/b", "ro"),
        ("/home/ada/p/data", "/c", ""),
        ("/home/ada/up", "/d", ""),
        ("/home/ada/p", "/e", ""),
        ("named", "/f", ""),
        ("/abs", "/g", ""),
        ("/home/ada/p/y", "/h", ""),
        ("/anonymous", "", ""),
    ]


def test_volumes_know_the_callers_home_and_variables(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("DATA", "/mnt/data")
    assert volumes.mounts(["~/.aws:/aws:ro", "$DATA/a:/a", "${DATA}:/b"], "/p") == [
        (f"{home}/.aws", "/aws", "ro"),
        ("/mnt/data/a", "/a", ""),
        ("/mnt/data", "/b", ""),
    ]
    with pytest.raises(InputError, match="NOT_THERE is not set"):
        volumes.mounts(["$NOT_THERE:/a"], "/p")


def test_volumes_run_no_commands() -> None:
    with pytest.raises(InputError, match="commands are not run"):
        volumes.mounts(["$(touch /tmp/x):/a"], "/p")


def test_a_project_in_a_folder_with_a_colon() -> None:
    assert volumes.mounts(["$(pwd)/a:/b:ro"], "/x:y") == [("/x:y/a", "/b", "ro")]


def test_flags_of_the_command_line_win_over_those_of_the_project() -> None:
    stated = spec.read(
        {
            "image": "i",
            "args": ["memory=1g", "label=a", "label=b", "privileged"],
            "shm_size": "2g",
        },
        ["memory=4g", "t", "ulimit=nofile=1:2"],
        "/p",
    )
    assert stated.flags == (
        ("memory", "4g"),
        ("label", "a"),
        ("label", "b"),
        ("privileged", None),
        ("shm-size", "2g"),
        ("t", None),
        ("ulimit", "nofile=1:2"),
    )


def test_complaint_4022_gpus_shm_size_and_args_in_mlproject() -> None:
    stated = spec.read({"image": "i", "gpus": "all", "shm_size": "8g", "args": ["memory=2g"]}, (), "/p")
    assert stated.gpus == "all"
    assert dict(stated.flags) == {"memory": "2g", "shm-size": "8g", "gpus": "all"}
    assert spec.read({"image": "i", "gpus": "all"}, ["gpus=1"], "/p").gpus == "1"
    with pytest.raises(InputError, match="gpus: some"):
        spec.read({"image": "i", "gpus": "some"}, (), "/p")


@pytest.mark.parametrize("flag", ["name=x", "--rm", "d", "detach", "restart=always"])
def test_flags_that_would_lose_the_container_are_refused(flag: str) -> None:
    with pytest.raises(InputError, match="cannot be given"):
        spec.read({"image": "i"}, [flag], "/p")


def test_build_forms(tmp_path: object) -> None:
    folder = make_tree(tmp_path, {"Dockerfile": "", "docker/Dockerfile": "", "docker/gpu.df": ""})

    def build(context: str, **more: str) -> tuple[str, str]:
        found = spec.read({"build": {"context": context, **more}}, (), folder).build
        assert found
        return found.context, found.dockerfile

    assert build(".") == (".", "Dockerfile")
    assert build("docker") == ("docker", "docker/Dockerfile")
    assert build("docker/gpu.df") == (".", "docker/gpu.df")
    assert build("docker/gpu.df", dockerfile="Dockerfile") == (".", "docker/gpu.df")
    assert build(".", dockerfile="docker/gpu.df") == (".", "docker/gpu.df")
    for stated, text in (("..", "outside"), ("nowhere", "there is no nowhere/Dockerfile")):
        with pytest.raises(InputError, match=text):
            build(stated)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("My Cool Project", "my-cool-project"),
        ("ÄÖ", "project"),
        ("a__b..C", "a-b-c"),
        ("-x-", "x"),
        ("x" * 99, "x" * 60),
    ],
)
def test_complaint_2987_project_name_in_the_image_name(name: str, expected: str) -> None:
    assert spec.slug(name) == expected


def test_complaint_12475_special_characters_stay_one_word(job: Callable[..., Job]) -> None:
    value = "a b;$(date)'\"\n`id`"
    line = words(job("run"), constants={"A": value})
    assert f"A={value}" in pairs(line, "-e")


def test_complaint_4357_values_of_the_caller_are_not_on_the_command_line(job: Callable[..., Job]) -> None:
    secrets = {"AWS_SECRET_ACCESS_KEY": "k3y", "PROJ_SECRET_TOKEN": "t0ken", "MLFLOW_TRACKING_TOKEN": "m1"}
    line = words(job("run", **secrets), copied=["AWS_SECRET_ACCESS_KEY"])
    assert set(secrets) <= set(pairs(line, "-e"))
    for value in secrets.values():
        assert value not in " ".join(line)


def test_the_command_is_one_word(job: Callable[..., Job]) -> None:
    command = "python a.py && touch /host; echo $HOME | tee x"
    assert words(job(command))[-4:] == ["/bin/sh", "-c", container.SHELL, command]


def test_complaint_3562_arguments_are_kept_without_parameters(job: Callable[..., Job]) -> None:
    """One function makes the command line of every run, waiting or detached, with parameters or without."""
    line = words(job("true"), flags=(("memory", "1g"), ("t", None)))
    assert line[-8:-4] == ["--memory", "1g", "-t", "sha256:1"]


def test_what_the_user_gives_replaces_ours(job: Callable[..., Job]) -> None:
    plain = words(job("true"))
    assert pairs(plain, "--user") == ["7:8"]
    assert pairs(plain, "--network") == ["host"]
    assert pairs(plain, "--workdir") == ["/c"]
    given = (("user", "0"), ("w", "/x"), ("net", "none"), ("init", None))
    line = words(job("true"), flags=given)
    assert pairs(line, "--user") == ["0"]
    assert not pairs(line, "--network")
    assert not pairs(line, "--workdir")
    assert line.count("--init") == 1


def test_complaint_2697_a_network_of_its_own_reaches_the_endpoint_by_another_name(
    job: Callable[..., Job],
) -> None:
    made = job("true", MLFLOW_TRACKING_URI="http://127.0.0.1:4711", MLFLOW_RUN_ID="1")
    line = words(made, flags=(("network", "mine"),))
    assert "MLFLOW_TRACKING_URI=http://host.docker.internal:4711" in pairs(line, "-e")
    assert pairs(line, "--add-host") == ["host.docker.internal:host-gateway"]
    assert "MLFLOW_TRACKING_URI" in pairs(words(made), "-e")  # the host's network: as it is


@pytest.mark.parametrize(
    ("flags", "own"),
    [
        ((), False),
        ((("network", "host"),), False),
        ((("net", "host"),), False),
        ((("network", "mine"),), True),
        ((("t", None), ("net", "bridge")), True),
        ((("memory", "1g"),), False),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere containers are in a machine of their own")
def test_whose_loopback_it_is(
    job: Callable[..., Job], flags: tuple[tuple[str, str | None], ...], own: bool
) -> None:
    assert container.has_own_network(Container("", flags=flags)) is own
    line = words(job("true", MLFLOW_TRACKING_URI="http://127.0.0.1:1"), flags=flags)
    assert bool(pairs(line, "--add-host")) is own
    if not own:
        assert container.reachable(Container("", flags=flags)) == "127.0.0.1"


def test_folders_of_this_machine_are_not_told_inside(job: Callable[..., Job]) -> None:
    line = words(job("true", PROJ_STORE="/s", PROJ_HOME="/h", PROJ_CACHE="/c", PATH="/bin"))
    assert not {"PROJ_STORE", "PROJ_HOME", "PROJ_CACHE", "PATH", "HOME"} & set(pairs(line, "-e"))
    assert "PROJ_RUN_DIR=/proj/run" in pairs(line, "-e")


def test_mounts_with_commas_and_colons() -> None:
    assert container._mount("/a,b:c", "/d") == 'type=bind,"source=/a,b:c",target=/d'


def test_complaint_5716_podman_is_found_when_there_is_no_docker(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_tree(os.path.join(str(tmp_path), "only"), {"podman*": "#!/bin/sh\n"})
    monkeypatch.delenv("PROJ_DOCKER_EXE")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("PATH", folder)
    assert engine.program() == os.path.join(folder, "podman")
    assert engine.address() == ""


def test_the_context_of_docker_is_followed(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from hashlib import sha256

    name = sha256(b"colima").hexdigest()
    folder = make_tree(
        os.path.join(str(tmp_path), "config"),
        {
            "config.json": '{"currentContext": "colima"}',
            f"contexts/meta/{name}/meta.json": '{"Endpoints": {"docker": {"Host": "unix:///x.sock"}}}',
        },
    )
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", folder)
    assert engine.address() == "unix:///x.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert engine.address() == "unix:///var/run/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", "tcp://h:1")
    assert engine.address() == "tcp://h:1"


def test_no_program_and_no_engine_are_told_before_anything(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert "none.sock is not there" in engine.problem()
    monkeypatch.setenv("PROJ_DOCKER_EXE", "/nowhere/docker")
    assert engine.problem() == "PROJ_DOCKER_EXE=/nowhere/docker is not there"
    monkeypatch.delenv("PROJ_DOCKER_EXE")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert engine.problem() == "neither docker nor podman is on PATH"
