"""A client that knows of no policy moves a protected alias: what it is told."""

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

try:
    MlflowClient().set_registered_model_alias("m", "champion", "2")
except MlflowException as error:
    print(error)
