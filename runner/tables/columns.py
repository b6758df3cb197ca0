"""What can be shown of a run in one cell: attributes, and `metrics.X`, `params.X`, `tags.X`."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runner.errors import InputError
from runner.text import units
from runner.text.shown import plain, safe

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = [
    "NUMERIC", "check", "elapsed", "everything", "fit", "flat", "order_key", "shown", "telling", "usual", "value",
    "vary",
]  # fmt: skip


def _status(run: Run) -> str:
    """With its reason where nobody may write that into the record: reconcile.concluded."""
    reason = str(run.end.get("reason", ""))
    return reason if reason.endswith("(concluded)") else run.status


ATTRIBUTES: dict[str, Callable[[Run], Any]] = {
    "run_id": lambda run: run.run_id,
    "id": lambda run: run.run_id[:12],
    "name": lambda run: run.name,
    "status": _status,
    "reason": lambda run: run.end.get("reason", ""),
    "exit_code": lambda run: run.end.get("exit_code"),
    "started": lambda run: run.start_time,
    "ended": lambda run: run.end_time,
    "duration": lambda run: run.duration,
    "experiment": lambda run: run.experiment_id,
    "project": lambda run: run.project,
    "entry_point": lambda run: run.entry_point,
    "user": lambda run: run.user,
    "parent": lambda run: run.parent,
    "uri": lambda run: run.uri,
    "lifecycle": lambda run: run.lifecycle,
    "verdict": lambda run: run.verdict,
    "commit": lambda run: run.sections.get("code", {}).get("commit", ""),
    "dirty": lambda run: run.sections.get("code", {}).get("dirty"),
    "host": lambda run: run.sections.get("machine", {}).get("host", ""),
    "peak_memory": lambda run: run.sections.get("resources", {}).get("peak_memory"),
    "cpu_time": lambda run: run.sections.get("resources", {}).get("cpu_time"),
}
EYES: dict[str, Callable[[Any], str]] = {
    "started": units.ago, "ended": units.ago, "cpu_time": units.duration, "peak_memory": units.size,
    "commit": lambda commit: commit[:10],
}  # fmt: skip
KEYS = {  # in the grammar of --order-by, where that is another word
    "id": "run_id",
    "name": "run_name",
    "started": "start_time",
    "ended": "end_time",
    "experiment": "experiment_id",
    "user": "user_id",
}
ORDERED = ("run_id", "status", "reason", "duration", "project", "entry_point", "parent", "verdict")
NUMERIC = ("duration", "exit_code", "peak_memory", "cpu_time")
MOST = 4  # metrics, and as many parameters, in a table whose columns nobody chose


def elapsed(run: Run) -> float:
    """s; of a run in progress, until now."""
    took = run.duration
    return max(0.0, time.time() - run.start_time / 1000) if took is None else took


def check(names: Iterable[str], meant: Callable[[str], str] | None = None) -> list[str]:
    """InputError for a column that there is not; `meant` gives the one that it may stand for. `a,b` counts as two."""
    found = [name.strip() for text in names for name in text.split(",") if name.strip()]
    for name in found:
        entity, dot, key = name.partition(".")
        if name not in ATTRIBUTES and not (dot and key and entity in ("metrics", "params", "tags")):
            import difflib

            close = difflib.get_close_matches(name, ATTRIBUTES, 1)
            near = close[0] if close else meant(name) if meant else ""
            known = f"there are {', '.join(ATTRIBUTES)}, metrics.X, params.X, tags.X"
            raise InputError(f"there is no column {name!r}", f"did you mean {near}?" if near else known)
    return found


def order_key(name: str) -> str:
    """By what a column is sorted, in the grammar of --order-by; "" when it cannot be."""
    entity, dot, key = name.partition(".")
    if dot and re.fullmatch(r"[\w./-]+", key):
        return name
    if dot:
        return f"{entity}.`{key}`" if "`" not in key else f'{entity}."{key}"' if '"' not in key else ""
    return KEYS.get(name, name if name in ORDERED else "")


def value(run: Run, name: str) -> Any:
    """Typed; None when the run does not have it."""
    entity, _, key = name.partition(".")
    if name in ATTRIBUTES:
        return ATTRIBUTES[name](run)
    if entity == "metrics":
        return run.metrics[key].value if key in run.metrics else None
    return (run.params if entity == "params" else run.tags).get(key)


def shown(run: Run, name: str, experiments: Mapping[str, str]) -> str:
    """For eyes: times as distances, sizes with units."""
    found = value(run, name)
    if name == "experiment":
        return experiments.get(found, found)
    if name == "duration":
        return units.duration(elapsed(run))
    if name in EYES:
        return "" if found is None else EYES[name](found)
    return safe(plain(found))


def flat(run: Run, name: str, experiments: Mapping[str, str]) -> str:
    """For programs: full precision, UTC."""
    found = value(run, name)
    if name == "experiment":
        return experiments.get(found, found)
    if name in ("started", "ended"):
        return units.iso(found)
    return repr(found) if isinstance(found, float) else plain(found)


def usual(runs: Sequence[Run], nested: bool = False) -> list[str]:
    """For a table: who and how, the commonest metrics, and the parameters that are not all the same.

    `nested`: some are in others, and are told from them by their entry points.
    """
    names = ["id", "name", *(["entry_point"] if nested else []), "status", "started", "duration"]
    names += ["lifecycle"] if any(run.lifecycle != "active" for run in runs) else []
    names += ["project"] if vary(run.project for run in runs) else []
    names += telling(runs, MOST)
    names += ["entry_point"] if not nested and vary(run.entry_point for run in runs) else []
    return names + (["experiment"] if vary(run.experiment_id for run in runs) else [])


def telling(runs: Sequence[Run], most: int) -> list[str]:
    """The commonest metrics, and the parameters that are not all the same; `most` of each."""
    names = [f"metrics.{key}" for key in _commonest((run.metrics for run in runs), most)]
    keys = [key for key in _keys(run.params for run in runs) if vary(run.params.get(key) for run in runs)]
    return [*names, *(f"params.{key}" for key in keys[:most])]


def vary(values: Iterable[object]) -> bool:
    return len(set(map(repr, values))) > 1


def fit(names: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> int:
    """How many of the columns have room beside each other; at least three, however narrow it is."""
    used = 0
    for place, name in enumerate(names):
        used += max(len(name), *(len(row[place]) for row in rows)) + 2
        if used - 2 > width and place >= 3:
            return place
    return len(names)


def first(names: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Places of the columns for a width: a metric is worth both times of a run, what else varies its duration."""

    def fitting(*left_out: str) -> tuple[int, list[int]]:
        places = [place for place, name in enumerate(names) if name not in left_out]
        room = fit([names[at] for at in places], [[row[at] for at in places] for row in rows], width)
        return sum(names[at].startswith(("metrics.", "params.")) for at in places[:room]), places[:room]

    whole, shorter, shortest = fitting(), fitting("duration"), fitting("duration", "started")
    found = shorter if shorter[0] > whole[0] else whole
    return shortest[1] if shortest[0] and not found[0] else found[1]


def everything(runs: Sequence[Run]) -> list[str]:
    """For files: every attribute, metric, parameter and tag that one of the runs has."""
    names = [name for name in ATTRIBUTES if name != "id"]
    names += [f"metrics.{key}" for key in sorted(_keys(run.metrics for run in runs))]
    names += [f"params.{key}" for key in sorted(_keys(run.params for run in runs))]
    return names + [f"tags.{key}" for key in sorted(_keys(run.tags for run in runs))]


def _keys(mappings: Iterable[Mapping[str, object]]) -> list[str]:
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))


def _commonest(mappings: Iterable[Mapping[str, object]], most: int) -> list[str]:
    counts = Counter(key for mapping in mappings for key in mapping if not key.startswith("system/"))
    return [key for key, _ in counts.most_common(most)]
