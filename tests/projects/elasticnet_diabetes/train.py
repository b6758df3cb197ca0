"""An elastic net on the diabetes data: parameters on the command line, autologging, a plot as an artifact."""

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import mlflow
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet, enet_path
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

if __name__ == "__main__":
    alpha = float(sys.argv[1]) if len(sys.argv) > 1 else 0.05
    l1_ratio = float(sys.argv[2]) if len(sys.argv) > 2 else 0.05
    data, target = load_diabetes(return_X_y=True, as_frame=True)
    train_x, test_x, train_y, test_y = train_test_split(data, target, random_state=40)
    with mlflow.start_run():
        model = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, random_state=42).fit(train_x, train_y)
        predicted = model.predict(test_x)
        mlflow.log_param("alpha", alpha)  # proj recorded it already: the same value is no conflict
        mlflow.log_param("l1_ratio", l1_ratio)
        mlflow.log_metric("rmse", np.sqrt(mean_squared_error(test_y, predicted)))
        mlflow.log_metric("r2", r2_score(test_y, predicted))
        alphas, coefficients, _ = enet_path(data, target, eps=5e-3, l1_ratio=l1_ratio)
        figure = plt.figure()
        plt.plot(-np.log10(alphas), coefficients.T)
        mlflow.log_figure(figure, "paths.png")
