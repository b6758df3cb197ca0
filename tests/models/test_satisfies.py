"""Whether a lock has what requirement lines ask for: never yes where pip would say no."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from runner.models.satisfies import satisfies, unmet
from tests.helpers import examples

VERSIONS = st.from_regex(r"[0-2](\.[0-3]){0,3}((a|rc)1)?(\.post1)?(\+cpu)?", fullmatch=True)
CLAUSES = st.from_regex(
    r"(==|!=|<=|>=|<|>|~=|===) ?[0-2](\.[0-3]){0,3}(rc1|\.post1|\.\*|\+cpu)?", fullmatch=True
)


@settings(max_examples=examples(4000), deadline=None)
@given(VERSIONS, st.lists(CLAUSES, max_size=3))
def test_never_more_than_packaging_says(version: str, clauses: list[str]) -> None:
    text = ",".join(clauses)
    try:
        wanted = SpecifierSet(text)
    except InvalidSpecifier:
        assert not satisfies(version, text)
        return
    if satisfies(version, text):
        assert wanted.contains(version, prereleases=True)
    plain = all(part.isdigit() for part in version.split("."))
    if (
        plain
        and all(each.lstrip("=!<>~ ").replace(".", "").isdigit() for each in clauses)
        and "===" not in text
    ):
        assert satisfies(version, text) == wanted.contains(version)  # and for releases not less


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("numpy", ""),
        ("NumPy == 2.0.0", ""),
        ("numpy (>=1.0)", ""),
        ("scikit_learn>=1.4,<2", ""),
        ("numpy==2.1", "it has 2.0"),
        ("torch==2.3", ""),
        ("torch==2.3+cu12", "it has 2.3+cpu"),
        ("pandas", "is not in it"),
        ("numpy[extra]", "no plain requirement"),
        ("numpy; python_version < '3.9'", "no plain requirement"),
        ("./wheel.whl", "no plain requirement"),
        ("git+https://host/x", "no plain requirement"),
        ("x @ https://host/x.whl", "no plain requirement"),
        ("-r other.txt", "no plain requirement"),
        ("numpy=>2", "it has 2.0"),
    ],
)
def test_lines(line: str, why: str) -> None:
    found = unmet([line], {"numpy": "2.0", "scikit-learn": "1.5.1", "torch": "2.3+cpu"})
    assert why in found
    assert bool(found) == bool(why)
