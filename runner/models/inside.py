"""A model is what lies in its folder: nothing that MLmodel names, and no link, may lead out of it.

Else what is loaded is neither in the model's digest nor among what is looked at for code that runs. What MLflow
joins to the folder's path are texts at any depth of the flavours (python_model, code, data, model_path, env, and the
`path` of each artifact), so all of them are looked at but those that are known to be something else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from runner.errors import InputError
from runner.values import JsonMapping

__all__ = ["check"]

# uri: where an artifact came from; config: the author's own; of model_code_path MLflow takes the last part only
OTHERS = ("uri", "config", "model_config", "source_model_name", "prompt_template")
BY_NAME = ("model_code_path",)


def check(folder: str, flavors: JsonMapping) -> None:
    """InputError for what leads out of the folder."""
    top = os.path.realpath(folder)
    for key, text in _texts("flavors", flavors):
        if not _is_below(top, os.path.basename(text) if key.rpartition(".")[2] in BY_NAME else text):
            raise InputError(
                f"{folder} is no whole model: its {key} is {text}, which lies outside of it",
                "save it again, with all its files below its folder",
            )
    for name in _links(top):
        if not _is_below(top, name):
            raise InputError(
                f"{folder} is no whole model: its {name} is a link that leads out of it",
                "cp -rL  makes a copy that has the files themselves",
            )


def _texts(key: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in OTHERS:
                yield from _texts(f"{key}.{name}", each)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _texts(f"{key}[{number}]", each)


def _links(top: str) -> Iterator[str]:
    for parent, folders, names in os.walk(top):
        for name in sorted((*folders, *names)):
            path = os.path.join(parent, name)
            if os.path.islink(path):
                yield os.path.relpath(path, top)


def _is_below(top: str, path: str) -> bool:
    try:
        place = os.path.realpath(os.path.join(top, path))
    except ValueError:  # no path at all: it has a zero byte
        return True
    return place == top or place.startswith(top + os.sep)
