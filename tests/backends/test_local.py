"""The supervisor with real processes: output, signals, time-out, what is left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

import pytest

from runner.backends import local
from runner.tracking.log import new_run_id
from runner.values import Activation, Ended, Job, Silent
from tests.helpers import survivors, until


class Watching:
    """A Supervision that only remembers."""

    def __init__(self, secrets: tuple[bytes, ...] = ()) -> None:
        self.facts: dict[str, Any] = {}
        self.secrets = secrets

    def started(self, facts: dict[str, Any]) -> None:
        self.facts.update(facts)

    def listen(self) -> int:
        return -1

    def connect(self) -> None: ...

    def masked(self) -> tuple[bytes, ...]:
        return self.secrets


def make_job(tmp_path: object, command: str, **options: Any) -> Job:
    record = os.path.join(str(tmp_path), "record")
    work = os.path.join(str(tmp_path), "work")
    os.makedirs(record, exist_ok=True)
    os.makedirs(work, exist_ok=True)
    run_id = new_run_id()
    variables = {**os.environ, "PROJ_RUN_ID": run_id}
    return Job(run_id, command, work, variables, Activation("system"), record, options)


def execute(job: Job, secrets: tuple[bytes, ...] = ()) -> Ended:
    supervision = Watching(secrets)
    ended = local.wait(local.submit(job, Silent()), job, supervision)
    assert survivors(job.run_id) == []
    return ended


def log_of(job: Job) -> bytes:
    with open(os.path.join(job.record, "output.log"), "rb") as file:
        return file.read()


def test_output_is_shown_and_kept(tmp_path: object, capfd: pytest.CaptureFixture[str]) -> None:
    job = make_job(tmp_path, "echo one; echo two >&2; printf '\\377\\000'")
    ended = execute(job)
    shown = capfd.readouterr()
    assert ended.status == "FINISHED"
    assert (ended.exit_code, ended.reason) == (0, "exit")
    assert shown.out.startswith("one\n")
    assert shown.err == "two\n"
    assert sorted(log_of(job).splitlines(keepends=True)) == sorted([b"one\n", b"two\n", b"\xff\x00"]) or (
        b"one\n" in log_of(job) and b"two\n" in log_of(job) and b"\xff\x00" in log_of(job)
    )
    with open(os.path.join(job.record, "output.times"), encoding="ascii") as file:
        pieces = [line.split() for line in file]
    assert {piece[2] for piece in pieces} == {"1", "2"}
    assert abs(int(pieces[0][1]) / 1000 - time.time()) < 60


def test_exit_code_passes_through(tmp_path: object) -> None:
    ended = execute(make_job(tmp_path, "exit 3"))
    assert (ended.status, ended.exit_code, ended.reason) == ("FAILED", 3, "exit")


def test_resources_are_measured(tmp_path: object) -> None:
    ended = execute(make_job(tmp_path, f"{sys.executable} -c 'x = bytearray(80_000_000)'"))
    assert 80_000_000 < int(str(ended.resources["peak_memory"])) < 300_000_000
    assert float(str(ended.resources["cpu_time"])) > 0


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [
        (signal.SIGINT, "KILLED", "interrupted"),
        (signal.SIGTERM, "KILLED", "signal"),
        (signal.SIGHUP, "KILLED", "signal"),
        (signal.SIGKILL, "KILLED", "signal"),
        (signal.SIGSEGV, "FAILED", "signal"),
    ],
)
def test_complaint_1832_status_after_a_signal_to_the_command(
    tmp_path: object, number: signal.Signals, status: str, reason: str
) -> None:
    ended = execute(make_job(tmp_path, f"kill -{int(number)} $$; sleep 5"))
    assert (ended.status, ended.exit_code, ended.reason) == (status, 128 + number, reason)
    assert ended.signal == number.name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_supervisor_ends_the_whole_group(tmp_path: object, number: signal.Signals) -> None:
    job = make_job(tmp_path, "sleep 100 & sleep 100 & echo on; wait", grace=5)

    def kill() -> None:
        until(lambda: os.path.exists(f"{job.record}/output.log") and b"on\n" in log_of(job))
        os.kill(os.getpid(), number)

    threading.Thread(target=kill).start()
    began = time.monotonic()
    ended = execute(job)
    assert (ended.status, ended.reason) == ("KILLED", "interrupted")
    assert time.monotonic() - began < 50


def test_a_command_that_ignores_being_asked_is_killed_after_the_grace(tmp_path: object) -> None:
    job = make_job(tmp_path, "trap '' TERM; while true; do sleep 0.1; done", timeout=0.3, grace=0.5)
    began = time.monotonic()
    ended = execute(job)
    assert (ended.status, ended.reason, ended.exit_code) == ("KILLED", "timeout", 137)
    assert 0.7 < time.monotonic() - began < 30


def test_time_out(tmp_path: object) -> None:
    ended = execute(make_job(tmp_path, "sleep 100", timeout=0.3))
    assert (ended.status, ended.reason, ended.exit_code) == ("KILLED", "timeout", 143)


def test_cancel_by_a_file_in_the_record(tmp_path: object) -> None:
    job = make_job(tmp_path, "sleep 100")

    def cancel() -> None:
        with open(os.path.join(job.record, "cancel"), "w", encoding="utf-8") as file:
            file.write("ada@laptop")

    threading.Timer(0.3, cancel).start()
    ended = execute(job)
    assert (ended.status, ended.reason) == ("KILLED", "cancelled")
    assert "ada@laptop" in ended.message


def test_a_daemon_does_not_survive(tmp_path: object) -> None:
    daemon = "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\nos.close(1); os.close(2); time.sleep(100)"
    job = make_job(tmp_path, f'{sys.executable} -c "{daemon}"; echo left')
    began = time.monotonic()
    ended = execute(job)
    assert ended.status == "FINISHED"
    assert time.monotonic() - began < 30


def test_a_child_that_keeps_the_output_open_does_not_hold_the_run(tmp_path: object) -> None:
    began = time.monotonic()
    ended = execute(make_job(tmp_path, "sleep 100 & echo done"))
    assert ended.status == "FINISHED"
    assert time.monotonic() - began < 30


def test_large_output_is_complete(tmp_path: object, capfd: pytest.CaptureFixture[str]) -> None:
    job = make_job(tmp_path, "head -c 20000000 /dev/zero")
    execute(job)
    capfd.readouterr()
    assert len(log_of(job)) == 20_000_000


def test_endless_output_keeps_head_and_tail(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROJ_OUTPUT_LIMIT", "100000")
    job = make_job(tmp_path, "echo first; seq 1000000; echo last")
    execute(job)
    capfd.readouterr()
    log = log_of(job)
    assert log.startswith(b"first\n1\n2\n")
    assert log.endswith(b"999999\n1000000\nlast\n")
    assert b"bytes of output were left out here" in log
    assert len(log) < 300_000
    assert sorted(name for name in os.listdir(job.record) if name.startswith("output")) == [
        "output.log",
        "output.times",
    ]


def test_secrets_are_masked_also_when_cut_in_two(tmp_path: object, capfd: pytest.CaptureFixture[str]) -> None:
    job = make_job(tmp_path, "printf abcs3c; sleep 0.2; printf ret; printf s3cretXs3c")
    execute(job, secrets=(b"s3cret",))
    assert log_of(job) == b"abc********Xs3c"
    assert capfd.readouterr().out == "abc********Xs3c"


def test_the_command_has_default_signal_handlers_and_runs_in_its_folder(tmp_path: object) -> None:
    before = os.getcwd()
    job = make_job(tmp_path, "pwd; (trap; true)")
    execute(job)
    assert log_of(job).split(b"\n")[0].decode() == job.directory
    assert os.getcwd() == before


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_a_killed_supervisor_leaves_no_process(tmp_path: object) -> None:
    """SIGKILL of the supervisor: the guard ends the command, its children, and a daemon of theirs."""
    job = make_job(tmp_path, "setsid sleep 99 & (sleep 98 &) ; sleep 97", grace=1)
    pid = os.fork()
    if pid == 0:
        try:
            local.wait(local.submit(job, Silent()), job, Watching())
        finally:
            os._exit(0)
    until(lambda: len(survivors(job.run_id)) >= 3)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until(lambda: survivors(job.run_id) == [])
