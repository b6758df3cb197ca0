"""Measure a trained model on another split of the data."""

import argparse

import joblib
from sklearn.metrics import accuracy_score, f1_score

from data import load
from record import log_metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()

    _, test_x, _, test_y = load(0.25, options.seed)
    predicted = joblib.load(options.model).predict(test_x)
    log_metrics({"accuracy": accuracy_score(test_y, predicted), "f1": f1_score(test_y, predicted)})


if __name__ == "__main__":
    main()
