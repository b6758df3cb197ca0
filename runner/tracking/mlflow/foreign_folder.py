"""The runs of an `mlruns` folder, as MLflow's file store wrote it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from runner.errors import InputError
from runner.host.files import open_text
from runner.tracking.events import Facts, Metric
from runner.tracking.mlflow.reader import Dataset, File, ForeignExperiment, ForeignRun, local_files

__all__ = ["FolderReader"]

ODD = "surrogateescape"  # bytes that are not UTF-8: see text/encoding.py
STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


class FolderReader:
    def __init__(self, path: str) -> None:
        self._root = path
        if not any(os.path.isfile(os.path.join(folder, "meta.yaml")) for folder in self._folders()):
            raise InputError(f"{path} is not an mlruns folder: no folder in it has a meta.yaml")

    def close(self) -> None:
        pass

    def _folders(self) -> Iterator[str]:
        for base in (self._root, os.path.join(self._root, ".trash")):
            if os.path.isdir(base):
                for name in sorted(os.listdir(base)):
                    if os.path.isdir(os.path.join(base, name)) and not name.startswith("."):
                        yield os.path.join(base, name)

    def experiments(self) -> Iterator[ForeignExperiment]:
        for folder in self._folders():
            meta = _meta(folder)
            if meta is not None and meta.get("name") is not None:
                lifecycle = str(meta.get("lifecycle_stage") or "active")
                yield ForeignExperiment(
                    folder, str(meta["name"]), lifecycle, _texts(os.path.join(folder, "tags"))
                )

    def runs(self, experiment: ForeignExperiment) -> Iterator[ForeignRun]:
        folder = experiment.experiment_id
        for name in sorted(os.listdir(folder)):
            meta = _meta(os.path.join(folder, name))
            if meta is None or not (meta.get("run_id") or meta.get("run_uuid")):
                continue
            place = os.path.join(folder, name)
            tags = _texts(os.path.join(place, "tags"))
            status = meta.get("status", 3)
            yield ForeignRun(
                str(meta.get("run_id") or meta["run_uuid"]),
                str(meta.get("run_name") or meta.get("name") or tags.get("mlflow.runName", "")),
                STATUSES.get(status, str(status)) if isinstance(status, int) else str(status),
                _moment(meta.get("start_time")) or 0,
                _moment(meta.get("end_time")),
                str(meta.get("user_id") or ""),
                str(meta.get("lifecycle_stage") or "active"),
                os.path.join(place, "artifacts"),  # where it is now, whatever was written then
                _texts(os.path.join(place, "params")),
                tags,
                tuple(_names(os.path.join(place, "metrics"))),
                tuple(_datasets(folder, place)),
            )

    def history(self, run: ForeignRun, key: str) -> Iterator[Metric]:
        place = os.path.dirname(run.artifact_uri)
        with open_text(os.path.join(place, "metrics", *key.split("/")), ODD) as file:
            for line in file:
                words = line.split()
                if len(words) not in (2, 3, 5):  # timestamp value [step [dataset name and digest]]
                    continue
                try:
                    yield Metric(float(words[1]), int(words[0]), int(words[2]) if len(words) > 2 else 0)
                except ValueError:
                    continue  # a line that a crash tore

    def files(self, run: ForeignRun) -> Iterator[File]:
        return local_files(run)


def _moment(value: object) -> int | None:
    """ms; None when it is none."""
    return value if isinstance(value, int) and abs(value) < 1 << 62 else None


def _meta(folder: str) -> Facts | None:
    import yaml

    try:
        with open_text(os.path.join(folder, "meta.yaml")) as file:
            found = yaml.safe_load(file)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _names(folder: str) -> list[str]:
    """Files below; a key with slashes is in folders. MLflow makes no links here: one would name a file of ours."""
    if os.path.islink(folder):
        return []
    return sorted(
        os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/")
        for place, _, names in os.walk(folder)
        for name in names
        if os.path.isfile(os.path.join(place, name)) and not os.path.islink(os.path.join(place, name))
    )


def _texts(folder: str) -> dict[str, str]:
    found = {}
    for name in _names(folder):
        with open_text(os.path.join(folder, name), ODD) as file:
            found[name] = file.read()
    return found


def _datasets(experiment: str, run: str) -> Iterator[Dataset]:
    inputs = os.path.join(run, "inputs")
    if not os.path.isdir(inputs):
        return
    for name in sorted(os.listdir(inputs)):
        link = _meta(os.path.join(inputs, name)) or {}
        dataset = _meta(os.path.join(experiment, "datasets", str(link.get("source_id", "")))) or {}
        if dataset:
            known: dict[str, Any] = {
                key: str(dataset[key]) for key in Dataset._fields if dataset.get(key) is not None
            }
            given = link.get("tags")
            tags = {str(key): str(each) for key, each in given.items()} if isinstance(given, dict) else {}
            yield Dataset(**{"name": "", "digest": "", **known, "tags": tags})
