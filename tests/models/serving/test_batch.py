"""`proj serve --batch`: several requests by one question to the model, each answered as if it were alone."""

from __future__ import annotations

import json
import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.models.serving.serving import Answer, Serve, serve
from tests.servers import client_python, run_flow

__all__ = ["client_python", "serve"]  # fixtures


@pytest.mark.mlflow
def test_each_client_gets_its_own_answer(client_python: str, serve: Serve, tmp_path: object) -> None:
    folder = f"{tmp_path}/tree"
    run_flow(client_python, "save_tree", {}, folder)
    environment = os.path.dirname(os.path.dirname(client_python))
    served = serve("--env", environment, "--batch", "16", model=folder, own=True).wait_until_ready()
    chance = random.Random(1)
    rows = [
        [[chance.uniform(-2, 2) for _ in "abc"] for _ in range(chance.choice([1, 1, 3]))] for _ in range(150)
    ]
    rows[7] = [["x", 1.0, 2.0]]  # what is wrong is nobody else's fault

    def ask(data: list[list[float]]) -> Answer:
        body = json.dumps({"dataframe_split": {"columns": ["a", "b", "c"], "data": data}}).encode()
        return served.call("POST", "/invocations", body, content_type="application/json")

    alone = [ask(each) for each in rows]
    with ThreadPoolExecutor(16) as threads:
        together = list(threads.map(ask, rows))
    assert [(each.status, each.body) for each in together] == [(each.status, each.body) for each in alone]
    assert [len(each.json["predictions"]) for each in alone[:7]] == [len(each) for each in rows[:7]]
    assert {each.status for each in alone[:7] + alone[8:]} == {200}
    assert alone[7].status == 400


def test_a_model_that_cannot_be_tried_is_refused(serve: Serve) -> None:
    served = serve("--batch", "8")
    assert served.process.wait(30) == 125
    assert "--batch: its kind, or its signature, takes no plain tables" in served.said()
