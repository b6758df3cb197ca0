"""Runs that go on without a terminal: --detach, ps, watch, wait, --notify. Real processes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from runner import paths
from tests.cli.records import Program, make_run
from tests.helpers import make_tree, proj, until

MLPROJECT = """\
name: slow
entry_points:
  main:
    parameters: {code: {type: int, default: 0}}
    command: 'proj log metric loss=0.5 --step 3; echo "part one"; printf "10%%\\r20%%"; until [ -e go ]; do sleep 0.02; done; exit {code}'
"""


@pytest.fixture
def folder(tmp_path: object) -> str:
    return make_tree(f"{tmp_path}/slow", {"MLproject": MLPROJECT})


def go(folder: str) -> None:
    make_tree(folder, {"go": ""})


def detach(folder: str, *words: str) -> str:
    done = proj("run", ".", "--detach", *words, cwd=folder)
    assert done.code == 0, done.err
    assert "proj logs -f" in done.err
    return done.out.strip()


def shown(folder: str, run_id: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(proj("show", run_id, "--json", cwd=folder).out)
    return found


def test_a_detached_run_is_seen_waited_for_and_has_its_code(folder: str) -> None:
    one = detach(folder, "--run-name", "one", "-P", "code=3")
    two = detach(folder, "--run-name", "two")
    assert len(one) == 32
    until(
        lambda: [row.endswith("\t20%") for row in proj("ps", cwd=folder).out.splitlines()[1:]] == [True, True]
    )
    table = [line.split("\t") for line in proj("ps", cwd="/").out.splitlines()]
    assert [row[1:5] for row in table[1:]] == [
        ["one", "slow", "main", "RUNNING"],
        ["two", "slow", "main", "RUNNING"],
    ]
    assert table[1][6].startswith("loss ")
    assert table[1][6].endswith("0.5 @3")
    assert table[1][7] == "20%"
    (first, _) = json.loads(proj("ps", "--json", cwd=folder).out)
    assert first["run_id"] == one
    assert first["elapsed"] > 0
    assert proj("wait", "one", "--timeout", "0.1", cwd=folder).code == 124
    go(folder)
    waited = proj("wait", two, "one", cwd=folder)
    assert waited.code == 3
    assert waited.out == "two FINISHED (exit)\none FAILED (exit)\n"
    assert proj("wait", "two", cwd=folder).code == 0
    assert proj("logs", "two", cwd=folder).out == "part one\n10%\r20%"
    assert proj("ps", cwd=folder).out.count("\n") == 1


def test_what_is_wrong_is_told_before_it_goes(folder: str) -> None:
    wrong = proj("run", ".", "--detach", "-P", "code=x", cwd=folder)
    assert (wrong.code, wrong.out) == (2, "")
    assert "is not an int" in wrong.err
    assert json.loads(proj("runs", "--json", "--all").out) == []
    plan = proj("run", ".", "--detach", "--dry-run", cwd=folder)
    assert "goes on" not in plan.err
    answer = json.loads(proj("run", ".", "--detach", "--json", "-q", cwd=folder).out)
    assert set(answer) == {"run_id", "short_id"}
    go(folder)
    assert proj("wait", answer["run_id"], cwd=folder).code == 0


def test_it_survives_its_terminal(folder: str) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-m", "runner", "run", ".", "--detach"])
    text = b""
    while b"goes on" not in text:
        text += os.read(terminal, 4096)
    os.waitpid(pid, 0)
    os.close(terminal)  # SIGHUP to all that is left in that session
    run_id = json.loads(proj("ps", "--json").out)[0]["run_id"]
    time.sleep(0.3)
    assert shown(folder, run_id)["status"] == "RUNNING"
    go(folder)
    assert proj("wait", run_id, cwd=folder).code == 0


def test_a_detached_run_is_cancelled_and_waited_for_when_killed(folder: str) -> None:
    run_id = detach(folder)
    assert proj("cancel", run_id).code == 0
    assert proj("wait", run_id).code == 143
    lost = detach(folder)
    until(lambda: "command" in shown(folder, lost))
    supervisor = shown(folder, lost)["supervisor"]
    assert isinstance(supervisor, dict)
    os.kill(supervisor["pid"], signal.SIGKILL)
    assert proj("wait", lost).code == 125


def test_whoever_finds_a_run_lost_tells_of_it_once(folder: str, tmp_path: object) -> None:
    """Its supervisor cannot. What is to be run is not in the record, which may have come from elsewhere."""
    command = f'echo "$PROJ_STATUS $PROJ_REASON $PWD" >> {tmp_path}/told'
    lost = detach(folder, "--notify", command)
    until(lambda: "command" in shown(folder, lost))
    supervisor = shown(folder, lost)["supervisor"]
    assert isinstance(supervisor, dict)
    os.kill(supervisor["pid"], signal.SIGKILL)
    note = f"{paths.home()}/notify/{lost}.json"
    assert os.stat(note).st_mode & 0o777 == 0o600
    for line in (("ps",), ("show", lost), ("runs",)):
        assert proj(*line, cwd=tmp_path).code == 0
    with open(f"{tmp_path}/told", encoding="utf-8") as file:
        assert file.read() == f"KILLED lost {folder}\n"
    assert os.listdir(os.path.dirname(note)) == []
    for top, _, names in os.walk(paths.store()):
        for name in names:
            with open(os.path.join(top, name), "rb") as kept:
                assert b"PROJ_REASON" not in kept.read()


def test_the_end_is_told_to_a_command_and_to_an_address(folder: str, tmp_path: object) -> None:
    posted: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204 if self.path == "/well" else 500)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    told = f"{tmp_path}/told"
    go(folder)
    words = ["--notify", f'cat > {told}.json; echo "$PROJ_STATUS $PROJ_EXIT_CODE $PROJ_NAME" > {told}']
    for target in (f"{address}/well", f"{address}/ill?token=s3cret", "exit 4"):
        words += ["--notify", target]
    done = proj("run", ".", "-P", "code=5", "--run-name", "x", *words, cwd=folder)
    server.shutdown()
    server.server_close()
    assert done.code == 5
    with open(told, encoding="utf-8") as file:
        assert file.read() == "FAILED 5 x\n"
    with open(f"{told}.json", encoding="utf-8") as file:
        facts = json.load(file)
    assert (facts["status"], facts["exit_code"], facts["metrics"]) == ("FAILED", 5, {"loss": 0.5})
    assert [json.loads(body) for body in posted] == [facts, facts]
    assert "127.0.0.1 answers 500" in done.err
    assert "ended with 4" in done.err
    assert "s3cret" not in done.err
    # and of a run whose environment cannot be made, which ends with an error on its way
    make_tree(
        folder, {"MLproject": "name: slow\npython_env: gone.yaml\nentry_points:\n  main: {command: x}\n"}
    )
    detached = proj("run", ".", "--detach", "-q", "--notify", f'echo "$PROJ_STATUS" > {told}-2', cwd=folder)
    if detached.code == 0:
        assert proj("wait", detached.out.strip()).code != 0
        until(lambda: os.path.exists(f"{told}-2"))


def test_watch_draws_each_run_and_leaves_when_all_have_ended(folder: str) -> None:
    ids = [detach(folder, "--run-name", f"run-{number}") for number in range(3)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(
            sys.executable,
            [sys.executable, "-m", "runner", "watch", "--interval", "0.1"],
            {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
        )
    text = b""
    while text.count(b"\033[8F") + text.count(b"\033[9F") < 2:  # drawn over itself
        text += os.read(terminal, 4096)
    go(folder)
    try:
        while piece := os.read(terminal, 4096):
            text += piece
    except OSError:
        pass  # it has ended
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    last = text.decode().rpartition("F\033[K")[2]
    assert [last.count(f"run-{number}") for number in range(3)] == [1, 1, 1]
    assert last.count("FINISHED") == 3
    assert "0.5 @3" in last
    piped = proj("watch", *ids)
    assert piped.out.count("FINISHED") == 3
    told = [json.loads(line)["run_id"] for line in proj("watch", *ids, "--json").out.splitlines()]
    assert told == ids


def test_leaving_watch_ends_no_run(folder: str) -> None:
    run_id = detach(folder)
    ours, theirs = pty.openpty()
    watching = subprocess.Popen([sys.executable, "-m", "runner", "watch", run_id], stdout=theirs)
    assert os.read(ours, 1)
    watching.send_signal(signal.SIGINT)
    assert watching.wait() == 130
    os.close(ours)
    os.close(theirs)
    assert shown(folder, run_id)["status"] == "RUNNING"
    go(folder)
    assert proj("wait", run_id).code == 0


def test_codes_of_runs_that_nobody_supervised(program: Program) -> None:
    make_run("well", kind="client")
    make_run("ill", kind="client", status="FAILED")
    assert program("wait", "well").code == 0
    assert program("wait", "well", "ill").code == 1
    assert program("wait").code == 2
