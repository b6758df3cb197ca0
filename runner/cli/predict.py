"""`proj predict`: a model's predictions for a file, in chunks, in the model's own locked environment, as a recorded run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from runner.cli import model_options, output, reference
from runner.cli.options import Command, Option
from runner.errors import InputError

if TYPE_CHECKING:
    from runner.models.predicting.files import Source

__all__ = ["COMMAND"]

STANDARD = "-"  # input or output
CHUNK = 50_000  # rows


def command(
    ref: str, source: str, target: str, form: str, to: str, keep: tuple[str, ...], params: tuple[str, ...], chunk: int,
    cached: bool, env_manager: str, env: str, python: str, allow_python_download: bool, refresh: bool, offline: bool,
    signed: bool, experiment_name: str, run_name: str, tags: tuple[str, ...], server: str, quiet: bool, location: str,
    as_json: bool,
) -> int:  # fmt: skip
    """Predict for the rows of a file: CSV, Parquet or JSON lines; a folder of them; - for standard input.

    It is done in chunks, so memory does not grow with the file. What was stopped is gone on with when the same is
    asked again. It is a run, which keeps the predictions.
    """
    from runner.cli.options import pairs
    from runner.cli.terminal import Terminal
    from runner.host.interrupts import Interrupts
    from runner.models.address import located
    from runner.models.environment import Choice
    from runner.models.predicting.files import check_apart, form_of
    from runner.models.predicting.predict import Wish, predict
    from runner.models.recording import About
    from runner.parameters.shell import quote
    from runner.text.credentials import without

    if chunk < 1:
        raise InputError("--chunk is at least 1")
    if target == STANDARD and as_json:
        raise InputError("--json and predictions cannot both go to standard output", "-o FILE")
    choice = Choice(env_manager, env, refresh, offline, python, allow_python_download)
    with _read(source, form) as found_source, _written(target, to or found_source.form) as path:
        check_apart(found_source, path)
        written = form_of(path, to if target != STANDARD else "", "--to")
        label = target if target == STANDARD else os.path.abspath(target)
        wish = Wish(found_source, path, label, written, keep, dict(pairs(params)), chunk, cached, signed)
        shown = {"model": without(ref), "input": source, "output": target}
        shown |= {f"param.{name}": value for name, value in wish.params.items()}
        words = ["proj predict", quote(without(ref)), quote(source), "-o", quote(target)]
        for option, values in (("--keep", keep), ("-P", params), ("--format", (form,)), ("--to", (to,))):
            words += [f"{option} {quote(value)}" for value in values if value]
        words += [f"--chunk {chunk}"] if chunk != CHUNK else []
        about = About("predict", " ".join(words), shown, experiment_name, run_name, tags)
        with (
            reference.open_store(location, quiet=True, new=True) as store,
            output.own_stdout(True),
            Interrupts(),
        ):
            report = Terminal(quiet=quiet)
            found = located(store, ref, lambda each: reference.find(store, each), report, server, offline)
            made = predict(store, found, choice, wish, about, report)
        if target == STANDARD:
            with open(path, "rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return 0
    how = f"taken over from the run {made.cached_from[:12]}" if made.cached_from else f"the run {made.name}"
    return output.result(as_json, made, [f"{made.rows} predictions in {target}: {how}"])


@contextmanager
def _read(source: str, form: str) -> Iterator[Source]:
    """Standard input is put into a file first: it is read twice, and Parquet is read from its end."""
    from runner import paths
    from runner.models.predicting.files import Source, form_of, source_of

    if source != STANDARD:
        yield source_of(source, form)
        return
    with TemporaryDirectory(dir=paths.temporary()) as folder:
        path = os.path.join(folder, "input")
        with open(path, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield Source(path, (path,), form_of(path, form or "csv", "--format"), STANDARD)


@contextmanager
def _written(target: str, form: str) -> Iterator[str]:
    """The path to write to."""
    from runner import paths
    from runner.host.files import is_special

    if target != STANDARD:
        if os.path.isdir(target) or is_special(target):
            raise InputError(
                f"{target} is a folder or a device, and no file", "-o FILE, or -o - for standard output"
            )
        yield target
        return
    with TemporaryDirectory(dir=paths.temporary()) as folder:
        yield os.path.join(folder, f"predictions.{form}")


COMMAND = Command(command, (
    model_options.MODEL,
    Option("source", (), "What to predict for: a file, a folder of files, or -.", default=None, metavar="INPUT"),
    Option("target", ("-o", "--output"), "Where the predictions go; - is standard output.", default="-", metavar="FILE"),
    Option("form", ("--format",), "csv, jsonl or parquet (default: by the input's name; of - csv).", metavar="FORM"),
    Option("to", ("--to",), "The same of the output (default: by its name; of - as the input).", metavar="FORM"),
    Option("keep", ("--keep",), "A column of the input that is written, too.", "many", metavar="COLUMN"),
    Option("params", ("-P", "--param"), "A parameter of the model.", "many", metavar="NAME=VALUE"),
    Option("chunk", ("--chunk",), "Rows at a time.", "int", CHUNK, metavar="N"),
    Option("cached", ("--cached",), "Take the predictions of a finished run that had the same model, input and environment.", "flag"),
    *model_options.ENVIRONMENT,
    *model_options.OF_RUN,
    model_options.FROM,
    reference.QUIET,
    reference.STORE,
    reference.JSON,
))  # fmt: skip
