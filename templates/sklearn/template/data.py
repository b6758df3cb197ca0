"""The data: bundled with scikit-learn, so that nothing is downloaded."""

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split


def load(test_size: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series, pd.Series]:
    """(train features, test features, train target, test target)."""
    features, target = load_breast_cancer(return_X_y=True, as_frame=True)
    return train_test_split(features, target, test_size=test_size, random_state=seed, stratify=target)
