"""An MLproject file for a folder that has none, from what lies in it. Nothing of the folder is run."""

from __future__ import annotations

import os
from typing import NamedTuple

from runner.errors import InputError
from runner.host.files import open_text
from runner.scaffold import scripts
from runner.scaffold.scripts import Option, Script

__all__ = ["Draft", "draft"]

FIRST = ("main.py", "train.py", "run.py", "app.py")  # which script becomes the entry point `main`
RUNNERS = {".py": "python", ".sh": "bash", ".R": "Rscript"}


class Draft(NamedTuple):
    path: str  # of the MLproject file
    before: str  # its text now, "" when there is none
    text: str
    notes: tuple[str, ...]  # what could not be expressed


def draft(directory: str) -> Draft:
    """InputError when there is nothing that can be run."""
    from runner.project.files import find

    if not os.path.isdir(directory):
        raise InputError(f"{directory} is not a folder")
    notes: list[str] = []
    entries: list[str] = []
    there = set(os.listdir(directory))
    names = [*(name for name in FIRST if name in there), *sorted(there.difference(FIRST))]
    main = ""
    for name in names:
        stem, ending = os.path.splitext(name)
        if ending == ".py" and not name.startswith(("test_", "conftest", "setup", "_")):
            script = _script(os.path.join(directory, name), notes)
            if script is None or not script.runnable:
                continue
        elif ending in (".sh", ".R"):
            script = Script((), True, "")
        elif ending == ".ipynb":
            command = f"papermill {name} outputs/{name}"
            entries += _entry(stem, command, Script((), True, f"Run the notebook {name}"))
            note = "add papermill to the environment, and its parameters with -p"
            notes.append(f"{name} is run by papermill: {note}")
            continue
        else:
            continue
        label = "main" if not main else stem
        main = main or name
        entries += _entry(label, f"{RUNNERS[ending]} {name}", script)
    if not entries:
        raise InputError(f"{directory} has no script that could be run (.py, .sh, .R or .ipynb)")
    existing = find(directory)
    path = os.path.join(directory, existing or "MLproject")
    before = ""
    if existing:
        with open_text(path, "replace") as file:
            before = file.read()
    title = f"name: {_text(os.path.basename(os.path.abspath(directory)))}"
    lines = [title, "", *_environment(there), "entry_points:", *entries]
    return Draft(path, before, "\n".join(lines).rstrip() + "\n", tuple(notes))


def _script(path: str, notes: list[str]) -> Script | None:
    name = os.path.basename(path)
    try:
        with open_text(path) as file:
            script = scripts.read(file.read())
    except (SyntaxError, UnicodeDecodeError, ValueError):
        notes.append(f"{name} cannot be read as Python 3 and was left out")
        return None
    if script.switches:
        switches = ", ".join(script.switches)
        notes.append(f"{name}: switches without a value are left out: {switches}; pass them after --")
    return script


def _environment(names: set[str]) -> list[str]:
    """The key that MLflow knows, where there is one; other files are found by themselves."""
    for name in ("python_env.yaml", "python_env.yml"):
        if name in names:
            return [f"python_env: {name}", ""]
    for name in ("environment.yml", "environment.yaml", "conda.yaml", "conda.yml"):
        if name in names:
            return [f"conda_env: {name}", ""]
    if "Dockerfile" in names:
        return ["docker_env:", "  build: .", ""]
    for name in ("uv.lock", "pylock.toml", "pyproject.toml", "requirements.txt"):
        if name in names:
            return [f"# the environment is what {name} says", ""]
    return []


def _entry(label: str, command: str, script: Script) -> list[str]:
    words = [command]
    lines = [f"  {_text(label)}:"]
    if script.description:
        lines.append(f"    description: {_text(script.description)}")
    if script.options:
        lines.append("    parameters:")
    for option in script.options:
        lines.append(f"      {option.name}: {{{', '.join(_facts(option))}}}")
        words.append(f"{option.flag} {{{option.name}}}" if option.flag else f"{{{option.name}}}")
    return [*lines, f"    command: {_text(' '.join(words))}", ""]


def _facts(option: Option) -> list[str]:
    facts = [f"type: {option.type or 'string'}"]
    if option.has_default:
        facts.append(f"default: {_text(option.default)}")
    elif option.flag:
        facts.append("required: false")
    if option.choices:
        facts.append(f"choices: [{', '.join(_text(each) for each in option.choices)}]")
    if option.help:
        facts.append(f"description: {_text(option.help)}")
    return facts


def _text(value: object) -> str:
    """A YAML scalar on one line: plain where that is safe, otherwise in JSON's quotes, which YAML reads too."""
    import json

    plain = str(value)
    if isinstance(value, str) and plain.replace("-", "").replace("_", "").replace(".", "").isalnum():
        import yaml

        if yaml.safe_load(plain) == plain:
            return plain
    return json.dumps(value if isinstance(value, (str, bool, int, float)) else plain, ensure_ascii=False)
