"""The points of all metrics of a run, as plots and comparisons read them."""

from __future__ import annotations

from runner import paths
from runner.tracking.metrics import points
from runner.tracking.store import Store


def test_a_wrong_line_counts_as_little_as_in_the_fold() -> None:
    store = Store(paths.store())
    with store.create_run() as writer:
        writer.metric("a", 1.0)
        writer.append({"type": "metrics", "points": [["a", 2.0, 5, 1], ["a", "no number", 6, 2]]})
        writer.metrics([("a", 3.0, 7, 3), ("b", 4.0, 8, 0)])
    found = [(key, point.value) for key, point in points(writer.directory)]
    assert found == [("a", 1.0), ("a", 3.0), ("b", 4.0)]
    assert store.read(writer.run_id).metrics["a"].value == 3.0


def test_a_run_without_a_log_has_no_points(tmp_path: object) -> None:
    assert list(points(str(tmp_path))) == []
