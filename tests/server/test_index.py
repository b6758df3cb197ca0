"""`proj server` with its index on a PostgreSQL server, which several processes and hosts share."""

from __future__ import annotations

import os

import pytest

from runner.tracking.index import location
from tests.databases import database, postgres
from tests.helpers import proj
from tests.servers import Start

__all__ = ["database", "postgres"]


@pytest.mark.postgres
def test_workers_share_an_index(start: Start, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    monkeypatch.delenv("PROJ_INDEX")
    server = start("--index", postgres, "--workers", "2")
    runs = [server.client().new_run(run_name=f"run {number}") for number in range(6)]
    for number, run_id in enumerate(runs):
        client = server.client()  # another connection: either process
        client.ok(
            "runs/log-metric", {"run_id": run_id, "key": "loss", "value": number, "timestamp": 1, "step": 0}
        )
        found = client.ok(
            "runs/search",
            {"experiment_ids": ["0"], "filter": "metrics.loss >= 0", "order_by": ["metrics.loss DESC"]},
        )
        assert [each["info"]["run_id"] for each in found["runs"]] == runs[number::-1]
    assert not os.path.exists(os.path.join(server.store, "index.sqlite"))
    with psycopg.connect(postgres, autocommit=True) as connection:  # lost, with what the server has open
        connection.execute(f"DROP SCHEMA {location.schema(server.store)} CASCADE".encode())
    for _ in range(4):
        found = server.client().ok("runs/search", {"experiment_ids": ["0"], "filter": "metrics.loss > 2"})
        assert len(found["runs"]) == 3
    done = proj("runs", "--all", "--store", server.store, "--json", PROJ_INDEX=postgres)
    assert done.code == 0, done.err
    assert all(run_id in done.out for run_id in runs)


def test_an_address_that_is_none(tmp_path: object) -> None:
    done = proj("server", "--port", "0", "--store", str(tmp_path), "--index", "mysql://ada:s3cret@host/x")
    assert done.code != 0
    assert "postgresql://" in done.err
    assert "s3cret" not in done.err
