"""What every client has: a run is logged, searched, changed, deleted and restored. Works with clients 1.30 to 3."""

import math
import os
import sys

import mlflow
from mlflow.tracking import MlflowClient

continued = os.environ.get("MLFLOW_RUN_ID")
client = MlflowClient()
name = sys.argv[1]
mlflow.set_experiment(name)
with mlflow.start_run() as run:
    run_id = run.info.run_id
    if continued:
        assert run_id == continued
    mlflow.log_param("alpha", 0.5)
    mlflow.log_param("alpha", "0.5")
    mlflow.log_params({"b": 2, "c": "x"})
    for step in range(5):
        mlflow.log_metric("m", step * 0.5, step=step)
    mlflow.log_metrics({"nan": float("nan"), "last": 1})
    mlflow.set_tag("t", "v")
    mlflow.set_tags({"u": "ß😀"})
    mlflow.log_text("hello", "folder/hello.txt")
    mlflow.log_dict({"a": 1}, "a.json")
    with open("empty.txt", "w"):
        pass
    mlflow.log_artifact("empty.txt")
    with mlflow.start_run(nested=True) as child:
        mlflow.log_metric("k", 1)

try:
    client.log_param(run_id, "alpha", 0.6)
except mlflow.exceptions.MlflowException as error:
    assert "Changing param values is not allowed" in str(error), error  # noqa: PT017
else:
    raise AssertionError("a parameter was changed")

data = client.get_run(run_id).data
assert [data.params[key] for key in ("alpha", "b")] == ["0.5", "2"], data.params
assert data.metrics["m"] == 2.0
assert math.isnan(data.metrics["nan"]), data.metrics
assert [data.tags[key] for key in ("t", "u")] == ["v", "ß😀"], data.tags
history = client.get_metric_history(run_id, "m")
assert [(point.step, point.value) for point in history] == [(step, step * 0.5) for step in range(5)]
assert sorted(file.path for file in client.list_artifacts(run_id)) == ["a.json", "empty.txt", "folder"]
assert [file.path for file in client.list_artifacts(run_id, "folder")] == ["folder/hello.txt"]
assert mlflow.artifacts.load_text(run.info.artifact_uri + "/folder/hello.txt") == "hello"
child = client.get_run(child.info.run_id)
assert child.data.tags["mlflow.parentRunId"] == run_id
assert child.info.status == "FINISHED"

experiment = client.get_experiment_by_name(name)
ids = [experiment.experiment_id]
if not continued:
    assert run.info.experiment_id == experiment.experiment_id
    found = client.search_runs(
        ids, "metrics.m > 1 and params.c = 'x' and tags.t LIKE 'v%'", order_by=["metrics.m"]
    )
    assert [each.info.run_id for each in found] == [run_id]
    assert len(client.search_runs(ids)) == 2
    assert len(client.search_runs(ids, max_results=1)) == 1

other = client.create_run(ids[0], tags={"a": "b"})
client.log_batch(
    other.info.run_id,
    metrics=[mlflow.entities.Metric("x", 1.5, 1, 0)],
    params=[mlflow.entities.Param("p", "q")],
    tags=[mlflow.entities.RunTag("r", "s")],
)
client.delete_tag(other.info.run_id, "a")
client.set_terminated(other.info.run_id, "FAILED")
found = client.get_run(other.info.run_id)
assert found.info.status == "FAILED"
assert "a" not in found.data.tags
assert found.data.tags["r"] == "s"
client.delete_run(other.info.run_id)
assert client.get_run(other.info.run_id).info.lifecycle_stage == "deleted"
client.restore_run(other.info.run_id)
assert client.get_run(other.info.run_id).info.lifecycle_stage == "active"

made = (
    client.create_experiment(name + "-2", tags={"k": "v"}) if hasattr(client, "search_experiments") else None
)
if made:
    client.set_experiment_tag(made, "l", "w")
    assert client.get_experiment(made).tags == {"k": "v", "l": "w"}
    if not continued:  # a run may not do this
        client.rename_experiment(made, name + "-3")
        client.delete_experiment(made)
        client.restore_experiment(made)
    names = [each.name for each in client.search_experiments(filter_string="tags.k = 'v'")]
    assert names == [name + ("-2" if continued else "-3")], names
print(run_id)
