"""A store of runs as its users see it, odd input included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest

from runner.errors import InputError, StoreError
from runner.tracking.index.places import Place
from runner.tracking.log import encode
from runner.tracking.store import Store


@pytest.fixture
def store(tmp_path: object) -> Store:
    with Store(os.path.join(str(tmp_path), "store")) as made:
        yield made


def test_a_run_from_start_to_end(store: Store) -> None:
    sections = {"source": {"uri": ".", "kind": "local"}, "machine": {"host": "h"}}
    writer = store.create_run(
        "0",
        name="mine",
        project="p",
        entry_point="main",
        params={"lr": 0.1, "layers": [1, 2], "flag": True, "none": None},
        texts={"flag": "true"},
        tags={"team": "x"},
        sections=sections,
    )
    assert store.read(writer.run_id).status == "RUNNING"
    writer.metric("loss", 0.5, step=1, timestamp=7)
    writer.rename("other")
    writer.end("FAILED", exit_code=3, reason="exit", message="")
    run = store.read(writer.run_id)
    assert (run.status, run.name, run.project, run.entry_point) == ("FAILED", "other", "p", "main")
    assert run.end == {"status": "FAILED", "reason": "exit", "exit_code": 3}
    assert run.params == {"lr": 0.1, "layers": [1, 2], "flag": True, "none": None}
    assert run.param_texts == {"lr": "0.1", "layers": "[1, 2]", "flag": "true", "none": "None"}
    assert run.sections == sections
    assert store.search("params.flag = 'true' and params.lr = '0.1'").runs == (run,)


def test_starting_a_run_is_one_write(store: Store) -> None:
    """A crash leaves the whole beginning or none of it; the index is not even imported."""
    writer = store.create_run(params={"a": 1}, tags={"b": "c"})
    with open(os.path.join(writer.directory, "events.jsonl"), "rb") as file:
        assert [json.loads(line)["type"] for line in file] == ["start", "param", "tag"]
    code = (
        "import sys; from runner.tracking.store import Store; "
        f"w = Store({store.root!r}).create_run(); w.metric('a', 1); w.end('FINISHED'); "
        "print(sorted(set(sys.modules) & {'sqlite3', 'subprocess', 'typing_extensions', 'hashlib', "
        "'runner.tracking.fold', 'runner.tracking.index.projection', 'dataclasses', 'pathlib', 'threading', 'shutil'}))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=repository()
    )
    assert done.stdout.strip() == "[]", done.stderr


WITHOUT = """
import sys
sys.modules["sqlite3"] = sys.modules["_sqlite3"] = None
from runner.tracking.store import Store
store = Store(sys.argv[1])
writer = store.create_run(store.ensure_experiment("job"))
writer.metric("loss", 0.5)
writer.end("FINISHED")
print(store.read(writer.run_id).status)
"""


def test_complaint_23634_a_batch_job_records_without_a_database(store: Store) -> None:
    """Files only: what people lost when the file store was given up for a database that no cluster can share."""
    argv = [sys.executable, "-c", WITHOUT, store.root]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=repository(), check=True)
    assert done.stdout == "FINISHED\n"
    assert not os.path.exists(os.path.join(store.root, "index.sqlite"))
    assert [run.metrics["loss"].value for run in store.search().runs] == [0.5]


def repository() -> str:
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_runs_that_are_not_there(store: Store) -> None:
    for wrong in ("f" * 32, "../../etc/passwd", "", "*" * 32):
        for call in (store.read, store.open_run, store.purge, store.delete_run):
            with pytest.raises(StoreError, match="there is no run"):
                call(wrong)
    assert store.search().runs == ()
    with pytest.raises(StoreError, match="already there"):
        store.create_run(run_id=store.create_run().run_id)


def test_deleting_restoring_and_purging(store: Store) -> None:
    run = store.create_run().run_id
    store.delete_run(run)
    assert store.search().runs == ()
    assert [each.run_id for each in store.search(view="deleted").runs] == [run]
    store.restore_run(run)
    assert [each.run_id for each in store.search().runs] == [run]
    store.purge(run)
    assert store.search(view="all").runs == ()
    assert os.listdir(os.path.join(store.root, "runs")) == []


# ---- how people name a run -------------------------------------------------------------------------------


def test_references(store: Store) -> None:
    ids = [f"{number:031x}{number}" for number in (1, 2, 3)]
    for number, run_id in enumerate(ids):
        with store.create_run(
            run_id=run_id, name=f"run {number}", start_time=number, project="ab"[number % 2]
        ) as run:
            run.metric("metrics/loss", [0.5, 0.1, float("nan")][number])
    assert store.resolve(ids[0]) == ids[0]
    assert store.resolve("run 1") == ids[1]
    assert store.resolve("last") == ids[2]
    assert store.resolve("last~2") == ids[0]
    own = {name: store.index.scope(Place(path="/p", name=name)) for name in "abc"}
    assert store.resolve("last", own["b"]) == ids[1]
    assert store.resolve("best:metrics.metrics/loss") == ids[1]
    assert store.resolve("best:-metrics.`metrics/loss`") == ids[0]
    assert store.resolve("best:metrics/loss", own["a"]) == ids[0]
    for ref, message in (("last", "no run of this project yet"), ("best:acc", "no run of this project has")):
        with pytest.raises(InputError, match=message):
            store.resolve(ref, own["c"])
    for wrong, message in (
        ("last~3", "only 3 runs"),
        ("nobody", "no run is called"),
        ("best:acc", "no run has the metric 'acc'"),
        ("000", "no run is called"),
        ("0000", "may be one of these"),
    ):
        with pytest.raises(InputError, match=message):
            store.resolve(wrong)


def test_two_runs_with_one_name(store: Store) -> None:
    first, second = (store.create_run(name="twin").run_id for _ in range(2))
    with pytest.raises(InputError) as caught:
        store.resolve("twin")
    assert first in caught.value.message
    assert second in caught.value.message
    store.delete_run(first)
    assert store.resolve("twin") == second


# ---- experiments -----------------------------------------------------------------------------------------


def test_experiments(store: Store) -> None:
    assert [each.name for each in store.experiments()] == ["Default"]
    one = store.create_experiment("one", "s3://bucket/one", {"team": "x"})
    assert one == Store(store.root + "-other").create_experiment("one")  # two stores agree on the id
    assert store.experiment(one)[:4] == (one, "one", "s3://bucket/one", "active")
    with pytest.raises(StoreError, match="already there"):
        store.create_experiment("one")
    store.rename_experiment(one, "uno")
    other = store.create_experiment("one")
    assert other != one
    assert store.experiment_by_name("one") == store.experiment(other)
    assert store.experiment_by_name("uno") == store.experiment(one)
    with pytest.raises(StoreError, match="already there"):
        store.rename_experiment(one, "one")
    store.tag_experiment(one, "team", None)
    store.tag_experiment("0", "purpose", "all")
    assert store.experiment(one).tags == {}
    assert store.experiment("0").tags == {"purpose": "all"}
    store.delete_experiment(one)
    assert [each.name for each in store.experiments()] == ["one", "Default"]
    assert [each.name for each in store.experiments("deleted")] == ["uno"]
    with pytest.raises(StoreError, match="restore"):
        store.create_experiment("uno")
    for wrong in ("17", "../0", ""):
        with pytest.raises(StoreError, match="there is no experiment"):
            store.experiment(wrong)
    with pytest.raises(StoreError):
        store.create_experiment("  ")


def test_complaint_979_many_workers_make_one_experiment(store: Store) -> None:
    found: list[str] = []
    workers = [
        threading.Thread(target=lambda: found.append(store.ensure_experiment("sweep"))) for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert store.ensure_experiment("Default") == "0"
    assert [
        name for name in os.listdir(os.path.join(store.root, "experiments")) if name.startswith(".")
    ] == []


# ---- history ---------------------------------------------------------------------------------------------


def test_history_in_pages(store: Store) -> None:
    writer = store.create_run()
    writer.metric("loss", 9.0, 0, 1)
    writer.metrics([(key, float(step), 2, step) for step in range(12_000) for key in ("loss", "acc")])
    writer.metric("loss", 9.0, 0, 1)  # sent again
    writer.metric("loss", float("nan"), 1, 1)
    writer.metric("loss", float("nan"), 1, 1)
    points, token, pages = [], "", 0
    while True:
        page = store.history(writer.run_id, "loss", 5000, token)
        points.extend(page.points)
        token, pages = page.next_page_token, pages + 1
        if not token:
            break
    assert pages == 3
    assert [point.value for point in points[:12_001]] == [9.0, *map(float, range(12_000))]
    assert len(store.history(writer.run_id, "loss", 10**6).points) == 12_002
    assert store.history(writer.run_id, "nothing").points == ()
    with pytest.raises(InputError, match="page token"):
        store.history(writer.run_id, "loss", page_token="x")
    with pytest.raises(StoreError):
        store.history("f" * 32, "loss")


# ---- bad input -------------------------------------------------------------------------------------------


def test_a_corrupt_line_is_skipped_and_named(store: Store) -> None:
    writer = store.create_run()
    writer.tag("before", "1")
    writer.log.append_lines(
        [
            b'{"type":"metric","key":"loss","value":0.1,"time\n',
            b"\x00\xff\n",
            b"[1]\n",
            b'{"type":"tag"},{"type":"tag"}\n',
        ]
    )
    writer.log.append_lines([encode({"type": "metric", "time": 1, "key": "loss"})])
    writer.tag("after", "1")
    with open(os.path.join(writer.directory, "events.jsonl"), "rb") as file:
        before = file.read()
    run = store.read(writer.run_id)
    assert {"before", "after"} <= run.tags.keys()
    assert store.search("tags.after = '1'").runs == (run,)
    problems = store.problems()
    assert len(problems) == 5
    assert {run_id for run_id, _, _ in problems} == {writer.run_id}
    offset = next(
        offset for _, offset, message in problems if "loss" in message and "not an event" in message
    )
    assert before[offset:].startswith(b'{"type":"metric","key":"loss"')
    assert store.problems() == problems  # not twice
    with open(os.path.join(writer.directory, "events.jsonl"), "rb") as file:
        assert file.read() == before  # nothing is deleted


def test_numbers_that_are_none(store: Store) -> None:
    values = {"nan": float("nan"), "inf": float("inf"), "minus": float("-inf")}
    for key, value in values.items():
        with store.create_run(name=key) as writer:
            writer.metric("loss", value)
            writer.metric(key, value)
    assert [run.name for run in store.search(order_by=["metrics.loss"]).runs] == ["minus", "inf", "nan"]
    assert [run.name for run in store.search(order_by=["metrics.loss DESC"]).runs] == ["inf", "minus", "nan"]
    assert [run.name for run in store.search("metrics.loss > 1e308").runs] == ["inf"]
    assert [run.name for run in store.search("metrics.loss != 0", order_by=["run_name"]).runs] == sorted(
        values
    )
    (run,) = store.search("run_name = 'nan'").runs
    assert run.metrics["loss"].value != run.metrics["loss"].value


def test_a_parameter_of_a_megabyte(store: Store) -> None:
    big = "x" * 1_000_000
    run = store.create_run(params={"big": big, "same start": big[:-1] + "y"}).run_id
    assert store.read(run).params["big"] == big
    assert len(store.search(f"params.big = '{big}'").runs) == 1
    assert len(store.search(f"params.`same start` = '{big}'").runs) == 0
    assert len(store.search(f"params.big LIKE '{big[:100]}%'").runs) == 1


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_very_many_tags(store: Store, count: int) -> None:
    writer = store.create_run()
    writer.append(*({"type": "tag", "key": f"tag {number}", "value": str(number)} for number in range(count)))
    assert len(store.search(f"tags.`tag {count - 1}` = '{count - 1}'").runs) == 1
    writer.untag("tag 5")
    (run,) = store.search("tags.`tag 5` IS NULL").runs
    assert len(run.tags) == count  # one less, and the name's


@pytest.mark.parametrize("key", ["val/loss", "größe", "a b", "a.b", "x' OR 1=1 --", "🚀", "k" * 5000, ""])
def test_keys_with_slashes_and_unicode(store: Store, key: str) -> None:
    writer = store.create_run(params={key: "1"}, tags={key: "2"})
    writer.metric(key, 3.0)
    run = store.read(writer.run_id)
    assert (run.params[key], run.tags[key], run.metrics[key].value) == ("1", "2", 3.0)
    if key:
        found = store.search(f"params.`{key}` = '1' and tags.`{key}` = '2' and metrics.`{key}` = 3").runs
        assert found == (run,)
        assert store.history(writer.run_id, key).points == (run.metrics[key],)


def test_what_is_no_json_is_refused_and_nothing_is_written(store: Store) -> None:
    writer = store.create_run()
    with pytest.raises(StoreError, match="JSON"):
        writer.param("set", {1, 2})
    assert store.read(writer.run_id).params == {}


def test_integers_beyond_64_bits(store: Store) -> None:
    run = store.create_run(params={"seed": 2**70}, start_time=2**70).run_id
    assert store.read(run).start_time == 2**70
    assert [each.params["seed"] for each in store.search().runs] == [2**70]


def test_a_copied_run_folder_is_a_run_of_its_own(store: Store) -> None:
    import shutil

    run = store.create_run(name="original").run_id
    copy = "0" * 32
    shutil.copytree(store.run_directory(run), store.run_directory(copy))
    assert store.read(copy).run_id == copy
    assert {each.run_id for each in store.search().runs} == {run, copy}


def test_a_store_that_is_not_there_is_empty(tmp_path: object) -> None:
    with Store(os.path.join(str(tmp_path), "nothing", "here")) as store:
        assert store.search().runs == ()
        assert [each.name for each in store.experiments()] == ["Default"]
        with pytest.raises(InputError, match="there is no run yet"):
            store.resolve("last")
    assert not os.path.exists(os.path.join(str(tmp_path), "nothing"))
