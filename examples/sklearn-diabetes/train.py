"""Train an elastic net on the diabetes data set, print its errors and write the model as JSON."""

import argparse
import json
import os
import shutil
import subprocess

from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--alpha", type=float, required=True)
    parser.add_argument("--l1-ratio", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()

    data, target = load_diabetes(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(data, target, random_state=options.seed)
    model = ElasticNet(alpha=options.alpha, l1_ratio=options.l1_ratio, random_state=options.seed)
    model.fit(train_x, train_y)

    predicted = model.predict(test_x)
    metrics = {
        "rmse": root_mean_squared_error(test_y, predicted),
        "mae": mean_absolute_error(test_y, predicted),
        "r2": r2_score(test_y, predicted),
    }
    for name, value in metrics.items():
        print(f"{name} = {value:.4f}")
    if "PROJ_RUN_ID" in os.environ and shutil.which("proj"):  # into the record of the run, if this is one
        subprocess.run(["proj", "log", "metric", *(f"{name}={value}" for name, value in metrics.items())], check=True)
    with open("model.json", "w") as file:
        json.dump({"coefficients": model.coef_.tolist(), "intercept": model.intercept_, "metrics": metrics}, file)


if __name__ == "__main__":
    main()
