"""A run whose supervisor is gone does not stay RUNNING, and nothing of it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from runner.host import machine, process
from runner.host.process_tree import survivors
from runner.running import reconcile
from runner.tracking.fold import Run
from runner.tracking.store import Store

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="only on systems with /proc")

SUPERVISE = """
import subprocess, sys, time
from runner.host.machine import identity
from runner.tracking.store import Store
writer = Store(sys.argv[1]).create_run(sections={"supervisor": identity()})
command = ["sh", "-c", "setsid sleep 300 & exec sleep 300"]  # a daemon, and the command itself
subprocess.Popen(command, env={"PATH": "/usr/bin:/bin", "PROJ_RUN_ID": writer.run_id})
time.sleep(0.2)
print(writer.run_id, flush=True)
time.sleep(300)
"""


@pytest.fixture
def store(tmp_path: object) -> Store:
    with Store(os.path.join(str(tmp_path), "store")) as made:
        yield made


def run_with(store: Store, **supervisor: Any) -> str:
    return store.create_run(sections={"supervisor": {**machine.identity(), **supervisor}}).run_id


def ended(store: Store, run_id: str) -> tuple[str, str | None]:
    reconcile.close_lost(store)
    (run,) = (run for run in store.search().runs if run.run_id == run_id)
    assert store.read(run_id) == run
    return run.status, run.end.get("reason")


@pytest.mark.parametrize("by", ["list", "one"])
def test_a_killed_supervisor_is_noticed_and_nothing_survives(store: Store, by: str) -> None:
    argv = [sys.executable, "-c", SUPERVISE, store.root]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        run_id = supervisor.stdout.readline().strip()
        assert store.read(run_id).status == "RUNNING"
        assert [run.status for run in store.search().runs] == ["RUNNING"]
        assert len(survivors(run_id)) == 2
        supervisor.send_signal(signal.SIGKILL)
    assert store.search().runs[0].status == "RUNNING"  # reading alone ends nothing
    if by == "list":
        assert reconcile.close_lost(store) == [run_id]
    run: Run = reconcile.current(store, run_id) if by == "one" else store.search().runs[0]
    assert (run.status, run.end["reason"]) == ("KILLED", "lost")
    assert run.end_time is not None
    assert run.start_time <= run.end_time <= time.time() * 1000
    deadline = time.monotonic() + 5
    while survivors(run_id) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert survivors(run_id) == []
    assert ended(store, run_id) == ("KILLED", "lost")


def test_a_living_supervisor_is_left_alone(store: Store) -> None:
    run_id = run_with(store)
    assert ended(store, run_id) == ("RUNNING", None)


def test_a_pid_that_was_given_to_another_process(store: Store) -> None:
    assert ended(store, run_with(store, pid_start="1")) == ("KILLED", "lost")


def test_a_host_that_was_restarted(store: Store) -> None:
    run_id = run_with(store, boot_id="another", pid=1, pid_start=process.pid_start(1))
    assert ended(store, run_id) == ("KILLED", "rebooted")


@pytest.mark.parametrize(
    "other", [{"host": "another"}, {"pid_namespace": "pid:[1]", "pid_start": "1"}, {"pid": None}], ids=str
)
def test_what_cannot_be_known_here_is_left_alone(store: Store, other: dict[str, Any]) -> None:
    assert ended(store, run_with(store, **other)) == ("RUNNING", None)


def test_runs_of_clients_are_left_alone(store: Store) -> None:
    assert ended(store, store.create_run(kind="client").run_id) == ("RUNNING", None)


def test_a_client_that_goes_on_with_a_run_has_no_supervisor(store: Store) -> None:
    run_id = run_with(store, pid_start="1")
    assert ended(store, run_id) == ("KILLED", "lost")
    with store.open_run(run_id) as writer:
        writer.append({"type": "update", "status": "RUNNING"})
    assert ended(store, run_id) == ("RUNNING", None)


def test_a_run_that_ended_while_we_looked_is_not_ended_again(store: Store) -> None:
    run_id = run_with(store, pid_start="1")
    before = store.read(run_id)
    with store.open_run(run_id) as writer:
        writer.end("FINISHED", exit_code=0)
    assert reconcile.close_lost(store, [before]) == []
    assert ended(store, run_id) == ("FINISHED", "exit")


def test_complaint_7078_no_run_stays_running_after_sigterm(store: Store) -> None:
    """Whoever reads next closes it, whatever ended the supervisor."""
    argv = [sys.executable, "-c", SUPERVISE, store.root]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        run_id = supervisor.stdout.readline().strip()
        supervisor.terminate()
    assert ended(store, run_id) == ("KILLED", "lost")
