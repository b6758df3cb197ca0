"""Whatever `proj init` drafts passes `proj check`, and makes command lines that the program's own parser accepts.

More: without a value given, the program gets the very values that it has without any option.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys

import pytest

from runner.parameters.resolve import resolve
from runner.project.entry_point import entry_point
from runner.project.reading import load
from runner.running.check import check
from runner.scaffold.init import draft
from tests.helpers import make_tree, some
from tests.scaffold.programs import generated

LIBRARIES = ("argparse", "click", "typer", "fire", "argv")


def drafted(folder: str) -> None:
    made = draft(folder)
    with open(made.path, "x", encoding="utf-8") as file:
        file.write(made.text)
    faults = [f"{fault.place}: {fault.message}\n{made.text}" for fault in check(folder)]
    assert faults == []


def run(words: list[str], folder: str, **variables: str) -> dict[str, str]:
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(
        words,
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, **variables, "PATH": path, "PYTHONWARNINGS": "ignore"},
        check=False,
    )
    assert done.returncode == 0, (words, done.stderr)
    values: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return values


def alike(values: dict[str, str], folder: str) -> dict[str, object]:
    """A path arrives as an absolute one; the 2 that somebody wrote for a float, as the program's own 2.0."""
    found: dict[str, object] = {}
    for name, value in values.items():
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value.replace(os.path.join(folder, ""), "")
    return found


@pytest.mark.parametrize("seed", some(range(8), 1))
@pytest.mark.parametrize("library", LIBRARIES)
def test_of_a_generated_script(library: str, seed: int, tmp_path: object) -> None:
    program = generated(library, seed)
    folder = make_tree(tmp_path, {"main.py": program.text, "requirements.txt": f"{library}\n"})
    drafted(folder)
    entry = entry_point(load(folder), "main")
    declared = {parameter.name for parameter in entry.parameters}
    assert {*program.needed} <= declared

    needed = {name: program.given[name] for name in program.needed}
    own = [word for words in program.needed.values() for word in words if word.startswith("--")]
    own += [word for words in program.needed.values() for word in words if not word.startswith("--")]
    command = resolve(entry, needed, directory=folder, project=folder)
    plain = run([sys.executable, "main.py", *own], folder)
    ours = run(["bash", "-c", command.command], folder)
    assert alike(ours, folder) == alike(plain, folder), command.command

    given = {name: value for name, value in program.given.items() if name in declared}
    command = resolve(entry, given, directory=folder, project=folder)
    values = run(["bash", "-c", command.command], folder, **command.variables)
    for name, words in program.needed.items():
        assert values[name] == plain[name], (words, command.command)
    assert {*values} == {*plain}
    single = [
        each.name for each in entry.parameters if each.type != "bool" and "commas" not in each.description
    ]
    single = [name for name in single if name in given]
    reached, meant = ({name: known[name] for name in single} for known in (values, given))
    assert alike(reached, folder) == alike(meant, folder), command.command
