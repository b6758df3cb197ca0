"""An MLproject file for a folder that has none, from what lies in it. Nothing of the folder is run unasked."""

from __future__ import annotations

import os
from typing import NamedTuple

from runner.environments import choice
from runner.errors import InputError
from runner.parameters import shell
from runner.project.discovery import find
from runner.project.notebook import language, source
from runner.project.notebook import read as read_notebook
from runner.scaffold import packages
from runner.scaffold.console import console_scripts
from runner.scaffold.drafting import entry, scalar
from runner.scaffold.imported import imported
from runner.scaffold.notebooks import options
from runner.scaffold.scripts.option import Command, Option, Part, Script
from runner.scaffold.scripts.reading import acts, read
from runner.scaffold.scripts.syntax import Module, read_module

__all__ = ["Draft", "draft"]

FIRST = ("main.py", "train.py", "run.py", "app.py")  # which script becomes the entry point `main`
FOLDERS = ("scripts", "src", "bin")  # where scripts are looked for when there is none in the folder itself
NOT_RUN = ("test_", "conftest", "setup", "noxfile", "_")
PLAIN = Command((Part("", ()),))


class Draft(NamedTuple):
    path: str  # of the MLproject file
    text: str
    notes: tuple[str, ...]  # what could not be expressed
    there: str = ""  # name of the project file that the folder has already


class _Found(NamedTuple):
    """Something that can be run."""

    label: str
    program: str  # what starts it
    script: Script


class _Folder:
    def __init__(self, directory: str, importing: bool) -> None:
        self.directory = directory
        self.importing = importing
        self.notes: list[str] = []
        self.imported: set[str] = set()

    def found(self) -> list[_Found]:
        there = set(os.listdir(self.directory))
        names = [*(name for name in FIRST if name in there), *sorted(there.difference(FIRST))]
        found = [each for name in names if (each := self.file(name))]
        found += self.installed()
        for folder in FOLDERS if not found else ():
            inner = os.path.join(self.directory, folder)
            for name in sorted(os.listdir(inner)) if os.path.isdir(inner) else ():
                if each := self.file(f"{folder}/{name}"):
                    found.append(each)
        return found

    def file(self, name: str) -> _Found | None:
        stem, ending = os.path.splitext(os.path.basename(name))
        path, quoted = os.path.join(self.directory, name), shell.quote(name)
        if not os.path.isfile(path):
            inside = os.path.join(path, "__main__.py")
            return self.python(inside, name, f"python -m {name}") if os.path.isfile(inside) else None
        if ending == ".py" and not stem.startswith(NOT_RUN) and not stem.endswith("_test"):
            return self.python(path, stem, f"python {quoted}", name)
        if ending in (".sh", ".R"):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
            if "commandArgs" in text or (ending == ".sh" and any(f"${each}" in text for each in "123@*")):
                self.notes.append(f"{name}: its arguments are not read: pass them after --")
            return _Found(
                stem, f"{'bash' if ending == '.sh' else 'Rscript'} {quoted}", Script((PLAIN,), True)
            )
        if ending == ".ipynb":
            return self.notebook(path, name, stem)
        return None

    def python(self, path: str, label: str, program: str, name: str = "") -> _Found | None:
        module = read_module(path, os.path.dirname(path))
        if module is None:
            self.notes.append(f"{name or label} cannot be read as Python 3 and was left out")
            return None
        script = read(module)
        if name and module.is_inner and script.runnable:
            self.notes.append(f"{name} is a module of a package (it imports relatively) and was left out")
            return None
        if not script.runnable and not (name in FIRST and acts(module)):
            return None
        if self.importing and name and script.notes:
            script = self.by_import(path, script)
        self.notes += [f"{name or label}: {note}" for note in script.notes]
        self.imports(module, os.path.dirname(path))
        return _Found(label, program, script)

    def by_import(self, path: str, script: Script) -> Script:
        """What the text does not tell, from the parser that it makes."""
        try:
            return read(imported(path))._replace(description=script.description)
        except InputError as error:
            return script._replace(notes=(*script.notes, f"it cannot be imported: {error.message}"))

    def imports(self, module: Module, directory: str, seen: frozenset[str] = frozenset()) -> None:
        """Of a module, and of those beside it that it imports."""
        self.imported |= packages.imported(module, directory) & packages.imported(module, self.directory)
        for name in {each.split(".")[0] for each in module.aliases.values()} - seen:
            if (beside := module.sibling(name)) and len(seen) < 50:
                self.imports(beside, directory, seen | {name})

    def notebook(self, path: str, name: str, stem: str) -> _Found | None:
        notebook = read_notebook(path)
        if notebook is None or language(notebook) != "python":
            self.notes.append(f"{name} cannot be read as a notebook in Python and was left out")
            return None
        try:
            self.imports(Module(source(notebook)), self.directory)
        except (SyntaxError, ValueError):
            self.notes.append(f"{name}: its cells are not Python 3; what they import is not known")
        stated = [spec.file for spec in choice.conventional(self.directory) if spec.file]
        papermill = not packages.unnamed(["papermill"], self.directory, stated)
        self.imported.add("ipykernel")
        program = f"proj notebook {shell.quote(name)}"
        if papermill:
            output = shell.quote(f"outputs/{os.path.basename(name)}")
            program = f"mkdir -p outputs && papermill {shell.quote(name)} {output}"
        command = Command((Part("", options(notebook, papermill)),))
        return _Found(stem, program, Script((command,), True, f"Run the notebook {name}"))

    def installed(self) -> list[_Found]:
        found = []
        for each in console_scripts(self.directory, self.notes):
            self.notes += [f"{each.name}: {note}" for note in each.script.notes]
            found.append(_Found(each.name, each.program, each.script))
        return found


def draft(directory: str, importing: bool = False) -> Draft:
    """InputError when there is nothing that can be run.

    `importing`: scripts with options that their text does not tell are run as far as their argparse parser.
    """
    if not os.path.isdir(directory):
        raise InputError(f"{directory} is not a folder")
    folder = _Folder(directory, importing)
    found = folder.found()
    if not found:
        raise InputError(
            f"{directory} has no script that could be run (.py, .sh, .R or .ipynb)",
            *([f"\n{note}" for note in folder.notes[:1]] or ["proj new  makes a project from a template"]),
        )
    taken: dict[str, str] = {}
    entries: list[str] = []
    for each in found:
        several = len(each.script.commands) > 1
        for command in each.script.commands:
            label = command.name if several and command.name else each.label
            if not taken and not several:
                label = "main"
            if label in taken:
                label = f"{each.label}-{label}"
            if label in taken:
                folder.notes.append(
                    f"{each.program}: there is an entry point {label} already; it was left out"
                )
                continue
            taken[label] = each.program
            command = _with_paths(command, directory)
            entries += entry(label, each.program, command, each.script.description)
    title = f"name: {scalar(os.path.basename(os.path.abspath(directory)))}"
    lines = [title, "", *_environment(directory, folder), "entry_points:", *entries]
    path = os.path.join(directory, "MLproject")
    return Draft(path, "\n".join(lines).rstrip() + "\n", tuple(folder.notes), find(directory))


def _with_paths(command: Command, directory: str) -> Command:
    """A default that is not there (yet) would be refused as a path."""

    def possible(option: Option) -> Option:
        there = not option.has_default or os.path.exists(os.path.join(directory, str(option.default)))
        return option if option.type != "path" or there else option._replace(type="string")

    parts = [part._replace(options=tuple(map(possible, part.options))) for part in command.parts]
    return command._replace(parts=tuple(parts))


def _environment(directory: str, folder: _Folder) -> list[str]:
    """The key that MLflow knows, where there is one; other files are found by themselves."""
    stated = choice.conventional(directory)
    files = [spec.file for spec in stated if spec.file]
    lacking = packages.unnamed(folder.imported, directory, files)
    if not stated:
        if os.path.isfile(os.path.join(directory, "Dockerfile")):
            return ["docker_env:", "  build: .", ""]
        if lacking:
            words = " ".join(lacking)
            folder.notes.append(
                f"nothing states the packages that are imported: {', '.join(lacking)}\n"
                f"  printf '%s\\n' {words} > requirements.txt   (proj makes an environment of it)"
            )
        return []
    if lacking:
        folder.notes.append(f"{files[0] if files else 'the environment'} does not name: {', '.join(lacking)}")
    first = stated[0]
    if first.kind == "conda" or first.file.startswith("python_env."):
        return [f"{'conda_env' if first.kind == 'conda' else 'python_env'}: {first.file}", ""]
    return [f"# the environment is what {first.file} says", ""]
