"""`proj models info`: what a model takes and gives, what it needs, and what it may do when it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.text.units import counted, size

if TYPE_CHECKING:
    from runner.models.address import Located
    from runner.models.mlmodel import Model

__all__ = ["info"]


def info(ref: str, server: str, offline: bool, quiet: bool, location: str, as_json: bool) -> int:
    """Show a model's flavours, signature, example and requirements, and what in it runs code when it is loaded.

    Nothing of it is loaded.
    """
    from runner.cli.terminal import Terminal
    from runner.models.address import located
    from runner.models.mlmodel import read

    with reference.open_store(location, quiet=True) as store:
        report = Terminal(quiet=quiet)
        with located(store, ref, lambda each: reference.find(store, each), report, server, offline) as found:
            model = read(found.folder)
    where = {name: value for name, value in found._asdict().items() if value and name != "folder"}
    facts = {**model.facts(), **where}
    return output.result(as_json, facts, _lines(found, model))


def _lines(found: Located, model: Model) -> Iterator[str]:
    yield found.address
    made = [found.run_id or model.run_id, f"mlflow {model.mlflow}" if model.mlflow else "", model.created]
    example = model.example
    facts = {
        "flavors": [", ".join(model.named_flavors)],
        "size": [size(model.size)],
        "digest": [model.digest],
        "made by": [", ".join(filter(None, made))],
        "inputs": [str(each) for each in model.signature.inputs] or ["not stated"],
        "outputs": [str(each) for each in model.signature.outputs] or ["not stated"],
        "parameters": [f"{each} = {each.default}" for each in model.signature.params],
        "example": [f"{example.path} ({example.kind})"] if example else [],
        "python": [model.python],
        "requirements": list(model.requirements),
        "runs code": _risks(model),
    }
    for name, texts in facts.items():
        for place, text in enumerate(filter(None, texts)):
            yield f"  {name if place == 0 else '':<12}  {text}"


def _risks(model: Model) -> list[str]:
    if not model.risks:
        return ["nothing was found that would"]
    code = [each for each in model.risks if each.kind == "code"]
    lines = [
        f"{each.file}: {each.reason}" if each.file else each.reason
        for each in model.risks
        if each not in code
    ]
    if code:
        lines.append(
            f"{code[0].file}: {code[0].reason}" if len(code) == 1 else f"{counted(len(code), 'file')} of code"
        )
    return lines
