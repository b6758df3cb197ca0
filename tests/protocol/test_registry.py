"""Registered models: what a training and the loading of `models:/` ask for."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from runner.tracking import registry
from runner.tracking.store import Store
from tests.helpers import make_tree
from tests.servers import Client, Start, World, run_flow


def artifact(world: World, path: str = "model/MLmodel") -> str:
    """The source of a model among the artifacts of the run."""
    root = f"0/{world.run_id}/artifacts"
    assert world.client.put(f"{root}/{path}", b"flavors: {}").status == 200
    return f"mlflow-artifacts:/{root}/model"


def test_create_and_get(world: World) -> None:
    client, source = world.client, artifact(world)
    tags = [{"key": "team", "value": "a"}]
    made = client.ok("registered-models/create", {"name": "m", "tags": tags, "description": "d"})
    assert (made["registered_model"]["description"], made["registered_model"]["tags"]) == ("d", tags)
    twice = client.post("registered-models/create", {"name": "m"})
    assert (twice.status, twice.json["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")
    body = {"name": "m", "source": source, "run_id": world.run_id, "tags": tags}
    version = client.ok("model-versions/create", body)["model_version"]
    assert (version["version"], version["status"], version["source"]) == ("1", "READY", source)
    assert client.get("model-versions/get", name="m", version="1").json["model_version"] == version
    assert client.get("model-versions/get-download-uri", name="m", version="1").json == {
        "artifact_uri": source
    }
    found = client.get("registered-models/get", name="m").json["registered_model"]
    assert found["latest_versions"] == [version]
    by_runs = client.ok("model-versions/create", {"name": "m", "source": f"runs:/{world.run_id}/model"})
    assert by_runs["model_version"]["run_id"] == world.run_id
    copied = client.ok("model-versions/create", {"name": "m", "source": "models:/m/2"})["model_version"]
    uri = client.get("model-versions/get-download-uri", name="m", version=copied["version"]).json[
        "artifact_uri"
    ]
    assert uri == source
    digests = {each.digest for each in registry.get(world.store.root, "m").versions.values()}
    assert len(digests) == 1
    links = [link for link in world.store.read(world.run_id).links if link["relation"] == "registered"]
    assert [(link["name"], link["version"]) for link in links] == [("m", 1), ("m", 2), ("m", 3)]
    for stages, expected in (([], ["3"]), (["None"], ["3"]), (["Production"], [])):
        answer = client.ok("registered-models/get-latest-versions", {"name": "m", "stages": stages})
        assert [each["version"] for each in answer.get("model_versions", [])] == expected


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("registered-models/create", {"name": "a/b"}, 400, "cannot contain '/' or ':'"),
        ("registered-models/create", {"name": " "}, 400, "Missing value for required parameter 'name'"),
        ("model-versions/create", {"name": "no", "source": "s3://b/m"}, 404, "name=no not found"),
        ("model-versions/create", {"name": "m"}, 400, "Missing value for required parameter 'source'"),
        (
            "model-versions/create",
            {"name": "m", "source": "models:/m-" + "0" * 32},
            404,
            "Logged model with ID",
        ),
        ("model-versions/create", {"name": "m", "source": "models:/m/9"}, 404, "version=9) not found"),
        ("model-versions/create", {"name": "m", "source": "mlflow-artifacts:/x/none"}, 404, "does not exist"),
        ("model-versions/create", {"name": "m", "source": "/etc"}, 400, "contained within the artifact"),
        ("model-versions/create", {"name": "m", "source": "file://[x", "run_id": "f" * 32}, 400, "is no URI"),
        ("model-versions/create", {"name": "m", "source": "mlflow-artifacts://[x"}, 400, "is no URI"),
        ("model-versions/create", {"name": "m", "source": "s3://b/../m"}, 400, "absolute path"),
        (
            "model-versions/create",
            {"name": "m", "source": "s3://b/m", "run_id": "f" * 32},
            404,
            "Run",
        ),
        ("registered-models/get-latest-versions", {"name": "m", "stages": ["x"]}, 400, "Staging, Production"),
        ("registered-models/alias", {"name": "m", "alias": "a", "version": "1"}, 404, "version=1) not found"),
        (
            "registered-models/alias",
            {"name": "m", "alias": "a b", "version": "1"},
            400,
            "Invalid alias name: 'a b'",
        ),
        ("registered-models/alias", {"name": "m", "alias": "Latest", "version": "1"}, 400, "is reserved"),
        ("registered-models/alias", {"name": "m", "alias": "v1", "version": "1"}, 400, "'v1' is reserved"),
        (
            "registered-models/alias",
            {"name": "m", "alias": "a", "version": "x"},
            400,
            "must be an integer, got 'x'",
        ),
        ("registered-models/alias", {"name": "m", "version": "1"}, 400, "required parameter 'alias'"),
        ("registered-models/set-tag", {"name": "m", "value": "1"}, 400, "required parameter 'key'"),
        ("registered-models/set-tag", {"name": "m", "key": "../a", "value": "1"}, 400, "must not resolve"),
        ("registered-models/rename", {"name": "m", "new_name": "a:b"}, 400, "cannot contain '/' or ':'"),
        (
            "model-versions/transition-stage",
            {"name": "m", "version": "1", "stage": "x"},
            400,
            "Value must be one of None, Staging, Production, Archived",
        ),
    ],
)
def test_what_is_refused(world: World, path: str, body: object, status: int, said: str) -> None:
    """In MLflow's words, and never with a status that its client tries again for minutes."""
    world.client.ok("registered-models/create", {"name": "m"})
    answer = world.client.post(path, body)
    assert (answer.status, said in answer.json["message"]) == (status, True), answer.body
    assert registry.get(world.store.root, "m").versions == {}


def test_files_are_not_said_to_be_of_another_run(start: Start) -> None:
    """What its metrics and its rebuild say would be taken for what they are worth."""
    client = start().client()
    good, other = (
        client.ok("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"] for _ in range(2)
    )
    models = [
        client.ok("logged-models", {"experiment_id": "0", "name": "x", "source_run_id": run_id})["model"][
            "info"
        ]
        for run_id in (good, other)
    ]
    ids = [each["model_id"] for each in models]
    client.ok("registered-models/create", {"name": "m"})
    places = ["evil", f"0/{other}/artifacts/model", f"0/models/{ids[1]}/artifacts"]
    for place in places:
        assert client.put(f"{place}/m.bin", b"x").status == 200
        body = {"name": "m", "source": f"mlflow-artifacts:/{place}"}
        answer = client.post("model-versions/create", {**body, "run_id": good})
        assert (answer.status, f"not of the run {good}" in answer.json["message"]) == (400, True), answer.body
        made = client.ok("model-versions/create", body)["model_version"]
        assert made.get("run_id", "") == ("" if place == "evil" else other)
    for body in ({"run_id": good}, {"model_id": ids[0]}):
        answer = client.post("model-versions/create", {"name": "m", "source": f"models:/{ids[1]}", **body})
        assert answer.status == 400, answer.body
    body = {"source": f"mlflow-artifacts:/{places[2]}", "model_id": ids[0]}
    assert client.post("model-versions/create", {"name": "m", **body}).status == 400


def test_a_run_registers_what_it_made_only(world: World) -> None:
    other = world.store.create_run("0")
    other.close()
    make_tree(os.path.join(world.store.run_directory(other.run_id), "artifacts"), {"model/MLmodel": "x"})
    world.client.ok("registered-models/create", {"name": "m"})
    refused = world.client.post(
        "model-versions/create", {"name": "m", "source": f"runs:/{other.run_id}/model"}
    )
    assert (refused.status, refused.json["error_code"]) == (403, "PERMISSION_DENIED")


def test_what_a_run_does_to_its_versions_is_sent_on(world: World, start: Start, tmp_path: object) -> None:
    """With the run, to the server of the user: aliases, tags, stages and descriptions too."""
    from runner.tracking.mlflow.rest import Rest
    from runner.tracking.mlflow.send import send

    client, source = world.client, artifact(world)
    client.ok("registered-models/create", {"name": "m"})
    client.ok("model-versions/create", {"name": "m", "source": source})
    version = {"name": "m", "version": "1"}
    for alias in ("champion", "gone"):
        client.ok("registered-models/alias", {**version, "alias": alias})
    client.call("DELETE", "/api/2.0/mlflow/registered-models/alias", {"name": "m", "alias": "gone"})
    client.ok("model-versions/set-tag", {**version, "key": "k", "value": "v"})
    client.ok(
        "model-versions/transition-stage", {**version, "stage": "Staging", "archive_existing_versions": True}
    )
    client.call("PATCH", "/api/2.0/mlflow/model-versions/update", {**version, "description": "d"})
    server = start("--store", os.path.join(str(tmp_path), "theirs"))
    for _ in range(2):
        with Rest(server.url, {}) as rest:
            assert send(world.store, world.run_id, rest).refused == ()
    found = registry.get(os.path.join(str(tmp_path), "theirs"), "m")
    there = found.versions[1]
    assert (there.stage, there.description, there.tags["k"], list(found.aliases)) == (
        "Staging",
        "d",
        "v",
        ["champion"],
    )


def test_searching(world: World) -> None:
    client, source = world.client, artifact(world)
    for name, tags in (("a", []), ("b", [{"key": "mlflow.prompt.is_prompt", "value": "true"}])):
        client.ok("registered-models/create", {"name": name, "tags": tags})
        for _ in range(2):
            client.ok("model-versions/create", {"name": name, "source": source, "run_id": world.run_id})

    def names(where: str) -> list[str]:
        answer = client.get("registered-models/search", filter=where).json
        return [each["name"] for each in answer.get("registered_models", [])]

    assert names("") == ["a"]  # as MLflow: a prompt is found by who asks for prompts
    assert names("name ILIKE 'B' and tag.`mlflow.prompt.is_prompt` = 'true'") == ["b"]
    assert names("tag.`mlflow.prompt.is_prompt` != 'true'") == ["a"]  # as the client asks
    found = client.get("model-versions/search", filter=f"run_id = '{world.run_id}'", max_results=3).json
    assert found["model_versions"][0]["version"] == "2"
    rest = client.get("model-versions/search", page_token=found["next_page_token"], max_results=3).json
    assert len(rest["model_versions"]) == 1


def test_numbers_are_dense_whoever_asks(world: World) -> None:
    source = artifact(world)
    world.client.ok("registered-models/create", {"name": "m"})

    def register(_: int) -> list[str]:
        client = Client(world.endpoint.port, world.endpoint.token)
        body = {"name": "m", "source": source}
        made = [client.ok("model-versions/create", body)["model_version"]["version"] for _ in range(10)]
        client.link.close()
        return made

    with ThreadPoolExecutor(4) as pool:
        numbers = [int(number) for made in pool.map(register, range(4)) for number in made]
    assert sorted(numbers) == list(range(1, 41))


def test_a_number_that_two_stores_gave_is_refused(tmp_path: object) -> None:
    """In any order of merging: the earlier keeps it, the later is there under another number."""
    roots = [os.path.join(str(tmp_path), name) for name in ("one", "two")]
    for number, root in enumerate(roots):
        assert registry.create(root, "m")
        for each in range(number + 1):
            time.sleep(0.005)  # ids are ordered by their millisecond
            registry.register(root, "m", registry.Version("", 0, f"s3://{number}/{each}", "s3://"))
    folder = os.path.join("registry", registry.id_of("m"), "segments")
    merged = os.path.join(str(tmp_path), "both")
    for order in (roots, roots[::-1]):
        shutil.rmtree(merged, ignore_errors=True)
        for root in order:
            shutil.copytree(os.path.join(root, folder), os.path.join(merged, folder), dirs_exist_ok=True)
        model = registry.get(merged, "m")
        sources = {number: version.source for number, version in model.versions.items()}
        assert sources == {1: "s3://0/0", 2: "s3://1/1", 3: "s3://1/0"}
        assert {number: len(ids) for number, ids in model.contested.items()} == {1: 2}


def test_a_contested_number_names_both(start: Start) -> None:
    server = start()
    root = server.store
    client = server.client()
    client.ok("registered-models/create", {"name": "m"})
    copy = root + "2"
    shutil.copytree(root, copy)
    for place, source in ((root, "s3://here/m"), (copy, "s3://there/m")):
        registry.register(place, "m", registry.Version("", 0, source, source))
    folder = os.path.join("registry", registry.id_of("m"), "segments")
    shutil.copytree(os.path.join(copy, folder), os.path.join(root, folder), dirs_exist_ok=True)
    answer = client.get("model-versions/get", name="m", version="1")
    assert (answer.status, answer.json["error_code"]) == (409, "RESOURCE_CONFLICT")
    assert "s3://here/m" in answer.json["message"]
    assert "s3://there/m" in answer.json["message"]
    assert client.get("model-versions/get", name="m", version="2").status == 200


@pytest.mark.mlflow
@pytest.mark.slow
@pytest.mark.parametrize("client_python", ["3", "2.9", "1.30"], indirect=True)
@pytest.mark.parametrize("where", ["run", "server"])
def test_a_training_registers_its_model(
    world: World, start: Start, client_python: str, where: str, tmp_path: object
) -> None:
    """`registered_model_name=` fails no training: in the endpoint of a run, and on a server."""
    variables = {**world.variables(), "PYTHONDONTWRITEBYTECODE": "1"}
    root = world.store.root
    if where == "server":
        server = start("--store", os.path.join(str(tmp_path), "team"))
        variables, root = {"MLFLOW_TRACKING_URI": server.url}, os.path.join(str(tmp_path), "team")
    run_id = run_flow(client_python, "register", variables).split()[-1]
    versions = registry.get(root, "lin").versions
    assert [(each.run_id, bool(each.digest)) for each in versions.values()] == [(run_id, True)] * 3
    assert Store(root).read(run_id).links[-1]["relation"] == "registered"


@pytest.mark.mlflow
@pytest.mark.slow
@pytest.mark.parametrize("client_python", ["3", "2.9", "1.30"], indirect=True)
def test_a_tour_of_the_registry(start: Start, client_python: str) -> None:
    assert run_flow(client_python, "registry", {"MLFLOW_TRACKING_URI": start().url}) == "done\n"
