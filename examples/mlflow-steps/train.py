"""Fit a logistic regression and keep it as JSON."""

import sys

import mlflow
import pandas
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

data = pandas.read_csv(sys.argv[1])
features = data.drop(columns="target")
scaler = StandardScaler().fit(features)
model = LogisticRegression(C=1 / float(sys.argv[2])).fit(scaler.transform(features), data["target"])
with mlflow.start_run():
    mlflow.log_metric("train_accuracy", model.score(scaler.transform(features), data["target"]))
    weights = model.coef_[0] / scaler.scale_
    intercept = float(model.intercept_[0] - weights @ scaler.mean_)
    mlflow.log_dict({"weights": dict(zip(features, map(float, weights))), "intercept": intercept}, "model.json")
