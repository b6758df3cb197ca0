"""Noisy points on a parabola, as CSV."""

import argparse
import os

import numpy as np

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--rows", type=int, default=500)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("out")
options = parser.parse_args()

random = np.random.default_rng(options.seed)
x = np.linspace(-1, 1, options.rows)
y = 2 * x**2 - x + 0.5 + random.normal(0, 0.1, options.rows)
os.makedirs(os.path.dirname(options.out) or ".", exist_ok=True)
np.savetxt(options.out, np.column_stack([x, y]), delimiter=",", header="x,y", comments="")
print(f"{options.rows} points")
