"""The driver of a workflow of three steps, as it is written for `mlflow run`."""

import sys

import mlflow


def step(entry_point: str, **parameters: object) -> str:
    """Runs an entry point below the active run and returns where its artifacts are."""
    submitted = mlflow.run(".", entry_point, parameters=parameters, env_manager="local")
    run = mlflow.MlflowClient().get_run(submitted.run_id)
    print(f"{entry_point}: {run.info.status}")
    return mlflow.artifacts.download_artifacts(run_id=run.info.run_id)


with mlflow.start_run():
    data = step("prepare")
    model = step("train", data=f"{data}/train.csv", regularisation=float(sys.argv[1]))
    step("evaluate", data=f"{data}/test.csv", model=f"{model}/model.json")
