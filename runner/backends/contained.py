"""What differs when a run's command is a container: its words, its guard's last act, its true end."""

from __future__ import annotations

from typing import NamedTuple

from runner.values import Ended, Job

__all__ = ["Farewell", "argv", "ended", "farewell", "is_container"]


class Farewell(NamedTuple):
    """What the guard of a killed supervisor does last."""

    argv: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


def is_container(job: Job) -> bool:
    return "container" in job.activation.options


def argv(job: Job) -> list[str]:
    from runner import container

    return container.argv(job)


def farewell(job: Job) -> Farewell:
    if not is_container(job):
        return Farewell()
    from runner import container

    return Farewell(tuple(container.farewell(job.run_id)), tuple(container.farewell_variables().items()))


def ended(job: Job, of_client: Ended) -> Ended:
    """Removes the container and corrects what its client could not know.

    The client's memory and processor time are not the command's.
    """
    from runner import container
    from runner.errors import ProjError

    resources = {name: value for name, value in of_client.resources.items() if name == "duration"}
    result = of_client._replace(resources=resources)
    try:
        finished = container.finish(job.run_id)
    except ProjError as error:
        return result._replace(message=result.message or error.message)
    if result.status != "FAILED" and result.reason != "signal":
        return result
    if finished.out_of_memory:
        text = "ended by the kernel: out of the container's memory"
        return result._replace(status="FAILED", reason="memory", signal="SIGKILL", message=text)
    if not finished.started:
        text = finished.message or "the container could not be started"
        return result._replace(status="FAILED", reason="error", message=text)
    return result
