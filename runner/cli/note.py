"""`proj note`: a description of a run, as MLflow's pages show it."""

from __future__ import annotations

import sys

from runner.cli import output, reference
from runner.cli.options import Command, Option

__all__ = ["COMMAND"]

TAG = "mlflow.note.content"


def command(
    ref: str, words: tuple[str, ...], append: bool, remove: bool, location: str, as_json: bool
) -> int:
    """Write a note on a run; without TEXT, show it."""
    text = sys.stdin.read().rstrip("\n") if words == ("-",) else " ".join(words)
    with reference.open_store(location) as store:
        run = reference.find(store, ref)
        before = run.tags.get(TAG, "")
        if append and before and text:
            text = f"{before}\n\n{text}"
        if remove and before:
            with store.open_run(run.run_id) as writer:
                writer.untag(TAG)
            before = ""
        elif text:
            with store.open_run(run.run_id) as writer:
                writer.tag(TAG, text)
    shown = before.split("\n") if before and not text else []
    return output.result(as_json, {"run_id": run.run_id, "note": text or before}, shown)


COMMAND = Command(command, (
    reference.RUN,
    Option("words", (), "The note (Markdown); - reads it from stdin.", "many", metavar="[TEXT]"),
    Option("append", ("--append",), "Add to the note that is there, as a new paragraph.", "flag"),
    Option("remove", ("--remove",), "Remove the note.", "flag"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
