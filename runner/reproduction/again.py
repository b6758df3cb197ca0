"""From a record to a plan: the same project, entry point, parameters, command and variables, in another folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from runner import environments, paths
from runner.environments import kinds
from runner.errors import InputError, ProjError, StoreError
from runner.parameters.resolve import Resolved, meant, resolve
from runner.project.entry_point import entry_point
from runner.reproduction.bundle.supplies import NONE, Supplies
from runner.reproduction.room import Room
from runner.running.plan import Origin, Outcome, Plan, Request
from runner.running.planning import backend_options, load_project
from runner.running.recorded import CannotRunError, Recorded
from runner.running.replay import REPLAY
from runner.running.run import run
from runner.running.variables import ALLOWED, HIDDEN
from runner.tracking.store import Store
from runner.typed import NamedTuple
from runner.values import Checkout, EntryPoint, Json, Project, Report

__all__ = ["Changes", "checkout_of", "make", "plan", "request_of"]

MASK = "***"  # stands for a secret in a recorded command


class Changes(NamedTuple):
    """What is not to be as it was."""

    relation: str = "rerun-of"
    parameters: Mapping[str, Json] = {}
    run_name: str = ""
    experiment_id: str = ""  # "": the recorded one
    refresh: bool = False  # today's packages instead of the lock
    offline: bool = False
    supplies: Supplies = NONE
    tags: tuple[str, ...] = ()


def make(recorded: Recorded, room: Room, changes: Changes, report: Report) -> Outcome:
    """Makes the run again, as a run of its own."""
    planned = plan(recorded, room, changes)
    try:
        outcome = run(planned.request, report, planned)
    finally:
        if recorded.versions and not room.binds:
            from runner.environments import maintenance

            maintenance.forget(room.root)
    assert isinstance(outcome, Outcome)  # noqa: S101 - it is no dry run
    if room.binds and outcome.reason == "exit" and not os.path.exists(room.ready):
        message = (
            f"the command was not started: the clean room could not be put in the place of {room.moved[0]}"
        )
        raise CannotRunError("environment", message, f"proj logs {outcome.short_id}  says why")
    return outcome


def plan(recorded: Recorded, room: Room, changes: Changes) -> Plan:
    """CannotRunError when the snapshot has no such entry point, or a parameter is missing."""
    run = recorded.run
    request = request_of(recorded, changes)
    _check_docker(request)
    environment = recorded.section("environment")
    kind = str(environment.get("kind"))
    apart = kind in kinds.NAMES and not kinds.load(kind).LOCKS_PYTHON
    if apart and not request.python and not changes.refresh:
        request = request._replace(python=str(environment.get("python", "")))
    checkout = checkout_of(recorded, room)
    try:
        loaded = _project(checkout, room.code.tree)
        entry = entry_point(loaded, run.entry_point)
        specification = environments.choose(loaded, entry, request.env_manager)
    except ProjError as error:
        raise CannotRunError("code", error.message, error.hint) from None
    wheels, lock = changes.supplies.wheels(recorded.lock)
    origin = Origin(
        changes.relation,
        run.run_id,
        room.code,
        "" if changes.refresh else lock or recorded.lock,
        "" if changes.refresh else wheels,
        recorded.versions,
        {**_variables(recorded, room), **_replay(recorded, room, changes)},
        room.binds,
        room.ready if room.binds else "",
        room.seen,
        _stdin(recorded),
    )
    parameters = _parameters(recorded, room, entry, changes.parameters, request)
    options = backend_options(request)
    return Plan(request, checkout, loaded, entry, parameters, specification, options, origin)


def request_of(recorded: Recorded, changes: Changes) -> Request:
    """What was asked for then, but for parameters."""
    return Request(
        **{
            "uri": recorded.run.uri,
            "entry_point": recorded.run.entry_point,
            "experiment_id": changes.experiment_id or _experiment(recorded),
            "run_name": changes.run_name,
            "store": recorded.store,
            "offline": changes.offline,
            "refresh": changes.refresh,
            "tags": changes.tags,
            **recorded.options,
        }
    )


def checkout_of(recorded: Recorded, room: Room) -> Checkout:
    """The room as what was fetched then."""
    source = recorded.section("source")
    return Checkout(
        room.directory,
        recorded.run.uri,
        str(source.get("kind", "local")),
        room.root,
        recorded.subdirectory,
        str(source.get("repository", "")),
        str(source.get("version", "")),
        # an environment is remembered by the commit of a checkout: with edits it would be another's
        room.code.commit if room.code.dirty is False else "",
        room.code.branch,
        temporary=True,
    )


def _project(checkout: Checkout, tree: str) -> Project:
    if tree:
        return load_project(checkout, tree)
    from runner.project import reading  # another folder each time, of which nothing says what is in it

    return reading.load(checkout.directory)


def _check_docker(request: Request) -> None:
    """Values of `-A e=NAME=value` are not recorded: docker takes them from our own variables now."""
    named = [text.partition("=")[2] for text in request.docker_args if text.partition("=")[0] in ("e", "env")]
    missing = [name for name in named if "=" not in name and name not in os.environ]
    if missing:
        raise CannotRunError(
            "parameters",
            f"the record keeps no values of docker's variables: {', '.join(missing)} must be given again",
            " ".join(f"{name}=..." for name in missing) + " proj reproduce ...  gives them",
        )


def _stdin(recorded: Recorded) -> str:
    """Only what was typed then can be typed again; a reproduction never waits for input that nobody gives."""
    typed = recorded.section("command").get("stdin") == "terminal" and os.isatty(0)
    return "" if typed else "null"


def _replay(recorded: Recorded, room: Room, changes: Changes) -> dict[str, str | None]:
    """The locks of the steps: `proj run` in the command finds them by entry point and specification."""
    steps = []
    for each in recorded.descendants():
        environment = each.section("environment")
        wheels, lock = changes.supplies.wheels(each.lock)
        step = {"entry_point": each.run.entry_point, "kind": environment.get("kind"), "wheels": wheels}
        step |= {"file": environment.get("file", ""), "lock": lock or each.lock, "offline": changes.offline}
        step["versions"] = each.versions
        if each.lock and not environment.get("existing"):
            steps.append(step)
    if changes.refresh or not steps:
        return {REPLAY: None}
    path = os.path.join(os.path.dirname(room.root), "replay.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(steps, file)
    return {REPLAY: path}


def _experiment(recorded: Recorded) -> str:
    """The recorded one, if this store has it: the record may come from another store."""
    try:
        return Store(recorded.store).experiment(recorded.run.experiment_id).experiment_id
    except StoreError:
        return "0"


def _variables(recorded: Recorded, room: Room) -> dict[str, str | None]:
    """The recorded variables, and none of the others that would have been recorded."""
    known = recorded.section("command").get("variables") or {}
    others: dict[str, str | None] = {name: None for name in ALLOWED if name not in known}
    # a value that looked like a secret was not recorded: the caller's own is as good a guess as any
    return others | {name: room.here(str(value)) for name, value in known.items() if value != HIDDEN}


def _parameters(
    recorded: Recorded, room: Room, entry: EntryPoint, changed: Mapping[str, Json], request: Request
) -> Resolved:
    """As recorded, but for paths; anew when a value is changed, or is a secret that the record does not have."""
    values = {name: _here(value, room) for name, value in recorded.params.items()}
    shown = str(recorded.section("command")["command"])
    secrets = [each for each in entry.parameters if each.secret] if MASK in shown else []
    missing = [each.name for each in secrets if not each.has_default and each.name not in changed]
    if missing:
        names = " ".join(f"-P {name}=..." for name in missing)
        raise CannotRunError(
            "parameters", f"the record keeps no secrets: {', '.join(missing)} must be given again", names
        )
    if not changed and not secrets:
        command = room.command(shown)
        texts = {name: room.here(text) for name, text in recorded.texts.items()}
        return Resolved(values, texts, command, command, inputs=_inputs(recorded, room))
    given = _as_given(recorded, values, room)
    open_ones = [each.name for each in entry.parameters if each.name not in changed]
    for name in changed.keys() - {each.name for each in entry.parameters} - values.keys():
        if close := meant(name, open_ones):  # which is given, by the record
            message = f"there is no parameter {name}; did you mean {close}?"
            raise CannotRunError("parameters", message, f"-P {close}={changed[name]}")
    try:
        found = resolve(
            entry,
            {**given, **changed},
            directory=os.getcwd(),
            storage=paths.scratch("downloads"),
            project=room.seen or room.directory,
            extra=request.extra,
        )
    except InputError as error:
        raise CannotRunError("parameters", error.message, error.hint) from None
    kept = found.values.keys() - changed.keys()  # a path is recorded as it was given then
    said = {name: value for name, value in values.items() if name in kept and given[name] != value}
    return found._replace(values={**found.values, **said})


def _inputs(recorded: Recorded, room: Room) -> tuple[str, ...]:
    """Inputs that were values of parameters. What was fetched then lies where it lay: the clean room sees to that."""
    found = []
    for each in recorded.run.inputs:
        if str(each.get("origin", "")).startswith("parameter"):
            path = str(each.get("path", ""))
            found.append(
                room.outside(os.path.join(room.directory, room.here(path))) if path else str(each["uri"])
            )
    return tuple(found)


def _here(value: Json, room: Room) -> Json:
    return room.here(value) if isinstance(value, str) else value


def _as_given(recorded: Recorded, values: Mapping[str, Json], room: Room) -> dict[str, Json]:
    """A file is taken from where it was, wherever this is typed; one that was downloaded, from its address again."""
    address = {each.get("path"): each["uri"] for each in recorded.run.inputs if each.get("uri")}
    found = dict(values)
    for name, value in recorded.params.items():
        text = recorded.texts.get(name, value)
        if isinstance(value, str) and isinstance(text, str):
            found[name] = address.get(text) or (value if text == value else room.here(text))
    return found
