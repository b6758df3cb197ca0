"""A decision tree on the table `features` that dbt made."""

import argparse
import os
import shutil
import subprocess

import duckdb
from sklearn.tree import DecisionTreeRegressor, export_text

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--depth", type=int, default=3)
options = parser.parse_args()

with duckdb.connect("outputs/warehouse.duckdb", read_only=True) as warehouse:
    rows = warehouse.execute(
        "select rooms, size, is_new, price_per_square_metre from features order by id"
    ).fetchall()
features, target = [row[:3] for row in rows], [row[3] for row in rows]
tree = DecisionTreeRegressor(max_depth=options.depth, random_state=1).fit(features, target)
r2 = tree.score(features, target)
print(f"r2 = {r2:.4f}")
if "PROJ_RUN_ID" in os.environ and shutil.which("proj"):
    subprocess.run(["proj", "log", "metric", f"r2={r2}"], check=True)
with open("outputs/tree.txt", "w", encoding="utf-8") as file:
    file.write(export_text(tree, feature_names=["rooms", "size", "is_new"]))
