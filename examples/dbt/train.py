"""Predict ozone from the table `days` that dbt made; the score is that of a cross-validation."""

import subprocess
import sys

import duckdb
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

with duckdb.connect("warehouse.duckdb", read_only=True) as warehouse:
    rows = warehouse.execute("select wind_kmh, temp_celsius, solar, ozone from days order by date").fetchall()
features, ozone = [row[:3] for row in rows], [row[3] for row in rows]
model = make_pipeline(StandardScaler(), PolynomialFeatures(int(sys.argv[1])), LinearRegression())
r2 = cross_val_score(model, features, ozone, cv=KFold(5, shuffle=True, random_state=1)).mean()
print(f"{len(rows)} days, r2 = {r2:.3f}")
subprocess.run(["proj", "log", "metric", f"r2={r2}", f"days={len(rows)}"], check=True)
