"""`proj init`: options of scripts become typed parameters, and the command runs."""

from __future__ import annotations

import json

import yaml

from runner.scaffold.init import draft
from runner.scaffold.scripts.option import Option, is_secret
from runner.scaffold.scripts.reading import read
from runner.scaffold.scripts.syntax import Module
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
main()
"""
TYPER = """\
import typer
from typing import Annotated
def main(path: str, lr: float = 0.1, n: int = typer.Option(3, help="how many"), m: Annotated[int, typer.Option(help="x")] = 4, v: bool = False): ...
typer.run(main)
"""


def options(text: str) -> dict[str, Option]:
    (command,) = read(Module(text)).commands
    return {option.name: option for option in command.parts[-1].options}


def test_argparse() -> None:
    script = read(Module(ARGPARSE))
    assert script.description == "Train a model."
    assert script.runnable
    assert [*options(ARGPARSE).values()] == [
        Option("data", help="where: the data is", required=True),
        Option("learning_rate", "--learning-rate", "float", 0.1, True, help="step 'size'"),
        Option("model", "--model", "string", "a", True, choices=("a", "b")),
        Option("epochs", "--epochs", "int"),
        Option("fast", "--fast", "bool", False, True, style="switch"),
    ]


def test_click() -> None:
    found = options(CLICK)
    assert found["lr"] == Option("lr", "--lr", "float", 0.5, True, help="rate")
    assert found["kind"].choices == ("x", "y")
    assert found["path"] == Option("path", required=True)
    assert (found["verbose"].style, found["verbose"].off) == ("switch", "--quiet")


def test_typer() -> None:
    found = options(TYPER).values()
    assert [(option.name, option.flag, option.type, option.default, option.off) for option in found] == [
        ("path", "", "string", None, ""),
        ("lr", "--lr", "float", 0.1, ""),
        ("n", "--n", "int", 3, ""),
        ("m", "--m", "int", 4, ""),
        ("v", "--v", "bool", False, "--no-v"),
    ]


def test_what_the_text_does_not_tell_is_left_to_the_program() -> None:
    text = """
import argparse
parser = argparse.ArgumentParser()
for name in ("a", "b"):
    parser.add_argument("--" + name)
parser.add_argument("--untyped", default=0.1)
parser.add_argument("--verbose", "-v", action="count")
extend(parser)
parser.parse_args()
"""
    script = read(Module(text))
    assert options(text) == {"untyped": Option("untyped", "--untyped")}
    assert script.notes == (
        "what extend adds to its options is not known",
        "an option whose name or settings are computed is left out: pass it after --",
        "--verbose is left out: pass it after --",
    )


def test_a_parser_that_is_there_under_a_condition_has_what_is_there_with_it() -> None:
    text = """
import argparse, sys
if sys.version_info < (3,):
    sys.exit(1)
else:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", type=argparse.FileType(), default="-")
    if sys.platform == "linux":
        parser.add_argument("--only")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("one").add_argument("n", type=int)
    for name in ("two", "three"):
        commands.add_parser(name)
    parser.parse_args()
"""
    script = read(Module(text))
    assert [command.name for command in script.commands] == ["one"]
    first, second = script.commands[0].parts
    assert first.options == (Option("file", default="-", has_default=True),)
    assert second.options == (Option("n", type="int", required=True),)
    assert script.notes == (
        "--only is there under a condition only, and is left out: pass it after --",
        "subcommands whose names are computed are left out: pass them after --",
    )


def test_a_module_of_a_package_is_not_run_as_a_file(tmp_path: object) -> None:
    inner = "from . import other\nif __name__ == '__main__':\n    other.main()\n"
    made = draft(make_tree(tmp_path, {"inner.py": inner, "run.py": "print(1)\n"}))
    assert "inner" not in made.text
    assert made.notes == ("inner.py is a module of a package (it imports relatively) and was left out",)


COMPUTED = """
import argparse, enum
def extend(parser):
    for name in ("alpha", "beta"):
        parser.add_argument("--" + name, type=float, default=0.5, help=f"the {name}")
parser = argparse.ArgumentParser(description="Computed")
sub = parser.add_subparsers(dest="how", required=True)
for word in ("train", "test"):
    inner = sub.add_parser(word, description=f"To {word}")
    extend(inner)
    inner.add_argument("data", nargs="+", type=int)
    either = inner.add_mutually_exclusive_group()
    either.add_argument("--fast", action="store_true")
    either.add_argument("--kind", choices=["a", "b"], default="a")
print(parser.parse_args())
"""


def test_what_the_text_does_not_tell_is_told_by_an_import_on_request() -> None:
    make_tree(
        "p",
        {
            "main.py": COMPUTED,
            "bad.py": "import argparse, nothing_of_that_name\n" + COMPUTED,
            "requirements.txt": "x",
        },
    )
    assert "alpha" not in json.loads(proj("init", "p", "--json").out)["text"]
    made = json.loads(proj("init", "p", "--json", "--import").out)
    assert (
        "bad.py: it cannot be imported: ModuleNotFoundError: No module named 'nothing_of_that_name'"
        in made["notes"]
    )
    assert proj("init", "p", "--yes", "--import").code == 0
    assert proj("check", "p").code == 0
    done = proj(
        "run", "p", "-e", "test", "-P", "data=1,2", "-P", "beta=3", "-P", "kind=b", "--env-manager", "local"
    )
    assert done.out == "Namespace(how='test', alpha=0.5, beta=3.0, data=[1, 2], fast=False, kind='b')\n", (
        done.err
    )


def test_secrets_are_known_by_their_names() -> None:
    assert all(map(is_secret, ("api_token", "password", "openai-api-key", "TOKEN", "aws_secret_access_key")))
    assert not any(
        map(is_secret, ("max_tokens", "pad_token", "tokenizer", "key", "num_token", "monkey", "keyword"))
    )


def test_a_folder_becomes_a_project_that_runs() -> None:
    make_tree(
        "p",
        {"train.py": ARGPARSE, "helper.py": "X = 1\n", "clean.sh": "echo clean\n", "requirements.txt": ""},
    )
    shown = proj("init", "p")
    assert shown.code == 0
    assert "  main:" in shown.out
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
    assert not make_again()


def make_again() -> bool:
    """Whether a second `proj init --yes` changes the file that is there."""
    with open("p/MLproject", "a", encoding="utf-8") as file:
        file.write("# by hand\n")
    again = proj("init", "p", "--yes")
    assert again.code == 2
    assert "p/MLproject is there already" in again.err
    with open("p/MLproject", encoding="utf-8") as file:
        return not file.read().endswith("# by hand\n")


def test_the_environment_that_lies_there_is_named() -> None:
    for name, expected in (("environment.yml", "conda_env: environment.yml"), ("Dockerfile", "docker_env:")):
        folder = make_tree(
            f"with-{name}", {"main.py": "print(1)\nif __name__ == '__main__': pass\n", name: "x: 1\n"}
        )
        assert expected in draft(folder).text


def test_odd_files_are_told_and_left_out() -> None:
    make_tree("odd", {"main.py": "print 'two'\n", "b.sh": "echo $1\n", "note.ipynb": "{}"})
    made = json.loads(proj("init", "odd", "--json").out)
    assert any("main.py" in note for note in made["notes"])
    assert any("note.ipynb" in note for note in made["notes"])
    assert any("b.sh: its arguments" in note for note in made["notes"])
    done = proj("init", make_tree("nothing", {"README.md": ""}))
    assert done.code == 2
    assert "no script" in done.err


def test_what_a_file_in_utf_16_names_is_named(tmp_path: object) -> None:
    """PowerShell's `pip freeze > requirements.txt`."""
    text = "six==1.16.0\r\n".encode("utf-16")
    folder = make_tree(tmp_path, {"main.py": "import six\nprint(six)\n", "requirements.txt": text})
    assert draft(folder).notes == ()
