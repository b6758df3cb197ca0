"""A tour of the model registry, with any client: its assertions are what MLflow's own server answers."""

import sys
import time

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

client = MlflowClient()
SOURCE = "s3://bucket/model"
HAS_ALIASES = hasattr(client, "set_registered_model_alias")


def refused(text, call, *arguments, **named):
    said = ""
    try:
        call(*arguments, **named)
    except MlflowException as error:
        said = str(error)
    assert text in said, said


made = client.create_registered_model("m", {"a": "b", "number": 12345}, "first")
assert (made.tags, made.description) == ({"a": "b", "number": "12345"}, "first")
refused("already exists", client.create_registered_model, "m")
refused("not found", client.get_registered_model, "n")
versions = [
    client.create_model_version("m", SOURCE, tags={"k": str(n)}, description=f"d{n}") for n in (1, 2, 3)
]
assert [int(each.version) for each in versions] == [1, 2, 3]
assert [each.status for each in versions] == ["READY"] * 3
assert client.get_model_version("m", "2").tags == {"k": "2"}
refused("not found", client.get_model_version, "m", 9)

# tags and descriptions
client.set_registered_model_tag("m", "empty", "")
client.delete_registered_model_tag("m", "a")
client.delete_registered_model_tag("m", "never")
assert client.get_registered_model("m").tags == {"number": "12345", "empty": ""}
client.set_model_version_tag("m", "1", "x", "y")
client.delete_model_version_tag("m", "1", "k")
assert client.get_model_version("m", 1).tags == {"x": "y"}
client.update_registered_model("m", "second")
client.update_model_version("m", 1, "about 1")
assert client.get_registered_model("m").description == "second"
assert client.get_model_version("m", 1).description == "about 1"

# stages
client.transition_model_version_stage("m", 1, "staging")
client.transition_model_version_stage("m", 2, "Production")
moved = client.transition_model_version_stage("m", 3, "Production", archive_existing_versions=True)
assert moved.current_stage == "Production"
latest = {each.current_stage: int(each.version) for each in client.get_latest_versions("m")}
assert latest == {"Staging": 1, "Archived": 2, "Production": 3}, latest
assert [int(each.version) for each in client.get_latest_versions("m", ["Production"])] == [3]
refused("must be one of", client.transition_model_version_stage, "m", 1, "Wrong")
if "mlflow" not in sys.argv:  # that answers 500, which its client tries again for minutes
    refused("not an Active stage", client.transition_model_version_stage, "m", 1, "Archived", True)

# aliases
if HAS_ALIASES:
    client.set_registered_model_alias("m", "champion", "2")
    client.set_registered_model_alias("m", "other", "2")
    by_alias = client.get_model_version_by_alias("m", "champion")
    assert by_alias == client.get_model_version("m", 2)
    assert sorted(by_alias.aliases) == ["champion", "other"]
    client.set_registered_model_alias("m", "champion", "3")
    assert {name: int(number) for name, number in client.get_registered_model("m").aliases.items()} == {
        "champion": 3,
        "other": 2,
    }
    client.delete_registered_model_alias("m", "other")
    client.delete_registered_model_alias("m", "never")
    refused("not found", client.get_model_version_by_alias, "m", "other")
    refused("reserved", client.set_registered_model_alias, "m", "latest", "1")
if hasattr(client, "copy_model_version"):
    source = "models:/m@champion" if int(mlflow.__version__.split(".", maxsplit=1)[0]) >= 3 else "models:/m/3"
    copied = client.copy_model_version(source, "copy")
    assert (int(copied.version), copied.source, copied.tags) == (1, "models:/m/3", {"k": "3"})
    assert client.get_model_version_download_uri("copy", 1) == SOURCE
    client.delete_registered_model("copy")

# search
for number in range(7):
    client.create_registered_model(f"Search{number:02}", {"even": str(number % 2 == 0)})
    time.sleep(0.002)
    client.create_model_version(f"Search{number:02}", f"s3://b/{number}")


def models(text, **more):
    found, token = [], None
    while True:
        page = client.search_registered_models(text, page_token=token, **more)
        found += [each.name for each in page]
        token = page.token
        if not token:
            return found


if hasattr(client, "search_registered_models"):
    assert models("name LIKE 'Search%'", max_results=2) == [f"Search{n:02}" for n in range(7)]
    assert models("name ILIKE '%SEARCH%4'") == ["Search04"]
    assert models("name LIKE '%search%'") == []
    assert models("tags.even = 'False'", order_by=["name DESC"]) == ["Search05", "Search03", "Search01"]
    assert models("tags.even != 'False' AND name LIKE 'S%'") == [f"Search{n:02}" for n in (0, 2, 4, 6)]
    assert models("name LIKE 'S%'", order_by=["last_updated_timestamp DESC"])[0] == "Search06"
    refused("INVALID", client.search_registered_models, "size = 'x'")
found = [(each.name, int(each.version)) for each in client.search_model_versions("name = 'm'")]
assert sorted(found) == [("m", 1), ("m", 2), ("m", 3)], found
assert [each.name for each in client.search_model_versions("source_path = 's3://b/3'")] == ["Search03"]

# renaming and deleting
client.rename_registered_model("m", "renamed")
refused("not found", client.get_registered_model, "m")
assert int(client.get_model_version("renamed", 3).version) == 3
refused("already exists", client.rename_registered_model, "renamed", "Search00")
client.delete_model_version("renamed", 3)
refused("not found", client.get_model_version, "renamed", 3)
refused("not found", client.update_model_version, "renamed", 3, "x")
if HAS_ALIASES:
    assert client.get_registered_model("renamed").aliases == {}
assert int(client.create_model_version("renamed", SOURCE).version) == 4
client.delete_registered_model("renamed")
refused("not found", client.get_registered_model, "renamed")
refused("not found", client.rename_registered_model, "renamed", "again")
client.create_registered_model("renamed")
# unlike MLflow's: a number is never given again
assert int(client.create_model_version("renamed", SOURCE).version) == (1 if "mlflow" in sys.argv else 5)
print("done")
