"""What one step of a pipeline hands to the next lies in the project, where another run, or a user, may change it.

So a step is held to what the steps before it wrote: an input that is another one, or is gone, is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from runner.data.inputs import digest_of, is_uri
from runner.errors import InputError
from runner.text.globs import matcher
from runner.typed import NamedTuple

if TYPE_CHECKING:
    from runner.tracking.events import Facts
    from runner.tracking.fold import Run

__all__ = ["Handed", "refuse_changed", "refuse_missing", "written"]


class Handed(NamedTuple):
    """A file that a step has written."""

    step: str
    digest: str


def written(run: Run, step: str) -> Iterator[tuple[str, Handed]]:
    """Path, as the record names it -> what the run left there. Of a folder each file: others may lie beside them."""
    for output in run.outputs:
        path = str(output["path"])
        kept = os.path.basename(path) if os.path.isabs(path) else path
        inside = [name for name in run.artifacts if name == kept or name.startswith(f"{kept}/")]
        for name in inside:
            yield path + name[len(kept) :], Handed(step, str(run.artifacts[name].get("digest")))
        if not inside and output.get("digest"):
            yield path, Handed(step, str(output["digest"]))


def refuse_changed(wanted: Sequence[str], handed: Mapping[str, Handed], directory: str) -> None:
    """InputError when one of the inputs `wanted` (paths, patterns) is not what a step before has written."""
    if not handed:
        return
    means = matcher([os.path.normpath(os.path.expanduser(each)) for each in wanted if not is_uri(each)])
    for path, (step, digest) in handed.items():
        if not means(path):
            continue
        found = digest_of(os.path.join(directory, path))[0]
        if found != digest:
            became = "was changed" if found else "was removed"
            raise InputError(
                f"the input {path} {became} after the step {step} had written it: by another run, or by hand",
                "run it again: what has not changed is taken over",
            )


def refuse_missing(inputs: Sequence[Facts]) -> None:
    """InputError when a declared input is not there, or cannot be read: of a step, which has no other ones."""
    lacking = [
        str(each["path"])
        for each in inputs
        if each.get("path") and not each.get("digest") and each.get("origin") == "declared"
    ]
    if lacking:
        raise InputError(
            f"the input {', '.join(lacking[:5])} is not there, or cannot be read",
            "without --from  the steps that write it are run, too",
        )
