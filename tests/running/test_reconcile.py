"""A run whose supervisor is gone does not stay RUNNING, and nothing of it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runner.host import machine, process
from runner.running import reconcile
from runner.tracking.fold import Run
from runner.tracking.store import Store
from tests.helpers import examples, make_tree, proj, some, survivors, until

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="only on systems with /proc")

AS_ROOT = pytest.mark.skipif(
    os.getuid() != 0, reason="only on systems where we are root: it gives files away"
)
TOKEN = "0123456789abcdef0123456789abcdef"
SUPERVISE = """
import subprocess, sys, time
from runner.host.machine import identity
from runner.tracking.store import Store
writer = Store(sys.argv[1]).create_run(sections={"supervisor": {**identity(), "token": sys.argv[2]}})
command = ["sh", "-c", "setsid sleep 300 & exec sleep 300"]  # a daemon, and the command itself
marks = {"PROJ_RUN_ID": writer.run_id, "PROJ_RUN_TOKEN": sys.argv[2]}
subprocess.Popen(command, env={"PATH": "/usr/bin:/bin", **marks})
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
    argv = [sys.executable, "-c", SUPERVISE, store.root, TOKEN]
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
    until(lambda: survivors(run_id) == [])
    assert ended(store, run_id) == ("KILLED", "lost")


def test_a_living_supervisor_is_left_alone(store: Store) -> None:
    run_id = run_with(store)
    assert ended(store, run_id) == ("RUNNING", None)


def test_a_pid_that_was_given_to_another_process(store: Store) -> None:
    assert ended(store, run_with(store, pid_start="1")) == ("KILLED", "lost")


def test_a_host_that_was_restarted(store: Store) -> None:
    run_id = run_with(store, boot_id="another", pid=1, pid_start=process.pid_start(1))
    assert ended(store, run_id) == ("KILLED", "rebooted")


def test_a_host_whose_name_has_changed_is_known_by_its_boot(store: Store) -> None:
    assert ended(store, run_with(store, host="another", pid_start="1")) == ("KILLED", "lost")
    assert ended(store, run_with(store, host="another")) == ("RUNNING", None)


@pytest.mark.parametrize(
    "other",
    [
        {"host": "another", "boot_id": "another", "pid_start": "1"},
        {"pid_namespace": "pid:[1]", "pid_start": "1"},
        {"pid": None},
    ],
    ids=str,
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
    argv = [sys.executable, "-c", SUPERVISE, store.root, TOKEN]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        run_id = supervisor.stdout.readline().strip()
        supervisor.terminate()
    assert ended(store, run_id) == ("KILLED", "lost")


# ---- many readers ------------------------------------------------------------------------------------------


READ = """
import sys
from runner.running import reconcile
from runner.tracking.store import Store
with Store(sys.argv[1]) as store:
    sys.stdin.readline()
    print(reconcile.current(store, sys.argv[2]).status)
"""


def test_readers_that_come_together_close_a_run_once(store: Store) -> None:
    """Each of them prints how it ended, and none RUNNING; several times, for races are rare."""
    for _ in range(examples(8)):
        run_id = run_with(store, pid_start="1")
        argv = [sys.executable, "-c", READ, store.root, run_id]
        readers = [
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)
        ]
        time.sleep(0.5)
        for reader in readers:
            assert reader.stdin
            reader.stdin.write("\n")
            reader.stdin.flush()
        assert [reader.communicate(timeout=60)[0] for reader in readers] == ["KILLED\n"] * 6
        with open(os.path.join(store.run_directory(run_id), "events.jsonl"), encoding="utf-8") as file:
            assert file.read().count('"type":"end"') == 1
        assert os.listdir(store.run_directory(run_id)) == ["events.jsonl"]


# ---- whom a record may name --------------------------------------------------------------------------------


@pytest.fixture
def bystander() -> Any:
    """A process of ours, leader of a group of its own, that no record may end."""
    mark = {"PROJ_RUN_ID": "0" * 32, "PROJ_RUN_TOKEN": "f" * 32}
    child = subprocess.Popen(["sleep", "100"], start_new_session=True, env={"PATH": os.defpath, **mark})
    yield child
    child.kill()
    child.wait()


def hand_written(store: Store, bystander: Any, **facts: Any) -> str:
    start = process.pid_start(bystander.pid)
    claims = {"group": bystander.pid, "group_start": start, "guard": 1, "guard_start": "1"}
    return run_with(store, pid_start="1", **{**claims, **facts})


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"token": TOKEN},
        {"token": ""},
        {"token": "PATH"},
        {"token": None, "cgroup": "/sys/fs/cgroup/proj-None"},
        {"token": TOKEN, "cgroup": "/sys/fs/cgroup"},
        {"token": TOKEN, "cgroup": f"/sys/fs/cgroup/../../../tmp/proj-{TOKEN}"},
    ],
    ids=str,
)
def test_a_record_ends_no_process_that_is_not_of_its_run(
    store: Store, bystander: Any, facts: dict[str, Any]
) -> None:
    """Not for its id, its group, the run's id or a control group of another name."""
    run_id = hand_written(store, bystander, **facts)
    assert ended(store, run_id) == ("KILLED", "lost")
    assert bystander.poll() is None


def test_what_carries_the_token_is_ended(store: Store, bystander: Any) -> None:
    assert ended(store, hand_written(store, bystander, token="f" * 32)) == ("KILLED", "lost")
    assert bystander.wait(5) == -signal.SIGKILL


def test_a_guard_that_lives_ends_its_run_itself(store: Store, bystander: Any) -> None:
    """It gives the command its grace."""
    own = process.pid_start(os.getpid())
    facts = {"token": "f" * 32, "guard": os.getpid(), "guard_start": own}
    assert ended(store, hand_written(store, bystander, **facts)) == ("KILLED", "lost")
    assert bystander.poll() is None


@AS_ROOT
@pytest.mark.parametrize("what", ["folder", "log"])
def test_a_record_of_somebody_else_is_shown_and_left_alone(store: Store, bystander: Any, what: str) -> None:
    run_id = hand_written(store, bystander, token="f" * 32)
    directory = store.run_directory(run_id)
    os.chown(directory if what == "folder" else os.path.join(directory, "events.jsonl"), 12345, -1)
    left_alone(store, run_id, bystander)


def test_a_record_that_cannot_be_written_is_shown_and_left_alone(
    store: Store, bystander: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = hand_written(store, bystander, token="f" * 32)
    os.chmod(store.run_directory(run_id), 0o555)
    if os.getuid() == 0:  # for whom there is no such thing: as on a file system that is mounted read-only
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    left_alone(store, run_id, bystander)
    os.chmod(store.run_directory(run_id), 0o755)


def left_alone(store: Store, run_id: str, bystander: Any) -> None:
    path = os.path.join(store.run_directory(run_id), "events.jsonl")
    with open(path, "rb") as file:
        before = file.read()
    assert reconcile.close_lost(store) == []
    run = reconcile.current(store, run_id)
    assert run.status == "RUNNING"
    shown = reconcile.concluded(run)
    assert (shown.status, shown.end["reason"]) == ("KILLED", "lost (concluded)")
    with open(path, "rb") as file:
        assert file.read() == before
    assert bystander.poll() is None


def test_what_is_on_or_over_is_concluded_as_it_is(store: Store) -> None:
    for run_id in (run_with(store), store.create_run(kind="client").run_id):
        assert reconcile.concluded(store.read(run_id)) == store.read(run_id)


@AS_ROOT
def test_a_list_of_a_foreign_store_says_what_can_be_concluded(store: Store, bystander: Any) -> None:
    run_id = hand_written(store, bystander, token="f" * 32)
    os.chown(os.path.join(store.run_directory(run_id), "events.jsonl"), 12345, -1)
    listed = proj("runs", "--store", store.root)
    assert "lost (concluded)" in listed.out
    assert "lost (concluded)" in proj("show", run_id, "--store", store.root).out
    (found,) = json.loads(proj("runs", "--json", "--store", store.root).out)
    assert (found["status"], found["reason"]) == ("KILLED", "lost (concluded)")
    assert bystander.poll() is None


def test_a_copy_of_a_record_ends_nothing(store: Store, bystander: Any, tmp_path: object) -> None:
    """The token of a run can be read by whoever can read the run: one that was sent to us may name a run of ours."""
    import shutil

    run_id = hand_written(store, bystander, token="f" * 32)
    with Store(f"{tmp_path}/sent") as sent:
        shutil.copytree(store.run_directory(run_id), sent.run_directory(run_id))
        assert ended(sent, run_id) == ("KILLED", "lost")
        assert bystander.poll() is None
    assert ended(store, run_id) == ("KILLED", "lost")
    assert bystander.wait(5) == -signal.SIGKILL


ENGINE = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
*inspect*) echo '[{{"Name": "proj-x", "Config": {{"Env": ["PROJ_RUN_TOKEN={token}"]}}, "State": {{"Running": true, "ExitCode": 0}}}}]' ;;
esac
"""


@pytest.mark.parametrize("token", some(["f" * 32, None, "", TOKEN, 7], 2))
def test_a_record_of_a_container_that_is_not_its_own_removes_none(
    store: Store, bystander: Any, token: Any, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the record says, and whatever an engine answers to the name of the run."""
    import shutil

    log = f"{tmp_path}/asked"
    text = ENGINE.format(log=log, token=TOKEN)
    monkeypatch.setenv("PATH", make_tree(f"{tmp_path}/bin", {"docker*": text, "podman*": text}), prepend=os.pathsep)  # fmt: skip
    run_id = hand_written(store, bystander, token=token)
    with store.open_run(run_id) as writer:
        writer.append({"type": "environment", "kind": "docker", "image": "x"})
    with Store(f"{tmp_path}/sent") as sent:
        shutil.copytree(store.run_directory(run_id), sent.run_directory(run_id))
        for words in (
            ("runs",),
            ("show", run_id),
            ("logs", run_id),
            ("doctor",),
            ("cancel", run_id, "--wait", "0"),
            ("gc", "--dry-run"),
        ):
            proj(*words, "--store", sent.root)
    asked = Path(log).read_text() if os.path.exists(log) else ""
    assert "rm" not in asked.split()
    assert bystander.poll() is None


# ---- whom a cancelled run's record may wake ----------------------------------------------------------------


def test_a_request_to_end_wakes_nobody_who_does_not_write_that_record(store: Store, bystander: Any) -> None:
    start = process.pid_start(bystander.pid)
    run = store.read(run_with(store, pid=bystander.pid, pid_start=start))
    reconcile.wake(store, run)
    time.sleep(0.1)
    assert bystander.poll() is None


WRITE = """
import sys, time
from runner.host.machine import identity
from runner.tracking.store import Store
writers = [Store(sys.argv[1]).create_run(sections={"supervisor": identity()}) for _ in range(int(sys.argv[2]))]
print(writers[0].run_id, flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("runs", [1, 2])
def test_a_request_to_end_wakes_the_supervisor_of_that_run_alone(store: Store, runs: int) -> None:
    """One that supervises several runs is left to find it: the signal would end them all."""
    argv = [sys.executable, "-c", WRITE, store.root, str(runs)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        run = store.read(supervisor.stdout.readline().strip())
        reconcile.wake(store, run)
        if runs == 1:
            assert supervisor.wait(20) == -signal.SIGTERM
        else:
            time.sleep(0.3)
            assert supervisor.poll() is None
        supervisor.kill()
