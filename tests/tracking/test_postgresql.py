"""An index on a PostgreSQL server: shared, made again when it is removed, and never in the way of a run."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from runner.errors import StoreError
from runner.tracking.index import location
from runner.tracking.store import Store
from tests.helpers import make_tree, proj
from tests.tracking import histories
from tests.tracking.histories import ask, fill, names

ABSENT = "postgresql://ada:s3cret%21@127.0.0.1:1/runs?sslpassword=alsos3cret"


def refused(root: str, url: str) -> StoreError:
    with Store(root, index=url) as store, pytest.raises(StoreError) as caught:
        store.search()
    assert "s3cret" not in repr(caught.value) + caught.value.message + caught.value.hint
    return caught.value


def test_a_server_that_is_down_is_an_error_that_says_so(root: str) -> None:
    (run,) = fill(root, "a")
    pytest.importorskip("psycopg")
    error = refused(root, ABSENT)
    assert "the index postgresql://ada@127.0.0.1:1/runs cannot be used" in error.message
    assert "PROJ_INDEX" in error.hint
    assert Store(root, index=ABSENT).read(run).name == "a"  # what needs no search


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ada:s3cret@host/runs",
        "ada:s3cret@host/runs?password=s3cret",
        "postgresql://ada:s3cret@host/runs?wrong=s3cret",
        "postgresql://ada:s3cret%@host:port/runs",
        "postgresql://ada:s3cret@[host/runs",
        "postgresql://",
    ],
)
def test_an_address_that_is_none(root: str, url: str) -> None:
    fill(root, "a")
    refused(root, url if url != "postgresql://" else "postgresql://:1/?connect_timeout=no")


def test_without_the_driver(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "proj-runner[postgresql]" in refused(root, ABSENT).hint


def test_a_run_does_not_need_the_index(tmp_path: object) -> None:
    folder = make_tree(
        os.path.join(str(tmp_path), "p"), {"MLproject": "name: p\nentry_points:\n  main: {command: 'true'}\n"}
    )
    done = proj("run", folder, PROJ_INDEX=ABSENT)
    assert done.code == 0, done.err
    listed = proj("runs", "--all", PROJ_INDEX=ABSENT)
    assert listed.code != 0
    assert "cannot be used" in listed.err
    assert "Traceback" not in listed.err
    everything = done.out + done.err + listed.out + listed.err
    for above, _, files in os.walk(os.environ["PROJ_HOME"]):
        for name in files:
            with open(os.path.join(above, name), "rb") as file:
                everything += file.read().decode("utf-8", "replace")
    assert "s3cret" not in everything
    assert proj("runs", "--all").code == 0


@pytest.mark.postgres
class TestWithServer:
    def test_what_is_removed_while_it_is_in_use_is_made_again(self, root: str, postgres: str) -> None:
        fill(root, "a", "b")
        with Store(root) as store:
            assert len(store.search().runs) == 2
            for sql in (
                f"DROP SCHEMA {location.schema(root)} CASCADE",
                f"DROP TABLE {location.schema(root)}.params",
                f"ALTER TABLE {location.schema(root)}.tags DROP COLUMN whole",
            ):
                ask(root + "-other", sql)
                assert len(store.search("params.model LIKE '%' and tags.x IS NULL").runs) == 2
                assert len(store.search("tags.x != 'y'").runs) == 0
                histories.check(store)

    def test_a_connection_that_is_cut_is_made_again(self, root: str, postgres: str) -> None:
        fill(root, "a")
        with Store(root) as store:
            assert len(store.search().runs) == 1
            fill(root, "b")
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid() "
            ask(root + "-other", cut + "AND datname = current_database()")
            assert len(store.search().runs) == 2

    def test_a_copy_and_other_stores_have_schemas_of_their_own(self, root: str, postgres: str) -> None:
        fill(root, "a")
        fill(root + "-other", "b")
        assert (names(root), names(root + "-other")) == (["a"], ["b"])
        found = ask(root, "SELECT obj_description(oid) FROM pg_namespace WHERE nspname LIKE 'proj%'")
        assert sorted(text for (text,) in found) == [
            f"index of the store {each}" for each in (root, root + "-other")
        ]

    def test_many_that_make_it_at_once_agree(self, root: str, postgres: str) -> None:
        fill(root, *(f"run {number}" for number in range(50)))
        found: list[int] = []

        def look() -> None:
            with Store(root) as store:
                found.append(len(store.search(limit=100).runs))

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [50] * 8
        assert ask(root, "SELECT count(*) FROM runs") == [(50,)]

    def test_a_password_in_what_the_server_says(self, root: str, database: str) -> None:
        fill(root, "a")
        error = refused(root, database.replace("//postgres", "//nobody:s3cret"))
        assert "nobody" in error.message

    def test_a_database_that_does_not_take_all_texts(self, root: str, database: str) -> None:
        import psycopg

        fill(root, "größe")
        with psycopg.connect(database, autocommit=True) as connection:
            name = f"proj_test_latin_{os.getpid()}"
            connection.execute(
                f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'".encode()
            )
            try:
                assert "LATIN1" in refused(root, database.rpartition("/")[0] + "/" + name).message
            finally:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def test_a_store_that_may_not_be_written_has_a_schema_too(
        self, root: str, postgres: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(root, "a")

        def read_only(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(location, "_identify", read_only)
        assert names(root) == ["a"]
        assert not os.path.exists(os.path.join(root, "index.id"))


@pytest.mark.usefixtures("dialect")
def test_texts_that_a_database_does_not_take_as_they_are(root: str) -> None:
    with Store(root) as store:
        with store.create_run("x" * 5000, name="n" * 5000) as writer:
            for key in ("k" * 5000, "k" * 4999 + "j", "nul\0nul", "\udcff", "größe"):
                writer.param(key, key)
                writer.tag(key, "v" * 5000)
                writer.metric(key, 1.0)
        for key in ("k" * 5000, "k" * 4999 + "j", "nul\0nul", "\udcff", "größe"):
            for clause in (f"params.`{key}` = '{key}'", f"metrics.`{key}` = 1", f"tags.`{key}` LIKE 'v%'"):
                assert len(store.search(clause).runs) == 1, clause[:20]
        assert len(store.search("attributes.start_time < 1" + "0" * 30).runs) == 1
        assert store.search("run_name IN ('nul\0', '\udcff')").runs == ()
        histories.check(store)
