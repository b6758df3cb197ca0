"""model-versions/approve, reject and promote: ours, for protected aliases and stages of registered models."""

from __future__ import annotations

from runner.errors import InputError
from runner.protocol.answer import ApiError, Response, invalid, reply
from runner.protocol.registered import find_version, told
from runner.protocol.route import Asked, Route, texts
from runner.tracking.registry.decisions import checked, decide, finish
from runner.tracking.registry.policy import Unmet
from runner.values import JsonObject

__all__ = ["ROUTES"]


@told
def approve(asked: Asked) -> Response:
    return _decided(asked, True)


@told
def reject(asked: Asked) -> Response:
    return _decided(asked, False)


def _decided(asked: Asked, approved: bool) -> Response:
    model, version = find_version(asked)
    values, scope = asked.values, asked.scope
    role = scope.approve(model.name)
    signature = values.get("signature", "")
    try:
        missing = decide(
            asked.store, model.name, version.number, values["target"], scope.who, role, approved,
            values.get("why", ""), signature=signature,
        )  # fmt: skip
    except InputError as error:
        raise invalid(error.message) from None
    return reply({"missing": _missing(missing)})


@told
def promote(asked: Asked) -> Response:
    """Moves it when all is there that its policy asks for; gates are judged by `proj models promote`."""
    model, version = find_version(asked)
    values, scope = asked.values, asked.scope
    scope.write_model(model.name, version.run_id)
    try:
        target, why = values["target"], values.get("why", "")
        if checked(target) not in model.policies:
            raise invalid(f"{target} of {model.name} is not protected: it is simply set.")
        missing = finish(asked.store, model.name, version.number, target, scope.who, why)
    except InputError as error:
        raise invalid(error.message) from None
    if missing:
        said = "; ".join(f"{each.need.kind}: {each.reason}" for each in missing)
        raise ApiError("PERMISSION_DENIED", f"{values['target']} of {model.name} stays where it is: {said}")
    return reply({"missing": []})


def _missing(missing: list[Unmet]) -> list[JsonObject]:
    return [{"need": each.need.kind, "reason": each.reason} for each in missing]


_DECIDED = texts(
    "name string required",
    "version string required",
    "target string required",
    "why string",
    "signature string",
)

ROUTES = (
    Route("POST", "model-versions/approve", approve, *_DECIDED, blocks=True),
    Route("POST", "model-versions/reject", reject, *_DECIDED, blocks=True),
    Route("POST", "model-versions/promote", promote, *_DECIDED, blocks=True),
)
