"""A project's environment without a run: for a shell in it, one command, an editor, a notebook."""

from __future__ import annotations

import os
from typing import NamedTuple

from runner import environments
from runner.environments import cache
from runner.host import process, program
from runner.project.entry_point import entry_point
from runner.running.planning import load_project
from runner.running.whereabouts import here
from runner.sources import fetch
from runner.values import EntryPoint, Environment, EnvironmentOptions, Report

__all__ = ["Entered", "enter"]


class Entered(NamedTuple):
    name: str  # of the project
    directory: str  # of the project
    environment: Environment
    variables: dict[str, str]  # all of them, PATH with the environment's programs first

    @property
    def python(self) -> str:
        """Absolute path of the interpreter; "" when there is none, or it is in an image."""
        activation = self.environment.activation
        if activation.container is not None:
            return ""
        if os.path.isabs(activation.python):
            return activation.python
        path = self.variables["PATH"]
        names = (activation.python, "python", "python3")
        return next((found for name in names if name and (found := process.find(name, path))), "")


def enter(
    directory: str, entry: str, env_manager: str, options: EnvironmentOptions, report: Report
) -> Entered:
    """Prepares the environment of the project that a folder is in; it is in use as long as this process is there.

    `entry`: an entry point, which may have an environment of its own; "" for the project's.
    """
    where = here(directory)
    checkout = fetch(where.directory, "", report)
    project = load_project(checkout)  # raises what is wrong with it
    point = entry_point(project, entry) if entry else EntryPoint("", "")
    specification = environments.choose(project, point, env_manager)
    options = options._replace(project_name=project.name)
    environment = environments.prepare(specification, checkout.directory, options, report)
    cache.hold(environment)
    variables = process.environment(environment.activation.variables)
    ours, inherited = program.folder(), variables.get("PATH", os.defpath)
    found = (*environment.activation.path, *([ours] if ours else []), inherited)
    variables["PATH"] = os.pathsep.join(found)
    return Entered(project.name, checkout.directory, environment, variables)
