"""`proj exec` in a project's image: no record, and nothing is left of the container."""

from __future__ import annotations

import os

from tests.environments.docker.conftest import docker
from tests.helpers import make_tree, proj


def test_a_command_runs_in_the_image_where_we_are(image: str, tmp_path: object) -> None:
    text = f"name: p\ndocker_env: {{image: '{image}'}}\nentry_points:\n  main: {{command: 'true'}}\n"
    folder = make_tree(f"{tmp_path}/p", {"MLproject": text, "sub/x": ""})
    before = docker("ps", "-aq")
    line = "import os, sys; print(os.getcwd(), os.listdir('.')); open('made', 'w').close(); sys.exit(int(input()))"
    done = proj("exec", "-q", "python", "-c", line, cwd=f"{folder}/sub")
    assert done.code == 1  # there is no input
    assert done.out == "/mlflow/projects/code/sub ['x']\n"
    made = os.stat(f"{folder}/sub/made")
    assert (made.st_uid, made.st_gid) == (os.getuid(), os.getgid())
    assert docker("ps", "-aq") == before
    refused = proj("env", "kernel", "-q", cwd=folder)
    assert refused.code == 2
    assert "no interpreter on this machine" in refused.err
