"""Runs with the real MLflow's Python: the same runs and queries for its SQL store and ours. SEED COUNT FOLDER."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from typing import Any

from mlflow.entities import Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from runner.errors import InputError
from runner.tracking.store import Store

KEYS = ["a", "b c", "größe", "x/y", "1z"]
TEXTS = ["ridge", "Ridge", "ri%", "r_dge", "x", "X'y", "ß"]
NUMBERS = [0.0, 1.0, -1.0, 0.5, float("nan"), float("inf"), float("-inf"), 1e10]
VIEWS = [(ViewType.ACTIVE_ONLY, "active"), (ViewType.DELETED_ONLY, "deleted"), (ViewType.ALL, "all")]


def fill(rng: random.Random, theirs: Any, ours: Store, experiments: dict[str, str]) -> None:
    for _ in range(60):
        experiment, start, name = rng.choice(list(experiments)), rng.randrange(5), rng.choice(TEXTS)
        run_id = theirs.create_run(experiment, "ada", start, [], name).info.run_id
        writer = ours.create_run(
            experiments[experiment], run_id=run_id, name=name, user="ada", kind="client", start_time=start
        )
        for key in KEYS:
            if rng.random() < 0.5:
                value = rng.choice(TEXTS)
                theirs.log_param(run_id, Param(key, value))
                writer.param(key, value)
            if rng.random() < 0.5:
                value = rng.choice(TEXTS)
                theirs.set_tag(run_id, RunTag(key, value))
                writer.tag(key, value)
            for _ in range(rng.randrange(4)):
                number, timestamp, step = rng.choice(NUMBERS), rng.randrange(3), rng.randrange(3)
                theirs.log_metric(run_id, Metric(key, number, timestamp, step))
                writer.metric(key, number, step, timestamp)
        if rng.random() < 0.6:
            status, end = rng.choice(["FINISHED", "FAILED"]), rng.randrange(9)
            theirs.update_run_info(run_id, RunStatus.from_string(status), end, None)
            writer.append({"type": "update", "status": status, "end_time": end})
        if rng.random() < 0.2:
            theirs.delete_run(run_id)
            ours.delete_run(run_id)
        writer.close()


def quoted(rng: random.Random, key: str) -> str:
    if not key.isidentifier() or rng.random() < 0.3:
        return rng.choice([f"`{key}`", f'"{key}"'])
    return key


def text(rng: random.Random) -> str:
    value = rng.choice([*TEXTS, "r%", "%D_E", "R%"])
    return f'"{value}"' if "'" in value else f"'{value}'"


def clause(rng: random.Random) -> str:
    key, kind = quoted(rng, rng.choice(KEYS)), rng.randrange(8)
    if kind < 3:
        number = rng.choice(["0", "1", "0.5", "-1", "1e10", "2.5"])
        return f"{rng.choice(['metrics', 'metric'])}.{key} {rng.choice(['<', '<=', '>', '>=', '=', '!='])} {number}"
    if kind < 6:
        operator = rng.choice(["=", "!=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL", "like", ">"])
        value = "" if "NULL" in operator else text(rng)
        return f"{rng.choice(['params', 'tags', 'tag', 'parameters'])}.{key} {operator} {value}".strip()
    number = str(rng.randrange(9))
    return rng.choice(
        [
            *("status = 'FINISHED'", "status != 'FINISHED'", "status ILIKE 'f%'", "run_id IN ('a')"),
            *(f"run_name LIKE {text(rng)}", f"`run name` = {text(rng)}", "attributes.user_id = 'ada'"),
            *(
                f"start_time >= {number}",
                f"created != {number}",
                f"end_time > {number}",
                f"end_time <= {number}",
            ),
            *("foo = 'x'", "metrics.a LIKE 'x'", "params.a = 1", "metrics.a"),
        ]
    )


def order(rng: random.Random) -> str:
    key = quoted(rng, rng.choice(KEYS))
    return rng.choice(
        [
            *(f"metrics.{key}", f"metrics.{key} DESC", f"params.{key} ASC", f"tags.{key} desc", "start_time"),
            *("start_time DESC", "status", "end_time", "end_time DESC", "run_name", "attribute.run_id DESC"),
        ]
    )


def everything(page: Callable[[Any], tuple[list[str], Any]], wrong: type[Exception]) -> list[str] | str:
    """Ids of all pages, or that the query was refused."""
    found, token = [], None
    try:
        while True:
            ids, token = page(token)
            found += ids
            if not token:
                return found
    except wrong:
        return "refused"


def main(seed: int, count: int, folder: str) -> None:
    rng = random.Random(seed)
    theirs = SqlAlchemyStore(f"sqlite:///{folder}/theirs.db", f"{folder}/artifacts")
    refused = 0
    with Store(os.path.join(folder, "ours")) as ours:
        experiments = {
            "0": "0",
            **{theirs.create_experiment(name): ours.create_experiment(name) for name in "xy"},
        }
        fill(rng, theirs, ours, experiments)
        for _ in range(count):
            where = " AND ".join(clause(rng) for _ in range(rng.randrange(3)))
            orders = [order(rng) for _ in range(rng.randrange(3))]
            among, (view, ours_view) = rng.sample(list(experiments), rng.randrange(1, 4)), rng.choice(VIEWS)
            limit = rng.choice([3, 7, 100])

            def their_page(token: Any, ask: tuple[Any, ...] = (among, where, view, limit, orders)) -> Any:
                page = theirs.search_runs(*ask, token)
                return [run.info.run_id for run in page], page.token

            mine = (where, [experiments[each] for each in among], orders, limit)

            def our_page(token: Any, ask: tuple[Any, ...] = mine, view: str = ours_view) -> Any:
                page = ours.search(*ask, token or "", view)
                return [run.run_id for run in page.runs], page.next_page_token

            one, other = everything(their_page, MlflowException), everything(our_page, InputError)
            assert one == other, f"{where!r} {orders} {ours_view}\ntheirs {one}\nours   {other}"
            refused += one == "refused"
    print(count, refused)


main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
