"""Fit a polynomial to points and say how far it is from them."""

import argparse
import json
import os
import shutil
import subprocess

import numpy as np

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--degree", type=int, default=2)
parser.add_argument("points")
parser.add_argument("out")
options = parser.parse_args()

x, y = np.loadtxt(options.points, delimiter=",", skiprows=1, unpack=True)
coefficients = np.polynomial.polynomial.polyfit(x, y, options.degree)
rmse = float(np.sqrt(np.mean((np.polynomial.polynomial.polyval(x, coefficients) - y) ** 2)))
print(f"rmse = {rmse:.4f}")
if "PROJ_RUN_ID" in os.environ and shutil.which("proj"):
    subprocess.run(["proj", "log", "metric", f"rmse={rmse}"], check=True)
with open(options.out, "w", encoding="utf-8") as file:
    json.dump({"coefficients": coefficients.round(12).tolist(), "rmse": rmse}, file, indent=2)
