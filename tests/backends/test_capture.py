"""What a command writes, on a disk that has no room for a while: what is missing is counted, in its place and at the end."""

from __future__ import annotations

import os
import random
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from runner import paths
from runner.backends.capture import Capture
from runner.tracking.output import Reader
from runner.tracking.store import Store
from tests.helpers import make_tree

GAP = re.compile(rb"\n\[\.\.\. (\d+) bytes of output were lost here: [^\n]* \.\.\.\]\n")
ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only on systems where we may mount a small file system")


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may become larger than that, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def read(folder: object, name: str = "output.log") -> bytes:
    with open(f"{folder}/{name}", "rb") as file:
        return file.read()


def test_what_found_no_room_is_counted_and_said_in_its_place(tmp_path: object) -> None:
    capture = Capture(str(tmp_path), 1 << 30)
    capture.write(b"before\n", 1)
    with room(10):
        capture.write(b"cut in two\n", 1)
        capture.write(b"lost\n", 2)
    capture.write(b"after\n", 1)
    capture.close()
    assert read(tmp_path) == (
        b"before\ncut\n[... 13 bytes of output were lost here: File too large ...]\nafter\n"
    )
    assert capture.problem == "output was not kept: 13 bytes (File too large)"


def test_the_end_of_the_output_may_be_what_is_missing(tmp_path: object) -> None:
    capture = Capture(str(tmp_path), 1 << 30)
    with room(4):
        capture.write(b"1234567", 1)
    capture.close()
    assert GAP.search(read(tmp_path)).group(1) == b"3"  # type: ignore[union-attr]


def test_a_record_that_could_not_be_opened_is_opened_when_it_can(tmp_path: object) -> None:
    folder = f"{tmp_path}/record"
    capture = Capture(folder, 1 << 30)
    capture.write(b"lost", 1)
    os.makedirs(folder)
    capture.write(b"kept", 1)
    capture.close()
    assert GAP.sub(b"|", read(folder)) == b"|kept"
    assert capture.problem == "output was not kept: 4 bytes (No such file or directory)"


def test_times_are_those_of_what_is_there(tmp_path: object) -> None:
    capture = Capture(str(tmp_path), 1 << 30)
    capture.write(b"one\n", 1)
    with room(4):
        for _ in range(20):
            capture.write(b"lost\n", 2)
            time.sleep(0.011)
    capture.write(b"two\n", 2)
    capture.close()
    pieces = list(Reader(str(tmp_path)).read())
    assert [(piece.stream, GAP.sub(b"", piece.data)) for piece in pieces] == [(1, b"one\n"), (2, b"two\n")]
    assert len(read(tmp_path, "output.times").splitlines()) == 2


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_missing_but_what_is_counted(tmp_path: object, seed: int) -> None:
    """Random output on a disk whose room comes and goes; with a limit, too, so that there is a tail."""
    chance = random.Random(seed)
    limited = seed % 2
    capture = Capture(str(tmp_path), 4000 if limited else 1 << 30)
    written = b""
    for number in range(300):
        data = b"%d:" % number * chance.randint(1, 20)
        written += data
        with room(chance.choice((1 << 20, 1 << 20, chance.randint(0, 9000)))):
            capture.write(data, chance.choice((1, 2)))
    capture.close()
    log = read(tmp_path)
    lost = sum(int(each) for each in GAP.findall(log))
    told = re.match(r"output was not kept: (\d+) bytes", capture.problem)
    if not limited:
        assert len(GAP.sub(b"", log)) + lost == len(written)
        assert lost == (int(told.group(1)) if told else 0)
    rest = written  # what is there is a part of what was written, in its order
    for piece in re.split(rb"\n\[\.\.\. \d+ bytes of output were (?:lost|left out) here[^\n]*\n", log):
        at = rest.find(piece)
        assert at >= 0
        rest = rest[at + len(piece) :]
    for line in read(tmp_path, "output.times").splitlines():
        assert len(line.split()) == 3


def test_a_tail_for_which_there_is_no_room_stays_where_it_is(tmp_path: object) -> None:
    capture = Capture(str(tmp_path), 2000)
    for number in range(1000):
        capture.write(b"%06d\n" % number, 1)
    before = read(tmp_path)
    with room(1500):
        capture.close()
    assert read(tmp_path) == before
    shown = b"".join(piece.data for piece in Reader(str(tmp_path)).tail())
    assert shown.endswith(b"000998\n000999\n")


@pytest.fixture
def small(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store on a file system of 1 MB."""
    folder = f"{tmp_path}/small"
    os.makedirs(folder)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "none", folder], check=False).returncode:
        pytest.skip("only on systems where we may mount a small file system")
    monkeypatch.setenv("PROJ_STORE", folder)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@ROOT
def test_a_run_goes_on_recording_when_there_is_room_again(tmp_path: object, small: str) -> None:
    program = f"""
import os, sys, time
def say(text): sys.stdout.write(text); sys.stdout.flush()
say("first\\n")
time.sleep(0.5)
with open({small!r} + "/fill", "wb", buffering=0) as file:
    try:
        while True: file.write(b"x" * 4096)
    except OSError: pass
say("l" * 50000 + "\\n")
time.sleep(0.3)
os.unlink({small!r} + "/fill")
say("last\\n")
"""
    folder = make_tree(f"{tmp_path}/p", {"main.py": program})
    done = subprocess.run(
        [sys.executable, "-m", "runner", "run", folder],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout == b"first\n" + b"l" * 50000 + b"\nlast\n"  # the user sees it all
    (name,) = os.listdir(os.path.join(paths.store(), "runs"))
    log = read(os.path.join(paths.store(), "runs", name))
    (lost,) = GAP.findall(log)
    assert log.startswith(b"first\n")
    assert log.endswith(b"\nlast\n")
    assert len(GAP.sub(b"", log)) + int(lost) == len(done.stdout)
    message = Store(paths.store()).read(name).end["message"]
    assert message == f"output was not kept: {int(lost)} bytes (No space left on device)"
    assert message in done.stderr.decode()
