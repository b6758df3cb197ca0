"""Predict for the rows of a CSV file."""

import argparse

import joblib
import pandas as pd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("rows")
    options = parser.parse_args()

    for value in joblib.load(options.model).predict(pd.read_csv(options.rows)):
        print(value)


if __name__ == "__main__":
    main()
