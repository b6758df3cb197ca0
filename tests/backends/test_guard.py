"""Nothing of a run survives it: each way to leave the family, with each way in which a run ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from runner import paths
from runner.backends import contained, guarded, local, posting
from runner.host import cgroup, process, process_tree, subreaper
from runner.running import reconcile
from runner.tracking.fold import Run
from runner.tracking.store import Store
from runner.values import Ended, Job, Silent
from tests.backends.test_local import Watching, make_job
from tests.helpers import make_tree, proj, survivors

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="only on Linux")

# `leave.py KIND MARK`: leaves a process `sleep MARK` behind, and returns when it is there.
LEAVE = r"""
import os, signal, subprocess, sys, time
kind, mark = sys.argv[1:]
sleep = ["sleep", mark]
def detach(environment):
    # as daemon(3) says, and then the environment is emptied
    if os.fork(): return os.wait()
    os.setsid()
    if os.fork(): os._exit(0)
    for stream in range(3): os.dup2(os.open("/dev/null", os.O_RDWR), stream)
    os.execvpe("sleep", sleep, environment)
quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
if kind == "child": subprocess.Popen(sleep)
elif kind == "session": subprocess.Popen(["setsid", *sleep], **quiet)
elif kind == "emptied": subprocess.Popen(["env", "-i", "/usr/bin/setsid", *sleep], **quiet)
elif kind == "daemon": detach(os.environ)
elif kind == "emptied daemon": detach({"PATH": os.environ["PATH"]})
elif kind == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN); detach({"PATH": os.environ["PATH"]})
elif kind == "stopped":
    detach({"PATH": os.environ["PATH"]}); time.sleep(0.3)
    os.system(f"pkill -STOP -f '^sleep {mark}$'")
elif kind == "respawning":  # one that is ended starts the next
    subprocess.Popen(["env", "-i", "PATH=" + os.environ["PATH"], "setsid", "sh", "-c",
        f"trap 'sleep {mark} & exit' TERM; while :; do sleep {mark}; done"], **quiet)
elif kind == "wandering":  # always another process, whose parent has just gone
    if os.fork() == 0:
        os.setsid()
        for stream in range(3): os.dup2(os.open("/dev/null", os.O_RDWR), stream)
        for turn in range(10**6):
            if os.fork(): os._exit(0)
            if turn == 0 and os.fork() == 0: os.execvpe("sleep", sleep, {"PATH": os.environ["PATH"]})
            time.sleep(0.02)
elif kind == "crowd":
    for _ in range(40): subprocess.Popen(["env", "-i", "setsid", *sleep], **quiet)
end = time.time() + 20
while os.system(f"pgrep -f '^sleep {mark}$' > /dev/null"): assert time.time() < end; time.sleep(0.02)
print("left", flush=True)
"""
KINDS = (
    "child",
    "session",
    "emptied",
    "daemon",
    "emptied daemon",
    "stubborn",
    "stopped",
    "respawning",
    "wandering",
    "crowd",
)


def living(mark: str) -> list[int]:
    """Processes that have the mark among their words: nothing that a process can do to its environment hides it."""
    found = []
    for pid, fields in process_tree.table():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[0] == b"sleep" and mark.encode() in words and fields[0] not in (b"Z", b"X"):
            found.append(pid)
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def mark() -> Any:
    """A time to sleep for that nobody else chooses."""
    value = f"{50_000 + int.from_bytes(os.urandom(3), 'big')}.{int.from_bytes(os.urandom(4), 'big')}"
    yield value
    for pid in living(value):
        os.kill(pid, signal.SIGKILL)


def only_run() -> Run:
    (name,) = os.listdir(os.path.join(paths.store(), "runs"))
    return Store(paths.store()).read(name)


def start(tmp_path: object, after: str, kind: str, mark: str, *words: str) -> Any:
    """A run that has left a process behind, and goes on with `after`."""
    command = f"{sys.executable} leave.py '{kind}' {mark}; {after}"
    folder = make_tree(
        f"{tmp_path}/p", {"MLproject": f"entry_points: {{main: {{command: {command!r}}}}}", "leave.py": LEAVE}
    )
    argv = [sys.executable, "-m", "runner", "run", folder, "-q", "--grace", "0.4", *words]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert child.stdout
    assert child.stdout.readline() == b"left\n"
    return child


FEW = (
    "child",
    "emptied daemon",
    "stubborn",
)  # near, far, and deaf: the others are told from these by how they left
MATRIX = [
    *((kind, end) for kind in KINDS for end in ("well", "by a signal", "by the death of the supervisor")),
    *((kind, end) for kind in FEW for end in ("badly", "by time")),
]
USUAL = {
    *((kind, "by a signal") for kind in FEW),
    *((kind, end) for kind in FEW for end in ("well", "by the death of the supervisor")),
    *((kind, "by the death of the supervisor") for kind in ("respawning", "wandering")),
    ("crowd", "by a signal"),
    ("emptied daemon", "badly"),
    ("emptied daemon", "by time"),
}


@pytest.mark.parametrize(
    ("kind", "end"),
    [each if each in USUAL else pytest.param(*each, marks=pytest.mark.slow) for each in MATRIX],
)
def test_nothing_survives(tmp_path: object, mark: str, kind: str, end: str) -> None:
    after = {"well": "true", "badly": "exit 3", "by time": "sleep 50"}.get(end, "sleep 50")
    words = ("--timeout", "2") if end == "by time" else ()
    with start(tmp_path, after, kind, mark, *words) as child:
        if end == "by a signal":
            child.terminate()
        if end == "by the death of the supervisor":
            child.kill()
        code = child.wait(30)
    if end == "by the death of the supervisor":
        wait_for(lambda: living(mark) == [])
        return
    assert living(mark) == []
    assert code == {"well": 0, "badly": 3}.get(end, 143)
    assert "could not be ended" not in only_run().end.get("message", "")


@pytest.mark.parametrize("kind", ["child", "emptied", "emptied daemon", "stubborn"])
def test_nothing_of_a_run_within_a_run_survives_it(tmp_path: object, mark: str, kind: str) -> None:
    """Also when the inner supervisor is killed together with the outer one."""
    inner = f"{sys.executable} -m runner run . -q -e inner"
    files = {
        "MLproject": f"""entry_points:
  main: {{command: "{inner}"}}
  inner: {{command: "{sys.executable} leave.py '{kind}' {mark}; sleep 50"}}
""",
        "leave.py": LEAVE,
    }
    folder = make_tree(f"{tmp_path}/p", files)
    argv = [sys.executable, "-m", "runner", "run", folder, "-q", "--grace", "0.4"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"left\n"
        child.kill()
    wait_for(lambda: living(mark) == [])


WRAP = r"""
import os, sys, time
ours = os.getpid()
while True:  # until the numbers begin again
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0)
    if pid < ours: break
os.execv(sys.executable, [sys.executable, "leave.py", *sys.argv[1:]])
"""
# Everything of it in a namespace of process ids of its own, with few of them.
IN_NAMESPACE = r"""
echo 400 > /proc/sys/kernel/pid_max || exit 77
[ "$(cat /proc/sys/kernel/pid_max)" = 400 ] || exit 77
while [ "$(sh -c 'echo $$')" -lt 320 ]; do :; done  # Linux begins again at 300
"$@"
echo "code $?"
pgrep -c -f "^sleep $MARK" || true
"""


@pytest.mark.parametrize(
    "kind",
    [
        "emptied daemon",
        "stubborn",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("daemon", "session")),
    ],
)
def test_nothing_survives_when_process_ids_have_begun_again(tmp_path: object, mark: str, kind: str) -> None:
    command = f"{sys.executable} wrap.py '{kind}' {mark}"
    files = {
        "MLproject": f"entry_points: {{main: {{command: {command!r}}}}}",
        "leave.py": LEAVE,
        "wrap.py": WRAP,
    }
    folder = make_tree(f"{tmp_path}/p", files)
    argv = ["unshare", "-Urpf", "--mount-proc", "bash", "-c", IN_NAMESPACE, "in-namespace"]
    argv += [sys.executable, "-m", "runner", "run", folder, "-q", "--grace", "0.4"]
    done = subprocess.run(
        argv, capture_output=True, text=True, env={**os.environ, "MARK": mark}, check=False, timeout=60
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("only on systems that let a namespace have fewer process ids")
    assert done.stdout == "left\ncode 0\n0\n", done.stderr


# ---- without the guard -------------------------------------------------------------------------------------


def test_a_run_whose_guard_was_killed_goes_on_and_its_end_is_known(tmp_path: object, mark: str) -> None:
    with start(tmp_path, "sleep 1; exit 5", "daemon", mark) as child:
        os.kill(only_run().sections["supervisor"]["guard"], signal.SIGKILL)
        assert child.wait(20) == 5
    run = only_run()
    assert (run.status, run.end["reason"], run.end["exit_code"]) == ("FAILED", "exit", 5)
    assert run.sections["resources"]["peak_memory"] > 1_000_000
    assert living(mark) == []  # by its mark


def test_a_run_without_a_guard_can_be_ended(tmp_path: object, mark: str) -> None:
    with start(tmp_path, "sleep 50", "daemon", mark) as child:
        os.kill(only_run().sections["supervisor"]["guard"], signal.SIGKILL)
        time.sleep(0.3)
        child.terminate()
        assert child.wait(20) == 143
    assert only_run().end["reason"] == "interrupted"
    assert living(mark) == []


def test_where_nobody_can_take_over_the_end_is_not_guessed(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system without prctl: after the guard's death the command is nobody's child that we know."""
    monkeypatch.setattr(guarded, "BACKUP", Nothing())
    job = make_job(tmp_path, "sleep 1")
    handle = local.submit(job, Silent())
    os.kill(handle.guard.pid, signal.SIGKILL)
    ended = local.wait(handle, job, Watching())
    assert (ended.status, ended.reason, ended.exit_code) == ("FAILED", "error", 125)
    assert "guard" in ended.message


class Nothing:
    def hold(self) -> None: ...
    def release(self) -> None: ...


def test_after_both_were_killed_the_next_reader_ends_what_carries_the_mark(
    tmp_path: object, mark: str
) -> None:
    with start(tmp_path, "sleep 50", "daemon", mark) as child:
        os.kill(only_run().sections["supervisor"]["guard"], signal.SIGKILL)
        child.kill()
    assert living(mark)
    assert proj("runs").code == 0
    run = only_run()
    assert (run.status, run.end["reason"]) == ("KILLED", "lost")
    wait_for(lambda: living(mark) == [])
    wait_for(lambda: survivors(run.run_id) == [])


def test_a_guard_is_not_taken_for_its_supervisor(tmp_path: object, mark: str) -> None:
    """`pkill -f` and `killall` by a name that means supervisors leave guards alone, which end what these left."""
    with start(tmp_path, "sleep 50", "emptied", mark) as child:
        guard = only_run().sections["supervisor"]["guard"]
        with open(f"/proc/{guard}/cmdline", "rb") as file:
            assert b"\0run\0" not in file.read()
        with open(f"/proc/{guard}/comm", encoding="ascii") as file:
            assert file.read() == "proj-guard\n"
        child.kill()
    wait_for(lambda: living(mark) == [])
    wait_for(lambda: not process.pid_start(guard))


# ---- several runs in one process ---------------------------------------------------------------------------


def test_runs_of_one_process_are_told_apart(tmp_path: object) -> None:
    """Each run's daemons end with it, not with another one, though no environment tells them apart."""
    jobs: list[Job] = []
    ended: dict[int, Ended] = {}
    marks = [f"{90_000 + int.from_bytes(os.urandom(2), 'big')}.{number}7" for number in range(3)]
    for number, value in enumerate(marks):
        job = make_job(
            f"{tmp_path}/{number}", f"{sys.executable} leave.py 'emptied daemon' {value}; sleep 50", grace=0.5
        )
        make_tree(job.directory, {"leave.py": LEAVE})
        jobs.append(job)

    def run(number: int) -> None:
        with local.prepared():
            handle = local.submit(jobs[number], Silent())
        ended[number] = local.wait(handle, jobs[number], Watching())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: all(living(value) for value in marks))
    for number in range(3):
        make_tree(jobs[number].record, {"cancel": "ada"})
        threads[number].join()
        assert ended[number].reason == "cancelled"
        assert [bool(living(value)) for value in marks] == [False] * (number + 1) + [True] * (2 - number)


def test_a_guard_without_a_command_goes(tmp_path: object) -> None:
    with local.prepared():
        (waiting,) = posting._waiting.values()
        assert process.pid_start(waiting.pid)
    wait_for(lambda: not process.pid_start(waiting.pid))
    posting.reap()
    assert posting._left == []


def test_a_guard_whose_supervisor_is_gone_says_farewell_last(
    tmp_path: object, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is how the container of a run is removed, when its client has ended."""
    words = f"pgrep -f '^sleep {mark}$' > {tmp_path}/left; mv {tmp_path}/left {tmp_path}/said"
    monkeypatch.setattr(contained, "farewell", lambda job: contained.Farewell(("/bin/sh", "-c", words)))
    job = make_job(tmp_path, f"setsid sleep {mark} & sleep 50", grace=1)
    handle = local.submit(job, Silent())
    wait_for(lambda: living(mark) != [])
    os.close(handle.guard.channel)
    wait_for(lambda: os.path.exists(f"{tmp_path}/said"))
    assert os.path.getsize(f"{tmp_path}/said") == 0  # nothing was left by then
    for fd, _ in handle.outputs:
        os.close(fd)
    wait_for(lambda: os.waitpid(handle.guard.pid, os.WNOHANG) != (0, 0))


def test_a_run_within_a_run_of_the_same_thread_has_a_guard_of_its_own(tmp_path: object) -> None:
    with local.prepared():
        (outer,) = posting._waiting.values()
        with local.prepared():
            assert list(posting._waiting.values()) == [outer]
            job = make_job(tmp_path, "true")
            assert local.wait(local.submit(job, Silent()), job, Watching()).status == "FINISHED"
        job = make_job(tmp_path, "true")
        assert local.wait(local.submit(job, Silent()), job, Watching()).status == "FINISHED"
    assert posting._waiting == {}


def test_guards_do_not_stay_as_zombies(tmp_path: object) -> None:
    for number in range(5):
        job = make_job(f"{tmp_path}/{number}", "true")
        local.wait(local.submit(job, Silent()), job, Watching())
    wait_for(lambda: posting.reap() is None and posting._left == [])
    ours = str(os.getpid()).encode()
    assert [pid for pid, fields in process_tree.table() if fields[1] == ours and fields[0] == b"Z"] == []


def test_what_the_command_is_to_inherit_it_gets_and_the_guard_keeps_none_of_it(tmp_path: object) -> None:
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    job = make_job(tmp_path, f"echo through >&{theirs}; sleep 0.5")
    handle = local.submit(job, Silent())
    os.close(theirs)
    assert os.read(ours, 100) == b"through\n"
    os.set_blocking(ours, False)
    wait_for(lambda: _at_end(ours))  # only the command had it
    assert local.wait(handle, job, Watching()).status == "FINISHED"
    os.close(ours)


def _at_end(fd: int) -> bool:
    try:
        return os.read(fd, 1) == b""
    except BlockingIOError:
        return False


def test_a_process_takes_orphans_over_only_while_commands_are_on() -> None:
    backup = subreaper.Backup()
    orphan = "import os, time\nif os.fork() == 0: time.sleep(0.2); print(os.getppid(), flush=True)"
    with_us = []
    for held in (True, False):
        if held:
            backup.hold()
            backup.hold()
        done = subprocess.run([sys.executable, "-c", orphan], capture_output=True, text=True, check=True)
        with_us.append(int(done.stdout) == os.getpid())
        if held:
            backup.release()
            backup.release()
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass
    assert with_us == [True, False]


# ---- control groups ----------------------------------------------------------------------------------------


@pytest.fixture
def delegated() -> Any:
    """A control group that is marked as handed over to us, with us in it."""
    root = next((each for each in cgroup.ROOTS if os.path.exists(f"{each}/cgroup.procs")), "")
    with open("/proc/self/cgroup", encoding="ascii") as file:
        inside = next((line[3:].strip() for line in file if line.startswith("0::")), "")
    before = f"{root}{inside}"
    folder = f"{before.rstrip('/')}/proj-test-{os.getpid()}"
    if not root or os.getuid():
        pytest.skip("only on systems where root may make control groups")
    try:
        os.mkdir(folder)
        os.setxattr(folder, "trusted.delegate", b"1")
    except OSError as error:
        pytest.skip(f"only on systems where root may make control groups: {error}")
    with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as file:
        file.write("0")
    yield folder
    with open(f"{before}/cgroup.procs", "w", encoding="ascii") as file:
        file.write("0")
    cgroup.kill(folder)


@pytest.mark.parametrize("killed", ["guard", "both"])
def test_with_a_control_group_nothing_survives_even_without_the_guard(
    tmp_path: object, mark: str, delegated: str, killed: str
) -> None:
    with start(tmp_path, "sleep 1.5", "emptied daemon", mark) as child:
        facts = only_run().sections["supervisor"]
        assert facts["cgroup"] == f"{delegated}/proj-{facts['token']}"
        wait_for(lambda: os.path.isdir(facts["cgroup"]))
        wait_for(lambda: set(living(mark)) <= set(cgroup.members(facts["cgroup"])))
        os.kill(facts["guard"], signal.SIGKILL)
        if killed == "both":
            child.kill()
        child.wait(20)
    if killed == "both":
        reconcile.close_lost(Store(paths.store()))
    wait_for(lambda: living(mark) == [])
    wait_for(lambda: not os.path.exists(facts["cgroup"]))


def test_a_short_run_makes_no_control_group(tmp_path: object, delegated: str) -> None:
    folder = make_tree(f"{tmp_path}/p", {"main.py": ""})
    assert proj("run", folder).code == 0
    assert [name for name in os.listdir(delegated) if name.startswith("proj-")] == []


def test_a_control_group_that_is_not_ours_is_left_alone() -> None:
    if os.getuid() == 0 and not shutil.which("systemctl"):
        assert cgroup.place("proj-x") == ""


def test_a_file_that_another_thread_closes_meanwhile_stops_no_command(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several runs in one process: each has inheritable locks, and closes them whenever it is done with them."""
    lock = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(lock, True)
    send = posting.send

    def late(*charge: Any) -> None:
        os.close(lock)
        send(*charge)

    monkeypatch.setattr(posting, "send", late)
    job = make_job(tmp_path, "exit 7")
    assert local.wait(local.submit(job, Silent()), job, Watching()).exit_code == 7
