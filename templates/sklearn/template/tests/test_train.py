import pytest

from data import load
from train import make


@pytest.mark.parametrize("kind", ["random-forest", "logistic"])
def test_a_model_is_better_than_guessing(kind: str) -> None:
    train_x, test_x, train_y, test_y = load(0.25, 1)
    model = make(kind, 1).fit(train_x, train_y)
    assert model.score(test_x, test_y) > 0.9


def test_the_same_seed_gives_the_same_split() -> None:
    assert load(0.25, 3)[1].equals(load(0.25, 3)[1])
