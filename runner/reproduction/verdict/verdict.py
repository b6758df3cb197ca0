"""What a reproduction came to, and the report that is kept with the run that it verified."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence

from runner.reproduction.verdict.causes import Cause
from runner.reproduction.verdict.compared import DIFFERENT, OUTSIDE, Compared
from runner.reproduction.verdict.products import CAME
from runner.text.encoding import visible, visible_values
from runner.tracking.events import verification
from runner.tracking.fold import Run
from runner.tracking.log import now
from runner.tracking.store import Store
from runner.typed import NamedTuple
from runner.values import JsonObject

__all__ = ["EXIT", "Verdict", "keep", "lines", "of", "reservations"]

EXIT = {"identical": 0, "within-tolerance": 0, "different": 1, "cannot-run": 125}
FOLDER = "verifications"  # in the folder of the run that was verified


class Verdict(NamedTuple):
    verdict: str  # identical, within-tolerance, different, cannot-run
    run_id: str  # that was verified
    run_name: str = ""
    cause: str = ""  # the likeliest of `causes`
    causes: tuple[Cause, ...] = ()
    runs: tuple[str, ...] = ()  # ids of the runs that were made for it
    compared: tuple[Compared, ...] = ()
    packages: tuple[str, ...] = ()  # that are not as in the lock (--refresh-env)
    notes: tuple[str, ...] = ()
    hint: str = ""
    time: int = 0  # ms since the epoch

    @property
    def exit_code(self) -> int:
        return EXIT[self.verdict]

    def facts(self) -> JsonObject:
        return {
            **self._asdict(),
            "exit_code": self.exit_code,
            "causes": [each._asdict() for each in self.causes],
            "compared": [each._asdict() for each in self.compared],
        }


def of(compared: Iterable[Compared]) -> str:
    """The verdict of all that was compared: the worst of what counts."""
    results = {each.result for each in compared if each.counts}
    if results & set(DIFFERENT):
        return "different"
    return "within-tolerance" if "within-tolerance" in results else "identical"


def reservations(run: Run, compared: Iterable[Compared]) -> list[str]:
    """What somebody who only reads the verdict would take for more than it is."""
    found = []
    counted = [each for each in compared if each.counts]
    if all(each.kind == "end" for each in counted):
        what = "only how it ended was compared" if counted else "nothing was compared"
        found.append(
            f"{what}: the run logs no metrics and files, and declares no `outputs:`, or they are ignored"
        )
    if run.end.get("reason") in OUTSIDE:
        found.append(
            f"the recorded run had been ended from outside ({run.end['reason']}): what it left by then counts"
        )
    elif run.status == "FAILED":
        ending = run.end.get("signal") or f"exit code {run.end.get('exit_code')}"
        found.append(f"the recorded run had failed ({ending})")
    old = [each.name for each in counted if each.detail == CAME]
    if old:
        found.append(f"the command did not write {', '.join(old[:5])}: they are as they came with the code")
    return found


def keep(store: Store, verdict: Verdict) -> str:
    """Writes the report into the record of the run that was verified and returns its path."""
    name = f"{verdict.time}-{(verdict.runs or ('none',))[0]}"
    folder = os.path.join(store.run_directory(verdict.run_id), FOLDER)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{name}.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(visible_values(verdict.facts()), file, indent=2, ensure_ascii=False)
        file.write("\n")
    with open(os.path.join(folder, f"{name}.txt"), "w", encoding="utf-8") as file:
        file.writelines(f"{visible(line)}\n" for line in lines(verdict))
    with store.open_run(verdict.run_id) as writer:
        report = f"{FOLDER}/{name}.json"
        writer.append(verification(verdict.verdict, verdict.cause, verdict.runs, report))
    return path


def stamp(verdict: Verdict) -> Verdict:
    return verdict._replace(time=now())


def lines(verdict: Verdict) -> list[str]:
    """For people."""
    found = [f"{verdict.verdict}: run {verdict.run_name} ({verdict.run_id[:12]}){_made(verdict.runs)}"]
    found += [f"  {line}" for line in _table(verdict.compared)]
    found += [f"packages changed: {line}" for line in verdict.packages]
    for number, cause in enumerate(verdict.causes):
        first, *rest = cause.text.splitlines()
        found.append(f"{'cause' if not number else 'also'}: {cause.kind}: {first}")
        found += [f"  {line}" for line in rest]
    found += [f"note: {each}" for each in verdict.notes]
    return found


def _made(runs: Sequence[str]) -> str:
    if not runs:
        return ""
    times = f"{len(runs)} times, " if len(runs) > 1 else ""
    return f", made again {times}as {', '.join(run[:12] for run in runs)}"


def _table(compared: Sequence[Compared]) -> list[str]:
    shown = [each for each in compared if each.result != "identical"] + [
        each for each in compared if each.result == "identical"
    ]
    rows = []
    for each in shown[:60]:
        values = ""
        if each.old is not None and each.new is not None:
            same = each.old == each.new or each.result == "identical"
            values = _value(each.old) if same else f"{_value(each.old)} -> {_value(each.new)}"
        how = each.result
        if each.result != "identical" and each.absolute:
            how += f", by {each.absolute:.3g}"
        if each.tolerance:
            how += f" (tolerance {each.tolerance})"
        rows.append((each.kind, each.name, values, how, each.detail))
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    found = [
        "  ".join(text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True)).rstrip()
        for row in rows
    ]
    return found + ([f"... and {len(shown) - 60} more"] if len(shown) > 60 else [])


def _value(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
