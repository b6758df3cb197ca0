"""A registered model as a fold over the set of its operations, in the order of their ids.

It is pure: the same operations, from whatever stores they were merged, give the same state. What depends on this
machine, whose signatures are trusted, is handed in as `verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runner.tracking.events import ODD, Event
from runner.tracking.registry.moves import Moves
from runner.tracking.registry.policy import Shown, Texts, Verify, needs_of, unmet
from runner.tracking.registry.state import STAGES, Comment, Ignored, Move, RegisteredModel, Version

__all__ = ["Book", "nobody"]

TEXTS = ("run_id", "model_id", "digest", "description", "run_link", "user", "copied_from")  # may be empty
EVIDENCE = ("request", "approve", "reject", "gate", "rebuilt", "signature")


def nobody(event: Event) -> str:  # noqa: ARG001
    """Trusts no signature."""
    return ""


class Book:
    """Takes operations, each once and in their order; `model()` is what they come to."""

    def __init__(self, thing: str = "", verify: Verify = nobody) -> None:
        self.thing = thing
        self.last = ""  # op that was taken
        self.refers: tuple[str, ...] = ()  # ids of models that were renamed to the name of this one
        self._verify = verify
        self._first: RegisteredModel | None = None  # name, texts and times
        self._versions: dict[str, Version] = {}  # by version_id, in their order, with the number claimed
        self._numbers: dict[str, int] = {}  # version_id -> number
        self._highest = 0
        self._settled: dict[str, int] = {}
        self._final: dict[int, set[str]] = {}  # number -> version ids among which it was settled
        self._claims: dict[int, list[str]] = {}  # number -> version ids that claim it
        self._contested: dict[int, tuple[str, ...]] = {}
        self._plain = True  # each version has the number that it claims
        self._dirty = False
        self._live: dict[int, Version] = {}  # what is shown, by number
        self._gone: dict[int, Version] = {}
        self._stale = False
        self._moves: dict[str, Moves] = {}  # by target
        self._policies: dict[str, Event] = {}
        self._ignored: list[Ignored] = []
        self._renamed: Event | None = None  # the last rename
        self._evidence: dict[str, Event] = {}
        self._comments: tuple[Comment, ...] = ()
        self._made: RegisteredModel | None = None

    def take(self, operations: Iterable[Event]) -> None:
        """One that lacks what it needs changes nothing."""
        for event in operations:
            self.last = event.get("op", self.last)
            handle = HANDLERS.get(event["type"])
            if handle is None or (
                self._first is None and event["type"] not in ("registered-model", "refers")
            ):
                continue
            try:
                handle(self, event)
            except ODD:
                continue
        self._made = None

    def model(self) -> RegisteredModel | None:
        """None when nothing makes it one."""
        if self._first is None:
            return None
        if self._made is None:
            self._made = self._shown(self._first)
        return self._made

    def _shown(self, first: RegisteredModel) -> RegisteredModel:
        if self._dirty:
            self._number()
        if self._stale:
            self._arrange()
        aliases = {}
        for target, moves in self._moves.items():
            alias = moves.alias(target in self._policies) if target.startswith("alias:") else None
            if alias is not None and self._is_live(alias.version_id):
                aliases[alias.name] = alias
        return first._replace(
            versions=dict(self._live),
            contested={
                number: ids
                for number, ids in self._contested.items()
                if sum(self._is_live(each) for each in ids) > 1
            },
            deleted=dict(self._gone),
            numbers=dict(self._numbers),
            aliases=dict(sorted(aliases.items())),
            heads={target: tuple(moves.heads) for target, moves in self._moves.items() if moves.heads},
            comments=self._comments,
            policies=dict(self._policies),
            ignored=tuple(self._ignored),
            evidence=dict(self._evidence),
            thing=self.thing,
        )

    def _arrange(self) -> None:
        """By number, those that are deleted apart."""
        self._live, self._gone = {}, {}
        for number, version_id in sorted((number, each) for each, number in self._numbers.items()):
            version = self._versions[version_id]._replace(number=number)
            (self._live if version.lifecycle == "active" else self._gone)[number] = version
        self._stale = False

    def _is_live(self, version_id: str) -> bool:
        found = self._versions.get(version_id)
        return found is not None and found.lifecycle == "active"

    # ---- the model and its versions ------------------------------------------------------------------------

    def _create(self, event: Event) -> None:
        time = int(event["time"])
        old = self._first
        if old is not None and old.lifecycle == "active":
            return  # the earlier one counts
        tags = _texts(event.get("tags") or {})
        made = RegisteredModel(str(event["name"]), str(event.get("description", "")), time, time, tags)
        self._first = made._replace(user=str(event.get("by", "")))
        for version_id in self._versions:  # of the one that was deleted
            self._change(version_id, lifecycle="deleted")
        for moves in self._moves.values():
            moves.clear()
        self._comments = ()

    def _version(self, event: Event) -> None:
        time, version_id = int(event["time"]), str(event["version_id"])
        if version_id in self._versions:
            return
        texts: Any = {key: str(event.get(key, "")) for key in TEXTS}
        version = Version(
            version_id,
            int(event["number"]),
            str(event["source"]),
            str(event.get("location") or event["source"]),
            creation_time=int(event.get("creation_time") or time),
            last_update_time=time,
            tags=_texts(event.get("tags") or {}),
            **texts,
        )
        self._versions[version_id] = version
        if self._plain and version.number > self._highest:
            self._numbers[version_id] = self._highest = version.number
            self._live[version.number] = version
        else:
            self._plain, self._dirty = False, True
        self._touch(time)

    def _number(self) -> None:
        """Who claimed a number first keeps it; the others come after the greatest, in their order."""
        wanted = {each: self._settled.get(each, version.number) for each, version in self._versions.items()}
        claims: dict[int, list[str]] = {}
        owner: dict[int, str] = {}
        later = []
        for version_id, version in self._versions.items():
            for number in {version.number, wanted[version_id]}:
                claims.setdefault(number, []).append(version_id)
            if owner.setdefault(wanted[version_id], version_id) != version_id:
                later.append(version_id)
        highest = max(owner, default=0)
        for version_id in later:
            highest += 1
            owner[highest] = version_id
        self._numbers = {version_id: number for number, version_id in owner.items()}
        self._highest, self._claims = highest, claims
        self._contested = {
            number: tuple(ids)
            for number, ids in claims.items()
            if len(ids) > 1 and not set(ids) <= self._final.get(number, set())
        }
        self._dirty, self._stale = False, True

    def _settle(self, event: Event) -> None:
        numbers = {str(key): int(value) for key, value in event["numbers"].items()}
        settled = [int(each) for each in event["settled"]]
        self._settled |= numbers
        self._plain = False
        self._number()
        for number in settled:
            self._final[number] = self._final.get(number, set()).union(self._claims.get(number, ()))
        self._number()

    def _delete(self, event: Event) -> None:
        self._set_lifecycle(event, "deleted")

    def _restore(self, event: Event) -> None:
        self._set_lifecycle(event, "active")

    def _set_lifecycle(self, event: Event, lifecycle: str) -> None:
        time, version_id = int(event["time"]), event.get("version_id")
        held = self._held(str(version_id or "")) if lifecycle == "deleted" else None
        if held is not None:  # by somebody who did not know of the policy
            target, to = held
            move = Move(str(event["op"]), target, to, str(event.get("by", "")), time)
            self._ignored.append(Ignored(move, f"{target} is protected, and this deletes where it leads"))
        elif version_id:
            fields = {"lifecycle": lifecycle, "last_update_time": time}
            version = self._versions[str(version_id)]
            if version.lifecycle != lifecycle == "active" and f"stage:{version.stage}" in self._policies:
                fields["stage"] = "None"  # it comes back with no evidence
            self._change(str(version_id), **fields)
            if lifecycle == "deleted":
                for moves in self._moves.values():
                    moves.forget(str(version_id))
            self._touch(time)
        elif self._first is not None:
            self._first = self._first._replace(lifecycle=lifecycle, last_update_time=time)

    def _held(self, version_id: str) -> tuple[str, str] | None:
        """The protected target, and the version that it has: this one, or for "" any."""
        for target in self._policies:
            kind, _, name = target.partition(":")
            staged = (key for key, each in self._versions.items() if each.stage == name)
            for each in [self._current(name)] if kind == "alias" else filter(self._is_live, staged):
                if each and version_id in ("", each):
                    return target, each
        return None

    def _rename(self, event: Event) -> None:
        name, time = str(event["name"]), int(event["time"])
        if self._policies:  # by somebody who did not know of them: another model could take the name
            self._ignored.append(Ignored(_move(event, "name", ""), f"{min(self._policies)} is protected"))
            return
        self._renamed = event
        if self._first is not None:
            self._first = self._first._replace(name=name, last_update_time=time)
        for version_id in self._versions:
            self._change(version_id, last_update_time=time)

    def _refers(self, event: Event) -> None:
        self.refers = (*self.refers, str(event["thing"]))

    def _touch(self, time: int) -> None:
        if self._first is not None:
            self._first = self._first._replace(last_update_time=time)

    def _change(self, version_id: str, **fields: Any) -> None:
        version = self._versions[version_id] = self._versions[version_id]._replace(**fields)
        number = self._numbers.get(version_id, 0)
        if "lifecycle" in fields:
            self._stale = True
        elif number in self._live and not self._stale and not self._dirty:
            self._live[number] = version._replace(number=number)
        else:
            self._stale = True

    # ---- what is said of it --------------------------------------------------------------------------------

    def _tag(self, event: Event) -> None:
        key, value = str(event["key"]), str(event["value"])
        self._retag(event, lambda tags: {**tags, key: value})

    def _untag(self, event: Event) -> None:
        key = str(event["key"])
        self._retag(event, lambda tags: {name: value for name, value in tags.items() if name != key})

    def _retag(self, event: Event, change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        version_id = event.get("version_id")
        if version_id:
            self._change(str(version_id), tags=change(self._versions[str(version_id)].tags))
        elif self._first is not None:
            self._first = self._first._replace(tags=change(self._first.tags))

    def _describe(self, event: Event) -> None:
        text, time, version_id = str(event["text"]), int(event["time"]), event.get("version_id")
        if version_id:
            self._change(str(version_id), description=text, last_update_time=time)
        elif self._first is not None:
            self._first = self._first._replace(description=text, last_update_time=time)

    def _comment(self, event: Event) -> None:
        made = Comment(str(event.get("by", "")), int(event["time"]), str(event["text"]))
        version_id = event.get("version_id")
        if version_id:
            known = self._versions[str(version_id)].comments
            self._change(str(version_id), comments=(*known, made))
        else:
            self._comments = (*self._comments, made)

    def _keep(self, event: Event) -> None:
        self._evidence[str(event["op"])] = event
        if event["type"] == "rebuilt":
            self._change(str(event["version_id"]), rebuilt=event)

    # ---- moves ---------------------------------------------------------------------------------------------

    def _policy(self, event: Event) -> None:
        target, heads = str(event["target"]), [str(each) for each in event["heads"]]
        if needs_of(event):
            name, renamed = str(event.get("name", "")), self._renamed
            if renamed is not None and self._first is not None and name not in ("", self._first.name):
                self._first = self._first._replace(name=name)
                self._ignored.append(
                    Ignored(_move(renamed, "name", ""), f"{target} was protected as of {name}")
                )
            self._policies[target] = event
            moves = self._moves_of(target)
            for move in moves.keep(heads):  # made elsewhere, by somebody who did not know of the policy
                self._ignored.append(Ignored(move, "it was moved before it was protected, in another store"))
        else:
            self._policies.pop(target, None)

    def _moves_of(self, target: str) -> Moves:
        return self._moves.setdefault(target, Moves(target.partition(":")[2]))

    def _alias(self, event: Event) -> None:
        target, to = f"alias:{event['alias']}", str(event["to"])
        if to and to not in self._versions:
            raise KeyError(to)
        move = _move(event, target, to)
        if self._counts(event, move):
            self._moves_of(target).add(move)

    def _stage(self, event: Event) -> None:
        time, name, version_id = int(event["time"]), str(event["stage"]), str(event["version_id"])
        archived = {str(each) for each in event.get("archived", ())} - {version_id}
        left = f"stage:{self._versions[version_id].stage}"
        if name not in STAGES:
            raise ValueError(name)
        move = _move(event, f"stage:{name}", version_id)
        if not self._counts(event, move):
            return
        if left in self._policies and move.target not in self._policies:
            self._ignored.append(Ignored(move, f"{left} is protected, and this leaves it"))
            return
        for each in archived & self._versions.keys():
            if self._versions[each].stage == name:
                self._change(each, stage="Archived", last_update_time=time)
        self._change(version_id, stage=name, last_update_time=time)
        self._touch(time)

    def _counts(self, event: Event, move: Move) -> bool:
        policy = self._policies.get(move.target)
        if policy is None:
            return True
        version = self._versions.get(move.to)
        if version is None:
            self._ignored.append(Ignored(move, "it is protected, and this takes it away"))
            return False
        given = [str(each) for each in event.get("evidence", ())]
        shown = Shown(
            move.target,
            version,
            [self._evidence[each] for each in given if each in self._evidence],
            [each for each in self._evidence.values() if each["type"] == "reject"],
            self._current,
            self._verify,
            Texts(self._first.description, self._first.tags) if self._first else Texts(),
        )
        missing = unmet(needs_of(policy), shown)
        if missing:
            reason = "; ".join(f"{each.need.kind}: {each.reason}" for each in missing)
            self._ignored.append(Ignored(move, reason))
        return not missing

    def _current(self, alias: str) -> str:
        target = f"alias:{alias}"
        moves = self._moves.get(target)
        found = None if moves is None else moves.alias(target in self._policies)
        return "" if found is None or not self._is_live(found.version_id) else found.version_id


def _move(event: Event, target: str, to: str) -> Move:
    after = tuple(str(each) for each in event.get("after", ()))
    by, why = str(event.get("by", "")), str(event.get("why", ""))
    return Move(str(event["op"]), target, to, by, int(event["time"]), why, after)


def _texts(given: Mapping[str, object]) -> dict[str, str]:
    return {str(key): str(value) for key, value in given.items()}


HANDLERS: Mapping[str, Callable[[Book, Event], None]] = {
    "registered-model": Book._create,
    "version": Book._version,
    "settle": Book._settle,
    "delete": Book._delete,
    "restore": Book._restore,
    "rename": Book._rename,
    "refers": Book._refers,
    "tag": Book._tag,
    "untag": Book._untag,
    "describe": Book._describe,
    "comment": Book._comment,
    "policy": Book._policy,
    "alias": Book._alias,
    "stage": Book._stage,
    **dict.fromkeys(EVIDENCE, Book._keep),
}
