"""The runs of an MLflow database file (SQLite), read without MLflow. Columns that a version lacks are left out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from urllib.parse import quote

from runner.errors import InputError
from runner.tracking.events import Metric
from runner.tracking.mlflow.reader import Dataset, File, ForeignExperiment, ForeignRun, local_files

__all__ = ["DatabaseReader"]


class DatabaseReader:
    def __init__(self, path: str, artifacts: str = "") -> None:
        self._artifacts = artifacts
        self._link = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)
        self._link.row_factory = sqlite3.Row
        self._link.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        try:
            self._tables = {
                row[0] for row in self._all("select name from sqlite_master where type = 'table'")
            }
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path} is not a database: {error}") from None
        if not {"experiments", "runs", "metrics", "params", "tags"} <= self._tables:
            raise InputError(f"{path} is not a database of MLflow")

    def close(self) -> None:
        self._link.close()

    def _all(self, statement: str, *values: str) -> list[sqlite3.Row]:
        return self._link.execute(statement, values).fetchall()

    def experiments(self) -> Iterator[ForeignExperiment]:
        for row in self._all(
            "select experiment_id, name, lifecycle_stage from experiments order by experiment_id"
        ):
            tags = {}
            if "experiment_tags" in self._tables:
                tags = dict(self._pairs("experiment_tags", "experiment_id", row["experiment_id"]))
            yield ForeignExperiment(
                str(row["experiment_id"]), row["name"], row["lifecycle_stage"] or "active", tags
            )

    def _pairs(self, table: str, column: str, value: str) -> list[tuple[str, str]]:
        rows = self._all(f"select key, value from {table} where {column} = ?", value)  # noqa: S608
        return [(row["key"], row["value"] or "") for row in rows]

    def runs(self, experiment: ForeignExperiment) -> Iterator[ForeignRun]:
        rows = self._all(
            "select * from runs where experiment_id = ? order by start_time", experiment.experiment_id
        )
        for row in rows:
            run_id = row["run_uuid"]
            keys = self._all("select distinct key from metrics where run_uuid = ?", run_id)
            yield ForeignRun(
                run_id,
                row["name"] or "",
                row["status"] or "RUNNING",
                int(row["start_time"] or 0),
                int(row["end_time"]) if row["end_time"] else None,
                row["user_id"] or "",
                row["lifecycle_stage"] or "active",
                row["artifact_uri"] or "",
                dict(self._pairs("params", "run_uuid", run_id)),
                dict(self._pairs("tags", "run_uuid", run_id)),
                tuple(each["key"] for each in keys),
                tuple(self._datasets(run_id)),
            )

    def _datasets(self, run_id: str) -> Iterator[Dataset]:
        if not {"datasets", "inputs", "input_tags"} <= self._tables:
            return
        rows = self._all(
            "select d.*, i.input_uuid from inputs i join datasets d on d.dataset_uuid = i.source_id"
            " where i.source_type = 'DATASET' and i.destination_type = 'RUN' and i.destination_id = ?",
            run_id,
        )
        for row in rows:
            names = ("source_type", "source", "schema", "profile")
            more = {name: row[f"dataset_{name}"] for name in names}
            tags = self._all("select name, value from input_tags where input_uuid = ?", row["input_uuid"])
            shown = {tag["name"]: tag["value"] for tag in tags}
            yield Dataset(row["name"], row["digest"], **more, tags=shown)

    def history(self, run: ForeignRun, key: str) -> Iterator[Metric]:
        rows = self._link.execute(
            "select value, timestamp, step, is_nan from metrics where run_uuid = ? and key = ?"
            " order by timestamp, step, value",
            (run.run_id, key),
        )
        for row in rows:
            value = float("nan") if row["is_nan"] else float(row["value"])
            yield Metric(value, int(row["timestamp"]), int(row["step"]))

    def files(self, run: ForeignRun) -> Iterator[File]:
        return local_files(run, self._artifacts)
