"""`proj ci report`: what a pull request should know of a run, as Markdown; also the job summary of GitHub Actions."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.options import Command, Group, Option
from runner.text import units
from runner.text.shown import number, plain
from runner.text.terminal import printable

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["COMMAND", "markdown", "summarize"]

LOOKED_AT = 1000  # runs among which the base branch's last one is looked for
ENDING = 20  # lines of a failed run's output
BASES = ("GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "CI_DEFAULT_BRANCH")


def report(ref: str, base: str, location: str) -> int:
    """Print a run as Markdown, for a pull request's comment: parameters, metrics against the base branch, verdict."""
    with reference.open_store(location, quiet=True) as store:
        run = reference.find(store, ref)
        run = store.read(reference.original(store, run, ref))
        output.emit_lines(markdown(store, run, base))
    return 0


def summarize(store: Store, run_id: str, ended: bool = True) -> None:
    """Where the job has a summary page; of a run that is no step of another. With `ended` False, its verdict only."""
    path = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if not path or os.environ.get("PROJ_RUN_ID"):
        return
    run = store.read(run_id)
    lines = markdown(store, run, "") if ended else _verdict(run)
    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{line}\n" for line in [*lines, ""])
    except OSError as error:
        sys.stderr.write(f"the job summary {path} cannot be written: {error.strerror}\n")


def markdown(store: Store, run: Run, base: str) -> list[str]:
    """`base`: a branch; by default the one that the CI job's change is to be merged into, else main."""
    base = base or next((os.environ[name] for name in BASES if os.environ.get(name)), "main")
    seconds = run.duration
    mark = {"FINISHED": "✅", "FAILED": "❌"}.get(run.status, "⚠️")
    how = run.status.lower() if run.status == "FINISHED" else f"{run.status.lower()} ({_why(run)})"
    found = [
        f"### {mark} {_text(run.name)} {how}" + (f" after {units.duration(seconds)}" if seconds else ""),
        "",
    ]
    code = run.sections.get("code", {})
    facts = [run.project, run.entry_point, str(code.get("commit") or "")[:10], f"run `{run.run_id[:12]}`"]
    found += [" · ".join(fact if fact.startswith("run `") else _text(fact) for fact in facts if fact)]
    if run.params:
        rows = [(_text(key), _text(plain(value))) for key, value in run.params.items()]
        found += ["", *_table(("parameter", "value"), rows)]
    if run.metrics:
        found += ["", *_metrics(run, _last_of(store, run, base), base)]
    found += _verdict(run)
    if run.status != "FINISHED":
        found += _ending(store.run_directory(run.run_id))
    return found


def _why(run: Run) -> str:
    reason = str(run.end.get("reason", ""))
    return (
        f"exit code {run.end.get('exit_code')}"
        if reason == "exit"
        else _text(str(run.end.get("signal") or reason))
    )


def _last_of(store: Store, run: Run, branch: str) -> Run | None:
    """The last run of the same project and entry point that finished on a branch."""
    from runner.tracking.index.places import of_run

    where = f"status = 'FINISHED' and start_time <= {run.start_time}"
    mine = store.index.scope(of_run(run)).keys
    for each in store.search(where, limit=LOOKED_AT, places=mine).runs:
        on = (
            each.sections.get("code", {}).get("branch"),
            each.sections.get("machine", {}).get("ci", {}).get("branch"),
        )
        if each.run_id != run.run_id and each.entry_point == run.entry_point and branch in on:
            return each
    return None


def _metrics(run: Run, before: Run | None, base: str) -> list[str]:
    if before is None:
        return _table(
            ("metric", "value"), [(_text(key), number(last.value)) for key, last in run.metrics.items()]
        )
    rows = []
    for key, last in run.metrics.items():
        old = before.metrics.get(key)
        change = "" if old is None else _change(old.value, last.value)
        rows.append((_text(key), number(last.value), "" if old is None else number(old.value), change))
    return _table(("metric", "value", f"{_text(base)} (`{before.run_id[:12]}`)", "change"), rows)


def _change(old: float, new: float) -> str:
    if old == new or old != old or new != new:
        return "" if (old != old and new != new) or old == new else "?"
    share = f" ({(new - old) / abs(old):+.1%})" if old and abs(old) < float("inf") else ""
    return f"{new - old:+.4g}{share}"


def _verdict(run: Run) -> list[str]:
    """Of the last reproduction."""
    if not run.verifications:
        return []
    last = run.verifications[-1]
    cause = f" ({_text(str(last['cause']))})" if last.get("cause") else ""
    mark = {"identical": "✅", "within-tolerance": "✅", "different": "❌"}.get(str(last.get("verdict")), "⚠️")
    return ["", f"{mark} made again: **{_text(str(last.get('verdict')))}**{cause}"]


def _ending(directory: str) -> list[str]:
    from runner.cli.show import ending

    lines = [line.replace("```", "'''") for line in ending(directory, ENDING)]
    return ["", "```text", *lines, "```"] if lines else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _text(text: str) -> str:
    """So that nothing in it is Markdown or HTML, or leaves its cell."""
    text = printable(text)
    for sign in "\\`*_{}[]<>#|!":
        text = text.replace(sign, f"\\{sign}")
    return text


COMMAND = Group("Write what CI shows of a run.", {
    "report": Command(report, (
        reference.LAST,
        Option("base", ("--base",), "Branch to compare with: by default the change's target, else main.", metavar="BRANCH"),
        reference.STORE,
    )),
})  # fmt: skip
