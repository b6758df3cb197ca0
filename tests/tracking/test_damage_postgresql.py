"""What another program changed in an index on PostgreSQL is found by looking at all of it, and made again from the logs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runner.cli import health
from runner.tracking.index import location
from runner.tracking.index.postgresql import PostgreSQLHome
from runner.tracking.store import Store

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("postgres")]
CHANGES = (
    "UPDATE runs SET name = 'another' WHERE run = 2", "DELETE FROM runs WHERE run = 3", "DELETE FROM records WHERE run = 2",
    "UPDATE metrics SET value = value + 1 WHERE run = 2", "DELETE FROM params WHERE run = 4", "DELETE FROM tags",
    "UPDATE records SET record = replace(record, 'run 1', 'run 2')", "UPDATE records SET record = 'null', checksum = 1634932152",
    "DELETE FROM places", "UPDATE experiments SET lifecycle = 'gone'", "INSERT INTO metrics VALUES (9999, 'm', 1.0)",
    "DELETE FROM datasets WHERE run = 5",
    "DELETE FROM runs; DELETE FROM records; DELETE FROM metrics; DELETE FROM params; DELETE FROM tags; DELETE FROM datasets",
)  # fmt: skip


READ_AGAIN = (CHANGES[9], CHANGES[12])  # what is merely missing, or not as far, is read from the logs before


@pytest.fixture
def store(tmp_path: object) -> Iterator[Store]:
    store = Store(f"{tmp_path}/store")
    experiment = store.create_experiment("one \0 with a NUL")
    for number in range(8):
        with store.create_run(experiment if number % 2 else "0", name=f"run {number}", params={"p": number}, tags={"t": "a\0b"},
                              sections={"source": {"path": f"/p/{number}"}}) as writer:  # fmt: skip
            writer.metrics([("m", number, 1, 0), ("nan", float("nan"), 1, 0)])
            writer.append({"type": "dataset", "name": f"d{number}", "digest": "x"})
    yield store
    store.close()


def said(store: Store) -> list[object]:
    return [*store.search(view="all", limit=100).runs, *store.experiments()]


def test_a_sound_one_is_found_to_be_sound(store: Store) -> None:
    before = repr(said(store))
    assert store.index.damage() == ""
    with store.open_run(store.resolve("last")) as writer:
        writer.tag("later", "x")
    assert store.index.damage() == ""
    assert [each.state for each in health._index(store)] == ["ok"]
    assert repr(said(store)) != before


@pytest.mark.parametrize("sql", CHANGES, ids=lambda sql: sql[:40])
def test_a_change_is_found_said_and_mended(store: Store, sql: str) -> None:
    before = repr(said(store))
    assert isinstance(store.index.home, PostgreSQLHome)
    store.index.home.current().execute(sql)
    found = list(health._index(store))
    assert [each.state for each in found][-1:] != ["broken"]
    if sql not in READ_AGAIN:
        assert "was damaged" in found[0].text
    assert repr(said(store)) == before
    assert store.index.damage() == ""


def test_a_record_that_is_whole_and_says_what_the_log_does_not(store: Store) -> None:
    """Such as that of another store's run of the same id: its rows and checksum are its own."""
    before = repr(said(store))
    link = store.index.home.current()
    number, record, log = link.execute("SELECT run, record, log FROM records ORDER BY run LIMIT 1").fetchone()
    from runner.tracking.index.rows import checksum

    record = record.replace('"name":"run 0"', '"name":"run 9"')
    link.execute(
        "UPDATE records SET record = ?, checksum = ? WHERE run = ?", (record, checksum(record, log), number)
    )
    link.execute("UPDATE runs SET name = 'run 9' WHERE run = ?", (number,))
    assert "another one than its log says" in store.index.damage()
    assert repr(said(store)) == before
    assert location.schema(store.root)
