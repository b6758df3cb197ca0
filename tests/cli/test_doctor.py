"""`proj doctor`: what is wrong, and what to do."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator

import pytest

from runner import paths
from runner.cli import health
from runner.host import gpu
from runner.tracking.log import now
from runner.tracking.store import Store
from tests.cli.records import Program, make_run
from tests.helpers import make_tree, proj


def states(program: Program, *words: str) -> dict[str, str]:
    return {each["name"]: each["state"] for each in program.json("doctor", *words)}


def test_a_sound_machine(program: Program) -> None:
    make_run()
    found = states(program)
    assert {
        found[name] for name in ("python", "bash", "git", "uv", "disk", "store", "records", "index", "clock")
    } == {"ok"}
    done = program("doctor")
    assert done.code == 0
    assert "✓ git" in done.out
    assert "1 run, every line" in done.out


def test_before_the_first_run(program: Program) -> None:
    assert states(program)["store"] == "ok"
    assert not os.path.exists(paths.store())


def test_a_missing_program_is_broken(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = program("doctor")
    assert done.code == 1
    assert "✗ git" in done.out
    assert "install git" in done.out
    assert "✗ bash" in done.out


def test_an_old_git_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    folder = make_tree(f"{tmp_path}/bin", {"git*": "#!/bin/sh\necho git version 2.17.1\n"})
    monkeypatch.setenv("PATH", folder, prepend=os.pathsep)
    (found,) = [each for each in health.programs(Store(paths.store())) if each.name == "git"]
    assert (found.state, found.text) == ("broken", "2.17.1 is too old")


def test_a_corrupt_line_is_named_with_its_place(program: Program) -> None:
    run_id = make_run()
    path = os.path.join(Store(paths.store()).run_directory(run_id), "events.jsonl")
    size = os.path.getsize(path)
    with open(path, "ab") as file:
        file.write(b'{"broken\n')
    done = program("doctor")
    assert done.code == 0  # a warning: all else is read
    assert f"run {run_id}, byte {size}" in done.out
    with open(path, "rb") as file:
        assert file.read().endswith(b'{"broken\n')


def test_a_clock_that_is_behind(program: Program) -> None:
    make_run(name="future")
    store = Store(paths.store())
    store.create_run(name="far", start_time=now() + 3_600_000).close()
    assert states(program)["clock"] == "warning"


def test_little_disk(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "SCARCE", 1 << 60)
    assert program("doctor").code == 1


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    served = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{served.server_address[1]}"
    served.shutdown()
    served.server_close()
    thread.join()


def test_the_tracking_server(program: Program, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "tracking server" not in states(program)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert states(program)["tracking server"] == "ok"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:secret@127.0.0.1:1")
    done = program("doctor")
    assert done.code == 0
    assert "does not answer" in done.out
    assert "secret" not in done.out


SMI = """#!/bin/sh
{before}
echo "0, NVIDIA A100-SXM4-40GB, GPU-1234, 40960, 535.1, 8.0"
echo "1, Tesla K80, GPU-5678, 11441, 535.1, [N/A]"
"""


def test_gpus(program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv(
        "PATH", make_tree(f"{tmp_path}/bin", {"nvidia-smi*": SMI.format(before="")}), prepend=os.pathsep
    )
    query = gpu.ask()
    assert query is not None
    first, second = query.finish()
    assert first["name"] == "NVIDIA A100-SXM4-40GB"
    assert first["memory"] == 40960 << 20
    assert first["compute_capability"] == "8.0"
    assert "compute_capability" not in second
    assert "A100" in program("doctor").out


def test_a_gpu_tool_that_hangs_or_fails_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv(
        "PATH",
        make_tree(f"{tmp_path}/a", {"nvidia-smi*": SMI.format(before="exec sleep 100")}),
        prepend=os.pathsep,
    )
    query = gpu.ask()
    assert query is not None
    assert query.finish(0.2) == []
    monkeypatch.setenv(
        "PATH", make_tree(f"{tmp_path}/b", {"nvidia-smi*": SMI.format(before="exit 9")}), prepend=os.pathsep
    )
    query = gpu.ask()
    assert query is not None
    assert query.finish() == []


def test_what_a_run_in_an_environment_records_is_sound(program: Program) -> None:
    folder = make_tree("p", {"requirements.txt": "", "main.py": "print(1)\n"})
    assert proj("run", folder).code == 0
    assert "! record" not in program("doctor").out
