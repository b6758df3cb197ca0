"""The environment of a model: the training's lock where it fits, else its requirements, resolved once."""

from __future__ import annotations

import json
import os
import sys

import pytest

from runner import paths
from runner.environments import cache
from runner.errors import InputError, ProjError
from runner.models import mlmodel
from runner.models.address import Located
from runner.models.environment import Choice, prepare
from runner.tracking.store import Store
from runner.values import Environment
from tests.environments.conftest import Recorder, index, report
from tests.environments.packages import make_wheel
from tests.helpers import make_tree, proj
from tests.models.folders import make_model

__all__ = ["index", "report"]  # fixtures

PYTHON = "{}.{}.{}".format(*sys.version_info)
TRAIN = """import os, sys
os.makedirs("model", exist_ok=True)
open("model/MLmodel", "w").write(sys.argv[1])
open("model/requirements.txt", "w").write(sys.argv[2])
open("model/python_env.yaml", "w").write("python: %s\\ndependencies: [-r requirements.txt]\\n" % sys.argv[3])
"""


def flavors(python: str = PYTHON) -> str:
    return json.dumps({"flavors": {"python_function": {"python_version": python}}})


def train(folder: str, requirements: str, python: str = PYTHON) -> tuple[Store, Located]:
    """A real run that leaves a model; its environment has other 1.0 and tiny 1.0."""
    entry = '{main: {command: "python train.py {stated} {needs} {version}", outputs: [model]}}'
    project = make_tree(
        folder,
        {
            "MLproject": f"name: p\npython_env: python_env.yaml\nentry_points: {entry}\n",
            "python_env.yaml": "dependencies: [other]\n",
            "train.py": TRAIN,
        },
    )
    given = {"stated": flavors(python), "needs": requirements, "version": python}
    done = proj(
        "run", project, *(part for name, value in given.items() for part in ("-P", f"{name}={value}"))
    )
    assert done.code == 0, done.err
    store = Store(paths.store())
    run_id = store.resolve("last")
    return store, Located(os.path.join(store.run_directory(run_id), "artifacts", "model"), "", run_id)


def made(store: Store, found: Located, choice: Choice, report: Recorder) -> Environment:
    return prepare(store, found, mlmodel.read(found.folder), choice, report)


def test_the_training_gives_its_environment(tmp_path: object, report: Recorder) -> None:
    store, found = train(f"{tmp_path}/p", "other")
    environment = made(store, found, Choice(), report)
    section = store.read(found.run_id).sections["environment"]
    assert (environment.key, environment.details["from"]) == (section["key"], found.run_id)
    assert "tiny==1.0" in environment.lock
    assert not any("building" in step or "resolving" in step for step in report.steps)


@pytest.mark.parametrize(
    ("requirements", "more", "why"),
    [
        ("tiny==2.0", "", "it has 1.0"),
        ("tiny", "./local\n", "./local in it is no release of a package"),
        ("tiny", "x @ https://host/x.whl\n", "x in it is no release of a package"),
    ],
)
def test_a_lock_that_does_not_fit_is_not_used(
    tmp_path: object, report: Recorder, requirements: str, more: str, why: str
) -> None:
    store, found = train(f"{tmp_path}/p", requirements)
    with open(os.path.join(store.run_directory(found.run_id), "environment.lock"), "a") as file:
        file.write(more)
    environment = made(store, found, Choice(), report)
    assert (environment.details["from"], "tiny==2.0" in environment.lock) == ("requirements", True)
    assert any(why in note for note in report.notes)


def test_a_lock_for_another_python_is_not_used(tmp_path: object, report: Recorder) -> None:
    store, found = train(f"{tmp_path}/p", "tiny", "3.1.0")
    with pytest.raises(ProjError, match=r"no Python 3\.1\.0"):
        made(store, found, Choice(), report)
    assert any(f"it is for Python {PYTHON}, and the model for 3.1.0" in note for note in report.notes)


def test_requirements_are_resolved_once(tmp_path: object, report: Recorder, index: str) -> None:
    store = Store(paths.store())
    stated = {"requirements.txt": "tiny>=1\n", "python_env.yaml": "dependencies: [-r requirements.txt]\n"}
    folders = [make_model(f"{tmp_path}/{name}", dict(stated)) for name in ("one", "two")]
    first = made(store, Located(folders[0], ""), Choice(), report)
    make_wheel(index, "tiny", "3.0")
    again = made(store, Located(folders[1], ""), Choice(), report)  # the same model elsewhere
    assert (again.key, "tiny==2.0" in again.lock) == (first.key, True)
    assert "tiny==3.0" in made(store, Located(folders[1], ""), Choice(refresh=True), report).lock


def test_nothing_is_added_to_it(tmp_path: object, report: Recorder) -> None:
    folder = make_model(f"{tmp_path}/m", {"requirements.txt": "tiny\n"})
    environment = made(Store(paths.store()), Located(folder, ""), Choice(), report)
    assert [line.split("==")[0] for line in environment.lock.splitlines() if "==" in line] == ["tiny"]
    assert cache.look(environment.key)


def test_other_managers(tmp_path: object, report: Recorder) -> None:
    folder = make_model(f"{tmp_path}/m", {"requirements.txt": "tiny\n"})
    store, found = Store(paths.store()), Located(folder, "")
    assert made(store, found, Choice(manager="local"), report).activation.kind == "system"
    assert made(store, found, Choice(path=sys.prefix), report).activation.prefix == sys.prefix
    with pytest.raises(InputError, match="cannot be loaded in it"):
        made(store, found, Choice(manager="docker"), report)
    os.unlink(f"{folder}/requirements.txt")
    with pytest.raises(InputError, match="does not say what the model needs"):
        made(store, found, Choice(), report)
