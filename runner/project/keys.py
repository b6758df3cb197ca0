"""The keys of a project file: the table that the reader and the JSON schema are made from."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = [
    "DOCKER", "DOCKER_BUILD", "ENTRY_POINT", "ENVIRONMENT_KEYS", "PARAMETER", "PROJECT", "TYPE", "Key", "names",
]  # fmt: skip


class Key(NamedTuple):
    name: str
    description: str
    schema: dict[str, Any]  # JSON schema of its value; "#/..." refers to a definition in schema.py
    ours: bool = False  # MLflow does not know it


def _mapping_of(definition: str) -> dict[str, Any]:
    return {"type": ["object", "null"], "additionalProperties": {"$ref": f"#/definitions/{definition}"}}


TEXT = {"type": "string"}
TEXT_OR_NOTHING = {"type": ["string", "null"]}
SCALAR = {"type": ["string", "number", "boolean", "null"]}
TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
# any text is let pass, as by MLflow; an editor offers these
TYPE = {"anyOf": [{"enum": ["string", "int", "float", "bool", "path", "uri", "list"]}, TEXT_OR_NOTHING]}
ANYTHING: dict[str, Any] = {}

ENVIRONMENT_KEYS = {"python_env": "virtualenv", "conda_env": "conda", "docker_env": "docker"}

FILES = {**TEXT_OR_NOTHING, "examples": ["python_env.yaml", "requirements.txt"]}
FLAG = {"type": ["boolean", "string", "null"]}
NUMBER = {"type": ["number", "string"]}
COUNT = {"type": ["string", "integer", "null"]}

PROJECT = (
    Key("name", "Name of the project, as the record shows it.", {**SCALAR, "examples": ["wine quality"]}),
    Key("python_env", "Python and its packages: a python_env.yaml, requirements.txt, pyproject.toml or pylock.toml.", FILES),
    Key("conda_env", "File with a conda environment.", {**TEXT_OR_NOTHING, "examples": ["conda.yaml"]}),
    Key("docker_env", "Image that the command runs in.", {"$ref": "#/definitions/docker"}),
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

PAIRS = {"anyOf": [{"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "array"}]}}, {"type": ["object", "null"]}]}  # fmt: skip
BUILD = {"anyOf": [{"type": ["string", "null"]}, {"$ref": "#/definitions/docker_build"}], "examples": [".", {"context": ".", "dockerfile": "Dockerfile"}]}  # fmt: skip
ARGUMENTS = {"anyOf": [{"type": "array"}, {"type": ["object", "null"]}], "examples": [{"network": "host"}]}
DOCKER = (
    Key("image", "Name of the image.", {**TEXT_OR_NOTHING, "examples": ["python:3.11-slim", "registry/name:tag"]}),
    Key("volumes", "Folders of the host in the container.", {**TEXTS, "examples": [["/data:/data:ro"]]}),
    Key("environment", "Variables of the container: a name is copied from the host, a pair sets a value.", {**PAIRS, "examples": [["AWS_PROFILE", ["MODE", "fast"]]]}),
    Key("build", "Build the image from the project: a folder, a Dockerfile, or a mapping.", BUILD, ours=True),
    Key("python_env", "Packages to install into the image: a python_env.yaml, requirements.txt, pyproject.toml or pylock.toml.", FILES, ours=True),
    Key("gpus", "GPUs: all, or a number of them.", COUNT, ours=True),
    Key("shm_size", "Size of /dev/shm.", {**COUNT, "examples": ["2g"]}, ours=True),
    Key("args", "Further options of `docker run`, as with -A: a list of name=value, or a mapping.", ARGUMENTS, ours=True),
)  # fmt: skip

DOCKER_BUILD = (
    Key("context", "Folder that is sent to the builder.", TEXT, ours=True),
    Key("dockerfile", "The Dockerfile, relative to the context.", TEXT, ours=True),
    Key("target", "Stage of the Dockerfile to stop at.", TEXT, ours=True),
    Key("network", "Network of the build.", TEXT, ours=True),
    Key("args", "Build arguments.", {"type": ["object", "array"]}, ours=True),
)


def names(keys: tuple[Key, ...]) -> list[str]:
    return [key.name for key in keys]
