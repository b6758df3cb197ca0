"""What a request says, read as MLflow reads it: protobuf's JSON mapping, then the checks of the endpoint.

A message is a dict: field -> a scalar's kind, [kind] for a list, an EnumKind, or another message. Unknown
fields are ignored, numbers may be strings, enums are names or numbers. As in MLflow, the types are only
complained about when the mapping failed somewhere; the checks come in the order of the table.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import parse_qsl

from runner.protocol.answer import ApiError, invalid
from runner.protocol.bounds import FIELDS, IDS, load_json
from runner.text.credentials import cleaned
from runner.text.encoding import visible_values
from runner.values import JsonMapping, JsonObject

if TYPE_CHECKING:
    from runner.text.secrets import Secrets

__all__ = ["Check", "Checks", "EnumKind", "Message", "body_fields", "query_fields", "validated"]

Message: TypeAlias = "JsonMapping"
Check: TypeAlias = "str | Callable[[Any], None]"
Checks: TypeAlias = "Mapping[str, tuple[Check, ...]]"
MORE = " See the API docs for more information about request parameters."
PLAIN: Mapping[type, str] = {str: "string", float: "double"}
MOST = 1 << 63
FEW = 8  # messages that are read one by one
TELLING = re.compile(rb":\\?/|\\u[dD]")  # of an address, and of a surrogate
RANGE = {"int32": 1 << 31, "int64": MOST}


class EnumKind(NamedTuple):
    names: tuple[str, ...]  # the first has the number 1


class MappingError(Exception):
    pass


def body_fields(content_type: str | None, body: bytes, secrets: Secrets | None = None) -> JsonObject:
    """The JSON object of a body. Unlike MLflow, which takes it for {} and makes a run, what is not JSON is refused."""
    if not content_type:
        raise invalid("Bad Request. Content-Type header is missing.")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise invalid("Bad Request. Content-Type must be one of ['application/json'].")
    try:
        value = load_json(body) if body else {}
        if isinstance(value, str):  # old clients encode twice
            value = load_json(value.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise invalid("The body of the request is not JSON.") from None
    if not isinstance(value, dict):
        raise invalid("The body of the request must be a JSON object.")
    # most bodies have neither: a single byte is looked for ten times as quickly
    telling = (b"/" in body or b"\\" in body) and TELLING.search(body)
    return _entered(value, secrets) if secrets or telling else value


def _entered(fields: JsonObject, secrets: Secrets | None) -> JsonObject:
    """As they will be kept, so that a value which is sent again is the one that is there."""
    try:
        fields = visible_values(fields)
        return cleaned(secrets.event(fields) if secrets else fields)  # type: ignore[no-any-return]
    except RecursionError:
        raise invalid("The body of the request is nested too deep.") from None


def query_fields(query: str, message: Message, secrets: Secrets | None = None) -> JsonObject:
    """The fields of a query: a repeated one is a list, even when it is there once."""
    raw: JsonObject = {}
    FIELDS.check(1 + query.count("&"))
    names = _names(message)
    for name, value in parse_qsl(query, keep_blank_values=True, errors="surrogateescape"):
        key = names.get(name, name)
        kind = message.get(key)
        if isinstance(kind, list):
            raw.setdefault(key, []).append(value)
        elif key not in raw:
            if kind == "bool":
                if value.lower() not in ("true", "false"):
                    raise invalid(f"Invalid boolean value: {value}, must be 'true' or 'false'.")
                raw[key] = value.lower() == "true"
            else:
                raw[key] = value
    return _entered(raw, secrets)


def validated(message: Message, checks: Checks, raw: JsonMapping) -> JsonObject:
    """The fields that were given, typed. ApiError in MLflow's words."""
    values: JsonObject = {}
    wrong: list[str] = []
    raw = _plain(message, raw)
    whole = _read(message, raw, values, wrong)
    for name, list_of_checks in checks.items():
        if name not in raw and "required" not in list_of_checks:
            continue
        given = raw.get(name)
        if name == "run_id" and given is None and "run_uuid" in raw:
            given = raw["run_uuid"]
        for check in list_of_checks:
            _check(check, name, given, whole)
    for name in wrong:  # what MLflow's checks let through, and would then leave out without a word
        if name in checks:
            raise _invalid(name, raw[name])
    return values


def _plain(message: Message, raw: JsonMapping) -> JsonMapping:
    """With the names of the fields as we call them (runId is run_id), and ids of experiments as texts.

    Protobuf takes both names, and clients of before MLflow 1.0 send numbers as ids of experiments.
    """
    names = _names(message)
    simple = names.keys().isdisjoint(raw) and all(type(message.get(name)) is str for name in raw)
    if simple and type(raw.get("experiment_id")) is not int:
        return raw  # nearly always
    found: JsonObject = {}
    for given, value in raw.items():
        name = names.get(given, given)
        kind = message.get(name)
        if name == "experiment_id" and type(value) is int:
            value = str(value)
        elif name == "experiment_ids" and isinstance(value, list):
            value = [str(each) if type(each) is int else each for each in value]
        elif isinstance(kind, list) and isinstance(kind[0], dict) and isinstance(value, list):
            IDS.check(len(value))
            if _are_plain(kind[0], value):
                found[name] = value
                continue
            value = [_plain(kind[0], each) if type(each) is dict else each for each in value]
        elif isinstance(kind, dict) and isinstance(value, dict):
            value = _plain(kind, value)
        if name not in found or given == name:
            found[name] = value
    return found


def _are_plain(message: Message, items: Sequence[Any]) -> bool:
    """Whether none has another name for a field, and none has others in it."""
    try:
        return all(type(kind) is str for kind in message.values()) and all(
            map(_names(message).keys().isdisjoint, items)
        )
    except TypeError:  # one has no names
        return False


_camel: dict[int, tuple[Message, Mapping[str, str]]] = {}  # by the id of a message, which is kept with it


def _names(message: Message) -> Mapping[str, str]:
    """runId -> run_id, of the fields that have two names."""
    known = _camel.get(id(message))
    if known is None or known[0] is not message:
        parts = {name: name.split("_") for name in message if "_" in name}
        names = {first + "".join(map(str.capitalize, rest)): name for name, (first, *rest) in parts.items()}
        known = _camel[id(message)] = (message, names)
    return known[1]


def _invalid(name: str, value: object) -> ApiError:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    hint = f" Hint: Value was of type '{type(value).__name__}'."
    return invalid(f"Invalid value {text[:1000]} for parameter '{name}' supplied: {hint}{MORE}")


def _check(check: Check, name: str, value: object, whole: bool) -> None:
    if not isinstance(check, str):
        check(value)
    elif check == "required":
        if value is None or value == "":
            raise invalid(f"Missing value for required parameter '{name}'.{MORE}")
    elif not whole and not _is(check, value):
        raise _invalid(name, value)


def _is(kind: str, value: Any) -> bool:
    try:
        if kind == "string":
            return isinstance(value, str)
        if kind == "int":
            return isinstance(int(value), int)
        if kind == "float":
            return isinstance(float(value), float)
        if kind == "bool":
            return isinstance(value, bool)
        if kind == "array":
            return isinstance(value, list)
        return all(isinstance(item, str) for item in value)  # strings
    except (TypeError, ValueError, OverflowError):
        return False


def _read(message: Message, raw: Any, values: JsonObject, wrong: list[str] | None = None) -> bool:
    """Fills `values` with the fields that are right; False when one was not (it is put into `wrong`)."""
    whole = True
    for name, given in raw.items():
        kind = message.get(name)
        if PLAIN.get(type(given)) == kind is not None:  # nearly always
            values[name] = given
            continue
        if type(given) is int and kind == "int64" and -MOST <= given < MOST:
            values[name] = given
            continue
        if kind is None or given is None:
            continue
        try:
            value = _list(kind[0], given) if isinstance(kind, list) else _value(kind, given)
        except MappingError:
            whole = False
            if wrong is not None:
                wrong.append(name)
            continue
        if value is not None:
            values[name] = value
    return whole


def _list(kind: object, given: object) -> list[Any]:
    if not isinstance(given, list):
        raise MappingError
    if isinstance(kind, dict) and len(given) > FEW and _is_typed(kind, given):
        return given
    return [_value(kind, item) for item in given]


def _is_typed(message: JsonMapping, items: list[Any]) -> bool:
    """Whether all are messages with the same fields and need no conversion: a batch of points, field by field."""
    if set(map(type, items)) != {dict}:
        return False
    names = items[0].keys()
    if len(names) < 2 or not names <= message.keys() or set(map(len, items)) != {len(names)}:
        return False
    try:
        columns = zip(*map(itemgetter(*names), items), strict=True)
    except KeyError:
        return False
    for name, column in zip(names, columns, strict=True):
        (kind, *others), wanted = set(map(type, column)), message[name]
        if others:
            return False  # numbers as texts among them: these are read one by one
        whole = kind is int and wanted == "int64" and min(column) >= -MOST and max(column) < MOST
        if not (whole or PLAIN.get(kind) == wanted):
            return False
    return True


def _value(kind: Any, given: object) -> Any:
    if isinstance(kind, str):
        if kind == "string":
            if type(given) is not str:
                raise MappingError
            return given
        if kind == "bool":
            return _boolean(given)
        return _double(given) if kind == "double" else _integer(given, RANGE[kind])
    if isinstance(kind, EnumKind):
        return _enum(kind, given)
    if not isinstance(given, dict):
        raise MappingError
    inner: JsonObject = {}
    if not _read(kind, given, inner):
        raise MappingError
    return inner


def _boolean(given: object) -> bool:
    """R sends "TRUE"."""
    if isinstance(given, str) and given.lower() in ("true", "false"):
        return given.lower() == "true"
    if type(given) is not bool:
        raise MappingError
    return given


def _integer(given: Any, limit: int) -> int:
    if type(given) is not int:
        if isinstance(given, bool) or (isinstance(given, float) and not given.is_integer()):
            raise MappingError
        if isinstance(given, str) and (" " in given or "_" in given or len(given) > 25):
            raise MappingError
        try:
            given = int(given)
        except (TypeError, ValueError, OverflowError):
            raise MappingError from None
    if not -limit <= given < limit:
        raise MappingError
    return int(given)


def _double(given: object) -> float:
    """Unlike protobuf, NaN and Infinity without quotes are taken: Python's own JSON writes them."""
    if type(given) is float:
        return given
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise MappingError
    if isinstance(given, str) and ("_" in given or given != given.strip()):
        raise MappingError
    try:
        value = float(given)
    except (ValueError, OverflowError):
        raise MappingError from None
    if math.isinf(value) and isinstance(given, str) and "inf" not in given.lower():
        raise MappingError
    return value


def _enum(kind: EnumKind, given: object) -> str | None:
    """The name; None for one that nobody knows, which counts as not given."""
    if isinstance(given, str) and given in kind.names:
        return given
    try:
        number = _integer(given, 1 << 31)
    except MappingError:
        if isinstance(given, str):
            return None
        raise
    return kind.names[number - 1] if 0 < number <= len(kind.names) else None


def need(values: JsonMapping, *names: str) -> str:
    """The first of the names that is there; "" when none is."""
    for name in names:
        if values.get(name):
            return str(values[name])
    return ""
