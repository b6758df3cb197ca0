"""Registered models of several stores: whatever is copied where, in any order and however often, there is one state."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import ProjError
from runner.tracking import registry, segments
from runner.tracking.registry import (
    ContestedError,
    NoVersionError,
    RegisteredModel,
    Version,
    change,
    policy,
    writers,
)
from runner.tracking.registry import operations as ops
from runner.tracking.registry.decisions import set_policy
from runner.tracking.registry.fold import Book
from runner.tracking.registry.store import changing, folder_of, history
from runner.tracking.store import Store
from tests.helpers import examples

QUICK = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
GATE = "needs: [{approvals: {count: 1}}]"


def copy(source: str, target: str) -> None:
    """As cp -r and rsync do: each file over the one of the same name; nothing is removed.

    A segment that was copied does not grow: as after a second without an operation (`segments.IDLE`).
    """
    writers._close()
    if source != target and os.path.isdir(source):
        shutil.copytree(source, target, dirs_exist_ok=True)


def register(root: str, name: str = "m", by: str = "") -> Version:
    return registry.register(root, name, Version("", 0, "s3://b/m", "s3://b/m", digest="tree-1", user=by))


def approve(root: str, version: Version, alias: str = "champion", by: str = "boss") -> str:
    """The id of the operation."""
    with changing(root, "m") as held:
        held.append(ops.approve(f"alias:{alias}", version.version_id, version.digest, by, "admin"))
    return history(root, registry.id_of("m"))[-1]["op"]  # type: ignore[no-any-return]


def promote(root: str, version: Version, *evidence: str, alias: str = "champion") -> None:
    with changing(root, "m") as held:
        change.move(held, alias, version.version_id, "me", "", evidence)


def protect(root: str, alias: str = "champion", text: str = GATE) -> None:
    with changing(root, "m") as held:
        heads = held.model.heads.get(f"alias:{alias}", ())
        held.append(ops.policy(f"alias:{alias}", text, policy.parse(text), "admin", heads))


DOING: dict[str, Callable[[str, int, str], object]] = {
    "create": lambda root, _, __: registry.create(root, "m", "d", {"a": "b"}),
    "register": lambda root, _, __: register(root),
    "alias": lambda root, number, text: change.set_alias(root, "m", text, number, "me"),
    "drop": lambda root, _, text: change.drop_alias(root, "m", text, "me"),
    "stage": lambda root, number, _: change.transition(
        root, "m", number, "Production", number % 2 == 0, "me"
    ),
    "tag": lambda root, number, text: change.tag(root, "m", number or None, text, str(number), "me"),
    "untag": lambda root, number, text: change.untag(root, "m", number or None, text, "me"),
    "describe": lambda root, number, text: change.describe(root, "m", number or None, text, "me"),
    "comment": lambda root, number, text: change.comment(root, "m", number or None, text, "me"),
    "delete": lambda root, number, _: change.delete(root, "m", number or None, "me"),
    "restore": lambda root, number, _: change.restore(root, "m", number or None, "me"),
    "settle": lambda root, _, __: change.settle(root, "m", "me"),
    "rename": lambda root, number, text: change.rename(
        root, "m" if number % 2 else text, text if number % 2 else "m", ""
    ),
    "protect": lambda root, _, text: protect(root, text),
}
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([*DOING, "register", "register", "alias"]),
            st.integers(0, 2),
            st.integers(0, 4),
            st.sampled_from(("champion", "other")),
        ),
        st.tuples(st.just("copy"), st.integers(0, 2), st.integers(0, 2), st.just("")),
    ),
    max_size=40,
)


def stated(root: str) -> dict[str, RegisteredModel]:
    return {model.thing: model for model in registry.listing(root)}


@QUICK
@given(STEPS, st.permutations([(0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)]))
def test_random_histories_merged_in_any_order(
    steps: list[tuple[str, int, int, str]], last: list[tuple[int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        roots = [os.path.join(place, name) for name in "abc"]
        for root in roots:
            registry.create(root, "m")
        for kind, store, number, text in steps:
            if kind == "copy":
                copy(roots[store], roots[number % 3])
                continue
            try:
                DOING[kind](roots[store], number, text)
            except ProjError:
                continue  # what it asks for is not there, or not allowed: it changes nothing
        for source, target in [*last, *last]:
            copy(roots[source], roots[target])
        one, two, three = (stated(root) for root in roots)
        assert one == two == three
        for thing, model in one.items():
            alone = Book(thing)  # read at once and not bit by bit
            alone.take(history(roots[0], thing))
            assert alone.model() == model
            numbers = [*model.versions, *model.deleted]
            assert len(set(numbers)) == len(numbers) == len({each.version_id for each in every(model)})


def every(model: RegisteredModel) -> list[Version]:
    return [*model.versions.values(), *model.deleted.values()]


@pytest.fixture
def two(tmp_path: object) -> tuple[str, str]:
    """Stores that have the same model with three versions."""
    here, there = (os.path.join(str(tmp_path), name) for name in ("here", "there"))
    registry.create(here, "m")
    for _ in range(3):
        register(here)
    change.set_alias(here, "m", "champion", 1, "me")
    copy(here, there)
    return here, there


def merge(here: str, there: str) -> RegisteredModel:
    copy(here, there)
    copy(there, here)
    assert stated(here) == stated(there)
    return registry.get(here, "m")


def test_a_number_is_settled(two: tuple[str, str]) -> None:
    """Until then it leads nowhere; aliases are not affected, and what is registered meanwhile does not move anything."""
    here, there = two
    first = register(here)
    time.sleep(0.003)  # within one millisecond chance decides who was first
    second = register(there)
    change.set_alias(there, "m", "candidate", 4, "me")
    model = merge(here, there)
    with pytest.raises(ContestedError, match="claimed by 2 versions") as error:
        registry.numbered(model, 4)
    assert error.value.hint.startswith("proj models settle m ")
    assert model.aliased("candidate") == model.by_id(second.version_id)
    loser = model.by_id(second.version_id)
    assert loser is not None
    assert loser.number == 5
    assert [register(here).number, register(here).number] == [6, 7]
    later = registry.get(here, "m").by_id(second.version_id)
    assert later is not None
    assert later.number == 5
    assert change.settle(here, "m", "me") == {4: [4, 5]}
    model = merge(here, there)
    assert not model.contested
    assert (registry.numbered(model, 4).version_id, registry.numbered(model, 5).version_id) == (
        first.version_id,
        second.version_id,
    )
    assert change.settle(here, "m", "me") == {}


def test_an_alias_that_two_stores_set(two: tuple[str, str]) -> None:
    """An ordinary one has the later value, and says that there is another; the next move ends that."""
    here, there = two
    change.set_alias(here, "m", "champion", 2, "me")
    time.sleep(0.003)
    change.set_alias(there, "m", "champion", 3, "me")
    model = merge(here, there)
    assert len(model.aliases["champion"].others) == 2
    found = model.aliased("champion")
    assert found is not None
    assert found.number == 3
    change.set_alias(here, "m", "champion", 1, "me")
    model = merge(here, there)
    assert model.aliases["champion"].others == ()


def test_a_protected_alias_that_two_stores_moved_stays(two: tuple[str, str]) -> None:
    """With evidence, both: the value that both agreed on stays until somebody moves it again."""
    here, there = two
    protect(here)
    merge(here, there)
    versions = registry.get(here, "m").versions
    promote(here, versions[2], approve(here, versions[2]))
    promote(there, versions[3], approve(there, versions[3]))
    assert [registry.get(root, "m").aliases["champion"].version_id for root in (here, there)] == [
        versions[2].version_id,
        versions[3].version_id,
    ]
    model = merge(here, there)
    assert model.aliases["champion"].version_id == versions[1].version_id
    assert len(model.aliases["champion"].others) == 2
    promote(here, versions[3], approve(here, versions[3]))
    assert merge(here, there).aliases["champion"].version_id == versions[3].version_id


def test_what_moves_a_protected_alias_without_evidence_does_not_count(two: tuple[str, str]) -> None:
    """Who appends to the files, or did not know of the policy, moves nothing; it is told who tried."""
    here, there = two
    change.set_alias(there, "m", "champion", 2, "elsewhere")  # not knowing of the policy
    protect(here)
    model = merge(here, there)
    versions = model.versions
    assert model.aliases["champion"].version_id == versions[1].version_id
    for evidence in ((), (approve(here, versions[2]),), (approve(here, versions[3], "other"),)):
        promote(here, versions[3], *evidence)  # none; of another version; of another alias
    with changing(here, "m") as held:
        held.append(ops.approve("alias:champion", versions[3].version_id, "tree-2", "boss", "admin"))
    promote(here, versions[3], history(here, registry.id_of("m"))[-1]["op"])  # of other bytes
    with changing(here, "m") as held:
        change.move(held, "champion", "", "thief", "")
    model = merge(here, there)
    assert model.aliases["champion"].version_id == versions[1].version_id
    assert [each.move.by for each in model.ignored] == ["elsewhere", "me", "me", "me", "me", "thief"]
    with pytest.raises(registry.ProtectedError) as error:
        change.set_alias(here, "m", "champion", 3, "me")
    assert error.value.hint == "proj models promote m/3 champion"
    for number in (1, None):
        with pytest.raises(registry.ProtectedError):
            change.delete(here, "m", number, "me")


@pytest.mark.parametrize("number", [1, None])
def test_a_delete_that_did_not_know_of_the_policy(two: tuple[str, str], number: int | None) -> None:
    """Of the version to which a protected alias leads, or of the model, does not count."""
    here, there = two
    protect(here)
    time.sleep(0.003)
    change.delete(there, "m", number, "elsewhere")
    change.delete(there, "m", 2, "elsewhere") if number else None
    model = merge(here, there)
    found = model.aliased("champion")
    assert (found and found.number, model.lifecycle) == (1, "active")
    assert [each.move.by for each in model.ignored] == ["elsewhere"]
    assert list(model.versions) == ([1, 3] if number else [1, 2, 3])


@pytest.mark.parametrize("renamed_first", [True, False])
def test_a_rename_that_did_not_know_of_the_policy_frees_no_name(
    two: tuple[str, str], renamed_first: bool
) -> None:
    here, there = two
    for _ in range(2):
        if renamed_first:
            change.rename(there, "m", "other", "elsewhere")
        else:
            set_policy(Store(here), "m", "champion", GATE, "admin")
        time.sleep(0.003)
        renamed_first = not renamed_first
    registry.create(there, "m")
    for _ in range(3):
        register(there)
    change.set_alias(there, "m", "champion", 3, "elsewhere")
    model = merge(here, there)
    found = model.aliased("champion")
    assert (model.name, found and found.number) == ("m", 1)
    assert [(each.move.by, each.move.target) for each in model.ignored] == [("elsewhere", "name")]
    assert registry.find(here, "other") is None
    assert registry.find(there, "other") is None
    with pytest.raises(registry.ProtectedError):
        change.set_alias(there, "m", "champion", 2, "me")


def test_what_comes_back_is_in_no_protected_stage(two: tuple[str, str]) -> None:
    here, _ = two
    for number, stage in ((2, "Production"), (3, "Staging")):
        change.transition(here, "m", number, stage, False, "me")
        change.delete(here, "m", number, "me")
    with changing(here, "m") as held:
        held.append(ops.policy("stage:Production", GATE, policy.parse(GATE), "admin", ()))
    for number in (2, 3):
        change.restore(here, "m", number, "me")
    versions = registry.get(here, "m").versions
    assert [versions[number].stage for number in (2, 3)] == ["None", "Staging"]


def test_names(tmp_path: object) -> None:
    """A model that was renamed is found by its name, and the old one is free; a deleted one goes on counting."""
    root = str(tmp_path)
    registry.create(root, "m")
    register(root)
    change.rename(root, "m", "n", "me")
    assert registry.find(root, "m") is None
    assert registry.get(root, "n").latest is not None
    assert registry.create(root, "m")
    assert register(root).number == 1
    with pytest.raises(registry.TakenError):
        change.rename(root, "m", "n", "me")
    change.delete(root, "n", None, "me")
    change.rename(root, "m", "n", "me")
    change.rename(root, "n", "m", "me")
    assert [model.name for model in registry.listing(root)] == ["m"]
    change.delete(root, "m", None, "me")
    assert registry.create(root, "m")
    assert register(root).number == 2
    with pytest.raises(NoVersionError):
        registry.numbered(registry.get(root, "m"), 1)
    change.restore(root, "m", 1, "me")
    assert list(registry.get(root, "m").versions) == [1, 2]


WRITER = """
import sys
from runner.tracking import registry
for _ in range(int(sys.argv[2])):
    made = registry.register(sys.argv[1], "m", registry.Version("", 0, "s3://b/m", "s3://b/m"))
    print(made.number, flush=True)
"""


def test_many_writers_give_dense_numbers(tmp_path: object) -> None:
    root, writers, each = str(tmp_path), examples(8), examples(20)
    registry.create(root, "m")

    def write(_: int) -> list[int]:
        argv = [sys.executable, "-c", WRITER, root, str(each)]
        return [int(line) for line in subprocess.check_output(argv, text=True).split()]

    with ThreadPoolExecutor(writers) as pool:
        numbers = [number for found in pool.map(write, range(writers)) for number in found]
    assert sorted(numbers) == list(range(1, writers * each + 1))
    assert list(registry.get(root, "m").versions) == sorted(numbers)


def test_a_torn_operation_does_not_count(tmp_path: object) -> None:
    """Cut at every byte of the last one: what was acknowledged before is there, and writing goes on."""
    root = os.path.join(str(tmp_path), "store")
    registry.create(root, "m")
    register(root)
    change.set_alias(root, "m", "champion", 1, "me")
    folder = segments.folder_of(folder_of(root, registry.id_of("m")))
    contents = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            contents[os.path.join(folder, name)] = file.read()
    last, data = next((path, data) for path, data in contents.items() if b'"alias"' in data)
    for length in range(data.rindex(b"\n", 0, -1) + 1, len(data), 3):
        other = os.path.join(str(tmp_path), str(length))
        shutil.copytree(root, other)
        with open(last.replace(root, other), "wb") as file:
            file.write(data[:length])
        model = registry.get(other, "m")
        assert list(model.versions) == [1]
        assert model.aliases == {}
        assert register(other).number == 2
