"""The code of a run on its way into the store: taken before the command starts, copied beside it."""

from __future__ import annotations

import json
import os
from _thread import allocate_lock
from collections.abc import Iterable, Iterator, Mapping

from runner.errors import InputError, ProjError
from runner.running.surroundings import Unseen, written
from runner.snapshots import ignored, snapshot, texts
from runner.snapshots.leftout import SECRET
from runner.sources.git import repository
from runner.tracking import events
from runner.typed import TYPE_CHECKING
from runner.values import CodeState, Json

if TYPE_CHECKING:
    from runner.running.plan import Plan
    from runner.running.record import Record
    from runner.text.secrets import Secrets
    from runner.values import Report

__all__ = ["Code"]

BYTECODE = "__pycache__/"
PATIENCE = 5.0  # s that git may take for the first commit; 100,000 commits take it less than one


class Code:
    """`with Code(...) as code`: on entering, the record says what will run; on leaving, the store has all of it."""

    def __init__(self, plan: Plan, record: Record, pending: snapshot.Pending | None, report: Report) -> None:
        self._plan = plan
        self._record = record
        self._pending = pending
        self._report = report
        self._capture: snapshot.Capture | None = None
        self._ignored: ignored.Asked | None = None
        self._lock = allocate_lock()
        self._state = CodeState()
        self._named: texts.Named | None = None

    def __enter__(self) -> Code:
        state, problem = self._taken()
        self._state = state
        self._record.code(state, problem)
        return self

    def _taken(self) -> tuple[CodeState, str]:
        """The exact code as it is now, or as it was restored; and why it cannot be kept."""
        plan = self._plan
        restored = self._pending is None or plan.origin.code is not None
        state = CodeState() if self._pending is None or restored else self._pending.finish()
        try:
            if plan.request.workdir != "fresh":  # it has none of them
                self._ignored = self._ask()
        except ProjError:
            pass  # no git, or a store that cannot be written: what follows says so
        if self._pending is None or restored:
            return plan.origin.code or CodeState(), ""
        if plan.request.require_clean and state.dirty:
            folder = plan.checkout.directory
            raise InputError(
                f"{folder} has uncommitted changes, and --require-clean was given", "git status  shows them"
            )
        try:
            self._capture = snapshot.take(
                self._pending, state, self._record.store.root, secrets=_looked_for(plan)
            )
        except ProjError as error:
            self._report.warn(f"the code of this run is not kept: {error.message}")
            return state, error.message
        for each in _secret(self._capture.state):
            self._report.warn(
                f"{each['path']} is not in the snapshot of the code: it {each['reason']} of this run"
            )
        return self._capture.state, ""

    def _ask(self) -> ignored.Asked:
        pending, directory, store = self._pending, self._plan.checkout.directory, self._record.store.root
        if pending is None:
            return ignored.ask(None, directory, store)
        return ignored.ask(pending.found, directory, store, pending.status and pending.status.ignored)

    def ignored(self) -> list[str]:
        """What is in the project's folder and not in the snapshot; folders end in "/". To be asked once."""
        asked, self._ignored = self._ignored, None
        return asked.finish() if asked is not None else []

    def unseen(self) -> Unseen:
        """What the snapshot does not have: in the project's folder, and named in its texts and outside of it.

        In a folder of the run's own there is nothing but what is known.
        """
        plan = self._plan
        directory, root = plan.checkout.directory, plan.root or plan.checkout.directory
        tree, names = "" if plan.checkout.temporary else self._state.tree, self.ignored()
        self._drop_bytecode(names)
        names = [
            each for each in names if BYTECODE not in each or each.endswith("/")
        ]  # says nothing of the code
        top = plan.checkout.root or directory
        own = (
            *(os.path.join(directory, each.rstrip("/")) for each in names),
            *(os.path.join(top, str(each["path"])) for each in _secret(self._state)),
            *written(plan),
        )
        if self._named is not None:
            return Unseen((), self._named)
        named = texts.named(directory, plan.directory, root, tree, own)
        return Unseen((*names, *self._elsewhere(named.within)), named)

    def _drop_bytecode(self, names: Iterable[str]) -> None:
        """Python shall not run what the snapshot has no more."""
        top, known = self._plan.checkout.directory, self._pending and self._pending.status
        if known and known.ignored is not None and self._pending and self._pending.found:
            top, names = self._pending.found.root, known.ignored  # also beside the project
        compiled = [each for each in names if BYTECODE in each]
        if not compiled or self._plan.checkout.temporary:
            return
        from runner.running.bytecode import drop_stale

        for source in drop_stale(os.path.join(top, each) for each in compiled):
            self._report.warn(f"Python may run {source} as it was before: its __pycache__ cannot be changed")

    def is_read(self) -> bool:
        """Whether it is known what the texts of this step's code name."""
        return texts.is_remembered(self._state.tree, self._step())

    def seen_in(self, directory: str, root: str) -> None:
        """The command sees the code in a folder of the run's own, in which there is nothing else yet."""
        self._named = texts.named(directory, directory, root, self._state.tree, (), self._step())

    def _step(self) -> str:
        """What decides which part of the snapshot is code of this step."""
        from runner.project import graph

        plan = self._plan
        return json.dumps(
            [
                self._state.tree,
                plan.checkout.subdirectory,
                *graph.apart(plan.project.entry_points),
                *plan.entry_point.code,
                *plan.entry_point.inputs,
                *plan.entry_point.outputs,
                str(dict(plan.parameters.texts)),
            ]
        )

    def _elsewhere(self, within: Iterable[str]) -> Iterator[str]:
        """The same beside the project in its repository, as far as it is named (`within`), and in nested ones."""
        found = self._pending.found if self._pending is not None else None
        if found is None:
            return
        directory = self._plan.checkout.directory
        names = ignored.among(found, within)
        for each in self._state.submodules:
            place = os.path.join(found.root, str(each["path"]))
            inner = None if each.get("missing") else repository.find(place)
            if inner is not None and inner.root == place:
                names += ignored.among(inner, [place])
        for name in names:
            yield os.path.relpath(name, os.path.realpath(directory)) + ("/" if name.endswith("/") else "")

    def keep(self) -> None:
        """Completes the snapshot, unless that is done or going on in another thread."""
        with self._lock:
            capture, self._capture = self._capture, None
            if capture is None:
                return
            try:
                capture.finish()
            except ProjError as error:
                self._record.note(events.section("code", {"problem": error.message}))

    def kept(self) -> CodeState:
        """Once the store has all of it."""
        self.keep()
        return self._state

    def first_commit(self) -> None:
        """Notes it where it is not known yet: once for each repository, for git needs its time for a long history."""
        checkout = self._plan.checkout
        if not checkout.commit or checkout.temporary:
            return
        from runner.sources.git import history, repository

        found = repository.find(checkout.root)
        if found is None or history.remembered(found) is not None:
            return
        if commit := history.first_commit(found, PATIENCE):
            self._record.note(events.section("source", {"first_commit": commit}))

    def __exit__(self, *error: object) -> None:
        self.ignored()
        self.keep()


def _looked_for(plan: Plan) -> Secrets | None:
    """The secrets of a run that the project does not itself say, as the default of a parameter."""
    if not any(name.startswith("PROJ_SECRET_") for name in (*plan.parameters.variables, *os.environ)):
        return None
    from runner.text.secrets import around

    said = {str(each.default) for each in plan.entry_point.parameters if each.secret}
    found = {name: value for name, value in plan.parameters.variables.items() if value not in said}
    return around(os.environ, found)


def _secret(state: CodeState) -> list[Mapping[str, Json]]:
    """The files that were left out of the snapshot since they hold a secret."""
    return [each for each in state.left_out if str(each.get("reason", "")).startswith(SECRET)]
