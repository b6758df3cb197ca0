"""A logistic regression that logs with the plain MLflow client: metric, model with signature, no word of proj."""

import mlflow
import mlflow.sklearn
import numpy as np
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

if __name__ == "__main__":
    x = np.array([-2, -1, 0, 1, 2, 1]).reshape(-1, 1)
    y = np.array([0, 0, 1, 1, 1, 0])
    model = LogisticRegression().fit(x, y)
    score = model.score(x, y)
    print(f"Score: {score}")
    mlflow.log_metric("score", score)
    info = mlflow.sklearn.log_model(model, name="model", signature=infer_signature(x, model.predict(x)))
    print(f"Model saved in run {mlflow.active_run().info.run_id}")
    loaded = mlflow.sklearn.load_model(info.model_uri)
    assert (loaded.predict(x) == model.predict(x)).all()
