"""The grammar of filters and orders, and how a wrong one is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import InputError
from runner.tracking.index import grammar
from runner.tracking.index.grammar import EXPERIMENTS, Clause, Either, Order, parse_filter, parse_order
from runner.tracking.store import Store


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("", []),
        ("  ", []),
        ("metrics.rmse < 0.8", [("metric", "rmse", "<", 0.8)]),
        ("metric.rmse>=-1e-3 AND", [("metric", "rmse", ">=", -1e-3)]),
        (
            "params.model = 'ridge' and tags.team != \"x\"",
            [("param", "model", "=", "ridge"), ("tag", "team", "!=", "x")],
        ),
        ("parameters.`a b/c` LIKE '%x_'", [("param", "a b/c", "LIKE", "%x_")]),
        ("tag.\"mlflow.user\" ilike 'A%'", [("tag", "mlflow.user", "ILIKE", "A%")]),
        ("tags.mlflow.user = 'a'", [("tag", "mlflow.user", "=", "a")]),
        (
            "params.x is null AND tags.y IS NOT NULL",
            [("param", "x", "IS NULL", None), ("tag", "y", "IS NOT NULL", None)],
        ),
        ("run_id in ('a', 'b')", [("attribute", "run_id", "IN", ("a", "b"))]),
        ("attributes.status NOT IN ('FAILED',)", [("attribute", "status", "NOT IN", ("FAILED",))]),
        ("attr.created > 12", [("attribute", "start_time", ">", 12)]),
        ("run.`Run Name` = 'it''s'", [("attribute", "run_name", "=", "it's")]),
        ("`run name` = ''", [("attribute", "run_name", "=", "")]),
        ("datasets.name = 'iris'", [("dataset", "name", "=", "iris")]),
        ("metrics.größe=1 and metrics.5x=.5", [("metric", "größe", "=", 1), ("metric", "5x", "=", 0.5)]),
        ("params.a = 'x and y or (z'", [("param", "a", "=", "x and y or (z")]),
    ],
)
def test_filters(text: str, clauses: list[tuple[object, ...]]) -> None:
    assert list(parse_filter(text)) == [Clause(*clause) for clause in clauses]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("metrics.rmse < 'a'", 15, "expected a number"),
        ("metrics.rmse < ", 15, "expected a number"),
        ("metrics.rmse", 12, "expected an operator"),
        ("metrics.rmse LIKE 'a'", 13, "LIKE does not go with metric"),
        ("metrics.rmse is null", 13, "IS NULL does not go with metric"),
        ("params.a = 1", 11, "expected a text in quotes"),
        ("params.a = ridge", 11, "expected a text in quotes"),
        ("params.a > 'x'", 9, "> does not go with param"),
        ("params.a == 'x'", 9, "== is written ="),
        ("params.a = 'x' OR", 17, "expected a key"),
        ("params.a = 'x' OR OR params.b = 'y'", 18, "expected a key"),
        ("params.a = 'x' or (params.b = 'y'", 18, "this parenthesis is not closed"),
        ("params.a = 'x')", 14, "expected AND, OR"),
        ("()", 1, "expected a key"),
        ("metrics.a in (1, 'b')", 17, "expected a number"),
        ("params.a in (1)", 13, "expected a text"),
        ("params.a = 'x', params.b = 'y'", 14, "expected AND"),
        ("params.a = 'x", 11, "this quote is not closed"),
        ("not params.a = 'x'", 0, "expected a key"),
        ("foo.bar = 'x'", 0, "there is no entity 'foo'"),
        ("tags. = 'x'", 0, "the key is missing"),
        ("speed = 'x'", 0, "there is no attribute 'speed'"),
        ("dataset.size = 'x'", 0, "there is no dataset key 'size'"),
        ("run_id in ('a' 'b')", 15, "expected , or )"),
        ("run_id in 'a'", 10, "expected a list"),
        ("start_time > '2'", 13, "expected a number"),
        ("metrics.a > 1; DROP TABLE runs", 13, "expected AND"),
    ],
)
def test_a_wrong_filter_is_explained_with_a_caret_under_the_place(
    text: str, place: int, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse_filter(text)
    first, line, caret = caught.value.message.split("\n")
    assert message in first
    assert line[2:] == text
    assert caret.index("^") - 2 == place
    assert caught.value.exit_code == 2


def test_a_long_filter_is_cut_around_the_place() -> None:
    with pytest.raises(InputError) as caught:
        parse_filter(" and ".join(["metrics.a > 1"] * 50 + ["metrics.b ! 1"]))
    _, line, caret = caught.value.message.split("\n")
    assert len(line) < 110
    assert line[caret.index("^")] == "!"


def test_orders() -> None:
    found = parse_order(["metrics.a desc", "start_time", "params.`x y` ASC", "created DESC"][:3])
    assert found == (
        Order("metric", "a", False),
        Order("attribute", "start_time", True),
        Order("param", "x y", True),
    )
    for wrong in (["metrics.a down"], ["metrics.a", "metric.a DESC"], ["dataset.name"], [""]):
        with pytest.raises(InputError):
            parse_order(wrong)


def test_other_grammars() -> None:
    assert parse_filter("name LIKE 'a%' AND tags.x = 'y'", EXPERIMENTS)
    with pytest.raises(InputError, match="no entity"):
        parse_filter("metrics.a > 1", EXPERIMENTS)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_filter(text)
    except InputError as error:
        if "^" not in error.message:
            raise


@given(st.text(), st.text(alphabet="ab%_A", max_size=5))
def test_a_quoted_value_comes_back(value: str, pattern: str) -> None:
    quoted = value.replace("'", "''")
    assert parse_filter(f"tags.x = '{quoted}'")[0].value == value
    assert grammar.test(Clause("tag", "x", "LIKE", value.replace("%", "_")), value)
    assert grammar.test(
        Clause("tag", "x", "ILIKE", pattern), pattern.swapcase().replace("%", "").replace("_", "a")
    )


def test_and_binds_more_closely_than_or() -> None:
    one, two, three = (Clause("metric", key, "=", 1) for key in "abc")
    a, b, c = (f"metrics.{key} = 1" for key in "abc")
    for text, found in (
        (f"{a} or {b} and {c}", (Either(((one,), (two, three))),)),
        (f"({a} OR {b}) AND {c}", (Either(((one,), (two,))), three)),
        (f"({a} and ({b})) and(({c}))", (one, two, three)),
        (f"{a} or ({b} or {c})", (Either(((one,), (Either(((two,), (three,))),))),)),
        (f"({a})", (one,)),
    ):
        assert parse_filter(text) == found
    assert grammar.meets(parse_filter(f"({a} or {b}) and {c}"), lambda clause: clause.key in "bc")
    assert not grammar.meets(parse_filter(f"{a} or {b} and {c}"), lambda clause: clause.key == "c")


def test_parentheses_are_counted() -> None:
    assert parse_filter("(" * 50 + "metrics.a > 1" + ")" * 50)
    with pytest.raises(InputError, match="more than 50 parentheses"):
        parse_filter("(" * 5000 + "metrics.a > 1")


def test_as_many_alternatives_as_one_likes(tmp_path: object) -> None:
    """SQLite reads expressions only to a depth."""
    with Store(str(tmp_path)) as store:
        run = store.create_run(params={"a": "1499"}).run_id
        for word, count in (("or", 1500), ("and", 0)):
            text = f" {word} ".join(f"params.a = '{number}'" for number in range(count or 1))
            assert [each.run_id for each in store.search(text).runs] == ([run] if count else [])
        text = " and ".join(f"params.a != '{number}'" for number in range(1400))
        assert [each.run_id for each in store.search(text).runs] == [run]
