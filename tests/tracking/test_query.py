"""What the database answers is what looking through all runs answers."""

from __future__ import annotations

import functools
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import InputError
from runner.tracking.fold import Run
from runner.tracking.index import grammar, query
from runner.tracking.index.dialect import SQLITE
from runner.tracking.index.grammar import Clause, Order
from runner.tracking.store import Store
from tests.helpers import examples
from tests.tracking import histories

pytestmark = pytest.mark.usefixtures("dialect")
KEYS = st.sampled_from(["a", "größe c"])
TEXTS = st.sampled_from(["ridge", "Ridge", "ri%", "r_dge", "", "x" * 64, "x" * 64 + "y", "x" * 64 + "Z", "'"])
PATTERNS = st.one_of(TEXTS, st.sampled_from(["%", "r%", "R%", "%d_e", "x%", "x" * 63 + "%"]))
NUMBERS = st.sampled_from([0.0, 0.0, 1.0, 0.5, float("nan"), float("-inf")])
FINITE = st.sampled_from([0, 1, -1, 0.5, 2.25])

RUNS = st.fixed_dictionaries(
    {
        "experiment_id": st.sampled_from(["0", "0", "1", "2"]),
        "name": TEXTS,
        "start_time": st.integers(0, 3),
        "params": st.dictionaries(KEYS, TEXTS, max_size=3),
        "tags": st.dictionaries(KEYS, TEXTS, max_size=3),
        "metrics": st.dictionaries(KEYS, NUMBERS, min_size=1, max_size=2),
        "status": st.sampled_from(["", "FINISHED", "FAILED"]),
        "deleted": st.sampled_from([False, False, False, True]),
        "datasets": st.lists(TEXTS, max_size=2),
    }
)
COMPARED = st.sampled_from(["=", "!=", ">", ">=", "<", "<="])
LISTED = st.sampled_from(["IN", "NOT IN"])
CLAUSES = st.one_of(
    st.builds(Clause, st.just("metric"), KEYS, LISTED, st.lists(FINITE, min_size=1, max_size=3).map(tuple)),
    st.builds(
        Clause,
        st.sampled_from(["param", "tag"]),
        KEYS,
        LISTED,
        st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(Clause, st.just("metric"), KEYS, COMPARED, FINITE),
    st.builds(Clause, st.sampled_from(["param", "tag"]), KEYS, st.sampled_from(["=", "!="]), TEXTS),
    st.builds(Clause, st.sampled_from(["param", "tag"]), KEYS, st.sampled_from(["LIKE", "ILIKE"]), PATTERNS),
    st.builds(Clause, st.sampled_from(["param", "tag"]), KEYS, st.sampled_from(["IS NULL", "IS NOT NULL"])),
    st.builds(Clause, st.just("attribute"), st.just("run_name"), st.sampled_from(["=", "!=", "LIKE"]), TEXTS),
    st.builds(
        Clause,
        st.just("attribute"),
        st.just("status"),
        st.sampled_from(["IN", "NOT IN"]),
        st.lists(st.sampled_from(["FINISHED", "RUNNING"]), min_size=1, max_size=2).map(tuple),
    ),
    st.builds(
        Clause, st.just("attribute"), st.sampled_from(["start_time", "end_time"]), COMPARED, st.integers(0, 3)
    ),
    st.builds(Clause, st.just("dataset"), st.just("name"), st.sampled_from(["=", "!=", "LIKE"]), TEXTS),
)
# A filter as people think it: a clause, or ("AND" | "OR", filters...).
FILTERS: st.SearchStrategy[Any] = st.recursive(
    CLAUSES, lambda inner: st.tuples(st.sampled_from(["AND", "OR"]), inner, inner), max_leaves=6
)
ORDERS = st.lists(
    st.one_of(
        st.builds(Order, st.sampled_from(["metric", "metric", "param", "tag"]), KEYS, st.booleans()),
        st.builds(
            Order,
            st.just("attribute"),
            st.sampled_from(["start_time", "end_time", "run_name", "status"]),
            st.booleans(),
        ),
    ),
    max_size=2,
    unique_by=lambda order: order[:2],
)


def value(run: Run, entity: str, key: str) -> Any:
    if entity == "metric":
        return run.metrics[key].value if key in run.metrics else None
    if entity == "attribute":
        return getattr(run, {"run_name": "name"}.get(key, key))
    return (run.param_texts if entity == "param" else run.tags).get(key)


def written(wanted: Any, case: Any, around: str = "") -> str:
    """In the grammar; `case` spells its words, and parentheses are there where they are needed."""
    if isinstance(wanted, Clause):
        entity, key, operator, against = wanted
        left = key if entity == "attribute" else f"{entity}s.`{key}`"
        right = "" if operator.startswith("IS") else literal(against)
        return f"{left} {case(operator)} {right}"
    word, *parts = wanted
    text = f" {case(word)} ".join(written(part, case, word) for part in parts)
    return f"({text})" if (around, word) == ("AND", "OR") else text


def literal(against: Any) -> str:
    if isinstance(against, tuple):
        return f"({', '.join(map(literal, against))})"
    return "'{}'".format(against.replace("'", "''")) if isinstance(against, str) else str(against)


def meets(run: Run, wanted: Any) -> bool:
    """What a filter means, told without any of the program's code for it."""
    if not isinstance(wanted, Clause):
        word, *parts = wanted
        found = [meets(run, part) for part in parts]
        return all(found) if word == "AND" else any(found)
    if wanted.entity == "dataset":
        return any(holds(wanted, dataset[wanted.key]) for dataset in run.datasets)
    return holds(wanted, value(run, wanted.entity, wanted.key))


def holds(clause: Clause, found: Any) -> bool:
    operator, against = clause.operator, clause.value
    if operator == "IS NULL":
        return found is None
    if found is None:
        return False
    if operator == "IS NOT NULL":
        return True
    if operator == "LIKE":
        return alike(str(against), found)
    if operator == "ILIKE":
        return alike(str(against).lower(), found.lower())
    return bool(OPERATORS[operator](found, against))


OPERATORS: Any = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "IN": lambda a, b: any(a == each for each in b), "NOT IN": lambda a, b: all(a != each for each in b),
}  # fmt: skip


def alike(pattern: str, text: str) -> bool:
    """Of % and _, letter by letter."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(alike(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and alike(pattern[1:], text[1:])


def compare(orders: list[Order], one: Run, other: Run) -> int:
    last = (
        []
        if any(order.key == "start_time" for order in orders)
        else [Order("attribute", "start_time", False)]
    )
    for entity, key, ascending in [*orders, *last, Order("attribute", "run_id")]:
        a, b = value(one, entity, key), value(other, entity, key)
        ranks = [2 if each is None else 1 if each != each else 0 for each in (a, b)]
        if ranks[0] != ranks[1]:
            return ranks[0] - ranks[1]
        if ranks[0] == 0 and a != b:
            return (-1 if a < b else 1) * (1 if ascending else -1)
    return 0


def fill(store: Store, runs: list[dict[str, Any]]) -> list[Run]:
    for number, each in enumerate(runs):
        run_id = histories.run_id(number)
        with store.create_run(
            each["experiment_id"],
            name=each["name"],
            run_id=run_id,
            start_time=each["start_time"],
            params=each["params"],
            tags=each["tags"],
        ) as writer:
            for key, number in each["metrics"].items():
                writer.metric(key, number, timestamp=0)
            for name in each["datasets"]:
                writer.append({"type": "dataset", "name": name, "digest": ""})
            if each["status"]:
                writer.end(each["status"], end_time=each["start_time"] + 1, sync=False)
            if each["deleted"]:
                writer.append({"type": "deleted"})
    return [store.read(histories.run_id(number)) for number in range(len(runs))]


@pytest.mark.parametrize("few", [0, 1, 2000], ids=["walk", "one", "sort"])
def test_random_queries(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "FEW", few)
    for_each = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))

    @for_each
    @given(
        st.lists(RUNS, min_size=5, max_size=10),
        st.lists(st.tuples(st.none() | FILTERS, ORDERS), min_size=6, max_size=6),
        st.sampled_from([None, None, None, (), ("0",), ("0", "1")]),
        st.sampled_from(["active", "active", "deleted", "all"]),
        st.integers(1, 9),
        st.sampled_from([str.upper, str.lower, str.title]),
    )
    def check(
        runs: list[dict[str, Any]],
        questions: list[tuple[Any, list[Order]]],
        experiments: tuple[str, ...] | None,
        view: str,
        limit: int,
        case: Any,
    ) -> None:
        with tempfile.TemporaryDirectory() as root, Store(root) as store:
            known = fill(store, runs)
            for asked_for, orders in questions:
                text = "" if asked_for is None else written(asked_for, case)
                wanted = [run for run in known if asked_for is None or meets(run, asked_for)]
                wanted = [run for run in wanted if view in ("all", run.lifecycle)]
                wanted = [run for run in wanted if experiments is None or run.experiment_id in experiments]
                wanted.sort(key=functools.cmp_to_key(functools.partial(compare, orders)))
                found: list[Run] = []
                start: tuple[int, int] | None = (0, 0)
                while start is not None:
                    asked = query.Query(grammar.parse_filter(text), orders, experiments, view)
                    page, start = store.index.page(asked, limit, start)
                    assert len(page) == limit or start is None
                    found.extend(page)
                assert [run.run_id for run in found] == [run.run_id for run in wanted]
                assert store.index.ask(lambda link, asked=asked: query.count(link, asked)) == len(wanted)  # type: ignore[misc]
                for first in (0, 2, len(wanted) - 1):
                    if first >= 0:
                        place = store.index.ask(
                            lambda link, asked=asked, at=first: query.place(link, asked, at)
                        )  # type: ignore[misc]
                        page, _ = store.index.page(asked, limit, place)
                        assert page == tuple(found[first : first + limit])

    check()


def test_pages_and_tokens(tmp_path: object) -> None:
    with Store(str(tmp_path)) as store:
        ids = [store.create_run(start_time=number).run_id for number in range(7)]
        first = store.search(limit=3)
        second = store.search(limit=3, page_token=first.next_page_token)
        third = store.search(limit=3, page_token=second.next_page_token)
        assert [run.run_id for page in (first, second, third) for run in page.runs] == ids[::-1]
        assert third.next_page_token == ""
        with pytest.raises(InputError, match="page token"):
            store.search(page_token="7 OR 1=1")


def test_runs_of_deleted_experiments_are_not_listed(tmp_path: object) -> None:
    with Store(str(tmp_path)) as store:
        experiment = store.create_experiment("mine")
        run = store.create_run(experiment).run_id
        assert [each.run_id for each in store.search().runs] == [run]
        store.delete_experiment(experiment)
        assert store.search().runs == ()
        assert [each.run_id for each in store.search(experiment_ids=[experiment]).runs] == [run]
        store.restore_experiment(experiment)
        assert [each.run_id for each in store.search().runs] == [run]


def test_order_by_a_metric_walks_its_index(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of an order by a metric is found without sorting all the runs that have it."""
    monkeypatch.delenv("PROJ_INDEX", raising=False)
    with Store(str(tmp_path)) as store:
        store.create_run().metric("loss", 1.0)
        asked = query.Query(
            grammar.parse_filter("metrics.loss < 2"), grammar.parse_order(["metrics.loss DESC"])
        )
        plans: list[list[str]] = []

        class Spy:
            dialect = SQLITE

            def execute(self, sql: str, bound: tuple[Any, ...] = ()) -> Any:
                if sql.startswith("SELECT r.run"):
                    plans.append([row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", bound)])
                return connection.execute(sql, bound)

        store.index.count()
        connection = store.index.home.connection
        assert connection is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(query, "FEW", 0)
            query.page(Spy(), asked, 10)  # type: ignore[arg-type]
    assert any("metrics_by_value" in step for step in plans[0])
    assert "USE TEMP B-TREE FOR ORDER BY" not in plans[0]
