"""The command of a run with all that is around it: variables, folder, environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from runner.host import machine, process, program
from runner.typed import TYPE_CHECKING
from runner.values import Activation, Job, Report

if TYPE_CHECKING:
    from runner.running.plan import Plan
    from runner.running.record import Record

__all__ = ["job", "provide", "seed_variables", "variables"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def job(plan: Plan, record: Record, activation: Activation, variables: Mapping[str, str]) -> Job:
    origin = plan.origin
    options = {**plan.backend_options, "stdin": origin.stdin}
    if origin.binds:
        options |= {"binds": origin.binds, "ready": origin.ready}
    text = plan.parameters.command
    return Job(record.run_id, text, plan.directory, variables, activation, record.directory, options)


def variables(plan: Plan, record: Record, activation: Activation) -> dict[str, str]:
    """The complete environment of the command but for the endpoint's."""
    request = plan.request
    found = process.environment(activation.variables)
    ours = program.folder()
    found["PATH"] = os.pathsep.join(
        (*activation.path, *([ours] if ours else []), found.get("PATH", os.defpath))
    )
    found.update(
        PROJ_RUN_ID=record.run_id,
        PROJ_RUN_DIR=record.directory,
        PROJ_STORE=record.store.root,
        PROJ_EXPERIMENT_ID=record.experiment_id,
    )
    if request.env_manager:
        found["PROJ_ENV_MANAGER"] = request.env_manager
    found.update(seed_variables(request.seed, found, machine.cores()))
    for name, value in plan.origin.variables.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = value
    found.update(plan.parameters.variables)
    return found


def provide(plan: Plan, variables: Mapping[str, str], report: Report) -> None:
    """What runs a notebook is made before that is started: how it is made is no output of the run."""
    if plan.parameters.command.split(maxsplit=2)[:2] == ["proj", "notebook"]:
        from runner.running import notebook

        notebook.check(variables["PATH"], plan.directory)
        notebook.program(report, plan.request.offline)


def seed_variables(seed: str, present: Mapping[str, str], cores: int) -> dict[str, str]:
    """What `--seed` pins: the hash seed, a seed for the program to read, the number of threads, and GPU libraries."""
    if not seed:
        return {}
    pinned = {"PYTHONHASHSEED": seed, "PROJ_SEED": seed}
    pinned |= {name: present.get(name) or str(cores) for name in THREADS}
    pinned |= {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "TF_DETERMINISTIC_OPS": "1"}
    return pinned
