"""Reads what a project says about its Python packages, in whichever file it says so."""

from __future__ import annotations

import os
import re

from runner.environments.python.exporters import export
from runner.environments.python.pyproject import project
from runner.environments.python.wanted import Wanted, parse_toml, python_version, text_of
from runner.errors import InputError
from runner.values import EnvironmentOptions, Json

__all__ = ["read"]

# python, python=3.8.15=hash_0 (the build is left out), python >=3.8,<3.11
CONDA_PYTHON = r"python(?![\w.-])\s*([<>=!~]*\s*[\d.*]+(?:\s*,\s*[<>=!~]+\s*[\d.*]+)*)?"


def read(file: str, directory: str, options: EnvironmentOptions) -> Wanted:
    """`file` is relative to the project; "" is an environment without packages."""
    if not file:
        return Wanted(base=directory, **python_version(directory))
    path = os.path.normpath(os.path.join(directory, file))
    if not os.path.isfile(path):
        raise InputError(f"the environment file {file} is not in {directory}", "proj check")
    name = os.path.basename(path)
    if name.endswith(".py"):
        return _script(path, file, directory)
    if name.endswith((".yaml", ".yml")):
        return _yaml(path, file, directory)
    if name == "pylock.toml" or re.fullmatch(r"pylock\..+\.toml", name):
        return Wanted(
            form="pylock", file=path, base=directory, content_files=(path,), **python_version(directory)
        )
    poetry = os.path.join(os.path.dirname(path), "poetry.lock")
    if name == "pyproject.toml" and os.path.isfile(poetry) and "\n[project]" not in "\n" + text_of(path):
        path, name = poetry, "poetry.lock"
    if name in ("pyproject.toml", "uv.lock"):
        return project(os.path.dirname(path), options)
    if name in ("poetry.lock", "Pipfile.lock", "Pipfile"):
        return export(path, directory, options)
    return Wanted(lines=(f"-r {file}",), base=directory, files=(path,), **python_version(directory))


def _yaml(path: str, file: str, directory: str) -> Wanted:
    import yaml

    text = text_of(path)
    try:
        # BaseLoader: every scalar stays text, or `python: 3.10` would be 3.1
        content = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}" if mark else file
        raise InputError(f"{place}: not YAML: {getattr(error, 'problem', error)}", "proj check") from None
    if content in (None, ""):
        return Wanted(base=directory, files=(path,))
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected a mapping such as `dependencies: [numpy]`", "proj check")
    dependencies = content.get("dependencies")
    conda = os.path.basename(path).startswith(("conda.", "environment.")) or "channels" in content
    if conda or any(isinstance(each, dict) for each in dependencies or ()):
        return _conda(dependencies, path, file, directory, text)
    python = content.get("python") or ""
    if not isinstance(python, str):
        raise InputError(f'{file}: `python` is a version such as "3.11"', "proj check")
    return Wanted(
        python,
        f"{file}:{_line(text, 'python')}" if python else "",
        _strings(content.get("build_dependencies"), "build_dependencies", file),
        _strings(dependencies, "dependencies", file),
        base=directory,
        files=(path,),
    )


def _line(text: str, key: str) -> int:
    found = re.search(rf"^\s*(?:-\s*)?['\"]?{key}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _strings(value: Json, key: str, file: str) -> tuple[str, ...]:
    if value in (None, ""):
        return ()
    if isinstance(value, str):
        return tuple(value.splitlines())
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputError(f"{file}: `{key}` is a list of requirements, each a line of text", "proj check")
    return tuple(str(each) for each in value)


def _conda(dependencies: Json, path: str, file: str, directory: str, text: str) -> Wanted:
    """Python and the `pip:` section; what only conda can install is left out with a warning, as in MLflow."""
    python, lines, others = "", list[str](), list[str]()
    for each in dependencies if isinstance(dependencies, list) else ():
        if isinstance(each, dict):
            lines += _strings(each.get("pip"), "pip", file)
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
        return Wanted(base=directory, files=(path,), **python_version(directory))
    lines = (line[2:] if line.startswith("# ") else line[1:] for line in block["content"].splitlines())
    header = parse_toml("\n".join(lines), file)
    needs = header.get("requires-python", "")
    return Wanted(
        str(needs),
        file if needs else "",
        lines=_strings(header.get("dependencies"), "dependencies", file),
        base=directory,
        files=(path,),
    )
