"""Train a random forest on the wine data set. There is no word of `proj` here: the MLflow client finds the run by itself."""

import argparse

import mlflow
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--trees", type=int, default=50)
parser.add_argument("--depth", type=int, default=4)
parser.add_argument("--seed", type=int, default=42)
options = parser.parse_args()

mlflow.sklearn.autolog()
data, target = load_wine(return_X_y=True, as_frame=True)
train_x, test_x, train_y, test_y = train_test_split(data, target, random_state=options.seed)
with mlflow.start_run():
    forest = RandomForestClassifier(options.trees, max_depth=options.depth, random_state=options.seed)
    forest.fit(train_x, train_y)
    accuracy = forest.score(test_x, test_y)
    mlflow.log_metric("accuracy", accuracy)
print(f"accuracy = {accuracy:.3f}")
