"""Which of a project's environments a run gets."""

from __future__ import annotations

import os

from runner.errors import InputError
from runner.values import EntryPoint, EnvironmentSpec, Project

__all__ = ["choose"]

# what may be asked for -> kind
NAMES = {
    "local": "system",
    "system": "system",
    "none": "system",
    "virtualenv": "virtualenv",
    "uv": "virtualenv",
    "conda": "conda",
    "docker": "docker",
}
CONDA_FILES = ("conda.yaml", "environment.yml", "environment.yaml", "conda.yml")
VIRTUALENV_FILES = (
    *("python_env.yaml", "pylock.toml", "uv.lock", "requirements.txt", "poetry.lock", "Pipfile.lock"),
    "pyproject.toml",
)


def choose(project: Project, entry_point: EntryPoint, asked: str) -> EnvironmentSpec:
    """`asked` (--env-manager, inherited by nested runs) always wins, over docker_env too; then the entry
    point's own environment; then the project's first; a project that states none runs in the system's."""
    if asked:
        if asked not in NAMES:
            raise InputError(f"--env-manager {asked}: there is no such kind", f"one of: {', '.join(NAMES)}")
        return _of_kind(NAMES[asked], project)
    if own := entry_point.environment:
        if own in NAMES:
            return _of_kind(NAMES[own], project)
        return _of_file(own, project, entry_point)
    return project.environments[0] if project.environments else EnvironmentSpec("system")


def _of_kind(kind: str, project: Project) -> EnvironmentSpec:
    if kind == "system":
        return EnvironmentSpec("system")
    for spec in project.environments:
        if spec.kind == kind:
            return spec
    if kind == "docker":
        raise InputError(
            f"the project {project.directory} has no docker_env to run in",
            "add `docker_env: {image: ...}` to its MLproject",
        )
    if kind == "conda":
        file = _first(project.directory, CONDA_FILES)
        if not file:
            raise InputError(
                f"the project {project.directory} has no conda environment to run in",
                "add a conda.yaml and `conda_env: conda.yaml`, or use --env-manager virtualenv",
            )
        return EnvironmentSpec("conda", file)
    for spec in project.environments:  # the pip part of a conda environment
        if spec.kind == "conda":
            return EnvironmentSpec("virtualenv", spec.file, spec.options)
    return EnvironmentSpec("virtualenv", _first(project.directory, VIRTUALENV_FILES + CONDA_FILES))


def _of_file(own: str, project: Project, entry_point: EntryPoint) -> EnvironmentSpec:
    for spec in project.environments:
        if spec.file == own:
            return spec
    if not os.path.isfile(os.path.join(project.directory, own)):
        raise InputError(
            f"entry point {entry_point.name}: its environment {own} is neither a kind nor a file",
            f"one of: {', '.join(NAMES)}, or a file such as python_env.yaml",
        )
    return EnvironmentSpec("conda" if os.path.basename(own) in CONDA_FILES else "virtualenv", own)


def _first(directory: str, names: tuple[str, ...]) -> str:
    return next((name for name in names if os.path.isfile(os.path.join(directory, name))), "")
