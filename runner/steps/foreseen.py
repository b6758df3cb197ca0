"""What would become of each step of a pipeline if it were run now: `proj plan` and `proj why`."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from runner import environments
from runner.data.inputs import Input, describe, digest_of, expand, named, relative
from runner.data.outputs import filled
from runner.project import condition
from runner.running import planning
from runner.running.nearest import Nearest
from runner.running.plan import Origin, Plan
from runner.running.rehearsal import rehearse
from runner.snapshots import snapshot
from runner.steps.execution import Options
from runner.steps.expand import Step
from runner.steps.pipeline import Prepared
from runner.text.globs import is_pattern, matcher
from runner.tracking.events import Facts
from runner.tracking.store import Store
from runner.values import Report

__all__ = ["STATES", "Foreseen", "foresee", "mermaid"]

# hit: taken over; run: its command is started; unknown: that depends on what a step before it writes; kept: --from
STATES = ("hit", "run", "unknown", "skipped", "kept")


class Foreseen(NamedTuple):
    step: Step
    command: str
    state: str  # one of STATES
    reason: str = ""
    nearest: Nearest = Nearest()  # the run that is taken over, or that is nearest to this one

    def facts(self) -> dict[str, object]:
        run = self.nearest.run
        return {
            "step": self.step.name,
            "entry_point": self.step.entry_point,
            "needs": list(self.step.needs),
            "command": self.command,
            "state": self.state,
            "reason": self.reason,
            "run_id": run.run_id if run is not None else None,
            "differs": {factor.name: factor.text for factor in self.nearest.factors},
            "hint": self.nearest.hint,
        }


class Made(NamedTuple):
    """An output of a run that is going to be taken over, where the project has none or another one."""

    digest: str
    size: int  # bytes
    step: str


def foresee(
    prepared: Prepared, options: Options, store: Store, report: Report, asked: Collection[str] = ()
) -> list[Foreseen]:
    """Of each step, in an order in which each stands after what it needs; nothing is run or recorded.

    `asked`: names of steps of which the nearest run is looked for even where their inputs are not known yet: with the
    files that are there now. ProjError as from a run.
    """
    options.check(prepared.steps)
    checkout = prepared.plans[prepared.steps[0].name].checkout
    pending = snapshot.begin(checkout)
    state = snapshot.take(pending, pending.finish(), store.root).finish()
    origin, left = Origin(code=state, stdin="null"), options.left(prepared.steps)
    found: dict[str, Foreseen] = {}
    made: dict[str, Made] = {}
    for step in prepared.steps:
        plan = prepared.plans[step.name]._replace(origin=origin)
        known = _without_looking(step, plan, found, step.name in left)
        if known is None or (known.state == "unknown" and step.name in asked):
            looked = _looked(step, plan, made, store, report, known is not None)
            known = looked if known is None else known._replace(nearest=looked.nearest)
        if known.state != "skipped" and options.is_forced(step) and step.name not in left:
            known = known._replace(state="run", reason="--force")
        if known.state == "hit":
            made |= _differing(known, plan)
        found[step.name] = known
    return list(found.values())


def _without_looking(step: Step, plan: Plan, found: Mapping[str, Foreseen], left: bool) -> Foreseen | None:
    """Where the steps before it, or what was asked for, decide."""
    shown = plan.parameters.shown
    if left:
        return Foreseen(step, shown, "kept", "--from")
    before = [found[name] for name in step.needs]
    if skipped := [each.step.name for each in before if each.state == "skipped"]:
        return Foreseen(step, shown, "skipped", f"{skipped[0]} is skipped")
    if not condition.holds(plan.entry_point.when, plan.parameters.values):
        return Foreseen(step, shown, "skipped", f"when {plan.entry_point.when}")
    if waiting := [each.step.name for each in before if each.state in ("run", "unknown")]:
        return Foreseen(step, shown, "unknown", f"until {', '.join(waiting)}")
    return None


def _looked(
    step: Step, plan: Plan, made: Mapping[str, Made], store: Store, report: Report, anyhow: bool
) -> Foreseen:
    shown, options = plan.parameters.shown, planning.options(plan)
    if not environments.is_ready(plan.specification, plan.checkout.directory, options):
        return Foreseen(step, shown, "run", "its environment is not known yet")
    inputs = _inputs(plan, made, anyhow)
    if isinstance(inputs, str):
        return Foreseen(step, shown, "unknown", f"until the outputs of {inputs} are put back")
    nearest = rehearse(plan, inputs, store, report)
    if nearest.is_equal and nearest.run is not None:
        return Foreseen(step, shown, "hit", f"{nearest.run.name} ({nearest.run.run_id[:12]})", nearest)
    differs = "; ".join(f"{factor.name}: {factor.text}" for factor in nearest.factors)
    return Foreseen(step, shown, "run", differs or "it has never finished", nearest)


def _differing(hit: Foreseen, plan: Plan) -> Iterator[tuple[str, Made]]:
    """The outputs that taking it over will change, put back or remove."""
    run, directory = hit.nearest.run, plan.checkout.directory
    outputs = {str(each["path"]): each for each in (run.outputs if run is not None else ())}
    for name, each in outputs.items():
        digest = str(each.get("digest"))
        if digest_of(os.path.join(directory, name))[0] != digest:
            yield name, Made(digest, int(each.get("size") or 0), hit.step.name)
    for pattern in filter(is_pattern, hit.step.files.outputs):
        for name in (relative(path, directory) for path in expand(pattern, directory)):
            if name not in outputs:
                yield name, Made("", 0, hit.step.name)


def _inputs(plan: Plan, made: Mapping[str, Made], anyhow: bool) -> list[Facts] | str:
    """Events of the inputs as the steps before will have left them; or the step on which that depends.

    `anyhow`: as they are now.
    """
    parameters, directory = plan.parameters, plan.checkout.directory
    texts = parameters.texts
    found: dict[str, Input] = {}
    for wanted in named(
        filled(plan.entry_point.inputs, texts), texts, parameters.inputs, parameters.downloads
    ):
        there = {each.path or each.uri: each for each in describe([wanted], directory, plan.outside)}
        means = matcher([wanted.text])
        for name, of in {} if anyhow else made.items():
            if not (means(name) or f"{os.path.normpath(wanted.text)}/".startswith(f"{name}/")):
                continue
            if not of.digest or not means(name) or means(os.path.dirname(name) or "/"):
                return of.step  # a part of this input, or it is a part of that
            there[name] = Input(name, "", of.digest, of.size, origin=wanted.origin)
        if len(there) > 1 and not expand(wanted.text, directory):
            del there[wanted.text]  # a glob that matches nothing yet
        for name in sorted(there):
            found.setdefault(name, there[name])
    return [each.event() for each in found.values()]


def mermaid(steps: Sequence[Foreseen]) -> Iterator[str]:
    """Lines of a flowchart: https://mermaid.js.org/syntax/flowchart.html."""
    yield "flowchart TD"
    numbers = {each.step.name: number for number, each in enumerate(steps)}
    for name, number in numbers.items():
        yield f'    s{number}["{_label(name)}"]:::{steps[number].state}'
    for each in steps:
        for name in each.step.needs:
            yield f"    s{numbers[name]} --> s{numbers[each.step.name]}"
    for state, colours in COLOURS.items():
        yield f"    classDef {state} {colours}"


COLOURS = {
    "hit": "fill:#d9f2e0,stroke:#2e8540,color:#111",
    "run": "fill:#fde3c8,stroke:#b35900,color:#111",
    "unknown": "fill:#e8e8ee,stroke:#66667a,color:#111",
    "skipped": "fill:#ffffff,stroke:#999999,color:#666,stroke-dasharray:4",
    "kept": "fill:#dce9f9,stroke:#2a66b1,color:#111",
}


def _label(text: str) -> str:
    """With the characters that would end it, or be taken for a tag, as entities."""
    for character, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(character, entity)
    return text
