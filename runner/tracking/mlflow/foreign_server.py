"""The runs of an MLflow server (or a `proj server`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from runner.errors import InputError
from runner.tracking.events import Facts, Metric
from runner.tracking.mlflow.reader import Dataset, File, ForeignExperiment, ForeignRun, local_files
from runner.tracking.mlflow.rest import DEEPEST, Refused, Rest

__all__ = ["ServerReader"]

PAGE = 1000


class ServerReader:
    def __init__(self, uri: str) -> None:
        self._rest = Rest(uri)

    def close(self) -> None:
        self._rest.close()

    def experiments(self) -> Iterator[ForeignExperiment]:
        body = {"view_type": "ALL", "max_results": PAGE}
        for each in self._pages("experiments/search", body, "experiments"):
            with self._rest.understood():
                tags = _pairs(each.get("tags", ()))
                found = ForeignExperiment(
                    str(each["experiment_id"]), str(each["name"]), str(each["lifecycle_stage"]), tags
                )
            yield found

    def runs(self, experiment: ForeignExperiment) -> Iterator[ForeignRun]:
        body = {"experiment_ids": [experiment.experiment_id], "run_view_type": "ALL", "max_results": PAGE}
        for each in self._pages("runs/search", body, "runs"):
            with self._rest.understood():
                run = _run(each)
            yield run

    def history(self, run: ForeignRun, key: str) -> Iterator[Metric]:
        token = ""
        while True:
            page = self._rest.get(
                "metrics/get-history", run_id=run.run_id, metric_key=key, max_results=25_000, page_token=token
            )
            with self._rest.understood():
                found = [
                    Metric(float(point["value"]), int(point["timestamp"]), int(point.get("step", 0)))
                    for point in page.get("metrics", ())
                ]
            yield from found
            token = str(page.get("next_page_token", ""))
            if not token:
                return

    def files(self, run: ForeignRun) -> Iterator[File]:
        if not run.artifact_uri.startswith("mlflow-artifacts:"):
            yield from local_files(run)
            return
        rest = run.artifact_uri.partition(":")[2]
        root = rest[2:].partition("/")[2] if rest.startswith("//") else rest.lstrip("/")
        yield from self._below(root, "", DEEPEST)

    def _below(self, root: str, path: str, left: int) -> Iterator[File]:
        if not left:
            raise InputError(f"{self._rest.uri} has folders in folders without end: {path[:40]}...")
        try:
            found = self._rest.list_files(f"{root}/{path}".rstrip("/"))
        except Refused as refused:
            raise InputError(refused.message) from None
        for name, is_folder in found:
            inner = f"{path}/{name}".lstrip("/")
            if is_folder:
                yield from self._below(root, inner, left - 1)
            else:
                yield File(inner, self._reading(f"{root}/{inner}"))

    def _reading(self, path: str) -> Callable[[], Iterator[bytes]]:
        return lambda: self._rest.get_file(path)

    def _pages(self, path: str, body: Facts, name: str) -> Iterator[Any]:
        token = ""
        while True:
            page = self._rest.post(path, {**body, **({"page_token": token} if token else {})})
            with self._rest.understood():
                found = list(page.get(name, ()))
            yield from found
            token = str(page.get("next_page_token", ""))
            if not token:
                return


def _run(given: Facts) -> ForeignRun:
    info, data = given["info"], given.get("data", {})
    return ForeignRun(
        str(info["run_id"]),
        str(info.get("run_name", "")),
        str(info["status"]),
        int(info.get("start_time", 0)),
        int(info["end_time"]) if info.get("end_time") else None,
        str(info.get("user_id", "")),
        str(info["lifecycle_stage"]),
        str(info.get("artifact_uri", "")),
        _pairs(data.get("params", ())),
        _pairs(data.get("tags", ())),
        tuple(str(point["key"]) for point in data.get("metrics", ())),
        tuple(map(_dataset, given.get("inputs", {}).get("dataset_inputs", ()))),
    )


def _dataset(given: Facts) -> Dataset:
    known = {key: value for key, value in given["dataset"].items() if key in Dataset._fields}
    return Dataset(**known, tags=_pairs(given.get("tags", ())))


def _pairs(entries: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {str(each["key"]): str(each.get("value", "")) for each in entries}
