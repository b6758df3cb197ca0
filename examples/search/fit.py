"""Forecast each year's flow by exponential smoothing of the years before it; log the error."""

import argparse
import csv
import math
import subprocess

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--alpha", type=float, required=True)
options = parser.parse_args()

with open("nile.csv", encoding="utf-8", newline="") as file:
    flows = [float(row["flow"]) for row in csv.DictReader(file)]

forecast, errors = flows[0], []
for flow in flows[1:]:
    errors.append(flow - forecast)
    forecast += options.alpha * (flow - forecast)
rmse = math.sqrt(sum(error**2 for error in errors) / len(errors))

print(f"alpha = {options.alpha:.3f}  rmse = {rmse:.2f}")
subprocess.run(["proj", "log", "metric", f"rmse={rmse}"], check=True)
