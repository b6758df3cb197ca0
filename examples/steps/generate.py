"""Write a random walk as CSV; the same seed makes the same walk."""

import argparse
import random

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, default=100)
options = parser.parse_args()

random.seed(7)
print("row,step")
for row in range(options.rows):
    print(f"{row},{random.choice([-1, 1])}")
