"""Saves a model of scikit-learn that takes plain tables, with an example: save_tree.py FOLDER."""

import sys

import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.tree import DecisionTreeRegressor

frame = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 3)), columns=["a", "b", "c"])
model = DecisionTreeRegressor(random_state=0).fit(frame, frame["a"] * 2 - frame["b"])
mlflow.sklearn.save_model(
    model,
    sys.argv[1],
    signature=infer_signature(frame, model.predict(frame)),
    input_example=frame[:3],
    serialization_format="cloudpickle",
)
