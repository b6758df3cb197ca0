"""The way of a run goes down: from a room it calls into those below, and hardly ever up again."""

from __future__ import annotations

import os
import sys
import threading
from types import FrameType

import runner
from runner.running.plan import Outcome, Request
from runner.running.run import run
from runner.values import Silent
from tests.helpers import make_tree
from tests.test_layers import ROOMS, floor

ROOT = os.path.dirname(os.path.abspath(runner.__file__)) + os.sep


def room_of(frame: FrameType | None) -> str:
    """Of the nearest frame that is ours; "" when there is none."""
    while frame is not None and not frame.f_code.co_filename.startswith(ROOT):
        frame = frame.f_back
    return frame.f_code.co_filename.removeprefix(ROOT).split(os.sep)[0].removesuffix(".py") if frame else ""


def test_a_run_climbs_only_to_be_told_how_its_command_fares(tmp_path: object) -> None:
    """A climb: something of an upper room that is called from a lower one. Reports to the user are not counted."""
    climbs = set()

    def notice(frame: FrameType, event: str, argument: object) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(ROOT):
            return
        below, above = room_of(frame.f_back), room_of(frame)
        if below and floor(ROOMS, above, above) > floor(ROOMS, below, below):
            climbs.add(f"{below} calls {above}: {frame.f_code.co_name}")

    text = (
        "entry_points: {main: {command: echo 1 > out.txt, outputs: [out.txt], parameters: {n: {default: 1}}}}"
    )
    folder = make_tree(f"{tmp_path}/p", {"MLproject": text})
    before = sys.getprofile()
    threading.setprofile(notice)
    sys.setprofile(notice)
    try:
        outcome = run(Request(folder, env_manager="local"), Silent())
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    assert isinstance(outcome, Outcome)
    assert outcome.status == "FINISHED"
    assert len(climbs) < 8, climbs
    assert {"backends calls running: started", "backends calls running: masked"} <= climbs
