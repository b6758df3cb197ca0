"""Ctrl-C while a run is made again: recorded as killed, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from runner import paths
from tests.helpers import make_tree
from tests.reproduction.worlds import ran, store


def wait_for(path: str) -> None:
    end = time.monotonic() + 30
    while not os.path.exists(path):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("repeated", [False, True])
def test_while_the_command_runs(tmp_path: object, number: signal.Signals, repeated: bool) -> None:
    """`repeated`: at the second repetition, when a first result is there."""
    command = f"sh wait.sh {tmp_path}"
    script = 'test -e $1/slow || exit 0\necho x >> $1/count\ntest "$(wc -l < $1/count)" -lt $(cat $1/slow) || { touch $1/there; sleep 60; }\n'
    project = make_tree(
        f"{tmp_path}/demo",
        {"MLproject": f"entry_points:\n  main:\n    command: {command}\n", "wait.sh": script},
    )
    run = ran(project)
    make_tree(tmp_path, {"slow": "2" if repeated else "1"})
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "reproduce", run.run_id, "-n", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    wait_for(f"{tmp_path}/there")
    (os.killpg if number == signal.SIGINT else os.kill)(
        process.pid, number
    )  # as a terminal, and as a service
    out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number, out + err
    assert "Traceback" not in err
    again = sorted(store().search().runs, key=lambda each: each.run_id)[-1]
    assert (again.status, again.end["reason"]) == ("KILLED", "interrupted")
    assert again.links[0]["run_id"] == run.run_id
    assert os.listdir(paths.cache("checkouts")) == []
    verifications = os.path.join(store().run_directory(run.run_id), "verifications")
    assert not os.path.exists(verifications)  # nothing was found out
