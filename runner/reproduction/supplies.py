"""What a bundle brings along for the run that is in it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["NONE", "Supplies"]


class Supplies(NamedTuple):
    inputs: str = ""  # folder of inputs, each called by its digest
    wheels: str = ""  # folder of packages
    lock: str = ""  # instead of the recorded one: packages that were built for the bundle have other hashes


NONE = Supplies()
