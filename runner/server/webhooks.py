"""Follows the operations of registered models and tells the webhooks: each at least once, in order."""

from __future__ import annotations

import os
import time
import uuid
from typing import NamedTuple

from runner.errors import ProjError
from runner.host import files
from runner.tracking import registry
from runner.tracking.registry import hooks
from runner.tracking.registry.deliver import Answer, deliver
from runner.tracking.registry.hooks import Webhook
from runner.tracking.registry.news import News, news
from runner.tracking.registry.state import RegisteredModel

__all__ = ["Follower", "follow"]

EVERY = 0.5  # s between looks
LONGEST = 60.0  # s between tries
MOMENT = 12  # letters of an operation's id, its ms: within one the ids tell no order between different things
GIVEN_UP = 5  # tries of what the receiver refuses
AGAIN = (408, 429)  # of the refusals, those that pass


class Waiting(NamedTuple):
    op: str
    tries: int
    until: float  # time.monotonic()


class Follower:
    """Of one store; only one process at a time may deliver."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._models: dict[str, RegisteredModel] = {}  # that were looked at
        self._news: dict[str, list[News]] = {}
        self._waiting: dict[str, Waiting] = {}  # by webhook

    def look(self) -> None:
        """Delivers what is new. ProjError when the store cannot be read."""
        wanted = [each for each in hooks.listing(self._root) if each.status == "ACTIVE"]
        if not wanted:
            return
        for model in registry.listing(self._root, deleted=True):
            if self._models.get(model.thing) is not model:
                self._models[model.thing] = model
                self._news[model.thing] = news(self._root, model)
        for hook in wanted:
            try:
                self._tell(hook)
            except (ProjError, OSError):
                raise  # of the store
            except Exception:  # noqa: BLE001 - whatever is wrong with one, the others are told
                self._waiting[hook.webhook_id] = Waiting("", 0, time.monotonic() + LONGEST)

    def _tell(self, hook: Webhook) -> None:
        """In order: what comes after one that is not taken waits."""
        pending = [
            each
            for found in self._news.values()
            for each in found
            if each.op[:MOMENT] >= hook.since[:MOMENT]
            and each.topic in hook.topics
            and each.op not in hook.done
        ]
        waiting = self._waiting.get(hook.webhook_id)
        if waiting is not None and time.monotonic() < waiting.until:
            return
        for each in sorted(pending):
            delivery = str(uuid.UUID(each.op))
            secret = hooks.secret_of(self._root, hook.webhook_id)
            answer = deliver(hook, secret, each.topic, each.data, each.time, delivery)
            tries = 1 + (waiting.tries if waiting is not None and waiting.op == each.op else 0)
            if not 200 <= answer.status < 300 and not _is_refused(answer, tries):
                pause = min(LONGEST, 2.0 ** min(tries - 1, 6))
                self._waiting[hook.webhook_id] = Waiting(each.op, tries, time.monotonic() + pause)
                return
            self._waiting.pop(hook.webhook_id, None)
            hooks.note(self._root, hook.webhook_id, each.op)


def _is_refused(answer: Answer, tries: int) -> bool:
    return 400 <= answer.status < 500 and answer.status not in AGAIN and tries >= GIVEN_UP


def follow(root: str) -> None:
    """For ever, in a thread of its own."""
    follower = None
    lock = os.path.join(root, "server", "webhooks.lock")
    while True:
        try:
            if follower is None and os.path.isdir(os.path.join(root, hooks.ROOM)):
                os.makedirs(os.path.dirname(lock), exist_ok=True)
                if files.try_lock(lock) is not None:  # held as long as this process is there
                    follower = Follower(root)
            if follower is not None:
                follower.look()
        except (ProjError, OSError):
            pass  # the store cannot be used now; those who ask are told
        time.sleep(EVERY)
