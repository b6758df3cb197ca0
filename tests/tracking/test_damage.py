"""A damaged index heals: never an error, never a list that lacks something, and it is said once."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from typing import NamedTuple

import pytest

from runner.tracking.index import soundness
from runner.tracking.log import encode
from runner.tracking.store import Store
from runner.values import Silent
from tests.cli.records import Program
from tests.helpers import examples, some
from tests.tracking.histories import fill, names

RUNS = 80
PAGE = 4096
SEEDS = 240


class Told(Silent):
    """A Report that keeps what was said."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class World(NamedTuple):
    root: str
    path: str  # of the index
    whole: bytes  # its content
    said: object  # what it says


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = str(tmp_path_factory.mktemp("damage") / "store")
    store = Store(root)
    experiments = ["0", store.create_experiment("one"), store.create_experiment("two")]
    for number in range(RUNS):
        params = {f"p{key}": f"value {number * key}" for key in range(12)} | {"long": "x" * 300}
        with store.create_run(
            experiments[number % 3], name=f"run {number}", params=params, tags={"n": str(number)}
        ) as writer:
            writer.metrics((f"m{key}", number / (key + 1), 1, 0) for key in range(8))
            writer.append({"type": "dataset", "name": f"d{number % 5}", "digest": str(number)})
            if number % 4:
                writer.end("FINISHED", sync=False)
            if number % 7 == 0:
                writer.tag("later", "yes")
    store.delete_experiment(experiments[2])
    store.delete_run(store.resolve("run 3"))
    said = answers(store)
    store.close()
    path = os.path.join(root, "index.sqlite")
    with open(path, "rb") as file:
        return World(root, path, file.read(), said)


def answers(store: Store) -> object:
    """As every kind of search gives them."""
    found: list[object] = [store.search(limit=1000, view=view).runs for view in ("all", "active", "deleted")]
    for text in ("params.p7 = 'value 70'", "metrics.m3 > 5", "tags.later = 'yes'", "dataset.name = 'd3'", "status = 'RUNNING'",
                 "run_name = 'run 11'", "params.long LIKE 'x%'", "tags.n IS NULL"):  # fmt: skip
        found.append(store.search(text, limit=1000, order_by=["metrics.m2 DESC"]).runs)
    found.append(store.search(experiment_ids=["0"], limit=1000).runs)
    found += [store.resolve("run 40"), store.resolve("last"), store.index.count()]
    return found


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 5, 50))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def noise(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at : at + 200] = rng.randbytes(len(data[at : at + 200]))


def page(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) // PAGE) * PAGE
    other = rng.randrange(len(data) // PAGE) * PAGE
    data[at : at + PAGE] = rng.choice((bytes(PAGE), rng.randbytes(PAGE), data[other : other + PAGE]))


def header(data: bytearray, rng: random.Random) -> None:
    """Of a page: its kind, how many cells it has, where they are."""
    at = rng.randrange(len(data) // PAGE) * PAGE + rng.randrange(14)
    data[at] = rng.randrange(256)


def fewer(data: bytearray, rng: random.Random) -> None:
    """A leaf that has lost its last cell."""
    leaves = [at for at in range(PAGE, len(data), PAGE) if data[at] in (10, 13) and data[at + 4] > 1]
    data[rng.choice(leaves) + 4] -= 1


def truncated(data: bytearray, rng: random.Random) -> None:
    del data[rng.choice((0, 1, 99, PAGE, rng.randrange(len(data)))) :]


def text(data: bytearray, rng: random.Random) -> None:
    """Other letters of the same length: as good a row as any."""
    old, new = rng.choice(((b"run 1", b"run 2"), (b"FINISHED", b"FINISHES"), (b"active", b"actors"), (b"value 7", b"value 8"), (b"later", b"laser"),
                           (b'"', b"'"), (b"CREATE", b"CREMAT"), (b"complete", b"compleat"), (b"e:", b"f:"), (b"one", b"ono"),
                           (b"value", b"\xff\xfe\xfdue")))  # fmt: skip
    data[:] = data.replace(old, new, rng.choice((1, 3, -1)))


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip, noise, page, header, fewer, truncated, text,
)  # fmt: skip


def put(world: World, data: bytes) -> None:
    """In place: the file stays the same one."""
    for suffix in ("-wal", "-shm"):
        if os.path.exists(world.path + suffix):
            os.unlink(world.path + suffix)
    if not os.path.exists(world.path):
        open(world.path, "xb").close()
    with open(world.path, "r+b") as file:
        file.write(data)
        file.truncate()


def healed(world: World, how: object) -> list[str]:
    told = Told()
    with Store(world.root, told) as store:
        assert answers(store) == world.said, how
    assert len(told.warnings) <= 1, (how, told.warnings)
    again = Told()
    with Store(world.root, again) as store:
        assert answers(store) == world.said, how
    assert again.warnings == [], how
    return told.warnings


@pytest.mark.parametrize("kind", DAMAGES, ids=lambda kind: kind.__name__)
def test_whatever_becomes_of_the_file_everything_is_listed(
    world: World, kind: Callable[[bytearray, random.Random], None]
) -> None:
    said = 0
    for seed in range(examples(SEEDS) // len(DAMAGES)):
        with Store(world.root) as store:  # made again where the last one was damaged: another file
            store.index.count()
        with open(world.path, "rb") as file:
            data = bytearray(file.read())
        kind(data, random.Random(f"{kind.__name__} {seed}"))
        put(world, data)
        said += len(healed(world, (kind.__name__, seed)))
    assert said or kind is truncated  # to nothing: it is a new one


@pytest.mark.parametrize("kind", DAMAGES, ids=lambda kind: kind.__name__)
def test_what_left_no_trace_on_the_file_is_no_error(
    world: World, kind: Callable[[bytearray, random.Random], None]
) -> None:
    """As on a failing disk: the file has the size and the times that it had. What is met is mended."""
    for seed in range(examples(20)):
        with Store(world.root) as store:
            store.index.count()
        with open(world.path, "rb") as file:
            data = bytearray(file.read())
        kind(data, random.Random(f"{kind.__name__} {seed} unseen"))
        put(world, data)
        soundness.note_left(world.path)
        with Store(world.root) as store:
            for run in store.search(limit=1000, view="all").runs:
                assert run == store.read(run.run_id), (kind.__name__, seed)
            store.index.damage()
            assert answers(store) == world.said


@pytest.mark.parametrize("sql", some([
    "UPDATE runs SET name = 'another' WHERE run = 5", "UPDATE runs SET lifecycle = 'deleted' WHERE run > 40",
    "UPDATE runs SET start_time = start_time + 1", "DELETE FROM runs WHERE run % 3 = 0", "DELETE FROM records WHERE run = 7",
    "UPDATE metrics SET value = value + 1 WHERE run = 9", "DELETE FROM params WHERE key = 'p7'", "DELETE FROM tags",
    "UPDATE files SET digest = 'other'", "DELETE FROM files",
    "UPDATE records SET record = replace(record, 'run 1', 'run 2')", "UPDATE records SET record = '{}' WHERE run = 2",
    "UPDATE records SET record = 'null', checksum = 1634932152 WHERE run = 2", "UPDATE experiments SET lifecycle = 'gone'",
    "DELETE FROM experiments", "DELETE FROM datasets WHERE name = 'd3'", "UPDATE params SET value = x'fffe' WHERE run = 3",
    "UPDATE meta SET value = '[' WHERE key = 'journals'", "UPDATE meta SET value = '{\"a\":[1]}' WHERE key = 'journals'", "DROP TABLE tags",
    "ALTER TABLE runs ADD COLUMN more TEXT", "UPDATE runs SET segments = 'x' WHERE run = 1", "DROP INDEX runs_by_time",
    "INSERT INTO metrics VALUES (9999, 'm', 1.0)", "UPDATE runs SET position = 'far' WHERE run = 4", "UPDATE runs SET inode = NULL",
    "DELETE FROM runs; DELETE FROM records; DELETE FROM metrics; DELETE FROM params; DELETE FROM tags; DELETE FROM datasets",
    "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END",
], 10))  # fmt: skip
def test_rows_that_nobody_of_us_wrote(world: World, sql: str) -> None:
    with Store(world.root) as store:
        store.index.count()
    connection = sqlite3.connect(world.path)
    try:
        connection.executescript(sql)
    except sqlite3.IntegrityError:
        return
    finally:
        connection.close()
    healed(world, sql)


def test_an_open_index_that_is_changed_underneath(world: World) -> None:
    with Store(world.root) as store:
        assert answers(store) == world.said
        for seed in range(10):
            with open(world.path, "r+b") as file:
                file.seek(PAGE * random.Random(seed).randrange(1, 20))
                file.write(random.Random(seed).randbytes(PAGE))
            assert answers(store) == world.said
    healed(world, "open")


def test_no_other_program_s_tables_are_touched(root: str, tmp_path: object) -> None:
    """A store that was sent to us may have a link in the place of its index."""
    fill(root, "a")
    names(root)
    other = f"{tmp_path}/bookmarks.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    with open(other, "rb") as file:
        before = file.read()
    os.unlink(os.path.join(root, "index.sqlite"))
    os.symlink(other, os.path.join(root, "index.sqlite"))
    assert names(root) == ["a"]
    with open(other, "rb") as file:
        assert file.read() == before
    assert not os.path.islink(os.path.join(root, "index.sqlite"))


def test_doctor_compares_the_index_with_the_logs(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from runner import paths

    root = paths.store()
    fill(root, "a", "b", "c")
    names(root)
    path = os.path.join(root, "index.sqlite")
    done = program("doctor")
    assert "3 runs, as many as there are logs" in done.out, done.out
    with open(path, "r+b") as file:
        data = file.read().replace(b'"name":"b"', b'"name":"x"')
        file.seek(0)
        file.write(data)
    soundness.note_left(path)  # nothing shows it
    done = program("doctor")
    assert done.code == 0
    assert "! index" in done.out
    assert "was made again from the logs" in done.out
    assert names(root) == ["a", "b", "c"]
    assert "! index" not in program("doctor").out
    # a run that its log knows of and the index does not
    folder = os.path.join(root, "runs", "0" * 32)
    os.mkdir(folder)
    with open(f"{folder}/events.jsonl", "wb") as file:
        file.write(encode({"type": "start", "time": 1, "run_id": "0" * 32, "name": "d"}))
    assert "4 runs, as many as there are logs" in program("doctor").out
