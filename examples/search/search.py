"""A grid search: each trial is a run below this one; the record is asked which was the best."""

import argparse
import json
import os
import subprocess

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--trials", type=int, default=5)
options = parser.parse_args()

for trial in range(options.trials):
    alpha = 0.05 + 0.6 * trial / (options.trials - 1)
    subprocess.run(["proj", "run", ".", "-e", "fit", "-P", f"alpha={alpha:.4g}"], check=True)

trials = f"parent = '{os.environ['PROJ_RUN_ID']}'"
found = subprocess.run(
    ["proj", "runs", trials, "--order-by", "metrics.rmse", "--limit", "1", "--json"],
    check=True, stdout=subprocess.PIPE, text=True,
)  # fmt: skip
best = json.loads(found.stdout)[0]
alpha, rmse = best["params"]["alpha"], best["metrics"]["rmse"]
print(f"best: alpha = {alpha} ({best['name']})")
with open("best.json", "w", encoding="utf-8") as file:
    json.dump({"alpha": alpha, "rmse": rmse}, file)
subprocess.run(["proj", "log", "metric", f"best_rmse={rmse}"], check=True)
subprocess.run(["proj", "log", "tag", f"best_alpha={alpha}"], check=True)
