"""The orbit of the logistic map x -> r x (1 - x)."""

import argparse
import csv
import os


def orbit(r: float, steps: int, x: float = 0.5) -> list[float]:
    points = []
    for _ in range(steps):
        x = r * x * (1 - x)
        points.append(x)
    return points


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--r", type=float, default=3.7)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    points = orbit(options.r, options.steps)
    os.makedirs("outputs", exist_ok=True)
    with open("outputs/orbit.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(enumerate(points))
    print(f"mean = {sum(points) / len(points):.6f}")
