"""`proj models check`: a model is loaded, asked its example, and answers as it did before, or it is said how not."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from runner import paths
from runner.tracking.store import Store
from tests.helpers import Result, make_tree, proj
from tests.models.folders import mlmodel
from tests.models.serving.serving import make_mlflow

OUTPUTS = json.dumps([{"type": "double", "name": "y"}])


class Model:
    """One with an example, whose predictions are what a file says."""

    def __init__(self, top: str) -> None:
        self.answer = os.path.join(top, "answer")
        self.folder = os.path.join(top, "model")
        self.package = make_mlflow(os.path.join(top, "package"))
        example = {"artifact_path": "input_example.json", "type": "json_object"}
        stated = mlmodel(
            saved_input_example_info=example, signature={"inputs": "[]", "outputs": OUTPUTS, "params": None}
        )
        asked = json.dumps({"of": self.answer})
        make_tree(
            self.folder,
            {
                "MLmodel": stated,
                "orders": "",
                "input_example.json": "{}",
                "serving_input_example.json": asked,
            },
        )

    def check(self, predictions: Any, *arguments: str) -> Result:
        with open(self.answer, "w", encoding="utf-8") as file:
            json.dump(predictions, file)
        words = ("models", "check", self.folder, "--env-manager", "local", *arguments)
        return proj(*words, PYTHONPATH=self.package)


@pytest.fixture
def model(tmp_path: object) -> Model:
    return Model(str(tmp_path))


def test_it_is_compared_with_the_first_check_of_the_same_files(model: Model) -> None:
    first = json.loads(model.check([{"y": 1.5}], "--json").out)
    assert (first["verdict"], first["mlflow"], first["against"]) == ("first", "0.0.0", "")
    same = json.loads(model.check([{"y": 1.5}], "--json").out)
    assert (same["verdict"], same["against"]) == ("ok", first["run_id"])
    other = model.check([{"y": 1.75}])
    assert (other.code, "predictions[0].y: 1.75 instead of 1.5" in other.out) == (1, True)
    assert model.check([{"y": 1.75}], "--tolerance", "rel:0.2").code == 0
    assert "2 instead of 1" in model.check([{"y": 1.5}, {"y": 2.5}]).out
    with Store(paths.store()) as store:
        run = store.read(other_id := store.resolve("last"))
        assert (run.kind, run.status, "predictions.json" in run.artifacts) == ("check", "FAILED", True)
        assert run.run_id == other_id
    with open(os.path.join(model.folder, "orders"), "w") as file:
        file.write(" ")
    assert json.loads(model.check([{"y": 1.75}], "--json").out)["verdict"] == "first"


@pytest.mark.parametrize(
    ("predictions", "said"),
    [
        ([{"z": 1.5}], "has an output 'y', and the predictions have none"),
        ([{"y": "a"}], 'the prediction is "a"'),
    ],
)
def test_what_is_not_as_the_signature_says(model: Model, predictions: Any, said: str) -> None:
    done = model.check(predictions)
    assert (done.code, said in done.out) == (1, True), done.out


def test_an_example_that_is_refused(model: Model) -> None:
    with open(os.path.join(model.folder, "serving_input_example.json"), "w") as file:
        file.write('{"refuse": 1}')
    done = model.check([])
    assert (done.code, "the example is answered with 400" in done.out) == (1, True)


def test_a_model_that_cannot_be_loaded(model: Model) -> None:
    for orders, said in (("broken", "this model is broken"), ("exits", "it exited with 7")):
        with open(os.path.join(model.folder, "orders"), "w") as file:
            file.write(orders)
        done = model.check([])
        assert (done.code, said in done.err) == (125, True), done.err
    with Store(paths.store()) as store:
        assert store.read(store.resolve("last")).status == "FAILED"


def test_without_an_example_it_is_loaded_only(model: Model) -> None:
    make_tree(model.folder, {"MLmodel": mlmodel()})
    done = model.check([])
    assert (done.code, done.out.startswith("no-example: ")) == (0, True)
