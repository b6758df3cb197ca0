"""Split the breast cancer data set that scikit-learn ships, and keep both parts as artifacts."""

import mlflow
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

data = load_breast_cancer(as_frame=True).frame
with mlflow.start_run():
    for name, part in zip(("train", "test"), train_test_split(data, random_state=1, stratify=data["target"])):
        mlflow.log_text(part.to_csv(index=False), f"{name}.csv")
        mlflow.log_metric(f"{name}_rows", len(part))
