"""A run in a container is made again in the very image, whatever its tag means by now."""

from __future__ import annotations

import pytest

from runner.reproduction.recorded import load
from tests.environments.docker.conftest import docker, image, variant
from tests.helpers import make_tree
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
