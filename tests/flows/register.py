"""Training that registers its model, with any client: by `registered_model_name`, by hand, and again."""

import os
import sys
import warnings

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

warnings.simplefilter("ignore")
NEW = int(mlflow.__version__.split(".", maxsplit=1)[0]) >= 3
client = MlflowClient()


def save_model(path, mlflow_model=None, **_):
    """A flavor, for old clients beside which no numpy is installed: this module."""
    os.makedirs(path)
    with open(os.path.join(path, "weights"), "w") as file:
        file.write("6")
    mlflow_model.add_flavor("ours", answer=6)
    mlflow_model.save(os.path.join(path, "MLmodel"))


def log():
    if not NEW:
        Model.log(artifact_path="lin", flavor=sys.modules[__name__], registered_model_name="lin")
        return
    from sklearn.linear_model import LinearRegression

    fitted = LinearRegression().fit([[1.0], [2.0]], [2.0, 4.0])
    mlflow.sklearn.log_model(fitted, name="lin", registered_model_name="lin")


def answer(uri):
    if NEW:
        return round(float(mlflow.pyfunc.load_model(uri).predict([[3.0]])[0]), 6)
    with open(os.path.join(mlflow.artifacts.download_artifacts(uri), "weights")) as file:
        return float(file.read())


with mlflow.start_run() as run:
    log()
    log()
    third = mlflow.register_model(f"runs:/{run.info.run_id}/lin", "lin")

assert int(third.version) == 3, third
assert client.get_model_version("lin", "2").run_id == run.info.run_id
assert sorted(int(each.version) for each in client.search_model_versions("name = 'lin'")) == [1, 2, 3]
assert [int(each.version) for each in client.get_registered_model("lin").latest_versions] == [3]
assert [int(each.version) for each in client.get_latest_versions("lin")] == [3]
found = client.search_registered_models() if hasattr(client, "search_registered_models") else []
assert [each.name for each in found] == ["lin"]
for uri in ("models:/lin/1", "models:/lin/3", f"runs:/{run.info.run_id}/lin"):
    assert answer(uri) == 6, uri
try:
    mlflow.register_model(f"runs:/{run.info.run_id}/nothing", "lin")
except MlflowException as error:
    said = str(error)
else:
    raise AssertionError("what is not there was registered")
assert "nothing" in said, said
print(run.info.run_id)
