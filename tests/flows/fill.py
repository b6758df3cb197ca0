"""Fills whatever MLFLOW_TRACKING_URI names with a run that has something of everything."""

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric
from mlflow.tracking import MlflowClient

client = MlflowClient()
experiment = client.create_experiment("from mlflow", tags={"team": "a"})
with mlflow.start_run(experiment_id=experiment, run_name="main") as run:
    mlflow.log_params({"lr": 0.1, "text": "a b", "deep/key": "1"})
    client.log_batch(
        run.info.run_id, metrics=[Metric("loss", 1 / (step + 1), 1000 + step, step) for step in range(900)]
    )
    mlflow.log_metric("deep/metric", float("nan"), step=3)
    mlflow.set_tags({"t": "v", "unicode": "ß😀"})
    mlflow.log_text("hello", "folder/ü.txt")
    mlflow.log_text("", "empty.txt")
    dataset = Dataset("d", "123", "local", "{}", schema="{}", profile=None)
    client.log_inputs(run.info.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])
    with mlflow.start_run(experiment_id=experiment, nested=True, run_name="child"):
        mlflow.log_metric("k", 1)
failed = client.create_run(experiment, run_name="failed")
client.set_terminated(failed.info.run_id, "FAILED")
client.delete_run(failed.info.run_id)
print(run.info.run_id)
