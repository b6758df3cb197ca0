"""Train a classifier, measure it on the held-out part, keep both."""

import argparse
import json
import os

import joblib
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data import load
from record import log_metrics


def make(kind: str, seed: int) -> ClassifierMixin:
    if kind == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed))
    return RandomForestClassifier(n_estimators=100, random_state=seed, n_jobs=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["random-forest", "logistic"], default="random-forest")
    parser.add_argument("--test-size", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    train_x, test_x, train_y, test_y = load(options.test_size, options.seed)
    model = make(options.model, options.seed).fit(train_x, train_y)
    predicted = model.predict(test_x)
    metrics = {"accuracy": accuracy_score(test_y, predicted), "f1": f1_score(test_y, predicted)}
    log_metrics(metrics)

    os.makedirs("outputs", exist_ok=True)
    joblib.dump(model, "outputs/model.joblib")
    with open("outputs/metrics.json", "w", encoding="utf-8") as file:
        json.dump(metrics, file, indent=2)


if __name__ == "__main__":
    main()
