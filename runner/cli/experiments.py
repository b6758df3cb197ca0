"""`proj experiments`: lists, makes, renames, deletes and restores experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.cli import reference
from runner.cli.options import Option
from runner.errors import InputError

if TYPE_CHECKING:
    from runner.tracking.experiments import Experiment

__all__ = ["DEFAULT", "GROUP"]

DEFAULT = "ls"
COMPLETE = "runner.cli.complete:experiments"
NAME = Option(
    "experiment", ("experiment",), "Name or id.", default=None, metavar="EXPERIMENT", complete=COMPLETE
)
NEW_NAME = Option("name", ("name",), "Its name.", default=None, metavar="NAME")


def ls(values: dict[str, Any]) -> int:
    """List experiments."""
    from runner.cli import output, render_values

    given = reference.take(values)
    with reference.open_store(given["store"]) as store:
        found = store.experiments("all" if given["all"] else "active")
    if given["json"]:
        output.emit_json([plain(each) for each in found])
        return 0
    render = render_values.ago if output.is_terminal() else render_values.iso
    columns = ["id", "name", "created", "artifacts"] + (["lifecycle"] if given["all"] else [])
    rows = [
        [
            each.experiment_id,
            each.name,
            render(each.creation_time) if each.creation_time else "",
            each.artifact_location,
            each.lifecycle,
        ][: len(columns)]
        for each in found
    ]
    output.table(columns, rows)
    return 0


def new(values: dict[str, Any]) -> int:
    """Make an experiment, whose artifacts may be kept elsewhere (s3://, sftp://, a folder, ...)."""
    from runner.cli.log import pairs

    given = reference.take(values)
    tags = dict(pairs(given["tags"], "a tag")) if given["tags"] else {}
    with reference.open_store(given["store"]) as store:
        experiment_id = store.create_experiment(given["name"], given["artifact_location"], tags)
    return _say(given, {"experiment_id": experiment_id, "name": given["name"]}, experiment_id)


def rename(values: dict[str, Any]) -> int:
    """Give an experiment another name; its id stays."""
    given = reference.take(values)
    with reference.open_store(given["store"]) as store:
        experiment_id = reference.experiment_id(store, given["experiment"])
        if experiment_id == "0":
            raise InputError("the experiment Default cannot be renamed")
        store.rename_experiment(experiment_id, given["name"])
    return _say(given, {"experiment_id": experiment_id, "name": given["name"]}, "")


def rm(values: dict[str, Any]) -> int:
    """Delete an experiment: it and its runs are no longer listed. proj gc removes its runs for good."""
    given = reference.take(values)
    with reference.open_store(given["store"]) as store:
        found = store.experiment(reference.experiment_id(store, given["experiment"]))
        if found.experiment_id == "0":
            raise InputError("the experiment Default cannot be deleted")
        if found.lifecycle == "deleted":
            raise InputError(f"the experiment {found.name!r} is deleted already")
        store.delete_experiment(found.experiment_id)
    return _say(given, {"experiment_id": found.experiment_id, "name": found.name}, f"{found.name} deleted")


def restore(values: dict[str, Any]) -> int:
    """Bring a deleted experiment back."""
    given = reference.take(values)
    with reference.open_store(given["store"]) as store:
        found = store.experiment(reference.experiment_id(store, given["experiment"]))
        if found.lifecycle != "deleted":
            raise InputError(f"the experiment {found.name!r} is not deleted")
        store.restore_experiment(found.experiment_id)
    return _say(given, {"experiment_id": found.experiment_id, "name": found.name}, f"{found.name} is back")


def plain(experiment: Experiment) -> dict[str, Any]:
    return {**experiment._asdict(), "tags": dict(experiment.tags)}


def _say(given: dict[str, Any], result: dict[str, Any], text: str) -> int:
    from runner.cli.output import emit_json, emit_lines

    if given["json"]:
        emit_json(result)
    elif text:
        emit_lines([text])
    return 0


GROUP = {
    "ls": (
        (Option("all", ("-a", "--all"), "Deleted ones too.", "flag", False), reference.STORE, reference.JSON),
        ls,
    ),
    "new": (
        (
            NEW_NAME,
            Option(
                "artifact_location", ("--artifact-location",), "Where its artifacts are kept.", metavar="URL"
            ),
            Option("tags", ("-t", "--tag"), "A tag of the experiment.", "many", metavar="NAME=VALUE"),
            reference.STORE,
            reference.JSON,
        ),
        new,
    ),
    "rename": ((NAME, NEW_NAME, reference.STORE, reference.JSON), rename),
    "rm": ((NAME, reference.STORE, reference.JSON), rm),
    "restore": ((NAME, reference.STORE, reference.JSON), restore),
}
