"""Images in a real engine: found, pulled from a real registry, built, and noticed when they are gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from runner.containers import engine
from runner.environments import kinds, maintenance
from runner.environments.docker import context
from runner.errors import EnvironmentFailure
from runner.values import Container, Environment
from tests.environments.conftest import Recorder
from tests.environments.docker.conftest import BUILD, docker, variant
from tests.helpers import make_repository, make_tree

pytestmark = pytest.mark.docker
Prepare = Callable[..., Environment]


def id_of(name: str) -> str:
    return docker("image", "inspect", "--format", "{{.Id}}", name)


def used(environment: Environment) -> Container:
    assert environment.activation.container
    return environment.activation.container


def test_an_image_is_recorded_by_its_id(image: str, prepare: Prepare) -> None:
    environment = prepare(image=image)
    assert used(environment).image == id_of(image) == environment.details["image_id"]
    assert environment.lock_name == "docker.lock"
    assert json.loads(environment.lock) == {"image": image, "id": id_of(image), "platform": "linux/amd64"}


def test_an_image_that_was_built_anew_is_used(image: str, prepare: Prepare) -> None:
    docker("tag", image, "proj-test/moving:1")
    first = prepare(image="proj-test/moving:1")
    made = variant(image, "proj-test/moving:1")
    second = prepare(image="proj-test/moving:1")
    assert used(first).image != used(second).image == made
    assert first.key != second.key
    docker("rmi", "proj-test/moving:1")


def test_a_kept_lock_wins_over_the_name(image: str, prepare: Prepare) -> None:
    docker("tag", image, "proj-test/moving:2")
    lock = prepare(image="proj-test/moving:2").lock
    variant(image, "proj-test/moving:2")
    for _ in range(2):
        assert used(prepare(image="proj-test/moving:2", _kept_lock=lock)).image == id_of(image)
    docker("rmi", "proj-test/moving:2")


def test_complaint_7277_a_missing_image_is_pulled_and_recorded_by_digest(
    registry: str, login: str, prepare: Prepare, report: Recorder, run: Any
) -> None:
    name = f"{registry}/team/base:1"
    environment = prepare(image=name)
    assert f"pulling {name}" in report.steps
    digest = environment.details["digest"]
    assert str(digest).startswith(f"{registry}/team/base@sha256:")
    assert run(environment, "echo pulled").out == "pulled\n"
    report.steps.clear()
    prepare(image=name)
    assert report.steps == []
    # removed by hand: noticed, and the same image is pulled by its digest
    docker("rmi", "-f", name, str(digest))
    assert engine.image(name) is None
    again = prepare(image=name)
    assert json.loads(again.lock)["digest"] == digest
    assert any("pulling" in step for step in report.steps)
    docker("rmi", "-f", str(digest))


def test_an_image_that_wants_a_login_says_so(registry: str, prepare: Prepare) -> None:
    with pytest.raises(EnvironmentFailure) as caught:
        prepare(image=f"{registry}/team/base:1")
    assert f"{registry}/team/base:1 cannot be pulled" in caught.value.message
    assert caught.value.hint == f"docker login {registry}"


def test_an_image_that_nobody_has(image: str, registry: str, login: str, prepare: Prepare) -> None:
    with pytest.raises(EnvironmentFailure, match="none:9 cannot be pulled"):
        prepare(image=f"{registry}/team/none:9")
    with pytest.raises(EnvironmentFailure, match="--offline forbids"):
        prepare(image=f"{registry}/team/none:9", _offline=True)


def test_no_engine(image: str, prepare: Prepare, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    prepare(image=image)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EnvironmentFailure, match="there is no container engine"):
        prepare(image=image)
    (row,) = maintenance.listing()  # `proj env ls` works all the same
    assert "another container engine" in row.problem
    assert row.file == image
    facts = {"engine": os.environ["DOCKER_HOST"], "name": image, "id": "sha256:1"}
    assert "there is no container engine" in kinds.load("docker").problem("", facts)


def test_no_gpu(image: str, prepare: Prepare) -> None:
    if os.path.exists("/dev/nvidiactl"):
        pytest.skip("only on machines without a GPU")
    with pytest.raises(EnvironmentFailure, match="asks for GPUs"):
        prepare(image=image, gpus="all")
    with pytest.raises(EnvironmentFailure, match="asks for GPUs"):
        prepare(image=image, _docker_args=("gpus=1",))


def test_complaint_7216_nothing_is_copied_when_nothing_is_built(image: str, project: str) -> None:
    """Not even the docker package, which lists a context, is imported: that takes long."""
    make_tree(project, {"MLproject": "name: p\n", "big.bin": b"\0" * 1000})
    program = (
        "import sys; from runner import environments; from runner.values import EnvironmentOptions, EnvironmentSpec, Silent\n"
        f"environments.prepare(EnvironmentSpec('docker', '', {{'image': {image!r}}}), {project!r}, EnvironmentOptions(), Silent())\n"
        "assert 'docker' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# ---- built from the project's Dockerfile ----------------------------------------------------------------------


def test_complaint_4331_the_projects_own_dockerfile(
    image: str, project: str, prepare: Prepare, report: Recorder, run: Any
) -> None:
    make_tree(
        project,
        {
            "Dockerfile": f"FROM {image}\nARG WHO=nobody\nRUN echo $WHO > /who\nCOPY a.txt /a.txt\n",
            "a.txt": "1",
        },
    )
    stated = {"build": {**BUILD, "args": {"WHO": "Ada Lovelace"}}, "_project_name": "Ada's Project"}
    environment = prepare(**stated)
    assert run(environment, "cat /who /a.txt").out == "Ada Lovelace\n1"
    lock = json.loads(environment.lock)
    assert lock["image"].startswith("proj/ada-s-project:")
    assert lock["context"].startswith("sha256:")
    report.steps.clear()
    assert prepare(**stated).key == environment.key
    assert report.steps == []
    make_tree(project, {"a.txt": "2"})
    changed = prepare(**stated)
    assert changed.key != environment.key
    assert run(changed, "cat /a.txt").out == "2"


def test_a_built_image_that_is_gone_is_built_again(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    make_tree(project, {"Dockerfile": f"FROM {image}\nRUN echo {os.urandom(4).hex()} > /made\n"})
    first = prepare(build=BUILD)
    docker("rmi", "-f", json.loads(first.lock)["image"])
    second = prepare(build=BUILD)
    assert run(second, "test -s /made").code == 0
    assert json.loads(second.lock)["id"] == second.details["image_id"]
    docker("rmi", "-f", json.loads(second.lock)["image"])
    kept = prepare(build=BUILD, _kept_lock=second.lock)
    assert run(kept, "test -s /made").code == 0


def test_a_dockerfile_that_fails_shows_why(image: str, project: str, prepare: Prepare) -> None:
    make_tree(project, {"Dockerfile": f"FROM {image}\nRUN echo the reason >&2; exit 7\n"})
    with pytest.raises(EnvironmentFailure, match="Dockerfile cannot be built") as caught:
        prepare(build=BUILD)
    assert "the reason" in caught.value.message


def test_refresh_builds_anew(image: str, project: str, prepare: Prepare, run: Any) -> None:
    make_tree(project, {"Dockerfile": f"FROM {image}\nRUN cat /proc/sys/kernel/random/uuid > /made\n"})
    first = run(prepare(build=BUILD), "cat /made").out
    assert run(prepare(build=BUILD), "cat /made").out == first
    assert run(prepare(build=BUILD, _refresh=True), "cat /made").out != first


# ---- the project's files in an image (--build-image) -----------------------------------------------------------


FILES = {
    "train.py": "print('hello')\n",
    "deep/er/data.txt": "nested",
    "tool.sh*": "#!/bin/sh\necho tool\n",
    ".dockerignore": "# comment\nsecret*\n**/cache\n",
    "secret.env": "TOKEN=1",
    "deep/cache/x": "x",
    ".gitignore": "venv/\n*.bin\n",
    "venv/lib/big.py": "x",
    "model.bin": b"\0" * 100,
}


def test_complaint_2016_what_is_ignored_stays_out_of_the_image(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    make_repository(project, FILES)
    done = run(prepare(image=image, _build_image=True), "find . -type f | sort")
    assert done.out.split() == [
        "./.dockerignore",
        "./.gitignore",
        "./deep/er/data.txt",
        "./tool.sh",
        "./train.py",
    ], done.err


def test_complaint_1417_folders_links_and_programs_arrive_as_they_are(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    make_tree(project, FILES)
    os.symlink("deep/er", os.path.join(project, "link"))
    environment = prepare(image=image, _build_image=True)
    done = run(
        environment,
        "pwd; cat deep/er/data.txt; echo; readlink link; cat link/data.txt; echo; ./tool.sh; python train.py",
    )
    assert done.out.splitlines() == [
        "/mlflow/projects/code",
        "nested",
        "deep/er",
        "nested",
        "tool",
        "hello",
    ], done.err


def test_a_copied_project_can_be_written_to_by_any_user(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    make_tree(project, FILES)
    environment = prepare(image=image, _build_image=True, _docker_args=("user=12345:12345",))
    done = run(
        environment,
        "id -u; echo new > new.txt && echo more >> deep/er/data.txt && cat new.txt deep/er/data.txt",
    )
    assert done.out.split() == ["12345", "new", "nestedmore"], done.err
    assert not os.path.exists(os.path.join(project, "new.txt"))


def test_the_copied_image_follows_the_files(image: str, project: str, prepare: Prepare, run: Any) -> None:
    make_tree(project, FILES)
    assert run(prepare(image=image, _build_image=True), "python train.py").out == "hello\n"
    make_tree(project, {"train.py": "print('changed')\n"})
    assert run(prepare(image=image, _build_image=True), "python train.py").out == "changed\n"
    make_tree(project, {"train.py": "print('mounted')\n"})
    assert run(prepare(image=image), "python train.py").out == "mounted\n"


def test_the_copied_image_follows_its_base_and_all_of_the_project(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    make_tree(project, FILES)
    docker("tag", image, "proj-test/moving:4")
    first = prepare(image="proj-test/moving:4", _build_image=True)
    base = variant(image, "proj-test/moving:4")
    second = prepare(image="proj-test/moving:4", _build_image=True)
    assert json.loads(second.lock)["base"] == base != json.loads(first.lock)["base"]
    assert used(first).image != used(second).image
    docker("rmi", "proj-test/moving:4")
    # files that are not in the folder of the Dockerfile
    make_tree(project, {"docker/Dockerfile": f"FROM {image}\n"})
    stated = {"build": {**BUILD, "context": "docker"}, "_build_image": True}
    assert run(prepare(**stated), "python train.py").out == "hello\n"
    make_tree(project, {"train.py": "print('changed')\n"})
    assert run(prepare(**stated), "python train.py").out == "changed\n"


def test_the_context_is_told_by_content(tmp_path: object) -> None:
    one = make_tree(os.path.join(str(tmp_path), "1"), FILES)
    two = make_tree(os.path.join(str(tmp_path), "2"), FILES)
    make_tree(two, {"secret.env": "another"})
    assert context.scan(one).digest == context.scan(two).digest
    os.chmod(os.path.join(two, "train.py"), 0o755)
    assert context.scan(one).digest != context.scan(two).digest


def test_removing_the_environment_removes_a_built_image(image: str, project: str, prepare: Prepare) -> None:
    make_tree(project, {"Dockerfile": f"FROM {image}\nRUN echo {os.urandom(4).hex()} > /made\n"})
    environment = prepare(build=BUILD)
    name = json.loads(environment.lock)["image"]
    from runner.environments import building, cache

    cache.release(environment.key)
    assert building.remove(environment.key, kinds.maker("docker"))
    assert engine.image(name) is None
    assert engine.image(image) is not None
