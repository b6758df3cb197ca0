"""What webhooks are told of an operation: MLflow's events, and ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from runner.tracking.events import ODD, Event
from runner.tracking.registry.hooks import Topic
from runner.tracking.registry.state import RegisteredModel
from runner.tracking.registry.store import history
from runner.values import Json, JsonObject

__all__ = ["EXAMPLE", "News", "news"]

PROMPT = "mlflow.prompt.is_prompt"
EXAMPLE: JsonObject = {
    "name": "example",
    "version": "1",
    "source": "models:/m-0",
    "tags": {},
    "description": "",
}


class News(NamedTuple):
    op: str
    time: int  # ms
    topic: Topic
    data: JsonObject


def news(root: str, model: RegisteredModel) -> list[News]:
    """Of what counts, in its order."""
    ignored = {each.move.op for each in model.ignored}
    numbers = {version_id: str(number) for version_id, number in model.numbers.items()}
    prompt = model.tags.get(PROMPT, "").lower() == "true"
    found = []
    for event in history(root, model.thing):
        tell = TOLD.get(event["type"])
        if tell is None or event.get("op") in ignored:
            continue
        try:
            number = numbers.get(str(event.get("version_id") or event.get("to") or ""), "")
            told = tell(event, number)
        except ODD:
            continue
        if told is None:
            continue
        topic, data = told
        if prompt:
            topic = topic._replace(entity=PROMPTS.get(topic.entity, topic.entity))
        elif topic.entity == "PROMPT_TAG":
            continue  # MLflow tells of tags of prompts only
        about: JsonObject = {"name": model.name} | ({"version": number} if number else {})
        found.append(News(str(event["op"]), int(event["time"]), topic, {**about, **data}))
    return found


PROMPTS = {
    "REGISTERED_MODEL": "PROMPT",
    "MODEL_VERSION": "PROMPT_VERSION",
    "MODEL_VERSION_TAG": "PROMPT_VERSION_TAG",
    "MODEL_VERSION_ALIAS": "PROMPT_ALIAS",
}

Told = tuple[Topic, JsonObject] | None


def _made(event: Event, _: str) -> Told:
    data = {"tags": event.get("tags", {}), "description": event.get("description", "")}
    return Topic("REGISTERED_MODEL", "CREATED"), data


def _version(event: Event, _: str) -> Told:
    data: JsonObject = {
        "source": event["source"],
        "run_id": event.get("run_id"),
        "tags": event.get("tags", {}),
    }
    return Topic("MODEL_VERSION", "CREATED"), {**data, "description": event.get("description")}


def _tag(event: Event, number: str) -> Told:
    data: dict[str, Json] = {"key": event["key"], "value": event["value"]}
    return Topic("MODEL_VERSION_TAG" if number else "PROMPT_TAG", "SET"), data


def _untag(event: Event, number: str) -> Told:
    return Topic("MODEL_VERSION_TAG" if number else "PROMPT_TAG", "DELETED"), {"key": event["key"]}


def _alias(event: Event, _: str) -> Told:
    return Topic("MODEL_VERSION_ALIAS", "CREATED" if event["to"] else "DELETED"), {"alias": event["alias"]}


def _delete(_: Event, number: str) -> Told:
    return Topic("MODEL_VERSION" if number else "REGISTERED_MODEL", "DELETED"), {}


def _stage(event: Event, _: str) -> Told:
    return Topic("MODEL_VERSION_STAGE", "SET"), {"stage": event["stage"], "by": event.get("by", "")}


def _gate(event: Event, _: str) -> Told:
    data = {key: event.get(key, "") for key in ("need", "verdict", "detail")}
    return Topic("MODEL_VERSION_GATE", "SET"), data


def _approved(event: Event, _: str) -> Told:
    data = {key: event.get(key, "") for key in ("target", "by", "why")}
    return Topic("MODEL_VERSION_APPROVAL", "CREATED" if event["type"] == "approve" else "DELETED"), data


TOLD: Mapping[str, Callable[[Event, str], Told]] = {
    "registered-model": _made,
    "version": _version,
    "tag": _tag,
    "untag": _untag,
    "alias": _alias,
    "delete": _delete,
    "stage": _stage,
    "gate": _gate,
    "approve": _approved,
    "reject": _approved,
}
