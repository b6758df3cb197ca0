"""What would become of a run that is started now: found out without a record, and without its command."""

from __future__ import annotations

from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from runner import environments, paths
from runner.running import command, nearest, planning, surroundings
from runner.running.cached import new_run
from runner.running.code import Code
from runner.running.nearest import Nearest
from runner.running.record import Record
from runner.running.workdir import Fresh, placed
from runner.tracking.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.running.plan import Plan
    from runner.tracking.events import Facts
    from runner.values import Report

__all__ = ["rehearse"]


def rehearse(plan: Plan, inputs: Sequence[Facts], store: Store, report: Report) -> Nearest:
    """The run that would be taken over in a work folder of its own, or the nearest one and what differs.

    `plan` has its code in `store` (Origin.code), `inputs` are events as the record would have them. It goes the same
    way as a real run, up to its command, with a record that is thrown away. ProjError as from a real one.
    """
    options, directory = planning.options(plan), plan.checkout.directory
    with ExitStack() as leaving:
        folder = leaving.enter_context(TemporaryDirectory(dir=paths.temporary()))
        own = Store(folder, secrets=store.secrets)
        request = plan.request._replace(experiment_id="", experiment_name="")
        record = Record.begin(plan._replace(request=request), own, report)
        leaving.callback(record.writer.close)
        record.store = store
        code = leaving.enter_context(Code(plan, record, None, report))
        record.known_inputs = tuple(inputs)
        record.append(*inputs)
        environment = environments.prepare(plan.specification, directory, options, report)
        record.environment(environment)
        work = leaving.enter_context(Fresh(plan, record, code, report))
        activation = placed(environment, plan, work).activation
        variables = command.variables(plan, record, activation)
        seen = surroundings.look(work, record.directory, code.unseen(), activation, variables)
        return nearest.find(new_run(work, record, own, seen, activation), store, every=True)
