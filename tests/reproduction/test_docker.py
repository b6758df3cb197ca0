"""A run in a container is made again in the very image, whatever its tag means by now."""

from __future__ import annotations

import shutil

import pytest

from runner import paths
from runner.running.recorded import load
from tests.environments.docker.conftest import docker, image, variant
from tests.helpers import make_tree, proj
from tests.reproduction.worlds import ran, reproduced, result, store

__all__ = ["image"]

pytestmark = pytest.mark.docker


def test_a_run_in_docker_by_the_id_of_its_image(tmp_path: object, image: str) -> None:
    name = "proj-test/reproduced:latest"
    first = variant(image, name)
    files = {
        "MLproject": (
            f"docker_env: {{image: '{name}'}}\nentry_points:\n  main:\n    outputs: [out.txt]\n"
            "    command: python -c 'print(6 * 7)' > out.txt\n"
        )
    }
    run = ran(make_tree(f"{tmp_path}/demo", files))
    variant(image, name)  # the tag is another image now
    verdict = reproduced(run)
    assert verdict["verdict"] == "identical", verdict
    assert result(verdict, "out.txt") == "identical"
    assert load(store(), verdict["runs"][0]).lock == load(store(), run.run_id).lock != ""
    docker("rmi", "-f", first, name)
    gone = reproduced(run)
    assert (gone["verdict"], gone["cause"]) == ("cannot-run", "environment")


def test_the_image_is_in_the_bundle(tmp_path: object, image: str) -> None:
    name = "proj-test/packed:latest"
    first = variant(image, name)
    main = f"docker_env: {{image: '{name}'}}\nentry_points:\n  main: {{command: 'echo 42 > out.txt', outputs: [out.txt]}}\n"
    run = ran(make_tree(f"{tmp_path}/demo", {"MLproject": main}))
    for file in ("one", "two"):
        done = proj("bundle", run.run_id, "-o", f"{tmp_path}/{file}.zip")
        assert done.code == 0, done.err
    with open(f"{tmp_path}/one.zip", "rb") as one, open(f"{tmp_path}/two.zip", "rb") as two:
        assert one.read() == two.read()
    docker("rmi", "-f", first, name)
    shutil.rmtree(paths.home())
    verdict = reproduced(f"{tmp_path}/one.zip", "--offline")
    assert verdict["verdict"] == "identical", verdict
    docker("rmi", "-f", first)
