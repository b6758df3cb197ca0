"""Reads what a project says about its Python packages, in whichever file it says so."""

from __future__ import annotations

import os
import re

from runner.environments.python import faults
from runner.environments.python.exporters import export
from runner.environments.python.lockfile import apart
from runner.environments.python.pyproject import project
from runner.environments.python.wanted import Wanted, parse_toml, parse_yaml, python_version, strings, text_of
from runner.errors import CHECK, InputError
from runner.values import EnvironmentOptions, Json

__all__ = ["read"]

# python, python=3.8.15=hash_0 (the build is left out), python >=3.8,<3.11
CONDA_PYTHON = r"python(?![\w.-])\s*([<>=!~]*\s*[\d.*]+(?:\s*,\s*[<>=!~]+\s*[\d.*]+)*)?"


def read(file: str, directory: str, options: EnvironmentOptions) -> Wanted:
    """`file` is relative to the project; "" is an environment without packages."""
    if not file:
        return Wanted(*python_version(directory), base=directory)
    path = os.path.normpath(os.path.join(directory, file))
    if not os.path.isfile(path):
        raise InputError(f"the environment file {file} is not in {directory}", CHECK)
    name = os.path.basename(path)
    if name.endswith(".py"):
        return _script(path, file, directory)
    if name.endswith((".yaml", ".yml")):
        return _yaml(path, file, directory, asked=bool(options.python))
    if name == "pylock.toml" or re.fullmatch(r"pylock\..+\.toml", name):
        pinned = python_version(directory)
        local = tuple(apart(text_of(path), os.path.dirname(path), directory)[1])
        return Wanted(*pinned, local=local, form="pylock", file=path, base=directory, content_files=(path,))
    poetry = os.path.join(os.path.dirname(path), "poetry.lock")
    if name == "pyproject.toml" and os.path.isfile(poetry) and "\n[project]" not in "\n" + text_of(path):
        path, name = poetry, "poetry.lock"
    if name in ("pyproject.toml", "uv.lock"):
        return project(os.path.dirname(path), options)
    if name in ("poetry.lock", "Pipfile.lock", "Pipfile"):
        return export(path, directory, options)
    faults.refuse(faults.of_requirements(file, directory))
    return Wanted(*python_version(directory), lines=(f"-r {file}",), base=directory, files=(path,))


def _yaml(path: str, file: str, directory: str, asked: bool) -> Wanted:
    text = text_of(path)
    content = parse_yaml(text, file, "dependencies: [numpy]")
    dependencies = content.get("dependencies")
    conda = os.path.basename(path).startswith(("conda.", "environment.")) or "channels" in content
    conda = conda or any(isinstance(each, dict) for each in dependencies or ())
    warnings = faults.refuse(faults.of_yaml(text, file, directory, conda, not asked))
    if conda:
        found = _conda(dependencies, path, file, directory, text)
        return found._replace(warnings=(*warnings, *found.warnings))
    python = content.get("python") or ""
    if not isinstance(python, str):
        raise InputError(f'{file}: `python` is a version such as "3.11"', CHECK)
    return Wanted(
        python,
        f"{file}:{_line(text, 'python')}" if python else "",
        tuple(strings(content.get("build_dependencies"), "build_dependencies", file)),
        tuple(strings(dependencies, "dependencies", file)),
        base=directory,
        files=(path,),
        warnings=warnings,
    )


def _line(text: str, key: str) -> int:
    found = re.search(rf"^\s*(?:-\s*)?['\"]?{key}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _conda(dependencies: Json, path: str, file: str, directory: str, text: str) -> Wanted:
    """Python and the `pip:` section; what only conda can install is left out with a warning, as in MLflow."""
    python, lines, others = "", list[str](), list[str]()
    for each in dependencies if isinstance(dependencies, list) else ():
        if isinstance(each, dict):
            lines += strings(each.get("pip"), "pip", file)
            continue
        name = str(each).split("::")[-1].strip()
        if match := re.match(CONDA_PYTHON, name):
            python = match[1] or ""
        elif not re.match(r"(pip|setuptools|wheel)(?![\w.-])", name):
            others.append(name)
    left = f"{file}: left out, as only conda can install them: {', '.join(others)}"
    warnings = (f"{left} (--env-manager conda does)",) if others else ()
    where = f"{file}:{_line(text, 'python')}" if python else ""
    return Wanted(python, where, (), tuple(lines), base=directory, files=(path,), warnings=warnings)


def _script(path: str, file: str, directory: str) -> Wanted:
    """PEP 723: `# /// script` ... `# ///` with TOML in the comments."""
    block = re.search(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$", text_of(path) + "\n")
    if not block:
        return Wanted(*python_version(directory), base=directory, files=(path,))
    lines = (line[2:] if line.startswith("# ") else line[1:] for line in block["content"].splitlines())
    header = parse_toml("\n".join(lines), file)
    needs = header.get("requires-python", "")
    return Wanted(
        str(needs),
        file if needs else "",
        lines=tuple(strings(header.get("dependencies"), "dependencies", file)),
        base=directory,
        files=(path,),
    )
