"""A model's folder as typed values: flavours, signature, example, requirements, size, and what it may do when loaded.

The format is MLflow's: `MLmodel` (YAML) beside `requirements.txt`, `python_env.yaml`, `conda.yaml`, the example that
was given when it was saved, and the files of its flavours. Nothing of it is loaded or run here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from runner.errors import InputError
from runner.host import files, hashing
from runner.models import inside, signature
from runner.models.folder import requirements
from runner.models.risks import Risk, risks
from runner.models.signature import Signature
from runner.values import JsonMapping

__all__ = ["FILE", "Example", "Model", "read"]

FILE = "MLmodel"
LARGEST = 4_000_000  # bytes, of MLmodel; a signature of 20,000 columns has 1.2 MB


class Example(NamedTuple):
    """The input that the model was saved with."""

    path: str  # from the model's folder
    kind: str  # dataframe, ndarray, json_object, ...
    served: str = ""  # path of the same as a body of /invocations; "" for older models


class Model(NamedTuple):
    folder: str
    flavors: Mapping[str, JsonMapping]
    signature: Signature
    example: Example | None
    requirements: tuple[str, ...]  # lines of requirements.txt
    python: str  # version that it was saved with; "" where it is not said
    mlflow: str  # version that saved it
    run_id: str
    model_id: str
    created: str  # UTC, as it is written
    size: int  # bytes
    digest: str
    risks: tuple[Risk, ...]

    @property
    def named_flavors(self) -> list[str]:
        """Each with the version of its library, and how it is serialized: `sklearn 1.9.1 (skops)`."""
        found = []
        for name, stated in self.flavors.items():
            version = str(stated.get(f"{name}_version") or "")
            form = str(stated.get("serialization_format") or "")
            found.append(" ".join(filter(None, (name, version, form and f"({form})"))))
        return found

    def facts(self) -> dict[str, object]:
        return {
            **self._asdict(),
            "flavors": {name: dict(stated) for name, stated in self.flavors.items()},
            "signature": self.signature.facts() if self.signature != signature.NONE else None,
            "example": self.example._asdict() if self.example else None,
            "risks": [each._asdict() for each in self.risks],
        }


def read(folder: str) -> Model:
    """InputError when there is no model in the folder, what it says of itself cannot be read, or it leads out of it."""
    path = os.path.join(folder, FILE)
    stated = _mapping(path)
    flavors = stated.get("flavors")
    if not isinstance(flavors, dict) or not all(isinstance(each, dict) for each in flavors.values()):
        raise InputError(f"{path} names no flavors", "it is the file that mlflow.<flavor>.save_model writes")
    inside.check(folder, flavors)
    python = flavors.get("python_function", {})
    try:
        found = hashing.digest(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}") from None
    return Model(
        folder=folder,
        flavors=flavors,
        signature=signature.read(stated.get("signature"), path),
        example=_example(folder, stated.get("saved_input_example_info")),
        requirements=tuple(requirements(folder)),
        python=str(python.get("python_version") or ""),
        mlflow=str(stated.get("mlflow_version") or ""),
        run_id=str(stated.get("run_id") or ""),
        model_id=str(stated.get("model_id") or ""),
        created=str(stated.get("utc_time_created") or "").partition(".")[0],
        size=found.size,
        digest=found.digest,
        risks=risks(folder, flavors),
    )


def _mapping(path: str) -> JsonMapping:
    import yaml

    try:
        data = files.read(path, LARGEST + 1)
    except OSError as error:
        why = "is not there" if isinstance(error, (FileNotFoundError, NotADirectoryError)) else error.strerror
        raise InputError(
            f"{os.path.dirname(path)} is no model of MLflow's format: its file {FILE} {why}",
            "proj artifacts ls RUN  lists what a run kept",
        ) from None
    if len(data) > LARGEST:
        raise InputError(f"{path} has more than {LARGEST} bytes: it is no {FILE} file")
    try:
        found = yaml.load(data, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  ten times as quick
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} is no mapping of YAML")
    return found


def _example(folder: str, stated: object) -> Example | None:
    """None where there is none, or its file is gone."""
    if not isinstance(stated, dict):
        return None
    path, served = (str(stated.get(name) or "") for name in ("artifact_path", "serving_input_path"))
    served = served or ("serving_input_example.json" if _inside(folder, "serving_input_example.json") else "")
    if not _inside(folder, path):
        return None
    return Example(path, str(stated.get("type") or ""), served if _inside(folder, served) else "")


def _inside(folder: str, path: str) -> bool:
    """Whether it is a file of the folder: MLmodel may name any."""
    place = os.path.realpath(os.path.join(folder, path))
    return bool(path) and place.startswith(os.path.realpath(folder) + os.sep) and os.path.isfile(place)
