"""Stores of earlier formats are read on: `stores/<format>/`, each with what the version that made it read from it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from typing import Any

import pytest

from runner.tracking.mlflow.sent import pending
from runner.tracking.store import Store
from tests.tracking import histories
from tests.tracking.stores import make

STORES = os.path.dirname(os.path.abspath(make.__file__))
FORMATS = sorted(name for name in os.listdir(STORES) if name.isdigit())


@pytest.fixture(params=FORMATS)
def kept(request: pytest.FixtureRequest, root: str) -> str:
    shutil.copytree(os.path.join(STORES, request.param, "store"), root)
    return str(request.param)


def said(kept: str) -> Any:
    with open(os.path.join(STORES, kept, "said.json"), encoding="utf-8") as file:
        return json.load(file)


def test_it_says_what_it_said(kept: str, root: str) -> None:
    with Store(root) as store:
        # as text: NaN is not NaN
        assert json.dumps(make.said(store), sort_keys=True) == json.dumps(said(kept), sort_keys=True)
        histories.check(store)
        assert [sent.uri for sent in pending(store)] == ["http://example.invalid"]


def test_what_is_done_to_it_goes_to_segments(kept: str, root: str) -> None:
    before = {path: data for path, data in files(root).items() if path.endswith("events.jsonl")}
    assert before
    with Store(root) as store:
        for run in store.search(view="all").runs:
            with store.open_run(run.run_id) as writer:
                writer.tag("now", run.name)
                writer.metric("loss", 7.0, 99, 1)
            assert store.read(run.run_id).tags["now"] == run.name
            assert store.history(run.run_id, "loss").points[-1].value == 7.0
        for each in store.experiments("all"):
            store.tag_experiment(each.experiment_id, "now", each.name)
            assert store.experiment(each.experiment_id).tags["now"] == each.name
        assert len(store.search("tags.now != ''", view="all").runs) == len(said(kept)["runs"])
        histories.check(store)
    after = files(root)
    assert {path: after[path] for path in before} == before


def test_its_index_is_made_again(kept: str, root: str) -> None:
    with sqlite3.connect(os.path.join(root, "index.sqlite")) as link:
        link.execute("CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied BIGINT, checksum TEXT)")
        link.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        link.execute("CREATE TABLE runs (run INTEGER PRIMARY KEY, run_id TEXT)")
    link.close()
    with Store(root) as store:
        assert [run.run_id for run in store.search().runs] == said(kept)["listed"]
        assert store.index.path == os.path.join(root, "index.sqlite")


def files(root: str) -> dict[str, bytes]:
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.path.relpath(os.path.join(folder, name), root)] = file.read()
    return found
