"""Outputs are what a run wrote."""

from __future__ import annotations

from tests.helpers import make_tree
from tests.reproduction.worlds import ran

MAIN = """\
entry_points:
  main:
    parameters: {n: int}
    outputs: ["out_*.txt", "runs/*", fixed.txt]
    command: mkdir -p runs/{n} && echo {n} | tee out_{n}.txt > runs/{n}/a.txt
"""


def test_what_an_earlier_run_left_is_none(tmp_path: object) -> None:
    """A pattern finds it; a name that was declared in full is the user's word."""
    project = make_tree(f"{tmp_path}/demo", {"MLproject": MAIN, "fixed.txt": "1"})
    assert sorted(ran(project, "-P", "n=1").artifacts) == ["fixed.txt", "out_1.txt", "runs/1/a.txt"]
    assert sorted(ran(project, "-P", "n=2").artifacts) == ["fixed.txt", "out_2.txt", "runs/2/a.txt"]
    assert sorted(ran(project, "-P", "n=1").artifacts) == ["fixed.txt", "out_1.txt", "runs/1/a.txt"]
