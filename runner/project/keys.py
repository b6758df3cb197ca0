"""The keys of a project file: the table that the reader and the JSON schema are made from."""

from __future__ import annotations

from typing import Any

from runner.environments import kinds
from runner.host.keytable import SCALAR, TEXT_OR_NOTHING, TEXTS, Key

__all__ = ["ENTRY_POINT", "ENVIRONMENTS", "PARAMETER", "PROJECT", "RETRIES", "TYPE"]


def _mapping_of(definition: str) -> dict[str, Any]:
    return {"type": ["object", "null"], "additionalProperties": {"$ref": f"#/definitions/{definition}"}}


# any text is let pass, as by MLflow; an editor offers these
TYPE = {"anyOf": [{"enum": ["string", "int", "float", "bool", "path", "uri", "list"]}, TEXT_OR_NOTHING]}
ANYTHING: dict[str, Any] = {}

ENVIRONMENTS = {each.key.name: each for kind in kinds.every() if (each := kind.key())}

FLAG = {"type": ["boolean", "string", "null"]}
NUMBER = {"type": ["number", "string"]}

PROJECT = (
    Key("name", "Name of the project, as the record shows it.", {**SCALAR, "examples": ["wine quality"]}),
    *(each.key for each in ENVIRONMENTS.values()),
    Key("entry_points", "The commands of the project, by name. `main` is run when none is asked for.", _mapping_of("entry_point")),
    Key("databricks_spark_job", "A Spark job on Databricks, which proj does not run.", ANYTHING),
)  # fmt: skip

ENTRY_POINT = (
    Key("command", "What is run in the project's folder, as `bash -c` gets it. {name} is the value of a parameter.", {**SCALAR, "examples": ["python train.py --lr {lr}"]}),
    Key("parameters", "The parameters, by name: a type, or a mapping with type, default and more.", _mapping_of("parameter")),
    Key("description", "What the entry point does.", SCALAR, ours=True),
    Key("inputs", "Paths, globs and URIs that the command reads, relative to the project.", TEXTS, ours=True),
    Key("outputs", "Paths and globs that the command writes; they become artifacts of the run.", TEXTS, ours=True),
    Key("environment", "An environment of its own: local, virtualenv, conda, docker, or a file such as python_env.yaml.", {**TEXT_OR_NOTHING, "examples": ["requirements-gpu.txt", "docker"]}, ours=True),
    Key("needs", "Entry points that are run before, as steps of a pipeline. An input that is another one's output needs it, too.", {**TEXTS, "examples": ["prepare", ["prepare", "train"]]}, ours=True),
    Key("matrix", "Parameters with several values: a step for each combination of them. 1..3 is a range.", {"type": ["object", "null"], "examples": [{"model": ["ridge", "lasso"], "seed": "1..3"}]}, ours=True),
    Key("code", "Paths and globs of the code that it consists of. Without it, every change of the project's code runs it again.", TEXTS, ours=True),
    Key("retries", "How often it is tried again, or {on: [lost], times: 3}.", {"anyOf": [{"type": ["integer", "null"]}, {"$ref": "#/definitions/retries"}]}, ours=True),
    Key("when", "Whether it is run: true, false, {parameter}, or a comparison of one with a value.", {**SCALAR, "examples": ["{publish}", "{model} == 'ridge'"]}, ours=True),
)  # fmt: skip

RETRIES = (
    Key("on", "Reasons of an end after which it is tried again.", TEXTS, ours=True),
    Key("times", "How often.", {"type": "integer", "minimum": 0, "maximum": 100}, ours=True),
)  # fmt: skip

PARAMETER = (
    Key("type", "Type of the value: it is checked before anything is run.", {"$ref": "#/definitions/type"}),
    Key("default", "Value when none is given. Without a default, a value is required.", ANYTHING),
    Key("description", "What the parameter is for.", SCALAR, ours=True),
    Key("choices", "The values that are allowed.", {"type": "array"}, ours=True),
    Key("min", "The smallest number that is allowed.", NUMBER, ours=True),
    Key("max", "The largest number that is allowed.", NUMBER, ours=True),
    Key("required", "false: without a value, the parameter is left out of the command with its `--option`.", FLAG, ours=True),
    Key("secret", "true: the value is in no record, log or printed command.", FLAG, ours=True),
)  # fmt: skip
