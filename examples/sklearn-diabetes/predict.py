"""Predict the progression of the first patients of the data set with a model that train.py wrote."""

import json
import sys

from sklearn.datasets import load_diabetes


def main() -> None:
    with open(sys.argv[1]) as file:
        model = json.load(file)
    data, target = load_diabetes(return_X_y=True)
    for number in range(int(sys.argv[2])):
        row = data[number]
        predicted = model["intercept"] + sum(c * x for c, x in zip(model["coefficients"], row))
        print(f"patient {number}: predicted {predicted:.0f}, measured {target[number]:.0f}")


if __name__ == "__main__":
    main()
