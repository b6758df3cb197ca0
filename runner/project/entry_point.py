"""The entry point that is asked for, or one that runs a script of the project: on the path of every run."""

from __future__ import annotations

import os

from runner.errors import CHECK, InputError, ProjectError
from runner.host.files import open_text
from runner.parameters import shell
from runner.values import EntryPoint, Project

__all__ = ["entry_point", "script"]

SCRIPTS = (".py", ".sh", ".R", ".r", ".ipynb")


def entry_point(project: Project, name: str) -> EntryPoint:
    """A declared entry point, or one that runs a script of the project. InputError tells what there is."""
    for declared in project.entry_points:
        if declared.name == name:
            if not declared.command.strip():
                raise _faults(project) or InputError(f"the entry point {name} has no command")
            if declared.faults:
                raise InputError("\n".join(declared.faults), CHECK)
            return declared
    if os.path.splitext(name)[1] in SCRIPTS and os.path.isfile(os.path.join(project.directory, name)):
        return _script_of(project, name)
    if name == "main" and not project.entry_points:
        for candidate in ("main.py", "main.sh", "main.R", "main.ipynb"):
            if os.path.isfile(os.path.join(project.directory, candidate)):
                return _script_of(project, candidate)._replace(name="main")
    raise _unknown(project, name)


def _script_of(project: Project, path: str) -> EntryPoint:
    """A script with a PEP 723 header (`# /// script`) brings its own environment; a notebook has parameters."""
    if path.endswith(".ipynb"):
        from runner.project import notebook

        return notebook.entry_point(os.path.join(project.directory, path), path)
    found = script(path)
    if path.endswith(".py"):
        with open_text(os.path.join(project.directory, path), "replace") as file:
            if any(line.rstrip() == "# /// script" for line in file):
                return found._replace(environment=path)
    return found


def script(path: str) -> EntryPoint:
    """One that runs a script (.py, .sh, .R) of the project."""
    quoted = shell.quote(path)
    if path.endswith(".py"):
        command = f"python {quoted}"
    elif path.endswith(".sh"):
        command = f"bash {quoted}"  # MLflow takes $SHELL: no sh at all for some, another one elsewhere
    else:
        text = path.replace("\\", "\\\\").replace("'", "\\'")
        has_mlflow = "requireNamespace('mlflow', quietly = TRUE)"
        run = f"if ({has_mlflow}) mlflow::mlflow_source('{text}') else source('{text}')"
        command = f"Rscript -e {shell.quote(run)} --args"
    # the name of a file is no template
    return EntryPoint(path, command.replace("{", "{{").replace("}", "}}"))


def _faults(project: Project) -> InputError | None:
    """What MLflow lets pass as long as it is not used: misspelt keys, a command that is no text."""
    from runner.project.reading import read

    errors = [fault for fault in read(project.directory, strict=True)[1] if fault.severity == "error"]
    return ProjectError(errors) if errors else None


def _unknown(project: Project, name: str) -> InputError:
    from difflib import get_close_matches

    if project.file and not project.entry_points and (found := _faults(project)):
        return found
    names = [declared.name for declared in project.entry_points]
    scripts = sorted(_scripts(project.directory))
    close = get_close_matches(name, [*names, *scripts], 1, 0.6)
    where = "" if project.directory == os.getcwd() else "... "
    hint = [f"did you mean {close[0]}?  proj run {where}-e {shell.quote(close[0])}"] if close else []
    if names:
        message = f"there is no entry point {name} in {project.file}; it has: {', '.join(names)}"
    elif project.file:
        message = f"there is no entry point {name}: {project.file} has no entry_points"
    else:
        seen = sorted(os.listdir(project.directory)) if os.path.isdir(project.directory) else []
        shown = ", ".join(seen[:12]) + (", ..." if len(seen) > 12 else "") if seen else "nothing"
        what = "no main.py" if name == "main" else f"no script {name}"
        message = f"{project.directory} has no MLproject and {what}; files seen: {shown}"
    if not close and scripts:
        line = f"proj run {where and '... -e '}{shell.quote(scripts[0])}"
        hint.append(f"{line}  runs a script as it is")
        if not project.file:
            hint.append("proj init  writes an MLproject for the scripts that are there")
    return InputError(message, "\n".join(hint) or "proj info DIR  shows what a project has")


def _scripts(directory: str) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if os.path.splitext(name)[1] in SCRIPTS][:200]
    except OSError:
        return []
