"""Who asks, and what they may do: a token for everything, or one run and what belongs to it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from runner.protocol.answer import ApiError

if TYPE_CHECKING:
    from runner.protocol.live import LiveRuns
    from runner.tracking.fold import Run

__all__ = ["ROLES", "OneRun", "Role", "Scope"]

ROLES = ("reader", "writer", "approver", "admin")


class Scope(Protocol):
    @property
    def who(self) -> str:
        """Whose name what is done has; "" where it is not known."""

    @property
    def experiment_id(self) -> str:
        """Of a run that is created without one."""

    def write_run(self, run_id: str) -> None:
        """ApiError unless this run may be changed."""

    def write(self, what: str) -> None:
        """ApiError unless `what` (experiment, models, files, ...) may be created or changed."""

    def write_model(self, name: str, run_id: str) -> None:
        """ApiError unless what is said of this version, or of this registered model, may be changed.

        `run_id`: the run that made the version; "" for none, and for the model itself.
        """

    def name_model(self, name: str) -> None:
        """ApiError unless registered models of that name may be made, and versions of them."""

    def approve(self, name: str) -> str:
        """The role in which versions of a registered model may be approved. ApiError unless they may."""

    def made_model(self, name: str) -> None:
        """This registered model was made by the one who asks."""

    def write_experiment(self, experiment_id: str) -> None:
        """ApiError unless this experiment may be tagged."""

    def locate(self, location: str) -> None:
        """ApiError unless a new experiment may keep its artifacts there."""

    def manage(self, what: str) -> None:
        """ApiError unless `what` (experiments) may be renamed and deleted with what others have put there."""

    def created(self, run_id: str) -> None:
        """This run was made by the one who asks."""

    def made_experiment(self, experiment_id: str) -> None:
        """This experiment was made by the one who asks."""

    def chose(self, experiment_id: str) -> None:
        """The one who asks looked up or made this experiment."""

    def seen(self, run: Run) -> Run:
        """The run as it is shown."""


class Role:
    """Of a token: a reader sees all, a writer writes to runs, an admin also deletes what is others'.

    An approver reads, and approves versions of models.
    """

    experiment_id = "0"
    who = ""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def writes(self) -> bool:
        return self.name in ("writer", "admin")

    def write_run(self, run_id: str) -> None:  # noqa: ARG002
        self.write("runs")

    def write(self, what: str) -> None:
        if not self.writes:
            raise ApiError("PERMISSION_DENIED", f"This token may read; it may not change {what}.")

    def write_model(self, name: str, run_id: str) -> None:  # noqa: ARG002
        self.write("registered models")

    def name_model(self, name: str) -> None:  # noqa: ARG002
        self.write("registered models")

    def approve(self, name: str) -> str:  # noqa: ARG002
        if self.name not in ("approver", "admin"):
            raise ApiError("PERMISSION_DENIED", "Approving needs a token of an approver.")
        return self.name

    def made_model(self, name: str) -> None:
        pass

    def write_experiment(self, experiment_id: str) -> None:  # noqa: ARG002
        self.write("experiments")

    def locate(self, location: str) -> None:
        pass

    def manage(self, what: str) -> None:
        if self.name != "admin":
            raise ApiError("PERMISSION_DENIED", f"Renaming and deleting {what} needs a token of an admin.")

    def created(self, run_id: str) -> None:
        pass

    def made_experiment(self, experiment_id: str) -> None:
        pass

    def chose(self, experiment_id: str) -> None:
        pass

    def seen(self, run: Run) -> Run:
        return run


class OneRun:
    """The command of a run: it may change that run, what it creates, and what has that run as an ancestor.

    It may read everything: pipelines look up what earlier runs have found, and it runs as the store's owner.
    """

    def __init__(self, runs: LiveRuns, run_id: str) -> None:
        self._runs = runs
        self.run_id = run_id
        self.made: dict[str, None] = {}
        self._own = {run_id}
        self._experiments: set[str] = set()  # that it made
        self._models: set[str] = set()  # registered ones that it made
        self._chosen = ""
        self._lock = threading.Lock()

    @property
    def experiment_id(self) -> str:
        return self._runs.get(self.run_id).run().experiment_id

    @property
    def who(self) -> str:
        return self._runs.get(self.run_id).run().user

    def write_run(self, run_id: str) -> None:
        """Runs that the token's run made, and all below it and them. ApiError for others."""
        self._chosen = ""
        if run_id in self._own:
            return
        ancestor = run_id
        for _ in range(50):
            ancestor = self._runs.get(ancestor).run().parent
            if not ancestor:
                break
            if ancestor in self._own:
                self._own.add(run_id)
                return
        raise self._denied(f"may not change run {run_id}")

    def write(self, what: str) -> None:
        if what not in ("experiments", "models"):
            raise self._denied(f"may not change {what}")

    def write_model(self, name: str, run_id: str) -> None:
        """Of the versions that its runs made; of the model itself, if it made that."""
        if run_id:
            self.write_run(run_id)
        elif name not in self._models:
            raise self._denied(f"may not change the registered model {name}")

    def name_model(self, name: str) -> None:
        pass

    def approve(self, name: str) -> str:
        raise self._denied(f"may not approve versions of {name}")

    def made_model(self, name: str) -> None:
        self._models.add(name)

    def write_experiment(self, experiment_id: str) -> None:
        if experiment_id not in self._experiments and experiment_id != self.experiment_id:
            raise self._denied(f"may not change experiment {experiment_id}")

    def locate(self, location: str) -> None:  # noqa: ARG002
        raise self._denied("may not say where an experiment keeps its artifacts (artifact_location)")

    def _denied(self, what: str) -> ApiError:
        return ApiError("PERMISSION_DENIED", f"The token of run {self.run_id} {what}.")

    def manage(self, what: str) -> None:
        raise self._denied(f"may not rename or delete {what}")

    def created(self, run_id: str) -> None:
        self._chosen = ""
        with self._lock:
            self._own.add(run_id)
            self.made[run_id] = None

    def made_experiment(self, experiment_id: str) -> None:
        self._experiments.add(experiment_id)

    def chose(self, experiment_id: str) -> None:
        self._chosen = experiment_id

    def seen(self, run: Run) -> Run:
        """Right after `mlflow.set_experiment(...)`, a run of ours is shown as one of that experiment.

        The client refuses to continue a run of another experiment than the one that was set, so a program
        with that line could not be run by a runner at all; the run stays where `proj run` put it.
        """
        chosen, self._chosen = self._chosen, ""
        if chosen and run.run_id in self._own and run.status == "RUNNING":
            return run._replace(experiment_id=chosen)
        return run
