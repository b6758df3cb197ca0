"""Estimate pi by throwing darts. There is no MLproject file: `proj run .` runs main.py."""

import argparse
import random

parser = argparse.ArgumentParser()
parser.add_argument("--darts", type=int, default=100_000)
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()

random.seed(options.seed)
hits = sum(random.random() ** 2 + random.random() ** 2 < 1 for _ in range(options.darts))
print(f"pi = {4 * hits / options.darts}")
