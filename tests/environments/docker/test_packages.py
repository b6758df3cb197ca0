"""Python packages inside an image: resolved for its Python, installed by it, once; no network is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from runner.containers import engine
from runner.environments.packages import packages
from runner.errors import EnvironmentFailure, InputError
from runner.values import Environment
from tests.environments.conftest import Recorder
from tests.environments.docker.conftest import BUILD, docker, variant
from tests.environments.packages import make_source, make_wheel
from tests.environments.server import serving
from tests.helpers import make_tree

pytestmark = pytest.mark.docker
Prepare = Callable[..., Environment]
SHOW = "python -c 'import tiny, other; print(tiny.VERSION, other.VERSION)'"
PYTHON_ENV = "python: '3'\nbuild_dependencies: []\ndependencies: [other]\n"


def test_the_packages_are_in_the_image(
    image: str, project: str, prepare: Prepare, report: Recorder, run: Any
) -> None:
    make_tree(project, {"python_env.yaml": PYTHON_ENV})
    variant(image, "proj-test/fresh:1")  # no earlier test has put packages into it
    image = "proj-test/fresh:1"
    environment = prepare(image=image, python_env="python_env.yaml")
    done = run(environment, SHOW)
    assert done.out == "1.0 1.0\n", done.err
    lock = json.loads(environment.lock)
    assert lock["base"] == docker("image", "inspect", "--format", "{{.Id}}", image)
    assert lock["id"] == environment.details["image_id"] != lock["base"]
    assert "tiny==1.0 \\\n    --hash=sha256:" in lock["requirements"]
    assert packages(environment.lock)["tiny"] == "1.0"
    steps = list(report.steps)
    assert "installing the packages of python_env.yaml into the image" in steps
    assert prepare(image=image, python_env="python_env.yaml").key == environment.key
    assert report.steps == steps  # nothing is done twice
    for name in ("Env", "WorkingDir", "Cmd", "Entrypoint"):
        one, two = (
            docker("inspect", "-f", f"{{{{json .Config.{name}}}}}", lock[key]) for key in ("id", "base")
        )
        assert one.replace("[]", "null") == two.replace("[]", "null"), name


def test_another_list_is_another_image(image: str, project: str, prepare: Prepare, run: Any) -> None:
    make_tree(project, {"requirements.txt": "-r more.txt\n", "more.txt": "tiny<2\n"})
    first = prepare(image=image, python_env="requirements.txt")
    make_tree(project, {"more.txt": "tiny\n"})
    second = prepare(image=image, python_env="requirements.txt")
    assert first.key != second.key
    assert run(first, "python -c 'import tiny; print(tiny.VERSION)'").out == "1.0\n"
    assert run(second, "python -c 'import tiny; print(tiny.VERSION)'").out == "2.0\n"


def test_another_image_under_the_name_gets_them_too(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    make_tree(project, {"python_env.yaml": PYTHON_ENV})
    docker("tag", image, "proj-test/moving:3")
    first = prepare(image="proj-test/moving:3", python_env="python_env.yaml")
    base = variant(image, "proj-test/moving:3")
    second = prepare(image="proj-test/moving:3", python_env="python_env.yaml")
    assert json.loads(second.lock)["base"] == base != json.loads(first.lock)["base"]
    assert run(second, SHOW).out == "1.0 1.0\n"


def test_the_image_that_is_gone_is_made_again_from_the_lock(
    image: str, project: str, prepare: Prepare, run: Any, index: str
) -> None:
    make_tree(project, {"requirements.txt": "tiny\n"})
    first = prepare(image=image, python_env="requirements.txt")
    make_wheel(index, "tiny", "3.0")
    docker("rmi", "-f", json.loads(first.lock)["image"])
    again = prepare(image=image, python_env="requirements.txt")  # the lock is kept, whatever is published
    assert json.loads(again.lock)["requirements"] == json.loads(first.lock)["requirements"]
    assert json.loads(again.lock)["id"] == again.details["image_id"]
    docker("rmi", "-f", json.loads(again.lock)["image"])
    kept = prepare(image=image, python_env="requirements.txt", _kept_lock=first.lock)
    assert run(kept, "python -c 'import tiny; print(tiny.VERSION)'").out == "2.0\n"
    fresh = prepare(image=image, python_env="requirements.txt", _refresh=True)
    assert run(fresh, "python -c 'import tiny; print(tiny.VERSION)'").out == "3.0\n"


def test_on_the_projects_own_dockerfile_and_with_its_files(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    text = f'FROM {image}\nRUN echo made > /made\nUSER 12345\nENTRYPOINT ["/bin/env", "ENTERED=1"]\n'
    make_tree(
        project, {"docker/Dockerfile": text, "requirements.txt": "tiny<2\n", "train.py": "print('first')\n"}
    )
    stated: dict[str, Any] = {"build": {**BUILD, "context": "docker"}, "python_env": "requirements.txt"}
    show = "cat /made; python train.py; python -c 'import os, tiny; print(tiny.VERSION, os.environ[\"ENTERED\"])'"
    assert run(prepare(**stated, _build_image=True), show).out.split() == ["made", "first", "1.0", "1"]
    make_tree(project, {"train.py": "print('second')\n"})  # outside of the Dockerfile's folder
    environment = prepare(**stated, _build_image=True)
    assert run(environment, show).out.split() == ["made", "second", "1.0", "1"]
    made = engine.image(json.loads(environment.lock)["under"])
    assert made
    assert made.user == "12345"


def test_a_wheel_of_the_project_and_another_index(
    image: str, project: str, prepare: Prepare, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(os.path.join(project, "wheels"), "mine", "1.0")
    more = os.path.join(project, "more")
    make_wheel(more, "extra", "1.0")
    text = "mine @ file:./wheels/mine-1.0-py3-none-any.whl\n--find-links ${MORE}\nextra\n"
    make_tree(project, {"requirements.txt": text})
    monkeypatch.setenv("MORE", more)
    environment = prepare(image=image, python_env="requirements.txt")
    done = run(environment, "python -c 'import mine, extra; print(mine.VERSION, extra.VERSION)'")
    assert done.out == "1.0 1.0\n", done.err


def test_a_local_package_is_installed_as_it_is_now(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    make_source(os.path.join(project, "local"), "mine", "V = 1\n")
    make_tree(project, {"requirements.txt": "./local\ntiny<2\n"})
    show = "python -c 'import mine, tiny; print(mine.V, tiny.VERSION)'"
    assert run(prepare(image=image, python_env="requirements.txt"), show).out == "1 1.0\n"
    make_tree(project, {"local/mine.py": "V = 2\n"})
    assert run(prepare(image=image, python_env="requirements.txt"), show).out == "2 1.0\n"
    assert not os.path.exists(os.path.join(project, "local", "left-behind.txt"))


@pytest.mark.parametrize("keyring", [False, True])
def test_passwords_of_an_index_are_used_and_in_no_image(
    keyring: bool,
    tmp_path: object,
    image: str,
    project: str,
    prepare: Prepare,
    run: Any,
    index: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_tree(project, {"requirements.txt": "other\n"})
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    variant(image, "proj-test/fresh:2")  # no earlier test has put packages into it
    image = "proj-test/fresh:2"
    if keyring:
        text = "#!/bin/sh\n[ \"$1 $3\" = 'get ada' ] && echo lovelace-17\n"
        make_tree(f"{tmp_path}/bin", {"keyring*": text})
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    with serving(index, "ada", "lovelace-17") as host:
        user = "ada" if keyring else "ada:lovelace-17"
        monkeypatch.setenv("PIP_INDEX_URL", f"http://{user}@{host}/simple")
        environment = prepare(image=image, python_env="requirements.txt")
    assert run(environment, SHOW).out == "1.0 1.0\n"
    made = json.loads(environment.lock)["image"]
    assert "lovelace-17" not in docker("history", "--no-trunc", made) + docker("image", "inspect", made)
    assert "lovelace-17" not in environment.lock
    assert run(environment, "grep -rl lovelace-17 /proj /root /tmp /usr/local/lib 2>/dev/null").out == ""


def test_an_image_without_python_says_so(image: str, project: str, prepare: Prepare) -> None:
    make_tree(project, {"requirements.txt": "tiny\n", "Dockerfile": f"FROM {image}\nENV PATH=/bin\n"})
    with pytest.raises(EnvironmentFailure, match="has no Python to install packages for"):
        prepare(build=BUILD, python_env="requirements.txt")


def test_an_image_with_another_python_says_so(image: str, project: str, prepare: Prepare) -> None:
    make_tree(project, {"python_env.yaml": "python: '3.7'\ndependencies: [tiny]\n"})
    with pytest.raises(InputError, match=r"python_env.yaml:1 asks for Python 3.7, and the image .* has 3\."):
        prepare(image=image, python_env="python_env.yaml")


def test_another_patch_version_is_told_and_recorded(
    image: str, project: str, prepare: Prepare, report: Recorder
) -> None:
    make_tree(project, {"requirements.txt": "tiny\n"})
    version = str(prepare(image=image, python_env="requirements.txt").details["python"])
    asked = f"{version.rpartition('.')[0]}.40"
    make_tree(project, {"python_env.yaml": f"python: '{asked}'\ndependencies: [tiny]\n"})
    environment = prepare(image=image, python_env="python_env.yaml")
    text = f"python_env.yaml:1 asks for Python {asked}; the image {image} has {version}"
    assert report.warnings == [text]
    assert environment.details["warnings"] == [text]
    with pytest.raises(InputError, match="and the image"):
        prepare(image=image, python_env="python_env.yaml", _strict_python=True, _refresh=True)


def test_two_at_once_install_once(image: str, project: str) -> None:
    variant(image, "proj-test/fresh:3")
    text = "name: p\ndocker_env: {image: 'proj-test/fresh:3', python_env: requirements.txt}\n"
    text += "entry_points:\n  main: {command: 'python -c \"import tiny; print(tiny.VERSION)\"'}\n"
    folders = [
        make_tree(os.path.join(project, name), {"MLproject": text, "requirements.txt": "tiny\n"})
        for name in "ab"
    ]
    argv = [sys.executable, "-m", "runner", "run"]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([*argv, folder], **pipes) for folder in folders]
    ended = [(*child.communicate(timeout=60), child.returncode) for child in running]
    assert [(out, code) for out, _, code in ended] == [("2.0\n", 0)] * 2, ended
    assert sum("installing the packages" in err for _, err, _ in ended) == 1, ended


@pytest.mark.slow
def test_podman(podman: str, project: str, prepare: Prepare, run: Any) -> None:
    make_tree(project, {"requirements.txt": "other\n"})
    environment = prepare(image=podman, python_env="requirements.txt")
    assert run(environment, SHOW).out == "1.0 1.0\n"


def test_packages_that_cannot_be_installed(image: str, project: str, prepare: Prepare, index: str) -> None:
    make_source(os.path.join(project, "local"), "mine", "V = 1\n", fault="raise SystemExit('the reason')")
    make_tree(project, {"requirements.txt": "./local\n"})
    base = variant(image, "proj-test/fresh:4")
    with pytest.raises(EnvironmentFailure) as caught:
        prepare(image="proj-test/fresh:4", python_env="requirements.txt")
    assert "the reason" in str(caught.value.message)
    assert docker("ps", "-aq", "--filter", f"ancestor={base}") == ""  # no container is left


@pytest.mark.parametrize("layout", ["src/", ""])
def test_the_modules_of_a_package_are_found(
    image: str, project: str, prepare: Prepare, run: Any, layout: str
) -> None:
    """It is mounted and not installed; what the image has on its path is still there."""
    name = f"proj-test/path:{layout.strip('/') or 'flat'}"
    made = docker("create", image, "true")
    docker("commit", "--change", "ENV PYTHONPATH=/mnt/more", made, name)
    docker("rm", made)
    make_tree(project, {
        "pyproject.toml": "[project]\nname = 'mine'\nversion = '1'\n[build-system]\nrequires = ['setuptools']\n",
        f"{layout}mine/__init__.py": "V = 42\n",
        "scripts/train.py": "import os, mine\nprint(mine.V, os.environ['PYTHONPATH'].split(':')[1:])\n",
    })  # fmt: skip
    done = run(prepare(image=name), "python scripts/train.py")
    assert done.out == "42 ['/mnt/more']\n", done.err
    os.unlink(f"{project}/pyproject.toml")
    assert run(prepare(image=name), "python scripts/train.py").code == 1
