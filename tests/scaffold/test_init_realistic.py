"""Scripts as people have them: what `proj init` drafts of each, checked and read by the program's own parser."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import NamedTuple

import pytest

from runner.parameters.resolve import resolve
from runner.project.entry_point import entry_point
from runner.project.reading import load
from runner.running.check import check
from runner.scaffold.init import draft
from tests.helpers import make_tree


class Case(NamedTuple):
    files: dict[str, str]
    words: dict[
        str, tuple[dict[str, str], list[str]]
    ]  # entry point -> values given -> words after the program
    entries: tuple[str, ...]
    notes: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()  # in the draft


MNIST = """
import argparse
import torch
def main():
    parser = argparse.ArgumentParser(description='PyTorch MNIST Example')
    parser.add_argument('--batch-size', type=int, default=64, metavar='N', help='input batch size (default: %(default)s)')
    parser.add_argument('--lr', type=float, default=1.0)
    parser.add_argument('--no-cuda', action='store_true', default=False)
    parser.add_argument('--seed', type=int, default=1, metavar='S')
    args = parser.parse_args()
    torch.manual_seed(args.seed)
if __name__ == '__main__':
    main()
"""
GLUE = """
import argparse, os
MODELS = ["bert", "roberta"]
def add_model_args(parser):
    group = parser.add_argument_group("model")
    group.add_argument("--model_name_or_path", type=str, required=True, choices=MODELS)
    group.add_argument("--pad_token", default="[PAD]")
    group.add_argument("--hub_token", type=str, default=None)
    return parser
def parse_args():
    parser = argparse.ArgumentParser()
    parser = add_model_args(parser)
    parser.add_argument("--max_length", type=int, default=128)
    parser.add_argument("--output_dir", default=os.environ.get("OUT", "out"))
    parser.add_argument("--layers", nargs="+", type=int, default=[64, 32])
    return parser.parse_args()
if __name__ == "__main__":
    parse_args()
"""
SUBCOMMANDS = """
import argparse
def train(args): ...
def main(argv=None):
    parser = argparse.ArgumentParser(prog="tool")
    parser.add_argument("--verbose", action="store_true")
    sub = parser.add_subparsers(dest="command", required=True)
    p = sub.add_parser("train", help="Train it")
    p.add_argument("data")
    p.add_argument("--lr", type=float, default=0.1)
    p.set_defaults(func=train)
    p = sub.add_parser("evaluate")
    p.add_argument("--lr", type=float, required=True)
    parser.parse_args(argv)
if __name__ == "__main__":
    main()
"""
CLICK_GROUP = """
import click
def common(function):
    return click.option("--seed", type=int, default=0)(function)
@click.group()
@click.option("--debug/--no-debug", default=False)
def cli(debug): ...
@cli.command()
@common
@click.argument("source", type=click.Path(exists=True))
@click.option("--epochs", type=click.IntRange(1, 10), required=True)
@click.option("--size", nargs=2, type=int)
def train(**values): ...
@cli.command("score-it")
@click.option("--token", envvar="API_TOKEN")
@click.option("--format", type=click.Choice(["csv", "json"]), default="csv")
def score(token, format): ...
if __name__ == "__main__":
    cli()
"""
TYPER_APP = """
from enum import Enum
from pathlib import Path
from typing import Optional
import typer
app = typer.Typer()
data = typer.Typer()
app.add_typer(data, name="data")
class Net(str, Enum):
    small = "small"
    large = "large"
@app.command()
def train(source: Path, net: Net = Net.small, lr: float = typer.Option(0.1, min=0, help="step"), fast: bool = False):
    '''Train a net.'''
@data.command("get")
def fetch(url: str, api_key: Optional[str] = typer.Option(None, hide_input=True)): ...
if __name__ == "__main__":
    app()
"""
FIRE_CLASS = """
import fire
class Trainer:
    def __init__(self, seed=1, name=None):
        self.seed = seed
    def train(self, data, lr=0.1, fast=False):
        '''Train it.'''
    def _helper(self): ...
if __name__ == "__main__":
    fire.Fire(Trainer)
"""
HYDRA = """
import hydra
from omegaconf import DictConfig
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg): ...
if __name__ == "__main__":
    main()
"""
NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": ["n = 10\n", "name = 'it''s'\n", "rate: float = 0.5\n", "frame = load()"], "outputs": []},
        {"cell_type": "code", "metadata": {}, "source": "%matplotlib inline\nimport pandas as pd", "outputs": []},
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}  # fmt: skip
PYPROJECT = """
[project]
name = "tool"
version = "0.1"
[project.scripts]
tool-train = "tool.cli:main"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
ARGV = """
import sys
path = sys.argv[1]
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
"""
PARSERS = """
import argparse
def a():
    p = argparse.ArgumentParser(); p.add_argument("--one"); return p.parse_args()
def b():
    p = argparse.ArgumentParser(); p.add_argument("--two"); return p.parse_args()
a() or b()
"""

CASES = {
    "mnist": Case(
        {"main.py": MNIST}, {"main": ({"no_cuda": "yes", "lr": "0.5"}, ["--batch-size=64", "--lr=0.5", "--no-cuda", "--seed=1"])},
        ("main",), ("nothing states the packages that are imported: torch",), ("input batch size (default: 64)",),
    ),
    "glue": Case(
        {"run.py": GLUE, "requirements.txt": ""},
        {"main": ({"model_name_or_path": "bert"}, ["--layers", "64", "32", "--model_name_or_path=bert", "--pad_token=[PAD]", "--max_length=128"])},
        ("main",), (), ("hub_token: {type: string, required: false, secret: true}", "choices: [bert, roberta]", "output_dir: {type: string, required: false}"),
    ),
    "options from a module beside": Case(
        {"train.py": "from options import get_args\nargs = get_args()\nprint(args)\n", "options.py": "import argparse\ndef get_args():\n    p = argparse.ArgumentParser()\n    p.add_argument('--n', type=int, default=2)\n    return p.parse_args()\n"},
        {"main": ({}, ["--n=2"])}, ("main",),
    ),
    "subcommands of argparse": Case(
        {"tool.py": SUBCOMMANDS},
        {"train": ({"data": "a b", "verbose": "1"}, ["--verbose", "train", "a b", "--lr=0.1"]), "evaluate": ({"lr": "2"}, ["evaluate", "--lr=2"])},
        ("train", "evaluate"),
    ),
    "group of click": Case(
        {"cli.py": CLICK_GROUP, "requirements.txt": "click"},
        {"train": ({"source": "cli.py", "epochs": "4", "size": "1,2"}, ["--no-debug", "train", "cli.py", "--size", "1", "2", "--seed=0", "--epochs=4"]), "score-it": ({}, ["--no-debug", "score-it", "--format=csv"])},
        ("train", "score-it"), (), ("min: 1, max: 10", "type: path", "secret: true"),
    ),
    "groups of typer": Case(
        {"app.py": TYPER_APP, "requirements.txt": "typer"},
        {"train": ({"source": "x"}, ["train", "x", "--net=small", "--lr=0.1", "--no-fast"]), "data-get": ({"url": "u"}, ["data", "get", "u"])},
        ("train", "data-get"), (), ("choices: [small, large]", "description: \"Train a net.\""),
    ),
    "class for fire": Case(
        {"main.py": FIRE_CLASS, "requirements.txt": "fire"},
        {"main": ({"data": "d", "fast": "True"}, ["--seed=1", "train", "--data=d", "--lr=0.1", "--fast=True"])}, ("main",),
    ),
    "hydra": Case(
        {"train.py": HYDRA, "conf/config.yaml": "lr: 1e-3\nmodel:\n  name: net\n  path: a b, c\n  drop: null\n", "requirements.txt": "hydra-core"},
        {"main": ({"model_drop": "3", "model_name": "a,$b\"`c"}, ["lr=0.001", "model.name='a,$b\"`c'", "model.path='a b, c'", "model.drop=3"])}, ("main",),
    ),
    "notebook": Case(
        {"a b.ipynb": json.dumps(NOTEBOOK), "requirements.txt": "papermill\nipykernel\n"},
        {}, ("main",), ("requirements.txt does not name: pandas",), ("n: {type: int, default: 10}", "rate: {type: float, default: 0.5}"),
    ),
    "installed script": Case(
        {"pyproject.toml": PYPROJECT, "src/tool/__init__.py": "", "src/tool/cli.py": SUBCOMMANDS.replace("tool.py", "")},
        {}, ("train", "evaluate"), (), ("command: tool-train $(",),
    ),
    "argv beside argparse": Case(
        {"main.py": MNIST, "clean.py": ARGV, "requirements.txt": "torch"}, {"clean": ({"path": "p"}, ["p", "3"])}, ("main", "clean"),
    ),
    "two parsers": Case({"main.py": PARSERS}, {"main": ({}, [])}, ("main",), ("several argparse parsers",)),
    "a package with __main__": Case(
        {"tool/__init__.py": "", "tool/__main__.py": ARGV}, {"main": ({"path": "q", "epochs": "5"}, ["q", "5"])}, ("main",), (), ("command: python -m tool",),
    ),
    "what has no command line": Case(
        {"main.py": "import os\nx = 3\nprint(x)\n", "helper.py": "import os\nY = 4\ndef f(): ...\n", "test_main.py": "print(1)\n"}, {"main": ({}, [])}, ("main",),
    ),
    "odd names": Case(
        {"it's {one}.py": "import argparse\np = argparse.ArgumentParser()\np.add_argument('--a.b', default='{x}')\np.add_argument('--2x', type=float, default=1e-05)\np.add_argument('--a_b', type=int)\np.parse_args()\n"},
        {"main": ({"a_b_2": "1"}, ["--a.b={x}", "--2x=1e-05", "--a_b=1"])}, ("main",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_of_a_realistic_folder(name: str, tmp_path: object) -> None:
    case = CASES[name]
    folder = make_tree(tmp_path, case.files)
    made = draft(folder)
    with open(made.path, "x", encoding="utf-8") as file:
        file.write(made.text)
    assert [f"{fault.place}: {fault.message}\n{made.text}" for fault in check(folder)] == []
    project = load(folder)
    assert tuple(entry.name for entry in project.entry_points) == case.entries, made.text
    for note in case.notes:
        assert note in "\n".join(made.notes)
    assert case.notes or not made.notes
    for fact in case.facts:
        assert fact in made.text
    for entry, (given, words) in case.words.items():
        resolved = resolve(entry_point(project, entry), given, directory=folder, project=folder)
        shown = subprocess.run(
            ["bash", "-c", f"python() {{ [ $1 = -m ] && shift; shift; for word in \"$@\"; do printf '%s\\0' \"$word\"; done; }}; {resolved.command}"],
            capture_output=True, check=True, cwd=folder,
        ).stdout.decode()  # fmt: skip
        assert [word.replace(os.path.join(folder, ""), "") for word in shown.split("\0")[:-1]] == [*words], (
            shlex.join(words)
        )


@pytest.mark.parametrize(
    "name", ["subcommands of argparse", "group of click", "groups of typer", "class for fire"]
)
def test_the_program_accepts_it(name: str, tmp_path: object) -> None:
    case = CASES[name]
    folder = make_tree(tmp_path, case.files)
    (script,) = (name for name in case.files if name.endswith(".py"))
    for _, words in case.words.values():
        done = subprocess.run(
            [sys.executable, script, *words], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
