"""`proj experiments`: lists, makes, renames, deletes and restores experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.options import Command, Group, Option, pairs
from runner.errors import InputError
from runner.text.units import ago, iso

if TYPE_CHECKING:
    from runner.tracking.experiments import Experiment
    from runner.tracking.store import Store

__all__ = ["COMMAND"]


def ls(everything: bool, location: str, as_json: bool) -> int:
    """List experiments."""
    with reference.open_store(location) as store:
        found = store.experiments("all" if everything else "active")
    render = ago if output.is_terminal() else iso
    columns = ("id", "name", "created", "artifacts", "lifecycle")[: 5 if everything else 4]
    rows = []
    for each in found:
        created = render(each.creation_time) if each.creation_time else ""
        rows.append(
            (each.experiment_id, each.name, created, each.artifact_location, each.lifecycle)[: len(columns)]
        )
    times = ("creation_time", "last_update_time")
    plain = [
        {
            **each._asdict(),
            "tags": dict(each.tags),
            **{name: iso(getattr(each, name) or None) or None for name in times},
        }
        for each in found
    ]
    return output.result(as_json, plain, output.table(columns, rows))


def new(name: str, artifact_location: str, tags: tuple[str, ...], location: str, as_json: bool) -> int:
    """Make an experiment, whose artifacts may be kept elsewhere (s3://, sftp://, a folder, ...)."""
    with reference.open_store(location, new=True) as store:
        experiment_id = store.create_experiment(name, artifact_location, dict(pairs(tags)))
    return output.result(as_json, {"experiment_id": experiment_id, "name": name}, [experiment_id])


def rename(ref: str, name: str, location: str, as_json: bool) -> int:
    """Give an experiment another name; its id stays."""
    with reference.open_store(location) as store:
        experiment_id = _changeable(store, ref, "renamed").experiment_id
        store.rename_experiment(experiment_id, name)
    return output.result(as_json, {"experiment_id": experiment_id, "name": name}, ())


def rm(ref: str, location: str, as_json: bool) -> int:
    """Delete an experiment: it and its runs are no longer listed. proj gc removes its runs for good."""
    with reference.open_store(location) as store:
        found = _changeable(store, ref, "deleted")
        if found.lifecycle == "deleted":
            raise InputError(f"the experiment {found.name!r} is deleted already")
        store.delete_experiment(found.experiment_id)
    return _told(found, as_json, "deleted")


def restore(ref: str, location: str, as_json: bool) -> int:
    """Bring a deleted experiment back."""
    with reference.open_store(location) as store:
        found = store.experiment(reference.experiment_id(store, ref))
        if found.lifecycle != "deleted":
            raise InputError(f"the experiment {found.name!r} is not deleted")
        store.restore_experiment(found.experiment_id)
    return _told(found, as_json, "is back")


def _changeable(store: Store, ref: str, how: str) -> Experiment:
    found = store.experiment(reference.experiment_id(store, ref))
    if found.experiment_id == "0":
        raise InputError(f"the experiment Default cannot be {how}")
    return found


def _told(found: Experiment, as_json: bool, what: str) -> int:
    value = {"experiment_id": found.experiment_id, "name": found.name}
    return output.result(as_json, value, [f"{found.name} {what}"])


REF = Option("ref", (), "Name or id.", default=None, metavar="EXPERIMENT", complete="experiments")
NAME = Option("name", (), "Its name.", default=None, metavar="NAME")
LS = Command(
    ls, (Option("everything", ("-a", "--all"), "Deleted ones too.", "flag"), reference.STORE, reference.JSON)
)
COMMAND = Group("List, make, rename, delete and restore experiments.", {
    "ls": LS,
    "new": Command(new, (
        NAME,
        Option("artifact_location", ("--artifact-location",), "Where its artifacts are kept.", metavar="URL"),
        Option("tags", ("-t", "--tag"), "A tag of the experiment.", "many", metavar="NAME=VALUE"),
        reference.STORE,
        reference.JSON,
    )),
    "rename": Command(rename, (REF, NAME, reference.STORE, reference.JSON)),
    "rm": Command(rm, (REF, reference.STORE, reference.JSON)),
    "restore": Command(restore, (REF, reference.STORE, reference.JSON)),
}, alone=LS)  # fmt: skip
