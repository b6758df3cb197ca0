"""The protocol as a raw client sees it: what is accepted, what is refused and in which words."""

from __future__ import annotations

import json
import math

import pytest

from tests.servers import World


def message(world: World, path: str, body: object) -> str:
    answer = world.client.post(path, body)
    assert answer.status == 400, answer
    assert answer.json["error_code"] in ("INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS")
    return str(answer.json["message"])


def test_life_of_a_run(world: World) -> None:
    client = world.client
    run_id = client.new_run(run_name="first", tags=[{"key": "a", "value": "b"}], user_id="ada")
    info = client.run(run_id)["info"]
    assert info["run_uuid"] == info["run_id"] == run_id
    assert (info["status"], info["start_time"], info["user_id"]) == ("RUNNING", 1, "ada")
    assert info["artifact_uri"] == f"mlflow-artifacts:/0/{run_id}/artifacts"
    assert "end_time" not in info
    info = client.ok("runs/update", {"run_uuid": run_id, "status": "FINISHED", "end_time": "99"})["run_info"]
    assert (info["status"], info["end_time"]) == ("FINISHED", 99)
    client.ok("runs/update", {"run_id": run_id, "run_name": "second"})
    run = client.run(run_id)
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert run["info"]["run_name"] == tags["mlflow.runName"] == "second"
    assert tags["a"] == "b"
    client.ok("runs/delete", {"run_id": run_id})
    assert client.run(run_id)["info"]["lifecycle_stage"] == "deleted"
    text = message(world, "runs/set-tag", {"run_id": run_id, "key": "k", "value": "v"})
    assert text == f"The run {run_id} must be in the 'active' state. Current state is deleted."
    client.ok("runs/restore", {"run_id": run_id})
    client.ok("runs/set-tag", {"run_id": run_id, "key": "k", "value": "v"})
    client.ok("runs/delete-tag", {"run_id": run_id, "key": "k"})
    gone = client.post("runs/delete-tag", {"run_id": run_id, "key": "k"})
    assert (gone.status, gone.json["message"]) == (404, f"No tag with name: k in run with id {run_id}")


def test_a_client_with_strings_for_numbers(world: World) -> None:
    """The R client sends every scalar as a string."""
    body = {
        "run_id": world.run_id,
        "key": "m",
        "value": "0.5",
        "timestamp": "1700000000000",
        "step": "3",
        "unknown": {},
    }
    world.client.ok("runs/log-metric", body)
    assert world.client.run(world.run_id)["data"]["metrics"] == [
        {"key": "m", "value": 0.5, "timestamp": 1700000000000, "step": 3}
    ]


def test_a_body_that_is_encoded_twice(world: World) -> None:
    body = json.dumps(json.dumps({"run_id": world.run_id, "key": "k", "value": "v"})).encode()
    answer = world.client.call(
        "POST", "/ajax-api/2.0/mlflow/runs/set-tag", body, {"Content-Type": "application/json"}
    )
    assert answer.status == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "Missing value for required parameter 'run_id'"),
        ({"run_id": 31}, "Invalid value 31 for parameter 'run_id' supplied"),
        ({"run_id": "{}"}, "Missing value for required parameter 'key'"),
        ({"run_id": "{}", "key": 31}, "Invalid value 31 for parameter 'key' supplied"),
        ({"run_id": "{}", "key": "m"}, "Missing value for required parameter 'value'"),
        (
            {"run_id": "{}", "key": "m", "value": "foo"},
            "Invalid value \"foo\" for parameter 'value' supplied",
        ),
        (
            {"run_id": "{}", "key": "m", "value": True, "timestamp": 1},
            "Invalid value true for parameter 'value'",
        ),
        (
            {"run_id": "{}", "key": "m", "value": 1, "timestamp": 1.5},
            "Invalid value 1.5 for parameter 'timestamp'",
        ),
        ({"run_id": "{}", "key": "m", "value": 1, "timestamp": 2**63}, "for parameter 'timestamp' supplied"),
        ({"run_id": "{}", "key": "m", "value": 1}, "Missing value for required parameter 'timestamp'"),
        (
            {"run_id": "{}", "key": "m", "value": 1, "timestamp": "x"},
            "Invalid value \"x\" for parameter 'timestamp' supplied",
        ),
        (
            {"run_id": "{}", "key": "m", "value": 1, "timestamp": 1, "step": "x"},
            "Invalid value \"x\" for parameter 'step' supplied",
        ),
        (
            {"run_id": "{}", "key": "m", "value": 1, "timestamp": -1},
            "Timestamp must be a nonnegative long (64-bit integer)",
        ),
        ({"run_id": "{}", "key": "a\nb", "value": 1, "timestamp": 1}, "Names may only contain alphanumerics"),
        ({"run_id": "{}", "key": "../b", "value": 1, "timestamp": 1}, "must not resolve to other names"),
        ({"run_id": "{}", "key": "k" * 251, "value": 1, "timestamp": 1}, "exceeds the maximum length of 250"),
    ],
)
def test_log_metric_refuses(world: World, body: dict[str, object], expected: str) -> None:
    body = {key: world.run_id if value == "{}" else value for key, value in body.items()}
    assert expected in message(world, "runs/log-metric", body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"metrics": "foo"}, "Invalid value \"foo\" for parameter 'metrics' supplied"),
        ({"params": "foo"}, "Invalid value \"foo\" for parameter 'params' supplied"),
        ({"tags": "foo"}, "Invalid value \"foo\" for parameter 'tags' supplied"),
        ({"metrics": [{"key": "a", "value": 1}]}, "required parameter 'metrics[0].timestamp'"),
        ({"metrics": [{"value": 1, "timestamp": 1}]}, "required parameter 'metrics[0].key'"),
        ({"params": [{"value": "1"}]}, "required parameter 'params[0].key'"),
        ({"tags": [{"value": "1"}]}, "required parameter 'tags[0].key'"),
        (
            {"metrics": [{"key": "m", "value": 1, "timestamp": 1}] * 1001},
            "A batch logging request can contain at most 1000 metrics. Got 1001 metrics.",
        ),
        ({"params": [{"key": str(n), "value": "1"} for n in range(101)]}, "at most 100 params"),
        ({"tags": [{"key": str(n), "value": "1"} for n in range(101)]}, "at most 100 tags"),
        (
            {"params": [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]},
            "Duplicate parameter keys have been submitted: ['a']",
        ),
        ({"params": [{"key": "lr", "value": "6"}]}, "Changing param values is not allowed"),
        ({"metrics": [{"key": "a/../b", "value": 1, "timestamp": 1}]}, "metrics[0].name"),
        ({"metrics": [{"key": "m", "value": True, "timestamp": 1}]}, "for parameter 'metrics' supplied"),
    ],
)
def test_log_batch_refuses_as_a_whole(world: World, body: dict[str, object], expected: str) -> None:
    before = world.store.read(world.run_id)
    whole = {"tags": [{"key": "good", "value": "1"}], **body, "run_id": world.run_id}
    assert expected in message(world, "runs/log-batch", whole)
    assert world.store.read(world.run_id) == before


def test_long_values_are_cut(world: World) -> None:
    client, run_id = world.client, world.run_id
    client.ok("runs/log-parameter", {"run_id": run_id, "key": "p", "value": "x" * 7000})
    client.ok("runs/set-tag", {"run_id": run_id, "key": "t", "value": "x" * 9000})
    run = world.store.read(run_id)
    assert len(str(run.params["p"])) == 6000
    assert len(run.tags["t"]) == 8000


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("lr", "5", True),
        ("lr", "5.0", True),
        ("lr", "5e0", True),
        ("lr", "5.1", False),
        ("flag", "True", True),
        ("flag", "true", True),
        ("flag", "1", False),
        ("flag", "yes", False),
    ],
)
def test_complaint_2820_3536_7152_equal_typed_values(
    world: World, key: str, value: str, accepted: bool
) -> None:
    answer = world.client.post("runs/log-parameter", {"run_id": world.run_id, "key": key, "value": value})
    assert (answer.status == 200) == accepted
    assert world.store.read(world.run_id).params == {"lr": 5, "flag": True}


def test_complaint_7046_6169_the_same_parameter_again(world: World) -> None:
    body = {"run_id": world.run_id, "key": "p", "value": "v"}
    for _ in range(2):
        world.client.ok("runs/log-parameter", body)
        world.client.ok("runs/log-batch", {"run_id": world.run_id, "params": [{"key": "p", "value": "v"}]})
    text = message(world, "runs/log-parameter", {**body, "value": "w"})
    assert "Param with key='p' was already logged with value='v'" in text


def test_numbers_that_json_lacks(world: World) -> None:
    client, run_id = world.client, world.run_id
    for name, value in (("nan", "NaN"), ("inf", "Infinity"), ("minus", "-Infinity")):
        client.ok("runs/log-metric", {"run_id": run_id, "key": name, "value": value, "timestamp": 1})
    client.ok("runs/log-metric", {"run_id": run_id, "key": "bare", "value": math.nan, "timestamp": 1})
    shown = {each["key"]: each["value"] for each in client.run(run_id)["data"]["metrics"]}
    assert shown == {"nan": "NaN", "inf": "Infinity", "minus": "-Infinity", "bare": "NaN"}
    assert (
        client.get("metrics/get-history", run_id=run_id, metric_key="nan").json["metrics"][0]["value"]
        == "NaN"
    )


def test_history_is_sorted_paged_and_without_repeats(world: World) -> None:
    client, run_id = world.client, world.run_id
    points = [{"key": "m", "value": n, "timestamp": 100 - n, "step": n} for n in range(10)]
    for _ in range(2):
        client.ok("runs/log-batch", {"run_id": run_id, "metrics": points})
    client.ok("runs/log-metric", {"run_id": run_id, **points[3]})
    found, token = [], ""
    while True:
        query = {"page_token": token} if token else {}
        page = client.get("metrics/get-history", run_id=run_id, metric_key="m", max_results=4, **query).json
        found += [point["step"] for point in page["metrics"]]
        token = page.get("next_page_token", "")
        if not token:
            break
    assert found == list(range(9, -1, -1))
    assert client.get("metrics/get-history", run_id=run_id, metric_key="none").json == {}
    for bad in ({"max_results": 0}, {"page_token": "%%%"}, {"max_results": "x"}):
        assert client.get("metrics/get-history", run_id=run_id, metric_key="m", **bad).status == 400
    bulk = client.call(
        "GET",
        f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids={run_id}&metric_key=m&max_results=3",
    ).json["metrics"]
    assert {0, 9} <= {point["step"] for point in bulk}
    assert len(bulk) <= 6


def test_search_pages(world: World) -> None:
    client = world.client
    made = [client.new_run(start_time=1000 + n) for n in range(5)]
    for n, run_id in enumerate(made):
        client.ok("runs/log-metric", {"run_id": run_id, "key": "m", "value": n, "timestamp": 1})
    body = {
        "experiment_ids": ["0"],
        "filter": "metrics.m >= 1",
        "order_by": ["metrics.m DESC"],
        "max_results": 3,
    }
    first = client.ok("runs/search", body)
    second = client.ok("runs/search", {**body, "page_token": first["next_page_token"]})
    ids = [run["info"]["run_id"] for run in first["runs"] + second["runs"]]
    assert ids == made[:0:-1]
    assert "next_page_token" not in second
    assert "metric" in message(world, "runs/search", {"experiment_ids": ["0"], "filter": "metrics.m > 'x'"})
    assert "max_results" in message(world, "runs/search", {"max_results": 50001})
    assert client.ok("runs/search", {}) == {}


def test_experiments_of_others_are_not_a_run_s_to_change(world: World) -> None:
    client = world.client
    made = client.ok("experiments/create", {"name": "one"})["experiment_id"]
    client.ok("experiments/set-experiment-tag", {"experiment_id": made, "key": "a", "value": "b"})
    for path, body in (("delete", {}), ("restore", {}), ("update", {"new_name": "two"})):
        assert client.post(f"experiments/{path}", {"experiment_id": made, **body}).status == 403


def test_inputs_and_outputs(world: World) -> None:
    client, run_id = world.client, world.run_id
    dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "{}"}
    body = {
        "run_id": run_id,
        "datasets": [{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "train"}]}],
    }
    for _ in range(2):
        client.ok("runs/log-inputs", body)
    model = client.ok("logged-models", {"experiment_id": "0", "name": "m", "source_run_id": run_id})["model"][
        "info"
    ]
    client.ok("runs/outputs", {"run_id": run_id, "models": [{"model_id": model["model_id"], "step": "2"}]})
    run = client.run(run_id)
    assert [each["dataset"]["name"] for each in run["inputs"]["dataset_inputs"]] == ["d"]
    assert run["outputs"]["model_outputs"] == [{"model_id": model["model_id"], "step": 2}]
    datasets = client.call(
        "POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": ["0"]}
    ).json["dataset_summaries"]
    assert datasets == [{"experiment_id": "0", "name": "d", "digest": "1", "context": "train"}]
    assert message(world, "runs/log-inputs", {"run_id": run_id, "datasets": [{"dataset": {"name": "x"}}]})


def test_what_is_not_there(world: World) -> None:
    client = world.client
    for method, path, status in (
        ("GET", "/api/2.0/mlflow/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/api/2.0/mlflow/runs/create", 405),
        ("POST", "/api/2.0/mlflow/datasets/create", 404),
        ("GET", "/api/2.0/mlflow/runs/get?run_id=" + "0" * 32, 404),
    ):
        answer = client.call(method, path)
        assert answer.status == status
        assert set(answer.json) == {"error_code", "message"}
    assert client.call("GET", "/health").body == b"OK"
    assert client.call("GET", "/version").body == b"3.17.2"
    assert client.call("GET", "/api/3.0/mlflow/server-info").json["workspaces_enabled"] is False
    assert client.call("POST", "/api/2.0/mlflow/runs/create", b"{}").status == 400  # no content type
