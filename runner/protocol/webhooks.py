"""webhooks/...: who is told of what is done to registered models."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from runner.errors import InputError
from runner.protocol.answer import EMPTY, ApiError, Response, invalid, reply
from runner.protocol.fields import EnumKind
from runner.protocol.history import offset_of, token_of
from runner.protocol.route import Asked, Route, checks
from runner.tracking.log import new_run_id, now
from runner.tracking.registry import hooks
from runner.tracking.registry.deliver import check, deliver
from runner.tracking.registry.hooks import ACTIONS, Topic, Webhook
from runner.tracking.registry.news import EXAMPLE
from runner.values import Json, JsonObject

__all__ = ["ROUTES"]

_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?\Z")
STATUS = EnumKind(("ACTIVE", "DISABLED"))
MOST = 1000  # on a page
_asking = threading.BoundedSemaphore(
    2
)  # requests that wait for hosts elsewhere; others need the threads, too


def shown(hook: Webhook) -> JsonObject:
    value: JsonObject = {
        "webhook_id": hook.webhook_id,
        "name": hook.name,
        "url": hook.url,
        "events": [each._asdict() for each in hook.topics],
        "status": hook.status,
        "creation_timestamp": hook.creation_time,
        "last_updated_timestamp": hook.last_update_time,
    }
    return {**value, "description": hook.description} if hook.description else value


def _name(name: str) -> str:
    if not _NAME.match(name):
        raise invalid(
            f"Webhook name {name!r} is invalid. It must start and end with a letter or digit, be less than 63"
            " characters long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-)."
        )
    return name


@contextmanager
def _outside() -> Iterator[None]:
    """Around what waits for a host elsewhere. ApiError when others do so already."""
    if not _asking.acquire(blocking=False):
        raise ApiError("REQUEST_LIMIT_EXCEEDED", "Other webhooks are being tried; try again in a moment.")
    try:
        yield
    finally:
        _asking.release()


def _url(url: str) -> str:
    try:
        with _outside():
            check(url)
    except InputError as error:
        raise invalid(error.message) from None
    return url


def _topics(given: list[JsonObject]) -> list[Topic]:
    found = []
    for each in given:
        topic = Topic(str(each.get("entity", "")).upper(), str(each.get("action", "")).upper())
        actions = ACTIONS.get(topic.entity)
        if actions is None:
            raise invalid(
                f"Invalid webhook entity '{topic.entity}'. Valid entities are: {', '.join(ACTIONS)}"
            )
        if topic.action not in actions:
            raise invalid(
                f"Invalid action '{topic.action}' for entity '{topic.entity}'. Valid actions are: {list(actions)}"
            )
        found.append(topic)
    if not found:
        raise invalid("Webhook events must be a non-empty list.")
    return found


def _found(asked: Asked) -> Webhook:
    asked.scope.manage("webhooks")
    webhook_id = asked.place["webhook_id"]
    hook = hooks.get(asked.store.root, webhook_id)
    if hook is None:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", f"Webhook with ID {webhook_id} not found.")
    return hook


def create(asked: Asked) -> Response:
    asked.scope.manage("webhooks")
    values = asked.values
    made = hooks.create(
        asked.store.root,
        _name(values["name"]),
        _url(values["url"]),
        _topics(values["events"]),
        values.get("description", ""),
        values.get("status", "ACTIVE"),
        values.get("secret", ""),
    )
    return reply({"webhook": shown(made)})._replace(subject=made.webhook_id)


def listed(asked: Asked) -> Response:
    asked.scope.manage("webhooks")
    limit = int(asked.values.get("max_results") or 100)
    if not 0 < limit <= MOST:
        raise invalid(f"Invalid value for max_results. It must be from 1 to {MOST}, but got value {limit}")
    found = sorted(hooks.listing(asked.store.root), key=lambda hook: hook.webhook_id, reverse=True)
    first = offset_of(asked.values.get("page_token", ""))
    answer: JsonObject = {}
    if page := found[first : first + limit]:
        answer["webhooks"] = [shown(each) for each in page]
    if first + limit < len(found):
        answer["next_page_token"] = token_of(first + limit)
    return reply(answer)


def get(asked: Asked) -> Response:
    return reply({"webhook": shown(_found(asked))})


def update(asked: Asked) -> Response:
    hook, values = _found(asked), asked.values
    changes: dict[str, Json] = {}
    if values.get("name"):
        changes["name"] = _name(values["name"])
    if values.get("url"):
        changes["url"] = _url(values["url"])
    if values.get("events"):
        changes["topics"] = [[*each] for each in _topics(values["events"])]
    changes |= {key: values[key] for key in ("description", "status") if key in values}
    hooks.update(asked.store.root, hook.webhook_id, changes, values.get("secret"))
    return reply({"webhook": shown(_found(asked))})


def delete(asked: Asked) -> Response:
    hooks.delete(asked.store.root, _found(asked).webhook_id)
    return EMPTY


def test(asked: Asked) -> Response:
    """Sends an example, and tells what the receiver answered."""
    hook = _found(asked)
    given = asked.values.get("event")
    topic = _topics([given])[0] if given else hook.topics[0]
    secret = hooks.secret_of(asked.store.root, hook.webhook_id)
    with _outside():
        answer = deliver(hook, secret, topic, EXAMPLE, now(), new_run_id())
    result: JsonObject = {"success": 200 <= answer.status < 400}
    if answer.status:
        result |= {"response_status": answer.status, "response_body": answer.text}
    else:
        result["error_message"] = f"Failed to test webhook: {answer.text}"
    return reply({"result": result})


_EVENT = {"entity": "string", "action": "string"}
_MESSAGE = {
    **dict.fromkeys(("name", "url", "description", "secret"), "string"),
    "events": [_EVENT],
    "status": STATUS,
}
_TEXTS = ("description string", "secret string")

ROUTES = (
    Route(
        "POST",
        "webhooks",
        create,
        _MESSAGE,
        checks("name string required", "url string required", "events array required", *_TEXTS),
        blocks=True,
    ),
    Route(
        "GET",
        "webhooks",
        listed,
        {"max_results": "int32", "page_token": "string"},
        checks("max_results int", "page_token string"),
        blocks=True,
    ),
    Route("GET", "webhooks/{webhook_id}", get, blocks=True),
    Route(
        "PATCH",
        "webhooks/{webhook_id}",
        update,
        _MESSAGE,
        checks("name string", "url string", "events array", *_TEXTS),
        blocks=True,
    ),
    Route("DELETE", "webhooks/{webhook_id}", delete, blocks=True),
    Route("POST", "webhooks/{webhook_id}/test", test, {"event": _EVENT}, blocks=True),
)
