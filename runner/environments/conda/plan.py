"""What a conda environment is solved, built and packed from."""

from __future__ import annotations

from typing import NamedTuple

from runner.environments.conda.channels import Settings
from runner.environments.conda.spec import CondaFile
from runner.environments.python.plan import Plan as PipPlan

__all__ = ["Plan"]


class Plan(NamedTuple):
    file: CondaFile
    settings: Settings  # they may hold credentials
    specs: tuple[str, ...]
    pip: PipPlan  # for the pip section

    @property
    def shown(self) -> str:
        return self.file.shown

    @property
    def addresses(self) -> list[str]:
        """Of the file's channels, those that single packages name (`channel::package`), then the user's."""
        named = [spec.split("::")[0] for spec in self.file.specs if "::" in spec]
        stated = [*self.file.channels, *(each for each in named if each not in self.file.channels)]
        return self.settings.of(stated, self.file.nodefaults, self.file.base)

    @property
    def complete_specs(self) -> list[str]:
        """With addresses instead of channels' names."""
        found = []
        for spec in self.specs:
            channel, separator, rest = spec.partition("::")
            address = self.settings.address(channel, self.file.base)[0] if separator else ""
            found.append(f"{address}::{rest}" if separator else spec)
        return found
