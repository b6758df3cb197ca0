"""How often is the model right about patients whom it has not seen?"""

import json
import sys

import mlflow
import pandas

data = pandas.read_csv(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as file:
    model = json.load(file)
score = sum(weight * data[name] for name, weight in model["weights"].items()) + model["intercept"]
accuracy = float(((score > 0) == data["target"]).mean())
print(f"accuracy = {accuracy:.3f}")
with mlflow.start_run():
    mlflow.log_metric("accuracy", accuracy)
