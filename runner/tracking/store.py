"""A store of runs: one folder. Cheap to make; what searching needs is imported when something is searched."""

from __future__ import annotations

import os
from _thread import allocate_lock
from collections.abc import Mapping, Sequence

from runner.errors import InputError, StoreError
from runner.tracking import events
from runner.tracking.journal import hint
from runner.tracking.log import kept, new_run_id, now
from runner.tracking.writer import RunWriter
from runner.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from runner.text.secrets import Secrets
    from runner.tracking.events import Event, Facts
    from runner.tracking.experiments import Experiment
    from runner.tracking.fold import Metric, Run
    from runner.tracking.index.places import Scope
    from runner.tracking.index.projection import Index
    from runner.tracking.index.query import Budget
    from runner.values import Json, Report

__all__ = ["Page", "Points", "Store"]

VIEWS = ("active", "deleted", "all")


class Page(NamedTuple):
    runs: tuple[Run, ...]
    next_page_token: str = ""  # "": this was the last one


class Points(NamedTuple):
    points: tuple[Metric, ...]
    next_page_token: str = ""


class Store:
    def __init__(
        self, root: str, report: Report | None = None, index: str = "", secrets: Secrets | None = None
    ) -> None:
        """`index`: postgresql://... (default: PROJ_INDEX, else a SQLite file). What is written is without `secrets`."""
        self.root = root
        self.secrets = secrets
        self.where = index
        self.report = report  # is told when a big index is made
        self._index: Index | None = None
        self._warned = False
        self._lock = allocate_lock()

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
        project: str = "",
        entry_point: str = "",
        uri: str = "",
        params: Mapping[str, Json] | None = None,
        texts: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        sections: Mapping[str, Facts] | None = None,
        secrets: Secrets | None = None,
    ) -> RunWriter:
        """A new run, RUNNING: its folder is made and its first events are written in one write.

        `params` typed, `texts` of those whose text is not str(value); `sections` by type (source, ...);
        `secrets`: of this run, instead of the store's. The experiment is not looked up.
        """
        from runner.tracking.names import random_name

        moment = now()
        run_id = run_id or new_run_id(moment)
        self._make_directory(run_id)
        writer = RunWriter(self.root, run_id, secrets or self.secrets, kind)
        start = events.start(
            run_id,
            experiment_id,
            name=name or random_name(),
            user=user_name() if user is None else user,
            kind=kind,
            parent=parent,
            start_time=start_time,
            project=project,
            entry_point=entry_point,
            uri=uri,
            writer=writer.identity(),
        )
        writer.append(
            start,
            *(events.section(section, facts) for section, facts in (sections or {}).items()),
            *events.params(params or {}, texts),
            *events.tags(tags or {}),
        )
        return writer

    def _make_directory(self, run_id: str) -> None:
        try:
            try:
                os.mkdir(self.run_directory(run_id))
            except FileNotFoundError:  # the first run of the store
                os.makedirs(os.path.join(self.root, "runs"), exist_ok=True)
                os.mkdir(self.run_directory(run_id))
        except FileExistsError:
            raise StoreError(f"the run {run_id} is already there") from None
        except OSError as error:
            raise StoreError(
                f"the store {self.root} cannot be written: {error.strerror or error}",
                "proj run --store FOLDER  uses another one",
            ) from error

    def open_run(self, run_id: str, secrets: Secrets | None = None) -> RunWriter:
        """To write more to a run that is there. StoreError if it is not."""
        if not is_run_id(run_id) or not os.path.exists(
            os.path.join(self.run_directory(run_id), "events.jsonl")
        ):
            raise unknown(run_id)
        return RunWriter(self.root, run_id, secrets or self.secrets)

    def delete_run(self, run_id: str) -> None:
        """Softly: restore_run brings it back; purge is for good."""
        with self.open_run(run_id) as writer:
            writer.append(events.deleted())

    def restore_run(self, run_id: str) -> None:
        with self.open_run(run_id) as writer:
            writer.append(events.restored())

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

    def read(self, run_id: str, exact: bool = False) -> Run:
        """The run as its record says now. StoreError if there is none, or a newer version of proj wrote it.

        `exact`: see log.read.
        """
        from runner.tracking.reading import read_on

        if not is_run_id(run_id):
            raise unknown(run_id)
        try:
            run = read_on(self.run_directory(run_id), exact=exact).called(run_id).run
        except FileNotFoundError:
            raise unknown(run_id) from None
        except OSError as error:
            raise StoreError(f"the run {run_id} cannot be read: {error.strerror or error}") from error
        if run is None:
            raise unknown(run_id)
        return run

    @property
    def index(self) -> Index:
        """Made at first use; safe to use from threads."""
        with self._lock:
            if self._index is None:
                from runner.tracking.index.projection import Index

                self._index = Index(self.root, self.report, self.where or os.environ.get("PROJ_INDEX", ""))
            return self._index

    def close(self) -> None:
        with self._lock:
            if self._index is not None:
                self._index.close()
                self._index = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def search(
        self,
        filter: str = "",  # noqa: A002
        experiment_ids: Sequence[str] | None = None,
        order_by: Sequence[str] = (),
        limit: int = 100,
        page_token: str = "",
        view: str = "active",
        places: Sequence[str] | None = None,
        budget: Budget | None = None,
    ) -> Page:
        """Runs that a filter in MLflow's grammar selects (docs/search.md). InputError for a wrong one.

        `experiment_ids` None: of all experiments that are not deleted. `view`: active, deleted or all.
        `places`: keys of a Scope; None: of all projects. With a `budget`, a page may be shorter than `limit`, and
        InputError says that it takes too long.
        """
        from runner.tracking.index import grammar as search
        from runner.tracking.index.query import Budget, Query
        from runner.tracking.metrics import position

        if view not in VIEWS:
            raise InputError(f"{view!r} is not a view; there are {', '.join(VIEWS)}")
        query = Query(
            search.parse_filter(kept(filter)),
            search.parse_order([kept(each) for each in order_by]),
            experiment_ids,
            view,
            places,
        )
        start = position(page_token)
        runs, after = self.index.page(query, limit, start, budget=budget or Budget())
        if self.report is not None and not self._warned and (newer := self.index.newer()):
            self._warned = True
            self.report.warn(
                f"{newer} runs or experiments are not shown: a newer version of proj wrote them"
                " (pip install --upgrade proj-runner)"
            )
        return Page(runs, "" if after is None else "{}:{}".format(*after))

    def resolve(self, ref: str, scope: Scope | None = None) -> str:
        """A run id from a full or short id (4 digits or more), a name, `last`, `last~2`, `best:metrics.rmse`.

        `best:-metrics.acc` is the greatest. With the `scope` of a project, `last` and `best` look among its runs, and
        of several runs with one name its own is meant.
        """
        if is_run_id(ref) and os.path.isdir(self.run_directory(ref)):
            return ref
        from runner.tracking.resolve import resolve

        return resolve(self, kept(ref), scope)

    def problems(self) -> list[tuple[str, int, str]]:
        """What was skipped in the logs: (run id, byte offset, message)."""
        self.index.refresh(everything=True)
        return self.index.problems()

    def logs(self) -> int:
        """How many runs there are, by their logs alone: those that have begun, and that this version can read."""
        from runner.tracking.reading import is_begun

        folder = os.path.join(self.root, "runs")
        return sum(is_run_id(name) and is_begun(os.path.join(folder, name)) for name in os.listdir(folder))

    def history(self, run_id: str, key: str, limit: int = 25_000, page_token: str = "") -> Points:
        """The points of a metric in the order in which they were logged, re-sent ones once."""
        from runner.tracking.metrics import history

        self.open_run(run_id)
        return Points(*history(self.run_directory(run_id), kept(key), limit, page_token))

    # ---- experiments -------------------------------------------------------------------------------------

    def experiments(self, view: str = "active") -> list[Experiment]:
        """Newest first, Default last."""
        from runner.tracking import experiments

        found = [each for each in experiments.listing(self.root) if view == "all" or each.lifecycle == view]
        return sorted(found, key=lambda each: (-each.creation_time, each.experiment_id))

    def experiment(self, experiment_id: str) -> Experiment:
        """StoreError when there is none."""
        from runner.tracking import experiments

        return experiments.get(self.root, experiment_id)

    def experiment_by_name(self, name: str) -> Experiment | None:
        """None when there is none; deleted ones are found too."""
        from runner.tracking import experiments

        return experiments.by_name(self.root, kept(name, self.secrets))

    def create_experiment(
        self,
        name: str,
        artifact_location: str = "",
        tags: Mapping[str, str] | None = None,
        default_root: str = "",
    ) -> str:
        """Its id. StoreError when the name is taken. Without a location, it is a folder in `default_root`."""
        from runner.tracking import experiments

        return experiments.create(self.root, name, artifact_location, tags, self.secrets, default_root)

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
            from shlex import quote

            raise StoreError(
                f"the experiment {name!r} is deleted",
                f"proj experiments restore {quote(name)}  brings it back",
            )
        return found.experiment_id

    def rename_experiment(self, experiment_id: str, name: str) -> None:
        """StoreError when another one has the name."""
        from runner.tracking import experiments

        experiments.rename(self.root, experiment_id, name, self.secrets)

    def tag_experiment(self, experiment_id: str, key: str, value: str | None) -> None:
        """None removes the tag."""
        self._append_experiment(experiment_id, events.untag(key) if value is None else events.tag(key, value))

    def delete_experiment(self, experiment_id: str) -> None:
        """Softly; its runs are no longer listed."""
        self._append_experiment(experiment_id, events.deleted())

    def restore_experiment(self, experiment_id: str) -> None:
        self._append_experiment(experiment_id, events.restored())

    def _append_experiment(self, experiment_id: str, event: Event) -> None:
        from runner.tracking import experiments

        experiments.append(self.root, experiment_id, event, secrets=self.secrets)


def unknown(run_id: str) -> StoreError:
    return StoreError(f"there is no run {run_id!r}", "proj runs  lists them")


def is_run_id(text: str) -> bool:
    return len(text) == 32 and not text.strip("0123456789abcdef")


def user_name() -> str:
    """As getpass.getuser(), which costs an import; "" for a user without a name."""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if os.environ.get(variable):
            return os.environ[variable]
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return ""
