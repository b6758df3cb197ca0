"""docker_env of an MLproject: its keys, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.environments.keys import EnvironmentKey, read_file
from runner.host.findings import Findings, kind, texts
from runner.host.keytable import TEXT, TEXT_OR_NOTHING, TEXTS, Key, mapping, names
from runner.host.yamltext import Entry
from runner.values import EnvironmentSpec, Json, JsonObject

__all__ = ["DOCKER", "DOCKER_BUILD", "KEY"]

VARIABLES = {
    "anyOf": [{"type": "array", "items": {"anyOf": [TEXT, {"type": "array"}]}}, {"type": ["object", "null"]}]
}
BUILD = {"anyOf": [TEXT_OR_NOTHING, {"$ref": "#/definitions/docker_build"}]}
FLAGS = {"anyOf": [{"type": "array"}, {"type": ["object", "null"]}]}
COUNT = {"type": ["string", "integer", "null"]}
PACKAGES = (
    "Packages to install into the image: a python_env.yaml, requirements.txt, pyproject.toml or pylock.toml."
)
FILES = ["python_env.yaml", "requirements.txt"]

DOCKER = (
    Key("image", "Name of the image.", {**TEXT_OR_NOTHING, "examples": ["python:3.11-slim", "registry/name:tag"]}),
    Key("volumes", "Folders of the host in the container.", {**TEXTS, "examples": [["/data:/data:ro"]]}),
    Key("environment", "Variables of the container: a name is copied from the host, a pair sets a value.", {**VARIABLES, "examples": [["AWS_PROFILE", ["MODE", "fast"]]]}),
    Key("build", "Build the image from the project: a folder, a Dockerfile, or a mapping.", {**BUILD, "examples": [".", {"context": ".", "dockerfile": "Dockerfile"}]}, ours=True),
    Key("python_env", PACKAGES, {**TEXT_OR_NOTHING, "examples": FILES}, ours=True),
    Key("gpus", "GPUs: all, or a number of them.", COUNT, ours=True),
    Key("shm_size", "Size of /dev/shm.", {**COUNT, "examples": ["2g"]}, ours=True),
    Key("args", "Further options of `docker run`, as with -A: a list of name=value, or a mapping.", {**FLAGS, "examples": [{"network": "host"}]}, ours=True),
)  # fmt: skip

DOCKER_BUILD = (
    Key("context", "Folder that is sent to the builder.", TEXT, ours=True),
    Key("dockerfile", "The Dockerfile, relative to the context.", TEXT, ours=True),
    Key("target", "Stage of the Dockerfile to stop at.", TEXT, ours=True),
    Key("network", "Network of the build.", TEXT, ours=True),
    Key("args", "Build arguments.", {"type": ["object", "array"]}, ours=True),
)


def _docker(entry: Entry, directory: str, findings: Findings) -> EnvironmentSpec | None:
    """Its options, where given: image, gpus and shm_size (texts), volumes (texts), environment (names, pairs
    of name and value), python_env (file), build (context, dockerfile, target, network, args), args (texts:
    name or name=value)."""
    example = "docker_env: {image: python:3.11-slim}"
    if isinstance(entry.value, str):
        findings.warn(entry, f"docker_env is a mapping; {entry.value!r} is taken for the image", example)
        return EnvironmentSpec("docker", "", {"image": entry.value})
    if entry.children is None:
        findings.error(entry, f"docker_env is a mapping, not {kind(entry)}", example)
        return None
    findings.unknown(entry, "docker_env", names(DOCKER))
    options: JsonObject = {}
    for child in entry.children:
        if child.key == "python_env" and child.value is not None:
            options[child.key] = read_file(child, directory, findings)
        elif child.key in READERS and child.value is not None:
            options[child.key] = READERS[child.key](child, findings)
    options = {name: value for name, value in options.items() if value}
    if "image" not in options and "build" not in options:
        findings.error(entry, "docker_env has no image", example, value=False)
    return EnvironmentSpec("docker", "", options)


def _text(entry: Entry, findings: Findings) -> str:
    if entry.children is not None or entry.items is not None or not entry.text:
        tell = findings.error if entry.key == "image" else findings.doubt
        tell(entry, f"{entry.key} is a text, not {kind(entry)}")
        return ""
    return entry.text


def _gpus(entry: Entry, findings: Findings) -> str:
    return "all" if entry.value is True else _text(entry, findings)


def _volumes(entry: Entry, findings: Findings) -> list[str]:
    wrong = [item for item in entry.items or () if not isinstance(item.value, str)]
    for item in wrong:
        findings.error(item, f"{entry.key} is a list of texts; this is {kind(item)}", '["/host:/container"]')
    right = entry.items and tuple(item for item in entry.items if item not in wrong)
    return list(texts(entry._replace(items=right), findings))


def _variables(entry: Entry, findings: Findings) -> list[Json]:
    if entry.children is not None:  # {NAME: value}, as in a compose file
        return [[child.key, child.text] for child in entry.children]
    found: list[Json] = []
    for item in entry.items if entry.items is not None else (entry,):
        if isinstance(item.value, str):
            found.append(item.value)
        elif item.items is not None and len(item.items) == 2 and item.items[0].text:
            found.append([each.text for each in item.items])
        else:
            text = f"environment holds names and pairs of name and value, not {kind(item)}"
            findings.error(item, text, '["COPIED", ["NEW", "value"]]')
    return found


def _build(entry: Entry, findings: Findings) -> dict[str, Json]:
    if isinstance(entry.value, str):
        return {"context": entry.value}
    if entry.value is True:
        return {"context": "."}
    if entry.children is None:
        findings.doubt(entry, f"build is a folder or a mapping, not {kind(entry)}", "build: .")
        return {}
    findings.unknown(entry, "build", names(DOCKER_BUILD))
    built: dict[str, Json] = {"context": "."}
    for child in entry.children:
        if child.key == "args" and child.children is not None:
            built["args"] = {each.key: each.text for each in child.children}
        elif child.key == "args" and child.items is not None:  # [NAME=value], as in a compose file
            built["args"] = dict(each.text.partition("=")[::2] for each in child.items)
        elif child.key in names(DOCKER_BUILD) and child.value is not None:
            if not isinstance(child.value, str):
                findings.doubt(child, f"{child.key} is a text, not {kind(child)}")
            built[child.key] = child.text
    return built


def _arguments(entry: Entry, findings: Findings) -> list[str]:
    """`docker run` options as -A takes them: name=value, or a name alone."""
    if entry.children is None:
        return list(texts(entry, findings))
    found = []
    for child in entry.children:
        if child.items is not None:
            found += [f"{child.key}={item.text}" for item in child.items]
        elif child.value is not False:
            found.append(child.key if child.value in (None, True) else f"{child.key}={child.text}")
    return found


READERS: Mapping[str, Callable[[Entry, Findings], Json | list[str]]] = {
    "image": _text,
    "volumes": _volumes,
    "environment": _variables,
    "build": _build,
    "gpus": _gpus,
    "shm_size": _text,
    "args": _arguments,
}
KEY = EnvironmentKey(
    Key("docker_env", "Image that the command runs in.", {"$ref": "#/definitions/docker"}),
    _docker,
    {
        "docker": {**mapping(DOCKER), "type": ["object", "string", "null"], "title": "Docker environment"},
        "docker_build": {**mapping(DOCKER_BUILD), "title": "How the image is built"},
    },
)
