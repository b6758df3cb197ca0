"""`proj run --cached`: the outputs of a finished run are taken over when all that decides them is the same."""

from __future__ import annotations

from runner.recording import Recorder
from runner.run import Plan
from runner.values import Ended, Report

__all__ = ["take_over"]


def take_over(plan: Plan, recorder: Recorder, report: Report) -> Ended | None:  # noqa: ARG001
    return None
