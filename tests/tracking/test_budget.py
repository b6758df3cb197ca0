"""What one search may cost: a time after which it is ended, and a page that ends before it is too large."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import InputError
from runner.tracking.index import grammar
from runner.tracking.index.dialect import Database
from runner.tracking.index.grammar import Clause
from runner.tracking.index.query import Budget
from runner.tracking.store import Store

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


@pytest.mark.usefixtures("dialect")
def test_a_search_that_takes_too_long_is_ended(tmp_path: object) -> None:
    def ask(connection: Database) -> None:
        with connection.limited(0.2):
            connection.execute(ENDLESS).fetchone()

    with Store(str(tmp_path)) as store:
        run_id = store.create_run().run_id
        began = time.monotonic()
        with pytest.raises(InputError, match=r"longer than the limit of 0\.2 seconds"):
            store.index.ask(ask)
        assert time.monotonic() - began < 30
        assert [run.run_id for run in store.search().runs] == [run_id]  # it is as it was


@pytest.mark.usefixtures("dialect")
def test_a_page_ends_before_it_is_too_large(tmp_path: object) -> None:
    with Store(str(tmp_path)) as store:
        ids = []
        for number in range(50):
            writer = store.create_run(start_time=number, tags={"big": "x" * (10_000 if number % 7 else 1)})
            if number % 3:
                writer.metric("m", float(number))
            ids.append(writer.run_id)
        for order, size in ((["start_time"], 50_000), (["start_time"], 1), (["metrics.m"], 60_000)):
            found, token, pages = [], "", 0
            while pages == 0 or token:
                page = store.search(order_by=order, limit=30, page_token=token, budget=Budget(10, size))
                assert 1 <= len(page.runs) <= 30
                assert sum(len(run.tags["big"]) for run in page.runs) <= size or len(page.runs) == 1
                found += [run.run_id for run in page.runs]
                token, pages = page.next_page_token, pages + 1
            assert found == [run.run_id for run in store.search(order_by=order, limit=100).runs]
            assert sorted(found) == sorted(ids)
            assert pages >= min(50, 50 * 8000 / size / 2)


@pytest.mark.parametrize("operator", ["LIKE", "ILIKE"])
@given(pattern=st.text("ab%_\nÄß", max_size=12), text=st.text("abAB\nÄäß%_", max_size=30))
def test_like_is_what_an_expression_says(operator: str, pattern: str, text: str) -> None:
    parts = (".*" if each == "%" else "." if each == "_" else re.escape(each) for each in pattern)
    flags = re.DOTALL | (re.IGNORECASE if operator == "ILIKE" else 0)
    expected = re.fullmatch("".join(parts), text, flags) is not None
    assert grammar.test(Clause("tag", "k", operator, pattern), text) == expected


@pytest.mark.parametrize("part", ["%a", "%_a", "%a_", "_%"])
def test_like_goes_back_no_further_than_it_must(part: str) -> None:
    began = time.monotonic()
    assert not grammar.test(Clause("tag", "k", "ILIKE", part * 50 + "b"), "a" * 20_000)
    assert time.monotonic() - began < 20  # 10 ms; going back further takes years
