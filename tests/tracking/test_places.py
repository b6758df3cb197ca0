"""Which records are of one project: the rules, for every pair of places and every order in which they are found."""

from __future__ import annotations

import itertools
import random

import pytest

from runner.tracking.fold import Run
from runner.tracking.index.places import NOWHERE, Place, key, normal, of_run, one_project, related

SAME = (
    "https://github.com/ann/wine",
    "https://github.com/ann/wine/",
    "https://GitHub.com/ann/wine.git",
    "https://ann:secret@github.com:443/ann/wine.git",
    "git@github.com:ann/wine.git",
    "ssh://git@github.com/ann/wine",
    "ssh://git@github.com:22/ann/wine.git",
    "git://github.com:9418/ann/wine",
    "git+https://github.com/ann/wine",
)
OTHERS = (
    "https://github.com/bob/wine",
    "https://github.com/ann/wine2",
    "https://github.com:8443/ann/wine",
    "https://gitlab.com/ann/wine",
    "/github.com/ann/wine",
)


def test_one_repository_has_one_spelling() -> None:
    assert {normal(url) for url in SAME} == {"github.com/ann/wine"}
    assert len({normal(url) for url in (SAME[0], *OTHERS)}) == 1 + len(OTHERS)
    assert (
        normal("file:///srv/wine.git") == normal("/srv/wine.git") == normal("/srv//wine/.git") == "/srv/wine"
    )
    assert normal("") == ""


ONE = Place("host/ann/wine", "c1", "", "/ann/wine", "7", "wine")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Place("host/ann/wine", "", "", "/shallow", "8", "x"), True),
        (Place("host/ann/wine", "", "sub", "/clone/sub", "8", "wine"), False),  # another folder of it
        (Place("", "c1", "", "/clone", "8", "x"), True),  # a clone without a remote
        (Place("/ann/wine", "", "", "/shallow", "8", "x"), True),  # a clone of the folder
        (Place("host/bob/wine", "c1", "", "/fork", "8", "wine"), False),
        (Place("host/bob/wine", "c1", "", "/ann/wine", "7", "wine"), True),  # the remote was changed
        (Place("", "", "", "/ann/wine", "7", "wine"), True),  # before `git init`
        (Place("", "c2", "", "/ann/wine", "7", "wine"), True),  # `git init` once more
        (Place("host/bob/tea", "c2", "", "/ann/wine", "9", "tea"), False),  # another in the same place
        (Place("", "", "", "/bob/wine", "8", "wine"), False),  # a namesake
        (Place("", "", "", "/old/wine", "7", "wine"), True),  # was moved
        (
            Place("", "", "", "/old/wine", "7", "tea"),
            False,
        ),  # the number of a folder that is gone was used again
        (Place(name="wine"), True),  # of a record that says nothing else
        (Place(name="tea"), False),
        (NOWHERE, False),
    ],
)
def test_two_places(other: Place, same: bool) -> None:
    assert related(ONE, other) is same
    assert related(other, ONE) is same
    assert one_project(ONE, [other]) == ({other} if same else set())


@pytest.mark.parametrize(
    ("generation", "same"), [("7:5", True), ("7:6", False), ("7", False), ("8:5", False)]
)
def test_a_folder_is_known_by_its_inode_and_generation(generation: str, same: bool) -> None:
    """Whatever it is called now; a bare number may have been given to another one since."""
    here = Place("", "", "", "/new", "7:5", "new")
    old = Place("", "", "", "/old", generation, "old")
    assert related(here, old) is related(old, here) is same
    assert related(here, old._replace(inode="7", name="new")) is True
    assert one_project(here, [old]) == ({old} if same else set())


def test_others_are_found_by_way_of_some() -> None:
    """Run, `git init`, moved, cloned; a fork of the clone, and a namesake, that share a record without a place."""
    plain = Place("", "", "", "/a", "1", "wine")
    begun = Place("", "c", "", "/a", "1", "wine")
    clone = Place("/a", "c", "", "/b", "2", "wine")
    fork = Place("host/x", "c", "", "/c", "3", "wine")
    other_fork = Place("host/y", "c", "", "/d", "4", "wine")
    namesake = Place("", "", "", "/e", "5", "wine")
    unplaced = Place(name="wine")
    every = [plain, begun, clone, fork, other_fork, namesake, unplaced]
    expected = {
        clone: {plain, begun, clone, unplaced},
        fork: {plain, begun, clone, fork, unplaced},
        other_fork: {plain, begun, clone, other_fork, unplaced},
        namesake: {namesake, unplaced},
    }
    for place, found in expected.items():
        for order in itertools.islice(itertools.permutations(every), 0, None, 97):
            assert one_project(place, order) == found


def test_a_clone_is_found_by_an_address_that_was_asked_for_as_a_remote() -> None:
    """In whatever order: a place with that remote, which leads to no further forks, may come before the one that does."""
    here = Place("host/a", "", "s", "/p", "1", "m")
    folder = Place("", "", "s", "/p", "2:5", "m")
    asks_first = Place("/p", "", "", "", "2:5", "m")
    at_the_address = Place("/p", "", "", "/p", "1", "n")
    clone = Place("/p", "", "", "/q", "", "m")
    every = [folder, asks_first, at_the_address, clone]
    for order in itertools.permutations(every):
        assert one_project(here, order) == set(every)


def test_the_shelves_lose_nothing() -> None:
    """As looking at every pair until nothing is added, for any places."""
    chance = random.Random(5)
    for _ in range(1500):
        known = {
            Place(
                chance.choice(("", "host/a", "host/b", "/p")),
                chance.choice(("", "c", "d")),
                chance.choice(("", "", "s")),
                chance.choice(("", "/p", "/q", "/p/s")),
                chance.choice(("", "1", "1:5", "1:6", "2:5")),
                chance.choice(("n", "m")),
            )
            for _ in range(8)
        }
        here = chance.choice([place for place in sorted(known) if place.is_marked] or [ONE])
        found: set[Place] = set()
        while True:
            leading = {here, *(place for place in found if place.is_marked)}
            more = {
                place
                for place in known - found
                if any(
                    related(each, place)
                    and (
                        related(here, place)
                        or not (here.remote and place.remote and here.remote != place.remote)
                        or place.remote == each.address
                    )
                    for each in leading
                )
            }
            if not more:
                break
            found |= more
        assert one_project(here, known) == found


def test_records_of_every_kind_have_a_place() -> None:
    """As versions of proj wrote them, MLflow's own, and those of clients."""
    source = {
        "uri": "/w",
        "kind": "local",
        "repository": "git@h:a/b.git",
        "subdirectory": "s",
        "directory": "/w/s",
    }
    assert of_run(Run("1", project="p", sections={"source": source})) == Place(
        "h/a/b", "", "s", "/w/s", "", "p"
    )
    made_again = {"uri": "/w", "kind": "local"}  # a reproduction: its folder is its own
    assert of_run(Run("1", project="p", sections={"source": made_again})).path == "/w"
    archive = {"uri": "https://h/x.zip", "kind": "archive"}
    assert of_run(Run("1", sections={"source": archive})).remote == "h/x.zip"
    imported = Run("1", tags={"mlflow.source.git.repoURL": "https://h/a/b.git"})
    assert of_run(imported).remote == "h/a/b"
    assert of_run(Run("1", project="p")) == Place(name="p")
    assert of_run(Run("1", kind="client")) == NOWHERE
    assert key(NOWHERE) == ""
    odd = Run("1", project="p", sections={"source": {"directory": ["/w"], "repository": None, "uri": 3}})
    assert of_run(odd) == Place(name="p")
