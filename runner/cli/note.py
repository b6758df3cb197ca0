"""`proj note`: a description of a run, as MLflow's pages show it."""

from __future__ import annotations

import sys
from typing import Any

from runner.cli import reference
from runner.cli.options import Option

__all__ = ["OPTIONS", "command"]

TAG = "mlflow.note.content"
OPTIONS = (
    reference.RUN,
    Option("text", ("text",), "The note (Markdown); - reads it from stdin.", "many", metavar="[TEXT]"),
    Option("append", ("--append",), "Add to the note that is there, as a new paragraph.", "flag", False),
    Option("remove", ("--remove",), "Remove the note.", "flag", False),
    reference.STORE,
    reference.JSON,
)


def command(values: dict[str, Any]) -> int:
    """Write a note on a run; without TEXT, show it."""
    from runner.cli import output

    given = reference.take(values)
    text = sys.stdin.read().rstrip("\n") if given["text"] == ["-"] else " ".join(given["text"])
    with reference.open_store(given["store"]) as store:
        run = reference.find(store, given["run"])
        before = run.tags.get(TAG, "")
        if given["append"] and before and text:
            text = f"{before}\n\n{text}"
        if given["remove"] and before:
            with store.open_run(run.run_id) as writer:
                writer.untag(TAG)
            before = ""
        elif text:
            with store.open_run(run.run_id) as writer:
                writer.tag(TAG, text)
    if given["json"]:
        output.emit_json({"run_id": run.run_id, "note": text or before})
    elif not text and before:
        output.emit_lines(before.split("\n"))
    return 0
