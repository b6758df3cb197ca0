"""Commands in real containers: who they are, what they see, what they leave."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from runner.errors import InputError
from runner.values import Environment
from tests.environments.docker.conftest import BUILD, docker
from tests.environments.docker.test_ends import names
from tests.helpers import make_tree, proj

pytestmark = pytest.mark.docker
Prepare = Callable[..., Environment]


def test_complaint_2883_outputs_belong_to_the_caller(
    image: str, project: str, prepare: Prepare, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    monkeypatch.setattr(os, "getgid", lambda: 54321)
    monkeypatch.setattr(os, "getgroups", lambda: [54321, 777])
    os.chmod(project, 0o777)
    done = run(
        prepare(image=image),
        "id -u; id -g; id -G; touch ~/x && echo home; python -c 'import getpass; print(getpass.getuser())'; echo 1 > out.txt",
    )
    assert done.out.splitlines()[:4] == ["12345", "54321", "54321 777", "home"], done.err
    assert len(done.out.splitlines()) == 5
    found = os.stat(os.path.join(project, "out.txt"))
    assert (found.st_uid, found.st_gid) == (12345, 54321)


def test_complaint_8077_the_project_is_mounted_where_mlflow_has_it(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    make_tree(project, {"a.txt": "code"})
    done = run(prepare(image=image), "pwd; cat a.txt; mkdir -p out && echo result > out/r.txt")
    assert done.out == "/mlflow/projects/code\ncode", done.err
    with open(os.path.join(project, "out", "r.txt"), encoding="utf-8") as file:
        assert file.read() == "result\n"


def test_a_project_that_says_where_it_wants_to_be(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    make_tree(project, {"a.txt": "code"})
    done = run(prepare(image=image, volumes=["$(pwd):/app"]), "pwd; cat a.txt; ls /mlflow 2>&1")
    assert done.out.splitlines()[:2] == ["/app", "code" + "ls: /mlflow: No such file or directory"]


def test_complaint_1441_volumes_read_only_and_recorded(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    make_tree(project, {"data/x": "1"})
    environment = prepare(image=image, volumes=["./data:/data:ro", "./made:/made"])
    done = run(environment, "cat /data/x; echo 2 > /data/y; echo 3 > /made/z")
    assert done.out == "1"
    assert "Read-only" in done.err
    assert environment.details["volumes"] == [f"{project}/data:/data:ro", f"{project}/made:/made"]
    assert os.path.exists(os.path.join(project, "made", "z"))


def test_complaint_4603_folders_for_volumes_are_made_by_the_caller(
    image: str, project: str, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine would make them for root, and the command could not write there."""
    prepare(image=image, volumes=["./new/deep:/data"])
    assert os.path.isdir(os.path.join(project, "new", "deep"))


def test_environment_set_and_copied(
    image: str, prepare: Prepare, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = "a b;$(date)'\"\n`id` é=1"
    monkeypatch.setenv("COPIED", value)
    stated: dict[str, Any] = {
        "image": image,
        "environment": [["SET", value], "COPIED", ["PATH", "/nowhere:/usr/local/bin"]],
    }
    code = "import os; assert os.environ['SET'] == os.environ['COPIED']; print(repr(os.environ['SET']), os.environ['PATH'])"
    done = run(prepare(**stated), f'/usr/local/bin/python -c "{code}"')
    assert done.out == f"{value!r} /nowhere:/usr/local/bin\n", done.err
    monkeypatch.setenv("COPIED", "later")  # the same environment, another value
    assert run(prepare(**stated), "echo $COPIED").out == "later\n"
    monkeypatch.delenv("COPIED")
    with pytest.raises(InputError, match="COPIED"):
        prepare(**stated)


def test_nothing_of_the_command_runs_on_the_host(
    image: str, project: str, prepare: Prepare, run: Any
) -> None:
    done = run(
        prepare(image=image),
        "cat /etc/os-release 2>/dev/null; true && echo $0 $(pwd) | cat; [[ -e /.dockerenv ]] && echo in",
    )
    assert done.out == "bash /mlflow/projects/code\nin\n"


def test_an_image_without_bash(image: str, project: str, prepare: Prepare, run: Any) -> None:
    make_tree(project, {"Dockerfile": f"FROM {image}\nRUN rm /bin/bash\n"})
    assert run(prepare(build=BUILD), "echo $0; exit 5")[:2] == (5, "sh\n")


def test_arguments_of_the_command_line(image: str, prepare: Prepare, run: Any) -> None:
    assert run(prepare(image=image, _docker_args=("hostname=ada", "network=none")), "hostname").out == "ada\n"
    assert run(prepare(image=image), "hostname").out != "ada\n"  # they are not remembered
    assert (
        run(
            prepare(image=image, args=["tmpfs=/scratch"], shm_size="8m"), "df -m /dev/shm | tail -1"
        ).out.split()[1]
        == "8"
    )


def test_complaint_2697_the_endpoint_of_the_run_is_reachable(image: str, prepare: Prepare, run: Any) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"reached")

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        code = "import os, urllib.request as u; print(u.urlopen(os.environ['MLFLOW_TRACKING_URI']).read().decode())"
        address = f"http://127.0.0.1:{server.server_port}"
        assert (
            run(prepare(image=image), f'python -c "{code}"', MLFLOW_TRACKING_URI=address).out == "reached\n"
        )
    finally:
        server.shutdown()
        server.server_close()


def test_the_record_is_reachable_inside(image: str, prepare: Prepare, run: Any, tmp_path: object) -> None:
    assert run(prepare(image=image), "echo 1 > $PROJ_RUN_DIR/x").code == 0
    assert os.path.exists(os.path.join(str(tmp_path), "record", "x"))


# ---- the whole program -----------------------------------------------------------------------------------------


def test_proj_run_in_a_container(image: str, project: str) -> None:
    make_tree(
        project,
        {
            "MLproject": f"name: My Project\ndocker_env: {{image: '{image}'}}\nentry_points:\n"
            "  main:\n    parameters: {n: {type: int, default: 3}}\n    command: 'python a.py {n}'\n",
            "a.py": "import os, sys; print('n', sys.argv[1], os.getcwd()); open('out.txt', 'w').write('x'); sys.exit(int(sys.argv[1]))\n",
        },
    )
    done = proj("run", project, "-P", "n=7")
    assert (done.code, done.out) == (7, "n 7 /mlflow/projects/code\n"), done.err
    assert os.path.exists(os.path.join(project, "out.txt"))
    assert names() == []
    assert proj("run", project, "--env-manager", "local").out.startswith("n 3 /") is True


def test_out_of_the_containers_memory_is_told(image: str, project: str) -> None:
    make_tree(
        project,
        {
            "MLproject": f"name: p\ndocker_env: {{image: '{image}', args: {{memory: 64m}}}}\nentry_points:\n"
            "  main: {command: \"python -c 'x = bytearray(900000000)'\"}\n"
        },
    )
    done = proj("run", project)
    assert done.code == 137
    assert "out of the container's memory" in done.err


def test_a_container_that_cannot_be_started_is_told(image: str, project: str) -> None:
    make_tree(
        project,
        {
            "MLproject": f"name: p\ndocker_env: {{image: '{image}'}}\nentry_points:\n  main: {{command: 'true'}}\n"
        },
    )
    done = proj("run", project, "-A", "network=nonsense")
    assert done.code == 125
    assert "network nonsense not found" in done.err
    assert names() == []


LOGGING = """
import json, os, urllib.request
body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "from-inside", "value": 0.5, "timestamp": 1, "step": 0}
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric"
head = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"}
print(urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), head)).status)
"""


@pytest.mark.parametrize("network", ["", "host", "bridge", "named"])
def test_complaint_2697_a_container_logs_to_its_run(image: str, project: str, network: str) -> None:
    if network in ("bridge", "named") and not docker("network", "ls", "-q", "--filter", "driver=bridge"):
        pytest.skip("the engine has no bridge")
    make_tree(
        project,
        {
            "MLproject": f"name: p\ndocker_env: {{image: '{image}'}}\nentry_points:\n  main: {{command: python log.py}}\n",
            "log.py": LOGGING,
        },
    )
    name = f"proj-{os.path.basename(os.path.dirname(project))}"[:40] if network == "named" else network
    if network == "named":
        docker("network", "create", name)
    try:
        done = proj("run", project, *(["-A", f"network={name}"] if name else []))
    finally:
        if network == "named":
            docker("network", "rm", name)
    assert (done.code, done.out) == (0, "200\n"), done.err
    shown = proj("show", "last", "--json")
    assert "from-inside" in shown.out, shown.err


def test_values_given_with_a_flag_are_written_nowhere(image: str, project: str) -> None:
    text = (
        f"name: p\ndocker_env: {{image: '{image}'}}\nentry_points:\n  main: {{command: 'echo ${{#TOKEN}}'}}\n"
    )
    make_tree(project, {"MLproject": text})
    for _ in range(2):
        assert proj("run", project, "-A", "e=TOKEN=hunter2xyz", "-A", "env=OTHER=hunter2xyz").out == "10\n"
    for folder, _, files in os.walk(os.environ["PROJ_HOME"]):
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                assert b"hunter2xyz" not in file.read(), name
