"""MLflow's grammar over registered models and versions, and which of them are prompts."""

from __future__ import annotations

from typing import Any

from runner.tracking.index.grammar import ALL, Clause, Filter, Grammar, Order, meets, test
from runner.tracking.registry.state import RegisteredModel, Version

__all__ = ["MODELS", "VERSIONS", "asks_for_prompts", "field", "is_prompt", "passes"]

PROMPT = "mlflow.prompt.is_prompt"
_ENTITIES = {name: entity for name, entity in ALL.items() if entity in ("tag", "attribute")}
_TIMES = {"timestamp": "last_updated_timestamp"}
MODELS = Grammar(_ENTITIES, ("name",), ("creation_timestamp", "last_updated_timestamp"), _TIMES)
VERSIONS = Grammar(
    _ENTITIES,
    ("name", "run_id", "source_path", "model_id", "stage"),
    ("version_number", "creation_timestamp", "last_updated_timestamp"),
    {**_TIMES, "source": "source_path"},
)
FIELDS = {
    "version_number": "number",
    "source_path": "source",
    "creation_timestamp": "creation_time",
    "last_updated_timestamp": "last_update_time",
}


def asks_for_prompts(clauses: Filter) -> bool:
    return any(
        isinstance(each, Clause)
        and each[:2] == ("tag", PROMPT)
        and (each.operator, str(each.value).lower()) in (("=", "true"), ("!=", "false"))
        for each in clauses
    )


def is_prompt(item: RegisteredModel | Version) -> bool:
    return str(item.tags.get(PROMPT, "")).lower() == "true"


def _meets(clause: Clause, model: RegisteredModel, item: RegisteredModel | Version) -> bool:
    """What is no prompt has no tag that says so."""
    value = field(model, item, clause)
    if value is None and clause[:2] == ("tag", PROMPT):
        value = "false"
    return test(clause, value)


def passes(wanted: Filter, model: RegisteredModel, item: RegisteredModel | Version) -> bool:
    """Whether a model, or a version of it, meets a filter."""
    return meets(wanted, lambda clause: _meets(clause, model, item))


def field(model: RegisteredModel, item: RegisteredModel | Version, asked_for: Clause | Order) -> Any:
    if asked_for.entity == "tag":
        return item.tags.get(asked_for.key)
    if asked_for.key == "name":
        return model.name
    return getattr(item, FIELDS.get(asked_for.key, asked_for.key))
