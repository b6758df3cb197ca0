"""Which environments a project states: by the keys of its MLproject, or by files that tools know by name."""

from __future__ import annotations

import os
from typing import Any

from runner.host.files import open_text
from runner.host.yamltext import Entry
from runner.project import keys
from runner.project.entries import texts
from runner.project.files import CONVENTIONS
from runner.project.findings import Findings, kind
from runner.values import EnvironmentSpec, Json

__all__ = ["conventional", "declared"]


def declared(children: dict[str, Entry], directory: str, findings: Findings) -> tuple[EnvironmentSpec, ...]:
    """In the order of the file: the first is used when none is asked for."""
    specs = []
    stated = [child for child in children.values() if child.key in keys.ENVIRONMENT_KEYS and child.value]
    for entry in stated:
        spec = (
            _docker(entry, directory, findings)
            if entry.key == "docker_env"
            else _file(entry, directory, findings)
        )
        if spec is not None:
            specs.append(spec)
    if len(stated) > 1:
        others = ", ".join(entry.key for entry in stated[1:])
        text = f"{stated[0].key} is used; {others} when asked for (--env-manager)"
        findings.warn(stated[1], text, "MLflow takes a project with one environment only", value=False)
    return tuple(specs)


def conventional(directory: str) -> tuple[EnvironmentSpec, ...]:
    """python_env.yaml and conda.yaml as MLflow has it, then what other tools write."""
    found = []
    for kind_name, file in CONVENTIONS:
        path = os.path.join(directory, file)
        if not os.path.isfile(path):
            continue
        if file == "uv.lock" and not os.path.isfile(os.path.join(directory, "pyproject.toml")):
            continue
        if file == "pyproject.toml" and not _has_project_table(path):
            continue
        found.append(EnvironmentSpec(kind_name, file))
    return tuple(found)


def _has_project_table(path: str) -> bool:
    """Many a pyproject.toml only configures tools."""
    try:
        with open_text(path, "replace") as file:
            return any(line.split("#")[0].strip() in ("[project]", "[tool.poetry]") for line in file)
    except OSError:
        return False


def _file(entry: Entry, directory: str, findings: Findings) -> EnvironmentSpec | None:
    if not isinstance(entry.value, str):
        hint = "write it into a file python_env.yaml" if entry.children else f"{entry.key}: python_env.yaml"
        findings.error(entry, f"{entry.key} is the name of a file, not {kind(entry)}", hint)
        return None
    if not os.path.isfile(os.path.join(directory, entry.value)):
        from difflib import get_close_matches

        try:
            close = get_close_matches(entry.value, os.listdir(directory), 1, 0.6)
        except OSError:
            close = []
        hint = f"did you mean {close[0]}?" if close else ""
        findings.doubt(entry, f"the environment file {entry.value} is not in the project", hint)
    return EnvironmentSpec(keys.ENVIRONMENT_KEYS[entry.key], entry.value)


def _docker(entry: Entry, directory: str, findings: Findings) -> EnvironmentSpec | None:
    """Its options, where given: image, gpus and shm_size (texts), volumes (texts), environment (names, pairs
    of name and value), python_env (file), build (context, dockerfile, target, network, args), args (texts:
    name or name=value)."""
    if isinstance(entry.value, str):
        findings.warn(
            entry,
            f"docker_env is a mapping; {entry.value!r} is taken for the image",
            "docker_env: {image: ...}",
        )
        return EnvironmentSpec("docker", "", {"image": entry.value})
    if entry.children is None:
        findings.error(
            entry, f"docker_env is a mapping, not {kind(entry)}", "docker_env: {image: python:3.11-slim}"
        )
        return None
    findings.unknown(entry, "docker_env", keys.names(keys.DOCKER))
    children = {child.key: child for child in entry.children if child.value is not None}
    options: dict[str, Any] = {}
    if "python_env" in children and (packages := _file(children["python_env"], directory, findings)):
        options["python_env"] = packages.file
    for name in ("image", "gpus", "shm_size"):
        if name in children:
            child = children[name]
            if child.children is not None or child.items is not None or not child.text:
                (findings.error if name == "image" else findings.doubt)(
                    child, f"{name} is a text, not {kind(child)}"
                )
            else:
                options[name] = "all" if name == "gpus" and child.value is True else child.text
    if "volumes" in children:
        options["volumes"] = list(texts(_strings_only(children["volumes"], findings), findings))
    if "environment" in children:
        options["environment"] = _variables(children["environment"], findings)
    if "build" in children:
        options["build"] = _build(children["build"], findings)
    if "args" in children:
        options["args"] = _arguments(children["args"], findings)
    if not options.get("image") and not options.get("build"):
        findings.error(entry, "docker_env has no image", "docker_env: {image: python:3.11-slim}", value=False)
    return EnvironmentSpec(
        "docker", "", {name: value for name, value in options.items() if value not in (None, [], {})}
    )


def _strings_only(entry: Entry, findings: Findings) -> Entry:
    wrong = [item for item in entry.items or () if not isinstance(item.value, str)]
    for item in wrong:
        findings.error(item, f"{entry.key} is a list of texts; this is {kind(item)}", '["/host:/container"]')
    return (
        entry._replace(items=tuple(item for item in entry.items if item not in wrong))
        if entry.items
        else entry
    )


def _variables(entry: Entry, findings: Findings) -> list[Json]:
    if entry.children is not None:  # {NAME: value}, as in a compose file
        return [[child.key, child.text] for child in entry.children]
    found: list[Json] = []
    for item in entry.items if entry.items is not None else (entry,):
        if isinstance(item.value, str):
            found.append(item.value)
        elif item.items is not None and len(item.items) == 2 and all(each.text for each in item.items[:1]):
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
    findings.unknown(entry, "build", keys.names(keys.DOCKER_BUILD))
    built: dict[str, Json] = {"context": "."}
    for child in entry.children:
        if child.key == "args" and child.children is not None:
            built["args"] = {each.key: each.text for each in child.children}
        elif child.key == "args" and child.items is not None:  # [NAME=value], as in a compose file
            built["args"] = dict(each.text.partition("=")[::2] for each in child.items)
        elif child.key in keys.names(keys.DOCKER_BUILD) and child.value is not None:
            if not isinstance(child.value, str):
                findings.doubt(child, f"{child.key} is a text, not {kind(child)}")
            built[child.key] = child.text
    return built


def _arguments(entry: Entry, findings: Findings) -> list[Json]:
    """`docker run` options as -A takes them: name=value, or a name alone."""
    if entry.children is not None:
        return [
            argument
            for child in entry.children
            if child.value is not False
            for argument in (
                [f"{child.key}={item.text}" for item in child.items]
                if child.items is not None
                else [child.key if child.value in (None, True) else f"{child.key}={child.text}"]
            )
        ]
    return list(texts(entry, findings))
