"""Whatever is in a project file, it is read or explained: never a Python error."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import InputError, ProjectError
from runner.parameters import resolve
from runner.project import plain, reading
from runner.project.entry_point import entry_point
from runner.running import check
from tests.helpers import examples, make_tree

KEYS = st.sampled_from(
    ["name", "entry_points", "main", "command", "parameters", "type", "default", "min", "max", "choices", "required",
     "secret", "description", "docker_env", "conda_env", "python_env", "image", "volumes", "environment", "build",
     "args", "gpus", "inputs", "outputs", "x", "<<", "defalt", "type:int", 1, True, None]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.sampled_from(["float", "int", "path", "python a.py {x}\n  --y {y}", "{", "'", "a\0b", "list", "bool"]),
    st.text(max_size=5),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=20,
)
PROJECTS = st.fixed_dictionaries(
    {"entry_points": st.dictionaries(KEYS, st.dictionaries(KEYS, TREES, max_size=4), max_size=3)},
    optional={"docker_env": TREES, "conda_env": TREES, "name": TREES},
)
PIECES = st.lists(
    st.sampled_from(
        ["entry_points:", "\n", "  ", "main:", " ", "command: ", "a {x}", "parameters:", "x: ", "{", "}", "[", "]", "- ", "&a ", "*a",
         "<<: ", "|", ">", "'", '"', "\t", "#", ": ", "!!int ", "!x ", "? ", "---", "...", "%YAML 3", "\0", "\x85", "é", "\ufeff", "~"]
    ),
    max_size=20,
)  # fmt: skip


def use(data: bytes) -> None:
    """Everything that is done with a project file."""
    with tempfile.TemporaryDirectory() as folder:
        make_tree(folder, {"MLproject": data})
        for fault in check.check(folder):
            assert fault.message
            assert fault.severity in ("error", "warning")
        try:
            loaded = reading.load(folder)
        except ProjectError:
            return
        assert plain.from_plain(plain.to_plain(loaded))._replace(directory="") == loaded._replace(
            directory=""
        )
        for point in loaded.entry_points:
            try:
                values = {each.name: "1" for each in point.parameters}
                resolve.resolve(entry_point(loaded, point.name), values, directory=folder)
            except InputError:
                pass


@settings(max_examples=examples(150), deadline=None)
@given(st.one_of(TREES, PROJECTS))
def test_any_tree(tree: Any) -> None:
    use(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace"))


@settings(max_examples=examples(150), deadline=None)
@given(PIECES)
def test_any_text(pieces: list[str]) -> None:
    use("".join(pieces).encode())


@settings(max_examples=examples(50), deadline=None)
@given(st.binary(max_size=50))
def test_any_bytes(data: bytes) -> None:
    use(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 'b\n", "a quote is opened and never closed"),
        ("a: b: c\n", "there is a `: ` where none is expected"),
        ("a:\n\tb: c\n", "a tab cannot"),
        ("a: *b\n", "an alias of nothing"),
        ("a: \x01\n", "control character"),
        ("--- a\n--- b\n", "more than one document"),
        ("a: `b`\n", "a value cannot begin with this character"),
    ],
)
def test_without_the_library_in_c(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, text: str, message: str
) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    with pytest.raises(ProjectError) as caught:
        reading.load(make_tree(tmp_path / "p", {"MLproject": text}))
    (fault,) = caught.value.faults
    assert message in fault.message
    assert fault.line
    good = "entry_points: {main: {command: a}}"
    assert reading.load(make_tree(os.path.join(tmp_path, "q"), {"MLproject": good})).entry_points
