"""A store of runs: one folder. Cheap to make; what searching needs is imported when something is searched."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.errors import InputError, StoreError
from runner.tracking.log import encode, new_run_id, now, read
from runner.tracking.writer import RunWriter, hint

if TYPE_CHECKING:
    from runner.tracking.experiments import Experiment
    from runner.tracking.fold import Metric, Run

__all__ = ["Page", "Points", "Store"]

VIEWS = ("active", "deleted", "all")


class Page(NamedTuple):
    runs: tuple[Run, ...]
    next_page_token: str = ""  # "": this was the last one


class Points(NamedTuple):
    points: tuple[Metric, ...]
    next_page_token: str = ""


class Store:
    def __init__(self, root: str) -> None:
        self.root = root

    def run_directory(self, run_id: str) -> str:
        return os.path.join(self.root, "runs", run_id)

    # ---- writing -----------------------------------------------------------------------------------------

    def create_run(
        self,
        experiment_id: str = "0",
        *,
        name: str = "",
        kind: str = "project",
        run_id: str = "",
        start_time: int | None = None,
        user: str | None = None,
        parent: str = "",
        params: Mapping[str, Any] | None = None,
        texts: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        sections: Mapping[str, Mapping[str, Any]] | None = None,
        **start: Any,
    ) -> RunWriter:
        """A new run, RUNNING: its folder is made and its first events are written in one write.

        `params` typed, `texts` of those whose text is not str(value); `sections` by type (source, command, ...);
        `start`: further keys of the start event (project, entry_point, uri, ...). The experiment is not looked up.
        """
        from runner.tracking.names import random_name

        moment = now()
        run_id = run_id or new_run_id(moment)
        first = {
            "type": "start",
            "format": 1,
            "run_id": run_id,
            "experiment_id": experiment_id,
            "name": name or random_name(),
            "user": user_name() if user is None else user,
            "kind": kind,
            **start,
        }
        if start_time is not None:
            first["start_time"] = start_time
        if parent:
            first["parent"] = parent
        texts = texts or {}
        events = [
            first,
            *({"type": kind_, **section} for kind_, section in (sections or {}).items()),
            *(
                {
                    "type": "param",
                    "key": key,
                    "value": value,
                    **({"text": texts[key]} if key in texts else {}),
                }
                for key, value in (params or {}).items()
            ),
            *({"type": "tag", "key": key, "value": value} for key, value in (tags or {}).items()),
        ]
        try:
            os.makedirs(os.path.join(self.root, "runs"), exist_ok=True)
            os.mkdir(self.run_directory(run_id))
        except FileExistsError:
            raise StoreError(f"the run {run_id} is already there") from None
        except OSError as error:
            raise StoreError(
                f"the store {self.root} cannot be written: {error.strerror or error}",
                "proj run --store FOLDER  uses another one",
            ) from error
        writer = RunWriter(self.root, run_id)
        writer.append(*events)
        return writer

    def open_run(self, run_id: str) -> RunWriter:
        """To write more to a run that is there. StoreError if it is not."""
        if not is_run_id(run_id) or not os.path.exists(
            os.path.join(self.run_directory(run_id), "events.jsonl")
        ):
            raise unknown(run_id)
        return RunWriter(self.root, run_id)

    def delete_run(self, run_id: str) -> None:
        """Softly: restore_run brings it back; purge is for good."""
        self._append(run_id, "deleted")

    def restore_run(self, run_id: str) -> None:
        self._append(run_id, "restored")

    def _append(self, run_id: str, kind: str) -> None:
        with self.open_run(run_id) as writer:
            writer.append({"type": kind})

    def purge(self, run_id: str) -> None:
        """Removes the run with all its files."""
        import shutil

        if not is_run_id(run_id) or not os.path.isdir(self.run_directory(run_id)):
            raise unknown(run_id)
        trash = os.path.join(self.root, "runs", f".purged-{run_id}")
        try:
            os.rename(self.run_directory(run_id), trash)
        except OSError as error:
            raise StoreError(f"the run {run_id} cannot be removed: {error.strerror or error}") from error
        hint(self.root, run_id)
        shutil.rmtree(trash, ignore_errors=True)

    # ---- reading -----------------------------------------------------------------------------------------

    def get(self, run_id: str) -> Run:
        """The run as its log says now, without the index. StoreError if there is none."""
        from runner.tracking.fold import fold

        if not is_run_id(run_id):
            raise unknown(run_id)
        run = fold(event for event, _ in read(os.path.join(self.run_directory(run_id), "events.jsonl")))
        if run is None:
            raise unknown(run_id)
        return run

    def search(
        self,
        filter: str = "",  # noqa: A002
        experiment_ids: Sequence[str] | None = None,
        order_by: Sequence[str] = (),
        limit: int = 100,
        page_token: str = "",
        view: str = "active",
    ) -> Page:
        """Runs that a filter in MLflow's grammar selects (docs/search.md). InputError for a wrong one.

        `experiment_ids` None: of all experiments. `view`: active, deleted or all.
        """
        runs = [run for run in self._scan() if view == "all" or run.lifecycle == view]
        if experiment_ids is not None:
            runs = [run for run in runs if run.experiment_id in experiment_ids]
        runs.sort(key=lambda run: (-run.start_time, run.run_id))
        first = int(page_token or 0)
        last = first + limit
        return Page(tuple(runs[first:last]), str(last) if last < len(runs) else "")

    def _scan(self) -> Iterator[Run]:
        try:
            names = os.listdir(os.path.join(self.root, "runs"))
        except FileNotFoundError:
            return
        for name in names:
            if is_run_id(name):
                try:
                    yield self.get(name)
                except StoreError:
                    continue

    def resolve(self, ref: str, project: str = "") -> str:
        """A run id from a full or short id (4 digits at least), a name, `last`, `last~2`, `best:metrics.rmse`.

        `best:-metrics.acc` is the greatest. With `project` (its name), `last` and `best` look among its runs.
        """
        if is_run_id(ref) and os.path.isdir(self.run_directory(ref)):
            return ref
        runs = [run for run in self.search(limit=1000).runs if not project or run.project == project]
        if ref.startswith("last"):
            back = int(ref[5:] or 0)
            if back < len(runs):
                return runs[back].run_id
        found = [
            run.run_id for run in runs if run.name == ref or (len(ref) >= 4 and run.run_id.startswith(ref))
        ]
        if len(found) == 1:
            return found[0]
        raise InputError(f"no run is called {ref!r}", "proj runs  lists them")

    def history(self, run_id: str, key: str, limit: int = 25_000, page_token: str = "") -> Points:
        """The points of a metric in the order in which they were logged, re-sent ones once."""
        from runner.tracking.history import history

        self.open_run(run_id)
        return Points(*history(self.run_directory(run_id), key, limit, page_token))

    # ---- experiments -------------------------------------------------------------------------------------

    def experiments(self, view: str = "active") -> list[Experiment]:
        """Newest first, Default last."""
        from runner.tracking import experiments

        found = [each for each in experiments.listing(self.root) if view == "all" or each.lifecycle == view]
        return sorted(found, key=lambda each: (-each.creation_time, each.experiment_id))

    def experiment(self, experiment_id: str) -> Experiment:
        from runner.tracking import experiments

        return experiments.get(self.root, experiment_id)

    def experiment_by_name(self, name: str) -> Experiment | None:
        """None when there is none; deleted ones are found too."""
        from runner.tracking import experiments

        return experiments.by_name(self.root, name)

    def create_experiment(
        self, name: str, artifact_location: str = "", tags: Mapping[str, str] | None = None
    ) -> str:
        """Its id. StoreError when the name is taken."""
        from runner.tracking import experiments

        return experiments.create(self.root, name, artifact_location, tags)

    def ensure_experiment(self, name: str) -> str:
        """The id of the experiment of that name, made if it is not there: safe when many do it at once."""
        if name in ("", "Default"):
            return "0"
        found = self.experiment_by_name(name)
        if found is None:
            try:
                return self.create_experiment(name)
            except StoreError:
                found = self.experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle == "deleted":
            raise StoreError(
                f"the experiment {name!r} is deleted", "proj experiments restore  brings it back"
            )
        return found.experiment_id

    def rename_experiment(self, experiment_id: str, name: str) -> None:
        from runner.tracking import experiments

        experiments.rename(self.root, experiment_id, name)

    def tag_experiment(self, experiment_id: str, key: str, value: str | None) -> None:
        """None removes the tag."""
        event = (
            {"type": "untag", "key": key} if value is None else {"type": "tag", "key": key, "value": value}
        )
        self._append_experiment(experiment_id, event)

    def delete_experiment(self, experiment_id: str) -> None:
        """Softly; its runs are no longer listed."""
        self._append_experiment(experiment_id, {"type": "deleted"})

    def restore_experiment(self, experiment_id: str) -> None:
        self._append_experiment(experiment_id, {"type": "restored"})

    def _append_experiment(self, experiment_id: str, event: Mapping[str, Any]) -> None:
        from runner.tracking import experiments

        experiments.append(self.root, experiment_id, event)


def unknown(run_id: str) -> StoreError:
    return StoreError(f"there is no run {run_id!r}", "proj runs  lists them")


def is_run_id(text: str) -> bool:
    return len(text) == 32 and not text.strip("0123456789abcdef")


def user_name() -> str:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if os.environ.get(variable):
            return os.environ[variable]
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return ""
