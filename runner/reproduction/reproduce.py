"""`proj reproduce`: a recorded run made again in a clean room, compared in everything, and the verdict kept."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence

from runner import paths
from runner.errors import InputError, ProjError
from runner.host.interrupts import Interrupted, Interrupts
from runner.reproduction import again, clean_room
from runner.reproduction.again import Changes
from runner.reproduction.bundle.supplies import NONE, Supplies
from runner.reproduction.clean_room import Terms
from runner.reproduction.repetitions import Series
from runner.reproduction.verdict import around, causes, compare, products, tolerance, verdict
from runner.reproduction.verdict.causes import Cause
from runner.reproduction.verdict.compared import DIFFERENT
from runner.reproduction.verdict.tolerance import Tolerances
from runner.reproduction.verdict.verdict import Verdict
from runner.running.recorded import CannotRunError, Recorded, changed_packages, load
from runner.tracking.store import Store
from runner.typed import NamedTuple
from runner.values import Json, Report

__all__ = ["Wish", "reproduce"]


class Wish(NamedTuple):
    """How a run is to be reproduced: the options of `proj reproduce`."""

    repeat: int = 0  # 0: once, and once more when the result differs, to tell whether it varies by itself
    tolerance: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()  # patterns of names that are not compared
    parameters: Mapping[str, Json] = {}  # secrets, which no record has
    refresh: bool = False
    offline: bool = False
    anyway: bool = False
    store: str = ""


def reproduce(ref: str, wish: Wish, report: Report) -> Verdict:
    """InputError for a run that is not there; all else that goes wrong is a verdict. Interrupted has none."""
    if wish.repeat < 0:
        raise InputError(f"-n {wish.repeat} is no number of repetitions")
    tolerances = tolerance.parse(wish.tolerance)
    store = Store(paths.store_here(wish.store))
    if not is_bundle(ref):
        with Interrupts():
            return _verified(ref, store, wish, NONE, tolerances, report)
    from runner.reproduction.bundle.unpack import take_in

    with Interrupts(), take_in(ref, store, report) as (run_id, supplies):
        return _verified(run_id, store, wish, supplies, tolerances, report)


def _verified(
    ref: str, store: Store, wish: Wish, supplies: Supplies, tolerances: Tolerances, report: Report
) -> Verdict:
    recorded = load(store, ref)

    def judge(run: Recorded, stock: Supplies) -> Verdict:
        return _judged(run, store, wish, stock, tolerances, report)

    if recorded.run.kind == "pipeline":
        from runner.reproduction import pipelines

        found = pipelines.judged(recorded, store, supplies, judge)
    else:
        found = judge(recorded, supplies)
    found = verdict.stamp(found)
    verdict.keep(store, found)
    return found


def is_bundle(ref: str) -> bool:
    return ref.endswith(".zip")


def _judged(
    recorded: Recorded, store: Store, wish: Wish, supplies: Supplies, tolerances: Tolerances, report: Report
) -> Verdict:
    run = recorded.run
    made: list[Recorded] = []
    doubts: tuple[tuple[str, str], ...] = ()
    series = Series(recorded, made)
    try:
        _check_command(recorded)
        for _ in range(max(1, wish.repeat)):
            series.wait()
            doubts = _make(recorded, store, wish, supplies, made, report)
        compared = compare.runs(recorded, made, tolerances, wish.ignore)
        differing = {(each.kind, each.name) for each in compared if each.counts and each.result in DIFFERENT}
        if differing and not wish.repeat:
            report.note("the result differs: again, to tell whether it varies by itself")
            while not series.told(differing):
                series.wait()
                _make(recorded, store, wish, supplies, made, report)
    except CannotRunError as error:
        cause = Cause(error.cause, error.message)
        ids = tuple(each.run.run_id for each in made)
        return Verdict("cannot-run", run.run_id, run.name, cause.kind, (cause,), ids, hint=error.hint)
    judged = verdict.of(compared)
    found: list[Cause] = []
    if judged == "different":
        chance, _ = compare.by_chance(recorded, made, differing)
        found, kinds = causes.find(recorded, made[0], differing, doubts, chance)
        compared = [each._replace(cause=kinds.get((each.kind, each.name), "")) for each in compared]
    changed = changed_packages(recorded.lock, made[0].lock) if wish.refresh else []
    notes = [text for _, text in doubts] if judged != "different" else []
    return Verdict(
        judged,
        run.run_id,
        run.name,
        found[0].kind if found else "",
        tuple(found),
        tuple(each.run.run_id for each in made),
        tuple(compared),
        tuple(changed),
        (*notes, *verdict.reservations(run, compared), *around.beside(recorded)),
        _hint(found[0].kind, run.run_id, made) if found else "",
    )


def _check_command(recorded: Recorded) -> None:
    end = recorded.run.end
    if end.get("reason") == "error" and not recorded.section("supervisor").get("group"):
        message = f"the run {recorded.run.name} never started its command: {end.get('message', '')}"
        raise CannotRunError("environment", message)


def _make(
    recorded: Recorded, store: Store, wish: Wish, supplies: Supplies, made: list[Recorded], report: Report
) -> tuple[tuple[str, str], ...]:
    """One more run in a clean room of its own; appended to `made`."""
    changes = Changes(
        "reproduces",
        wish.parameters,
        run_name=f"{recorded.run.name}-again",
        refresh=wish.refresh,
        offline=wish.offline,
        supplies=supplies,
    )
    terms = Terms(supplies.inputs, wish.offline, wish.anyway)
    with clean_room.enter(recorded, terms, report) as room:
        try:
            outcome = again.make(recorded, room, changes, report)
        except CannotRunError:
            raise
        except ProjError as error:
            raise CannotRunError("environment", error.message, f"{error.hint}\n{LOST}".strip()) from None
        if outcome.reason in STOPPED:
            raise Interrupted(signal.Signals[outcome.signal or "SIGTERM"])
        found = load(store, outcome.run_id)
        made.append(found._replace(untouched=products.untouched(found, room.outside)))
    return room.doubts


def _hint(cause: str, old: str, made: Sequence[Recorded]) -> str:
    if cause == "nondeterminism":
        more = "-n 5  lets numbers vary as much as five runs do; " if len(made) < 3 else ""
        return f"{more}proj run --seed 7  pins sources of chance"
    if cause == "unknown":
        new = made[0].run.run_id
        return f"proj diff {old[:12]} {new[:12]}  shows all; what the command reads is declared as `inputs:`"
    return ""


STOPPED = ("interrupted", "cancelled")  # somebody wants no result
LOST = "proj bundle  keeps the packages with the run, so that no index is needed"
