"""A folder for one run (`--workdir=fresh`): its code and its declared inputs, and nothing else of the project.

Whatever happens beside it, and whatever lies in the project, the command sees the snapshot that is recorded; what it
writes is seen by nobody until it has succeeded. Then the declared outputs take their places in the project.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.data.inputs import expand, is_uri, relative
from runner.data.outputs import filled, inside
from runner.errors import InputError, ProjError
from runner.host import replacing
from runner.host.files import remove_tree
from runner.running import key
from runner.running.earlier import Earlier
from runner.running.supplied import Supplier, Supply
from runner.snapshots import packed
from runner.sources import folders
from runner.text.globs import is_pattern, matcher
from runner.tracking import events

if TYPE_CHECKING:
    from runner.running.code import Code
    from runner.running.plan import Plan
    from runner.running.record import Record
    from runner.values import Environment, Report

__all__ = ["Fresh", "placed"]


class Fresh:
    """`with Fresh(...) as placed:` the plan with the work folder in the place of the project's.

    On leaving, the outputs of a run that finished are put into the project, and the work folder is removed.
    """

    def __init__(self, plan: Plan, record: Record, code: Code, report: Report) -> None:
        self._plan = plan
        self._record = record
        self._code = code
        self._report = report
        self._folder = ""
        self._files: list[packed.Member] = []  # that are not there yet
        self._supplied: list[Supply] = []
        self._supplier = Supplier()
        self._earlier = Earlier(plan, record.store)
        self._is_filled = False
        self._given: list[str] = []  # inputs that the command did not change, as they lie in the project

    def __enter__(self) -> Plan:
        plan, checkout = self._plan, self._plan.checkout
        self._root = self._top = os.path.normpath(plan.root)
        self._folder = folders.make()
        try:
            self._top = os.path.join(self._folder, os.path.basename(self._root) or "project")
            directory = os.path.normpath(os.path.join(self._top, checkout.subdirectory))
            self._fill(directory)
        except OSError as error:
            folders.remove(self._folder)
            raise _unmade(error) from error
        except BaseException:
            folders.remove(self._folder)
            raise
        self._record.in_folder(directory)
        self._record.append(events.section("workdir", {"kind": "fresh", "directory": directory}))
        return plan._replace(checkout=checkout._replace(directory=directory, root=self._top))

    def _fill(self, directory: str) -> None:
        """The code, without what are inputs or outputs, and the inputs as they were hashed."""
        plan, state = self._plan, self._code.kept()
        if not state.tree:
            raise InputError(
                "a fresh work folder needs a snapshot of the code, and there is none",
                "--workdir=project  runs in the project's own folder",
            )
        supplies, patterns = list(self._supplies()), self._patterns()
        supplied = tuple(f"{os.path.relpath(each.target, self._top)}/" for each in supplies)
        written, is_code = matcher(patterns), key.of_code(plan)
        inside = f"{plan.checkout.subdirectory}/" if plan.checkout.subdirectory else ""

        def wanted(path: str) -> bool:
            if supplied and f"{path}/".startswith(supplied):
                return False
            return not (patterns and path.startswith(inside) and written(path[len(inside) :])) and is_code(
                path
            )

        os.makedirs(directory, exist_ok=True)
        found = [each for each in packed.members(self._record.store.root, state.tree) if wanted(each.path)]
        self._files = [each for each in found if each.mode != packed.LINK]
        self._supplied = supplies
        packed.unpack(state.tree, [each for each in found if each.mode == packed.LINK], self._top)
        for name in filter(wanted, state.folders):
            os.makedirs(os.path.join(self._top, name), exist_ok=True)
        self._make_folders(patterns, directory)
        if not self._code.is_read():
            self._unpack()
        self._code.seen_in(directory, self._top)

    def _unpack(self) -> None:
        found, self._files = self._files, []
        packed.unpack(self._code.kept().tree, found, self._top)

    def fill(self) -> None:
        """What a command needs: for a run that is taken over, links and what is known of the texts are enough."""
        self._is_filled = True
        try:
            self._unpack()
            for each in self._supplied:
                self._supplier.bring(each)
        except OSError as error:
            raise _unmade(error) from error

    def _make_folders(self, patterns: list[str], directory: str) -> None:
        """For `open("out/x", "w")`, where git keeps no empty `out`. They were there: a reproduction needs them, too."""
        made = []
        for pattern in patterns:
            folder = os.path.dirname(os.path.normpath(os.path.join(directory, _fixed(pattern))))
            if not os.path.isdir(folder):
                os.makedirs(folder)
                made.append(os.path.relpath(folder, self._top))
        if made:
            state = self._code.kept()
            self._record.code(state._replace(folders=tuple(sorted({*state.folders, *made}))))

    def _supplies(self) -> Iterator[Supply]:
        """Declared inputs that are there, and lie in the project or beside it in its repository."""
        plan, directory = self._plan, self._plan.checkout.directory
        known = {str(each["path"]): str(each.get("digest", "")) for each in self._record.known_inputs}
        for text in filled(plan.entry_point.inputs, plan.parameters.texts):
            if os.path.isabs(os.path.expanduser(text)) or is_uri(text):
                continue
            self._refuse_outside("input", text)
            for path in expand(text, directory):
                name = relative(path, directory)
                if known.get(name):
                    target = os.path.join(self._top, os.path.relpath(path, self._root))
                    yield Supply(name, path, target, known[name])

    def _patterns(self) -> list[str]:
        """Of the outputs that are to be put into the project."""
        found = [each for each in key.outputs(self._plan) if not os.path.isabs(os.path.expanduser(each))]
        for each in found:
            self._refuse_outside("output", each)
            for path in expand(each, self._plan.checkout.directory):
                self._refuse_link(path)
        return found

    def _refuse_link(self, path: str) -> None:
        """A folder elsewhere is not ours to exchange, nor one that has the project in it."""
        if not os.path.isdir(path):
            return
        directory, real = self._plan.checkout.directory, os.path.realpath(path)
        around = path != directory and f"{os.path.realpath(directory)}/".startswith(f"{real}/")
        if around or not f"{real}/".startswith(f"{os.path.realpath(self._root)}/"):
            raise InputError(
                f"the output {os.path.relpath(path, self._root)} is a folder outside of the project: {real}",
                f"name it by its absolute path ({real}), or run with --workdir=project",
            )

    def _refuse_outside(self, what: str, text: str) -> None:
        path = os.path.normpath(os.path.join(self._plan.checkout.directory, text))
        if not path.startswith(f"{self._root}/"):
            raise InputError(
                f"the {what} {text} lies outside of the project: a fresh work folder does not have it",
                f"name it by an absolute path ({path}), or run with --workdir=project",
            )

    def _publish(self) -> None:
        done: list[str] = []
        self._given = list(self._taken_back())
        directory = os.path.normpath(os.path.join(self._top, self._plan.checkout.subdirectory))
        for path in dict.fromkeys(path for each in self._patterns() for path in expand(each, directory)):
            if path == directory or any(path.startswith(f"{each}/") for each in done):  # `**`: itself, too
                continue
            done.append(path)
            name = os.path.relpath(path, self._top)
            try:
                self._put(path, os.path.join(self._root, name))
            except OSError as error:
                raise ProjError(
                    f"the output {name} cannot be put into {self._root}: {error.strerror}",
                    f"proj artifacts get {self._record.run_id[:12]}  has it",
                ) from error
        if self._plan.request.all_outputs:
            self._remove_older({os.path.relpath(each, self._top) for each in done})

    def _put(self, path: str, target: str) -> None:
        """A folder takes the place of another one, in which the user may have put something. OSError."""
        is_link = os.path.islink(path)
        if is_link and (os.path.islink(target) or not os.path.isdir(target)):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            replacing.put_link(path, target)
            return
        if not os.path.isdir(target):
            replacing.put(path, target)
            return
        name = relative(target, self._plan.checkout.directory)
        self._refuse_link(target)
        real = os.path.realpath(target)
        given = self._given_in(target, path)
        mine = self._earlier.others(real, name, "" if is_link else path)
        if (mine or given) and (is_link or not os.path.isdir(path)):
            text = f"a folder is there, and {[*mine, *given][0]} in it is no output of a run"
            raise FileExistsError(errno.EEXIST, text)
        replacing.put(path, target, {*mine, *given})
        for each in mine:
            if each not in given:
                self._report.warn(f"{name}/{each} is no output of this run: it was left there")

    def _taken_back(self) -> Iterator[str]:
        yield from self._supplier.take_back()
        if not self._is_filled:
            for each in self._supplied:
                yield from inside(each.source) if os.path.isdir(each.source) else [each.source]

    def _given_in(self, target: str, path: str) -> set[str]:
        """Inputs in a folder that is to be exchanged for `path`, or the links in it through which they are there."""
        found = set()
        for each in self._given:
            if not each.startswith(f"{target}/"):
                continue
            parts = each[len(target) + 1 :].split("/")
            names = ["/".join(parts[: count + 1]) for count in range(len(parts))]
            name = next((one for one in names if os.path.islink(os.path.join(target, one))), names[-1])
            new = os.path.join(path, name)
            if os.path.isdir(new) and not os.path.islink(new) and not any(inside(new)):
                remove_tree(new)
            if not os.path.lexists(new):
                found.add(name)
            elif name != names[-1]:
                raise FileExistsError(errno.EEXIST, f"{name} is a link there, and the command wrote into it")
        return found

    def _remove_older(self, written: set[str]) -> None:
        """Of a step's globs, what an earlier run of it left and this one did not write: the next step would read it."""
        directory = self._plan.checkout.directory
        kept = {directory, *self._given, *(up for each in self._given for up in _above(each, directory))}
        older = [
            path
            for each in filter(is_pattern, self._patterns())
            for path in expand(each, directory)
            if os.path.relpath(path, self._root) not in written and path not in kept
        ]
        for path in older:
            self._earlier.clear(path, relative(path, directory), self._report)

    def __exit__(self, kind: object, *error: object) -> None:
        try:
            ended = self._record.ended
            if kind is None and ended is not None and ended.status == "FINISHED":
                self._supplier.refuse_changed()
                self._publish()
            elif kind is None and ended is not None and ended.reason == "exit":
                from runner.running.hints import not_there

                if hint := not_there(self._record.directory, self._root, self._top, self._plan):
                    self._report.warn(hint)
        finally:
            folders.remove(self._folder)


def _above(path: str, directory: str) -> Iterator[str]:
    while (path := os.path.dirname(path)).startswith(f"{directory}/"):
        yield path


def _unmade(error: OSError) -> ProjError:
    return ProjError(f"the work folder cannot be made: {error.strerror}: {error.filename}")


def placed(environment: Environment, plan: Plan, work: Plan) -> Environment:
    """With the work folder where a container would have the project's."""
    activation, old, new = environment.activation, plan.checkout.directory, work.checkout.directory
    container = activation.container
    if container is None:
        return environment
    volumes = tuple(
        f"{new}{each[len(old) :]}" if each.partition(":")[0] == old else each for each in container.volumes
    )
    directory = new if container.directory == old else container.directory
    container = container._replace(directory=directory, volumes=volumes)
    return environment._replace(activation=activation._replace(container=container))


def _fixed(pattern: str) -> str:
    """What stands before the first wildcard, up to the name that has it."""
    parts: list[str] = []
    for part in pattern.split("/"):
        parts.append(part)
        if any(character in part for character in "*?["):
            break
    return "/".join(parts)
