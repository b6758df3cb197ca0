"""A run of ours with a model: serving it, predicting with it. It is in the store as any other, of a kind of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runner.host import files, machine, process, process_tree
from runner.host.interrupts import Shield
from runner.models.address import Located
from runner.models.mlmodel import Model
from runner.running import beginning, ending
from runner.running.plan import user_tags
from runner.running.record import kept_environment, remove, reserve
from runner.running.variables import chosen
from runner.tracking import events
from runner.tracking.log import kept
from runner.tracking.names import random_name
from runner.tracking.store import Store
from runner.tracking.writer import RunWriter
from runner.values import Activation, Ended, Environment, Json

__all__ = ["About", "Recording"]

SECRET = ("PROJ_SERVE_TOKEN",)  # variables that are for us only


class About(NamedTuple):
    kind: str  # serve, predict
    command: str  # as it may be typed again, without secrets
    params: Mapping[str, Json] = {}
    experiment_name: str = ""
    run_name: str = ""
    tags: tuple[str, ...] = ()


class Recording:
    """`with Recording.begin(...) as recording`: RUNNING, until it ends as `ended` says or as an error does."""

    def __init__(self, writer: RunWriter, name: str, token: str) -> None:
        self.writer = writer
        self.run_id = writer.run_id
        self.directory = writer.directory
        self.name = name
        self.ended: Ended | None = None
        self._token = token
        self._reserve = os.path.join(self.directory, ".reserve")
        reserve(self._reserve)

    @classmethod
    def begin(
        cls, store: Store, about: About, found: Located, model: Model, signers: Sequence[str]
    ) -> Recording:
        """`signers`: whose trusted signatures the model has."""
        parent = os.environ.get("PROJ_RUN_ID", "")
        tags = {
            "mlflow.source.name": found.address,
            "mlflow.source.type": "LOCAL",
            "mlflow.parentRunId": parent,
        }
        name = kept(about.run_name, store.secrets) or random_name()
        token = os.urandom(16).hex()
        writer = store.create_run(
            beginning.experiment_of("", kept(about.experiment_name, store.secrets), store),
            name=name,
            kind=about.kind,
            parent=parent,
            params=about.params,
            tags={key: value for key, value in tags.items() if value} | user_tags(about.tags),
            sections={
                # no folder: it is no run of the project there
                "source": {"uri": found.address, "kind": "model", "signed_by": list(signers)},
                "supervisor": {**machine.identity(), "token": token},
                "machine": machine.describe(),
            },
            project=found.name or os.path.basename(found.folder),
            entry_point=about.kind,
            uri=found.address,
        )
        facts = {"uri": found.address, "digest": model.digest, "size": model.size, "origin": "model"}
        writer.append(events.input_file(facts), *_links(found))
        writer.append(events.command(about.command, os.getcwd(), chosen(os.environ), {}))
        return cls(writer, name, token)

    def environment(self, environment: Environment) -> None:
        self.writer.append(events.section("environment", kept_environment(environment, self.directory)))

    def variables(self, activation: Activation) -> dict[str, str]:
        """Of a process in that environment; it is known as one of this run, and ended with it."""
        found = process.environment(activation.variables)
        for name in SECRET:
            found.pop(name, None)
        found["PATH"] = os.pathsep.join((*activation.path, found.get("PATH", os.defpath)))
        found.update(
            {"PROJ_RUN_ID": self.run_id, "PROJ_STORE": self.writer.root, process_tree.MARK: self._token}
        )
        return found

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        moment = files.now() // 1_000_000
        self.writer.metrics((key, value, moment, step) for key, value in values.items())

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with Shield():
            if error is not None:
                self.ended = ending.by_error(error, self.directory)
            ended = self.ended or Ended("FAILED", 125, "error")
            remove(self._reserve)
            process_tree.kill_carrying(process_tree.mark_of(self._token))
            try:
                self.writer.end(
                    ended.status,
                    reason=ended.reason,
                    exit_code=ended.exit_code,
                    signal=ended.signal,
                    message=ended.message,
                )
            finally:
                self.writer.close()


def _links(found: Located) -> Sequence[events.Event]:
    """To what made it, and to the model as MLflow knows it."""
    links = [events.run_link("uses-model-of", found.run_id)] if found.run_id else []
    return [*links, *([events.model_link("model-input", found.model_id)] if found.model_id else [])]
