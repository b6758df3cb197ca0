"""Appending: whole lines or none, whoever dies and whatever is full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from runner.errors import StoreError
from runner.tracking import log
from runner.tracking.log import EventLog, encode, new_run_id, read
from runner.tracking.store import Store

WRITE = """
import sys
from runner.tracking.store import Store
writer = Store(sys.argv[1]).open_run(sys.argv[2])
for step in range(int(sys.argv[4])):
    writer.metric(sys.argv[3], step, step)
"""


def events(path: str) -> list[dict[str, object]]:
    return [event for event, _ in read(path)]


def test_several_processes_write_one_log(tmp_path: object) -> None:
    """None of their lines is lost or mixed with another."""
    store = Store(str(tmp_path))
    run = store.create_run().run_id
    argv = [sys.executable, "-c", WRITE, store.root, run]
    writers = [subprocess.Popen([*argv, f"m{number}", "500"]) for number in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    path = os.path.join(store.run_directory(run), "events.jsonl")
    bad: list[int] = []
    points = [event for event, _ in read(path, corrupt=lambda place, _: bad.append(place))][1:]
    assert not bad
    for number in range(4):
        assert [each["step"] for each in points if each["key"] == f"m{number}"] == list(range(500))


@pytest.mark.slow
def test_64_processes_write_64_runs(tmp_path: object) -> None:
    store = Store(str(tmp_path))
    runs = [store.create_run().run_id for _ in range(64)]
    argv = [sys.executable, "-c", WRITE, store.root]
    writers = [subprocess.Popen([*argv, run, "loss", "1000"]) for run in runs]
    assert [writer.wait() for writer in writers] == [0] * 64
    for run in runs:
        assert [point.step for point in store.history(run, "loss").points] == list(range(1000))


def test_threads_write_one_run(tmp_path: object) -> None:
    writer = Store(str(tmp_path)).create_run()
    threads = [
        threading.Thread(target=lambda key=key: [writer.metric(key, step, step) for step in range(300)])
        for key in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in "abcd":
        points = Store(str(tmp_path)).history(writer.run_id, key).points
        assert [point.step for point in points] == list(range(300))


def test_a_killed_writer_tears_its_own_line_only(tmp_path: object) -> None:
    """The other writer's log is open the whole time: it looks at the last byte before each write."""
    path = os.path.join(str(tmp_path), "log")
    mine = EventLog(path)
    mine.append({"type": "tag", "key": "one"})
    with open(path, "ab") as other:
        other.write(b'{"type":"metric","ke')
    mine.append({"type": "tag", "key": "two"})
    mine.close()
    assert [event["key"] for event in events(path)] == ["one", "two"]


def test_a_writer_killed_at_any_moment_leaves_whole_lines(tmp_path: object) -> None:
    store = Store(str(tmp_path))
    run = store.create_run().run_id
    writer = subprocess.Popen([sys.executable, "-c", WRITE, store.root, run, "loss", "100000000"])
    path = os.path.join(store.run_directory(run), "events.jsonl")
    while os.path.getsize(path) < 5000:
        time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    store.open_run(run).end("KILLED")
    points = store.history(run, "loss", 10**9).points
    assert [point.step for point in points] == list(range(len(points)))
    assert len(points) > 20
    assert store.read(run).status == "KILLED"


FULL = """
import resource, signal, sys
from runner.errors import StoreError
from runner.tracking.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = Store(sys.argv[1]).open_run(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
written = 0
try:
    while True:
        writer.metric("loss", written, written)
        written += 1
except StoreError as error:
    print(written, error.message)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.tag("room", "again")
"""


def test_a_full_disk_is_an_error_and_keeps_what_was_logged(tmp_path: object) -> None:
    store = Store(str(tmp_path))
    run = store.create_run().run_id
    out = subprocess.run(
        [sys.executable, "-c", FULL, store.root, run], capture_output=True, text=True, check=True
    )
    written, _, message = out.stdout.partition(" ")
    assert "File too large" in message
    assert len(store.history(run, "loss").points) == int(written)
    assert store.read(run).tags["room"] == "again"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only on systems with /dev/full")
def test_no_space_left() -> None:
    with pytest.raises(StoreError, match="No space left"):
        EventLog("/dev/full").append({"type": "tag"})


def test_ids_sort_by_time_even_when_the_clock_jumps_back(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events count in the order of the file; the time of a run is what the clock said."""
    assert new_run_id(1000) < new_run_id(1001) < new_run_id()
    store = Store(str(tmp_path))
    monkeypatch.setattr(log.time, "time_ns", lambda: 2_000_000_000_000_000_000)
    writer = store.create_run()
    writer.tag("key", "first")
    monkeypatch.setattr(log.time, "time_ns", lambda: 1_000_000_000_000_000_000)
    writer.tag("key", "second")
    writer.end("FINISHED")
    run = store.read(writer.run_id)
    assert run.tags["key"] == "second"
    assert (run.start_time, run.end_time) == (2_000_000_000_000, 1_000_000_000_000)


def test_text_that_is_not_unicode_is_kept_and_shown(tmp_path: object) -> None:
    """The log has it exactly; who reads it can write it anywhere, unless it is to be acted on."""
    name = os.fsdecode(b"caf\xe9.csv")
    with Store(str(tmp_path)) as store:
        run = store.create_run(params={"data": name}, tags={"größe": "\u2028 \x00 'quoted' \n"}).run_id
        found = store.read(run)
        assert store.read(run, exact=True).params["data"] == name
        assert found.params["data"] == r"caf\xe9.csv"
        assert found.tags["größe"] == "\u2028 \x00 'quoted' \n"
        assert store.search(rf"params.data = '{name}'").runs == store.search().runs == (found,)


def test_one_line_per_event() -> None:
    assert encode({"type": "tag", "value": "a\nb\r\u2028"}).count(b"\n") == 1
