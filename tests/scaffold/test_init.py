"""`proj init`: options of scripts become typed parameters, and the command runs."""

from __future__ import annotations

import json

import yaml

from runner.scaffold.init import draft
from runner.scaffold.scripts import Option, read
from tests.helpers import make_tree, proj

ARGPARSE = '''\
"""Train a model.

More words."""
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("data", help="where: the data is")
parser.add_argument("-l", "--learning-rate", type=float, default=0.1, help="step 'size'")
parser.add_argument("--model", choices=["a", "b"], default="a")
parser.add_argument("--epochs", type=int)
parser.add_argument("--fast", action="store_true")
options = parser.parse_args()
print(options.data, options.learning_rate, options.model, options.epochs)
'''
CLICK = """\
import click
@click.command()
@click.option("--lr", default=0.5, help="rate")
@click.option("--kind", type=click.Choice(["x", "y"]), default="x")
@click.option("--verbose/--quiet")
@click.argument("path", type=str)
def main(lr, kind, verbose, path): ...
"""
TYPER = """\
import typer
from typing import Annotated
def main(path: str, lr: float = 0.1, n: int = typer.Option(3, help="how many"), m: Annotated[int, typer.Option(help="x")] = 4, v: bool = False): ...
typer.run(main)
"""


def test_argparse() -> None:
    script = read(ARGPARSE)
    assert script.description == "Train a model."
    assert script.runnable
    assert script.switches == ("--fast",)
    assert script.options == (
        Option("data", "", "", None, False, "where: the data is"),
        Option("learning_rate", "--learning-rate", "float", 0.1, True, "step 'size'"),
        Option("model", "--model", "string", "a", True, "", ("a", "b")),
        Option("epochs", "--epochs", "int"),
    )


def test_click() -> None:
    found = {option.name: option for option in read(CLICK).options}
    assert found["lr"] == Option("lr", "--lr", "float", 0.5, True, "rate")
    assert found["kind"].choices == ("x", "y")
    assert found["path"].flag == ""
    assert read(CLICK).switches == ("--verbose",)


def test_typer() -> None:
    found = read(TYPER).options
    assert [(option.name, option.flag, option.type, option.default) for option in found] == [
        ("path", "", "string", None),
        ("lr", "--lr", "float", 0.1),
        ("n", "--n", "int", 3),
        ("m", "--m", "int", 4),
    ]


def test_a_folder_becomes_a_project_that_runs() -> None:
    make_tree(
        "p",
        {"train.py": ARGPARSE, "helper.py": "X = 1\n", "clean.sh": "echo clean\n", "requirements.txt": ""},
    )
    shown = proj("init", "p")
    assert shown.code == 0
    assert "+  main:" in shown.out
    assert "--fast" in shown.err
    assert "--yes" in shown.err
    assert proj("init", "p", "--yes").code == 0
    with open("p/MLproject", encoding="utf-8") as file:
        project = yaml.safe_load(file)
    assert set(project["entry_points"]) == {"main", "clean"}
    assert project["entry_points"]["main"]["parameters"]["learning_rate"]["default"] == 0.1
    assert proj("check", "p").code == 0
    done = proj("run", "p", "-P", "data=a b", "-P", "model=b", "--env-manager", "local")
    assert done.code == 0, done.err
    assert done.out == "a b 0.1 b None\n"
    assert "says this already" in proj("init", "p", "--yes").out


def test_the_environment_that_lies_there_is_named() -> None:
    for name, expected in (("environment.yml", "conda_env: environment.yml"), ("Dockerfile", "docker_env:")):
        folder = make_tree(
            f"with-{name}", {"main.py": "print(1)\nif __name__ == '__main__': pass\n", name: "x: 1\n"}
        )
        assert expected in draft(folder).text


def test_odd_files_are_told_and_left_out() -> None:
    make_tree("odd", {"main.py": "print 'two'\n", "b.sh": "echo b\n", "note.ipynb": "{}"})
    made = json.loads(proj("init", "odd", "--json").out)
    assert any("main.py" in note for note in made["notes"])
    assert "papermill" in made["text"]
    done = proj("init", make_tree("nothing", {"README.md": ""}))
    assert done.code == 2
    assert "no script" in done.err
