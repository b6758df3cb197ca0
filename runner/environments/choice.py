"""Which of a project's environments a run gets, and which a folder has by the files in it."""

from __future__ import annotations

import os

from runner.errors import InputError
from runner.typed import TYPE_CHECKING
from runner.values import EntryPoint, EnvironmentSpec, Project

if TYPE_CHECKING:
    from runner.environments.base import Kind

__all__ = ["choose", "conventional", "files"]

SYSTEM = EnvironmentSpec("system")
SYSTEM_NAMES = ("local", "system", "none")


def choose(project: Project, entry_point: EntryPoint, asked: str) -> EnvironmentSpec:
    """`asked` (--env-manager, inherited by nested runs) always wins, over docker_env too; then the entry
    point's own environment; then the project's first; a project that states none runs in the system's."""
    own = asked or entry_point.environment
    if not own:
        return project.environments[0] if project.environments else SYSTEM
    if own in SYSTEM_NAMES:
        return SYSTEM
    from runner.environments import kinds  # a run that asks for nothing needs none of them

    if kind := kinds.named(own):
        return _of_kind(kind, project)
    known = ", ".join((*SYSTEM_NAMES, *(name for kind in kinds.every() for name in kind.NAMES)))
    if asked:
        raise InputError(f"--env-manager {asked}: there is no such kind", f"one of: {known}")
    for spec in project.environments:
        if spec.file == own:
            return spec
    if not os.path.isfile(os.path.join(project.directory, own)):
        raise InputError(
            f"entry point {entry_point.name}: its environment {own} is neither a kind nor a file",
            f"one of: {known}, or a file such as python_env.yaml",
        )
    name = os.path.basename(own)
    return EnvironmentSpec(next((kind for kind, file in _files() if file == name), kinds.NAMES[0]), own)


def _of_kind(kind: Kind, project: Project) -> EnvironmentSpec:
    name = kind.NAMES[0]
    for each in (name, *kind.READS):
        for spec in project.environments:
            if spec.kind == each:
                return spec._replace(kind=name)
    stated = {spec.kind: spec.file for spec in reversed(conventional(project.directory))}
    file = next((stated[each] for each in (name, *kind.READS) if each in stated), "")
    if not file and kind.HINT:
        raise InputError(f"the project {project.directory} has no {name} environment to run in", kind.HINT)
    return EnvironmentSpec(name, file)


def conventional(directory: str) -> tuple[EnvironmentSpec, ...]:
    """What a folder has by files that tools know by name."""
    from runner.environments import kinds

    found = []
    for name, file in _files():
        if os.path.isfile(os.path.join(directory, file)) and kinds.load(name).has(directory, file):
            found.append(EnvironmentSpec(name, file))
    return tuple(found)


def files() -> list[str]:
    """The names that conventional() looks for."""
    return [file for _, file in _files()]


def _files() -> list[tuple[str, str]]:
    """(kind, file): first the plainest of each kind, as MLflow's own two come first; then the others, kind by kind."""
    from runner.environments import kinds

    every = [[(kind.NAMES[0], file) for file in kind.FILES] for kind in kinds.every()]
    return [*(each[0] for each in every if each), *(pair for each in every for pair in each[1:])]
