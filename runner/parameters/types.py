"""The types of parameters: what a given text means, and whether it is allowed."""

from __future__ import annotations

from runner.values import Json, Parameter

__all__ = ["NAMES", "TRUE", "allowed", "canonical", "convert", "number", "scheme"]

# as written in a project file -> as we call it
NAMES = {
    "string": "string",
    "str": "string",
    "int": "int",
    "integer": "int",
    "float": "float",
    "number": "float",
    "double": "float",
    "bool": "bool",
    "boolean": "bool",
    "path": "path",
    "uri": "uri",
    "list": "list",
}
TRUE = ("true", "yes", "on", "1", "t", "y")
FALSE = ("false", "no", "off", "0", "f", "n")


def canonical(name: str) -> str:
    """Our name of a type, or "" for one that we do not know.

    MLflow checks `path` and `uri` only, and only when they are written so: `Path` stays a type of no meaning.
    """
    found = NAMES.get(name.strip().lower(), "")
    return found if found not in ("path", "uri") or found == name else ""


def convert(parameter: Parameter, given: Json) -> Json:
    """The typed value of what was given. ValueError, with what was expected, when it is not allowed."""
    try:
        value = _typed(parameter.type, given)
    except ValueError:
        raise ValueError(allowed(parameter)) from None
    if parameter.choices and not any(_same(value, choice) for choice in parameter.choices):
        raise ValueError(allowed(parameter))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        below = parameter.min is not None and not value >= parameter.min
        above = parameter.max is not None and not value <= parameter.max
        if below or above:
            raise ValueError(allowed(parameter))
    # nan and infinity are not JSON
    return str(given) if isinstance(value, float) and value - value != 0 else value


def allowed(parameter: Parameter) -> str:
    """What may be given, in words: `a float from 0 to 1`."""
    name = parameter.type or "value"
    text = f"an {name}" if name[0] in "aeiou" and name != "uri" else f"a {name}"
    if parameter.choices:
        names = ", ".join(str(choice) for choice in parameter.choices)
        return f"one of {names} ({parameter.type})" if parameter.type else f"one of {names}"
    if parameter.min is not None and parameter.max is not None:
        return f"{text} from {number(parameter.min)} to {number(parameter.max)}"
    if parameter.min is not None:
        return f"{text}, {number(parameter.min)} or more"
    if parameter.max is not None:
        return f"{text}, {number(parameter.max)} or less"
    if parameter.type == "bool":
        return "a bool: true or false"
    if parameter.type == "uri":
        return "a uri, such as https://host/file or s3://bucket/key"
    if parameter.type == "list":
        return "a list: a,b,c or [1, 2]"
    return text


def number(value: float) -> str:
    """As MLflow and a shell write it: 3 for 3.0, the shortest text that reads back the same for others."""
    return repr(value).removesuffix(".0")


def scheme(text: str) -> str:
    """`s3` of `s3://bucket/key`, as urllib.parse.urlsplit finds it; "" for a path."""
    name, colon, _ = text.partition(":")
    plain = (
        name.isascii()
        and name[:1].isalpha()
        and name.replace("+", "").replace("-", "").replace(".", "").isalnum()
    )
    return name.lower() if colon and plain else ""


def _same(value: Json, choice: Json) -> bool:
    if isinstance(value, str) != isinstance(choice, str):
        return str(value) == str(choice)
    return value == choice


def _typed(kind: str, given: Json) -> Json:
    if kind == "int":
        return _int(given)
    if kind == "float":
        return _float(given)
    if kind == "bool":
        return _bool(given)
    if kind == "list":
        return _list(given)
    if kind == "uri":
        if not scheme(str(given)):
            raise ValueError
        return str(given)
    if kind in ("string", "path"):
        return str(given)
    return given


def _int(given: Json) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str):
        digits = given[1:] if given[:1] in ("+", "-") else given
        if digits.isdecimal() and digits.isascii() and len(digits) < 4000:
            return int(given)
    raise ValueError


def _float(given: Json) -> float:
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return float(given)
    if isinstance(given, str) and given.isascii() and given == given.strip() and "_" not in given:
        try:
            return float(given)
        except ValueError:
            pass
    raise ValueError


def _bool(given: Json) -> bool:
    if isinstance(given, bool):
        return given
    if (text := str(given).lower()) in TRUE:
        return True
    if text in FALSE:
        return False
    raise ValueError


def _list(given: Json) -> list[Json]:
    if isinstance(given, list):
        return given
    text = str(given).strip()
    if not text.startswith("["):
        return [item.strip() for item in text.split(",")] if text else []
    import json  # a warm run needs none

    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, list):  # [a, b] as in YAML or Python
        if not text.endswith("]"):
            raise ValueError
        value = [item.strip().strip("'\"") for item in text[1:-1].split(",")]
    return value
