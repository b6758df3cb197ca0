"""What is known of a registered model after its operations were folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from runner.tracking.events import Event

__all__ = [
    "STAGES",
    "Alias",
    "Comment",
    "Ignored",
    "Move",
    "RegisteredModel",
    "Version",
    "target_of",
]

STAGES = ("None", "Staging", "Production", "Archived")


class Comment(NamedTuple):
    by: str
    time: int  # ms
    text: str


class Version(NamedTuple):
    version_id: str
    number: int
    source: str  # as it was given: models:/m-..., models:/NAME/1, mlflow-artifacts:/..., s3://...
    location: str  # where its files are: what models:/ stands for is looked up when it is registered
    run_id: str = ""  # that made it
    model_id: str = ""  # logged model
    digest: str = ""  # of its files; "": they are not in the store
    description: str = ""
    run_link: str = ""
    user: str = ""
    creation_time: int = 0
    tags: Mapping[str, str] = {}
    copied_from: str = ""  # version_id, in another store or under another name
    last_update_time: int = 0
    stage: str = "None"
    lifecycle: str = "active"  # or deleted
    comments: tuple[Comment, ...] = ()
    rebuilt: Event | None = None  # the last verdict of a rebuild


class Move(NamedTuple):
    """Of an alias, or of a version into a stage."""

    op: str
    target: str  # alias:NAME or stage:NAME
    to: str  # version_id; "": the alias is taken away
    by: str = ""
    time: int = 0
    why: str = ""
    after: tuple[str, ...] = ()  # moves of the same alias that its writer knew, and which it replaces


class Alias(NamedTuple):
    name: str
    version_id: str
    move: Move
    others: tuple[str, ...] = ()  # version ids to which it was moved at the same time in another store


class Ignored(NamedTuple):
    """A move that does not count, for its target is protected."""

    move: Move
    reason: str


class RegisteredModel(NamedTuple):
    name: str
    description: str = ""
    creation_time: int = 0
    last_update_time: int = 0
    tags: Mapping[str, str] = {}
    versions: Mapping[int, Version] = {}  # that are not deleted, by number, ascending
    contested: Mapping[int, tuple[str, ...]] = {}  # numbers that two versions claim -> their version ids
    aliases: Mapping[str, Alias] = {}
    heads: Mapping[str, tuple[str, ...]] = {}  # target -> the moves that count, which the next one replaces
    lifecycle: str = "active"  # or deleted
    deleted: Mapping[int, Version] = {}
    numbers: Mapping[str, int] = {}  # version_id -> number, of all
    comments: tuple[Comment, ...] = ()
    policies: Mapping[str, Event] = {}  # target -> the operation that set it
    ignored: tuple[Ignored, ...] = ()
    evidence: Mapping[str, Event] = {}  # op -> request, approve, reject, gate, rebuilt, signature
    user: str = ""
    thing: str = ""  # id, under which it is kept

    @property
    def latest(self) -> Version | None:
        return self.versions[max(self.versions)] if self.versions else None

    @property
    def highest(self) -> int:
        """The greatest number that was ever given."""
        return max(max(self.versions, default=0), max(self.deleted, default=0))

    def by_id(self, version_id: str) -> Version | None:
        number = self.numbers.get(version_id, 0)
        return self.versions.get(number) or self.deleted.get(number)

    def names_of(self, version: Version) -> list[str]:
        """The aliases that lead to it."""
        return [name for name, alias in self.aliases.items() if alias.version_id == version.version_id]

    def aliased(self, name: str) -> Version | None:
        """The version to which an alias leads."""
        alias = self.aliases.get(name)
        found = None if alias is None else self.by_id(alias.version_id)
        return found if found is not None and found.lifecycle == "active" else None

    def latest_of_stages(self) -> list[Version]:
        """The latest version of each stage that has one, as MLflow gives them."""
        found = {version.stage: version for version in self.versions.values()}
        return [found[stage] for stage in STAGES if stage in found]


def target_of(name: str) -> str:
    """`alias:production` for `production`, `stage:Production` as it is."""
    return name if name.startswith("stage:") else f"alias:{name.removeprefix('alias:')}"
