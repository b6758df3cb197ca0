"""Random histories of runs, and what an index must say about them."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import strategies as st

from runner.tracking import segments
from runner.tracking.fold import Run, fold
from runner.tracking.index import lineage, rows
from runner.tracking.index.dialect import Database
from runner.tracking.log import encode, read
from runner.tracking.reading import NOTHING
from runner.tracking.store import Store, is_run_id

KEYS = st.sampled_from(["loss", "a/b c", "größe", "x'; DROP TABLE runs; --", "model", "k" * 300])
TEXTS = st.one_of(
    st.sampled_from(["ridge", "Ridge", "", "100%", "a_b", "x" * 64, "x" * 65]), st.text(max_size=5)
)
NUMBERS = st.one_of(
    st.sampled_from([0.0, -1.5, 0.8, float("nan"), float("inf"), float("-inf")]), st.floats(-2, 2)
)
TIMES = st.integers(0, 5)
JSON = st.one_of(TEXTS, NUMBERS, st.integers(), st.booleans(), st.none(), st.lists(TEXTS, max_size=2))
POINTS = st.lists(st.tuples(KEYS, NUMBERS, TIMES, TIMES), max_size=4)


def event(kind: str, /, **keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind), "time": TIMES, **keys})


DATASET = {
    "name": TEXTS,
    "digest": TEXTS,
    "tags": st.just([{"key": "mlflow.data.context", "value": "train"}]),
}
EVENTS = st.one_of(
    event("param", key=KEYS, value=JSON),
    event("tag", key=KEYS, value=TEXTS),
    event("tag", key=st.just("mlflow.runName"), value=TEXTS),
    event("untag", key=KEYS),
    event("metric", key=KEYS, value=NUMBERS, timestamp=TIMES, step=TIMES),
    event("metrics", points=POINTS),
    event("machine", host=TEXTS, cores=TIMES),
    event("supervisor", pid=TIMES),
    event("dataset", **DATASET),
    event("artifact", path=TEXTS, size=TIMES, digest=TEXTS),
    event("update", name=TEXTS),
    event("update", status=st.sampled_from(["RUNNING", "FINISHED", "SCHEDULED", "odd"])),
    event("deleted"),
    event("restored"),
    event("end", status=st.sampled_from(["FINISHED", "FAILED", "KILLED"]), reason=st.just("exit")),
    event("of the future", key=TEXTS),
    event("metric", key=st.just("no value")),
    event("tag", key=st.just(7), value=TEXTS),
)
STARTS = event(
    "start",
    run_id=st.just("0" * 32),
    experiment_id=st.sampled_from(["0", "1"]),
    name=TEXTS,
    kind=st.sampled_from(["project", "client"]),
    project=TEXTS,
)
HISTORIES = st.tuples(STARTS, st.lists(EVENTS, max_size=12)).map(lambda pair: [pair[0], *pair[1]])


def run_id(number: int) -> str:
    return f"{number:032x}"


def append(root: str, number: int, data: bytes) -> None:
    folder = os.path.join(root, "runs", run_id(number))
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "events.jsonl"), "ab") as file:
        file.write(data)


def lines(history: list[dict[str, Any]]) -> list[bytes]:
    return [encode(each) for each in history]


def folded(root: str) -> dict[str, Run]:
    """Read by the plain reader, line by line, from the beginning."""
    found = {}
    for name in os.listdir(os.path.join(root, "runs")) if os.path.isdir(os.path.join(root, "runs")) else ():
        if is_run_id(name):
            folder = os.path.join(root, "runs", name)
            run = fold(each for each, _ in read(os.path.join(folder, "events.jsonl")))
            if run is not None:
                run = fold(segments.read(folder).operations, run)
                assert run is not None
                found[name] = run._replace(run_id=name)
    return found


def check(store: Store) -> None:
    """index == fold(logs): the records, and the rows that are searched."""
    store.index.count()  # caught up
    store.index.ask(lambda connection: compare(connection, folded(store.root)), refresh=False)
    assert store.index.damage() == ""


def compare(connection: Database, logs: dict[str, Run]) -> None:
    numbers = dict(connection.execute("SELECT run_id, run FROM runs"))
    assert numbers.keys() == logs.keys()
    for name, number in numbers.items():
        run = logs[name]
        assert repr(rows.load(connection, number, NOTHING).run) == repr(run)  # repr: NaN is not NaN
        for table, wanted in rows._values(run).items():
            column = "value" if table == "metrics" else "coalesce(whole, value)"
            sql = f"SELECT key, {column} FROM {table} WHERE run = ?"
            found = dict(connection.execute(sql, (number,)))
            assert found == {
                stored(rows.short(key)): stored(rows.storable(value)) for key, value in wanted.items()
            }
        (status, lifecycle, title) = connection.execute(
            "SELECT status, lifecycle, name FROM runs WHERE run = ?", (number,)
        ).fetchone()
        assert (status, lifecycle, title) == (run.status, run.lifecycle, stored(rows.storable(run.name)))
        (count,) = connection.execute("SELECT count(*) FROM datasets WHERE run = ?", (number,)).fetchone()
        assert count == len(run.datasets)
        files = set(connection.execute("SELECT way, digest, path FROM files WHERE run = ?", (number,)))
        assert files == {tuple(stored(rows.short(each)) for each in found) for found in lineage.of(run)}
    for table in ("metrics", "params", "tags", "records", "datasets", "files"):
        (left,) = connection.execute(
            f"SELECT count(*) FROM {table} WHERE run NOT IN (SELECT run FROM runs)"
        ).fetchone()
        assert left == 0


def stored(value: Any) -> Any:
    """PostgreSQL has no NUL in texts."""
    if isinstance(value, str) and os.environ.get("PROJ_INDEX"):
        return value.replace("\0", "\ufffd")
    return value


def fill(root: str, *names: str) -> list[str]:
    store = Store(root)
    made = []
    for name in names:
        with store.create_run(name=name, params={"model": name}) as writer:
            writer.metric("loss", 0.5)
            writer.end("FINISHED", sync=False)
            made.append(writer.run_id)
    return made


def names(root: str) -> list[str]:
    with Store(root) as store:
        return sorted(run.name for run in store.search().runs)


def ask(root: str, sql: str) -> list[Any]:
    """Of the index of a store, as it is now."""
    with Store(root) as store:
        store.index.count()
        return store.index.ask(lambda connection: execute(connection, sql), refresh=False)


def execute(connection: Database, sql: str) -> list[Any]:
    cursor = connection.execute(sql)
    return list(cursor) if cursor.description else []


def settle(root: str) -> None:
    """Long ago: nothing is watched or changed within one tick of the clock any more."""
    for folder, _, files in os.walk(root):
        for name in [*files, "."]:
            os.utime(os.path.join(folder, name), (1e9, 1e9))
