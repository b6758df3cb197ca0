"""Autologging, logged models, datasets, figures, tables and asynchronous logging of the client 3."""

import warnings

import matplotlib
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV

warnings.simplefilter("ignore")
matplotlib.use("Agg")
random = np.random.default_rng(0)
x = random.random((40, 3))
y = (x[:, 0] > 0.5).astype(int)
client = mlflow.MlflowClient()

with mlflow.start_run() as run:
    mlflow.sklearn.autolog()
    LogisticRegression().fit(x, y)
    mlflow.sklearn.autolog(disable=True)
    fitted = LinearRegression().fit(x, y)
    model = mlflow.sklearn.log_model(fitted, name="lin", signature=infer_signature(x, y))
    data = mlflow.data.from_pandas(pd.DataFrame(x, columns=list("abc")), name="train")
    mlflow.log_input(data, context="training")
    mlflow.log_input(data, context="training")
    mlflow.log_metric("acc", 0.5, dataset=data, model_id=model.model_id)
    mlflow.log_table({"a": [1, 2]}, "t.json")
    mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "i.png")
    import matplotlib.pyplot as plt

    mlflow.log_figure(plt.figure(), "f.png")
    for step in range(30):
        mlflow.log_metric("later", step, step=step, synchronous=False)
    mlflow.flush_async_logging()

run_id, experiment = run.info.run_id, run.info.experiment_id
loaded = mlflow.pyfunc.load_model(f"runs:/{run_id}/lin")
assert np.allclose(loaded.predict(x), fitted.predict(x))
assert np.allclose(mlflow.sklearn.load_model(model.model_uri).coef_, fitted.coef_)
found = mlflow.get_run(run_id)
assert sorted(each.dataset.name for each in found.inputs.dataset_inputs) == ["dataset", "train"]
assert len(found.outputs.model_outputs) == 2
assert len(client.get_metric_history(run_id, "later")) == 30
assert found.data.params["solver"] == "lbfgs"
assert "training_score" in found.data.metrics
models = mlflow.search_logged_models(
    experiment_ids=[experiment], filter_string="name = 'lin'", output_format="list"
)
assert [each.model_id for each in models] == [model.model_id]
assert models[0].status.value == "READY", models[0]
assert ("acc", 0.5) in [(each.key, each.value) for each in models[0].metrics], models[0].metrics
mlflow.set_logged_model_tags(model.model_id, {"stage": "test"})
assert mlflow.get_logged_model(model.model_id).tags["stage"] == "test"
assert len(mlflow.load_table("t.json", run_ids=[run_id])) == 2

mlflow.sklearn.autolog(log_models=False)
with mlflow.start_run() as parent:
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2).fit(x, y)
children = mlflow.search_runs(
    experiment_ids=[experiment], filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
)
assert len(children) == 2, children
table = mlflow.search_runs(experiment_ids=[experiment])
assert {"run_id", "metrics.acc", "params.solver", "status"} <= set(table.columns), table.columns
print(run_id)
