"""Notebooks as entry points: typed parameters, papermill of our own, the project's Python as kernel."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from runner.errors import InputError
from runner.parameters.resolve import resolve
from runner.project.entry_point import entry_point
from runner.project.reading import load
from tests.helpers import make_tree, proj

PARAMETERS = 'lr = 0.1\nname = "it\'s"\nn: int = 3\nfast = False\nlimit = None\nframe = load()\n'


def notebook(*cells: str, language: str = "python", ids: bool = True) -> str:
    made = [
        {
            "cell_type": "code",
            **({"id": f"c{n}"} if ids else {}),
            "metadata": {},
            "source": text,
            "outputs": [],
            "execution_count": None,
        }
        for n, text in enumerate(cells)
    ]
    made[0]["metadata"] = {"tags": ["parameters"]}
    kernel = {"kernelspec": {"name": "x", "language": language, "display_name": "X"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5 if ids else 4})


def resolved(folder: str, notebook: str, **given: str) -> str:
    entry = entry_point(load(folder), notebook)
    return resolve(entry, given, directory=folder, project=folder).command


def test_its_parameters_are_those_of_its_cell(tmp_path: Any) -> None:
    folder = make_tree(
        tmp_path, {"a {b}.ipynb": notebook(PARAMETERS, "print(lr)"), "main.ipynb": notebook("x = 1")}
    )
    entry = entry_point(load(folder), "a {b}.ipynb")
    assert [(each.name, each.type, each.default, each.required) for each in entry.parameters] == [
        ("lr", "float", 0.1, True),
        ("name", "string", "it's", True),
        ("n", "int", 3, True),
        ("fast", "bool", False, True),
        ("limit", "", None, False),
    ]
    assert resolved(folder, "a {b}.ipynb", name="a b", other="4") == (
        "proj notebook 'a {b}.ipynb' lr=0.1 name='a b' n=3 fast=False -- --other 4"
    )
    assert resolved(folder, "main") == "proj notebook main.ipynb x=1 --"
    with pytest.raises(InputError, match=r"parameter n: 'x' is not an int"):
        resolved(folder, "a {b}.ipynb", n="x")


def test_what_cannot_be_run_is_told_first(tmp_path: Any) -> None:
    files = {"r.ipynb": notebook("x <- 1", language="R"), "bad.ipynb": "{", "good.ipynb": notebook("x = 1")}
    folder = make_tree(tmp_path, {**files, "MLproject": "docker_env: {image: x}\n"})
    for name, message in (("r.ipynb", "is a notebook in r"), ("bad.ipynb", "cannot be read as a notebook")):
        with pytest.raises(InputError, match=message):
            entry_point(load(folder), name)
    os.rename(f"{folder}/r.ipynb", f"{folder}/main.ipynb")
    os.link(f"{folder}/good.ipynb", f"{folder}/main.ipynb.new")
    os.replace(f"{folder}/main.ipynb.new", f"{folder}/main.ipynb")
    for name in ("good.ipynb", "main"):
        done = proj("run", folder, "-e", name)
        assert (done.code, "cannot be run in a container" in done.err) == (2, True)
    done = proj("run", folder, "-e", "good.ipynb", "--env-manager", "local")
    assert done.code == 125
    assert "has no ipykernel" in done.err
    assert "add the line ipykernel" in done.err
    done = proj("notebook", "good.ipynb", "--", "x", cwd=folder)
    assert (done.code, "expected --name value" in done.err) == (2, True)


@pytest.mark.slow
@pytest.mark.network
def test_it_is_run_kept_and_made_again(tmp_path: Any) -> None:
    show = "import sys\nprint((lr, name, n, fast), sys.prefix)"
    broken = "print('before')\nraise ValueError('broken')"
    text = PARAMETERS.replace("frame = load()\n", "")
    folder = make_tree(
        tmp_path / "p", {"train.ipynb": notebook(text, show, ids=False), "bad.ipynb": notebook("x = 1", broken), "requirements.txt": "ipykernel\n"}
    )  # fmt: skip
    done = proj(
        "run", folder, "-e", "train.ipynb", "-P", "name=3", "-P", "n=5", "-P", "fast=yes", timeout=600
    )
    assert done.code == 0, done.err
    assert "papermill" not in proj("logs", "last", cwd=folder).out  # how that is made is no output of the run
    values, _, prefix = done.out.strip().rpartition(" ")
    assert values == "(0.1, '3', 5, True)"
    assert os.path.isdir(os.path.join(prefix, "lib"))  # the project's environment, without papermill
    assert not any(name.startswith("papermill") for _, names, _ in os.walk(prefix) for name in names)
    assert sorted(os.listdir(folder)) == ["bad.ipynb", "requirements.txt", "train.ipynb"]
    kept = [
        each["path"]
        for each in json.loads(proj("artifacts", "ls", "last", "--json", cwd=folder).out)["files"]
    ]
    assert kept == ["train.html", "train.ipynb"]

    again = proj("reproduce", "last", cwd=folder, timeout=600)
    assert again.code == 0, again.out + again.err
    assert "the same but for metadata, ids and execution counts of a notebook" in again.out

    done = proj("run", folder, "-e", "bad.ipynb", timeout=600)
    assert done.code == 1
    assert done.out == "before\n"
    assert "ValueError: broken" in done.err
    assert "bad.html" in proj("artifacts", "ls", "last", cwd=folder).out
