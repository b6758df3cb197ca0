"""`proj logs`: the output of a run, with its times and streams, and as it comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from runner import paths
from runner.running.reconcile import Watched
from runner.tracking.output import Reader
from runner.tracking.store import Store
from tests.cli.records import Program, make_run
from tests.helpers import make_tree, proj


def write(run_id: str, pieces: list[tuple[int, int, str]]) -> str:
    """Pieces of (ms, stream, text) as the supervisor writes them; returns the folder of the run."""
    folder = Store(paths.store()).run_directory(run_id)
    with (
        open(os.path.join(folder, "output.log"), "ab") as log,
        open(os.path.join(folder, "output.times"), "ab") as times,
    ):
        for moment, stream, text in pieces:
            times.write(b"%d %d %d\n" % (log.tell(), moment, stream))
            times.flush()
            log.write(text.encode())
            log.flush()
    return folder


PIECES = [
    (1_700_000_000_000, 1, "one\ntw"),
    (1_700_000_000_500, 2, "oops\n"),
    (1_700_000_001_000, 1, "o\nend"),
]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "one\ntwoops\no\nend"),
        (("--stream", "1"), "one\ntwo\nend"),
        (("--stream", "2"), "oops\n"),
        (("-n", "2"), "two\nend"),
        (
            ("--timestamps",),
            (
                "2023-11-14T22:13:20.000Z one\n2023-11-14T22:13:20.500Z oops\n"
                "2023-11-14T22:13:20.000Z two\n2023-11-14T22:13:21.000Z end\n"
            ),
        ),
    ],
)
def test_output_is_shown(program: Program, words: tuple[str, ...], expected: str) -> None:
    write(make_run("one"), PIECES)
    assert program("logs", "one", *words).out == expected


def test_lines_as_json(program: Program) -> None:
    write(make_run("one"), PIECES)
    lines = [json.loads(line) for line in program("logs", "one", "--json").out.splitlines()]
    assert lines[0] == {"time": "2023-11-14T22:13:20.000Z", "stream": 1, "text": "one"}
    assert [line["text"] for line in lines] == ["one", "oops", "two", "end"]


def test_the_end_of_a_long_output_is_shown_though_the_supervisor_is_gone(program: Program) -> None:
    folder = write(make_run("one"), PIECES)
    make_tree(folder, {"output.tail.20": "second\n", "output.tail.10": "first\n"})
    assert program("logs", "one").out.endswith("end\n[... output was left out here ...]\nfirst\nsecond\n")


def test_bytes_come_through_as_they_are(program: Program) -> None:
    folder = Store(paths.store()).run_directory(make_run("one"))
    data = bytes(range(256)) * 10_000
    with open(os.path.join(folder, "output.log"), "wb") as file:
        file.write(data)
    done = subprocess.run([sys.executable, "-m", "runner", "logs", "one"], capture_output=True, check=True)
    assert done.stdout == data


def test_a_run_without_output(program: Program) -> None:
    make_run("silent")
    assert program("logs", "silent") == (0, "", "")


@pytest.mark.parametrize("words", [("--stream", "3"), ("-f", "-n", "1")])
def test_wrong_input(program: Program, words: tuple[str, ...]) -> None:
    make_run("one")
    assert program("logs", "one", *words).code == 2


def test_a_reader_goes_on_where_it_was() -> None:
    run_id = make_run(status="RUNNING")
    folder = Store(paths.store()).run_directory(run_id)
    reader = Reader(folder)
    assert list(reader.read()) == []
    write(run_id, [(1, 1, "a")])
    assert list(reader.read()) == [(1, 1, b"a")]
    with open(os.path.join(folder, "output.log"), "ab") as log:
        log.write(b"b")  # of the same piece
    assert list(reader.read()) == [(1, 1, b"b")]
    write(run_id, [(2, 2, "c"), (3, 1, "d")])
    assert list(reader.read()) == [(2, 2, b"c"), (3, 1, b"d")]
    assert list(reader.read()) == []


def test_follow_ends_with_the_run() -> None:
    run_id = make_run("one", status="RUNNING", kind="client")
    write(run_id, [(1, 1, "begin\n")])
    child = subprocess.Popen([sys.executable, "-m", "runner", "logs", "-f", "one"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"begin\n"
    write(run_id, [(2, 1, "more\n")])
    assert child.stdout.readline() == b"more\n"
    assert child.poll() is None
    with Store(paths.store()).open_run(run_id) as writer:
        write(run_id, [(3, 1, "last")])
        writer.end("FINISHED")
    assert child.communicate(timeout=20)[0] == b"last"
    assert child.returncode == 0


def test_following_reads_the_record_on_from_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = make_run("one", status="RUNNING", kind="client", metrics={"loss": [0.1] * 5000})
    store = Store(paths.store())
    watched = Watched(store, run_id)
    assert watched.look().status == "RUNNING"
    counted: list[int] = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *words: counted.append(len(found := pread(*words))) or found)
    for _ in range(3):
        assert watched.look().status == "RUNNING"
    with store.open_run(run_id) as writer:
        writer.end("FINISHED")
    assert watched.look().status == "FINISHED"
    assert sum(counted) < 100_000 < os.path.getsize(os.path.join(store.run_directory(run_id), "events.jsonl"))


def test_what_a_run_wrote_is_no_command_to_github_actions() -> None:
    write(make_run("one"), PIECES)
    first, *_, last = proj("logs", "one", GITHUB_ACTIONS="true").out.splitlines()
    assert first.startswith("::stop-commands::")
    assert last == f"::{first.rpartition('::')[2]}::"
