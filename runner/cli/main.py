"""The program: finds the command, and is the one place where errors reach the user."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Callable, Sequence

from runner import __version__
from runner.cli.commands import COMMANDS, load
from runner.errors import InputError, ProjError
from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

__all__ = ["entry", "main", "told"]


def entry() -> None:
    """The console script. Collecting garbage and taking the interpreter apart cost a fifth of a warm run."""
    gc.disable()  # enabled again by whatever takes long
    prepare_standard_streams()
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if code == 130 and os.isatty(0):
        _die_of_interrupt()
    if "typer" in sys.modules:
        raise SystemExit(code)
    os._exit(code)


def _die_of_interrupt() -> None:
    """So that a shell whose user typed ^C ends the loop that we are in, as it does with other programs."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


def prepare_standard_streams() -> None:
    """Makes them fit to be written to.

    A caller may have closed them (`>&-`): the next file that is opened, a record, would take their place.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdin, io.TextIOWrapper) and sys.stdin.errors == "strict":
        sys.stdin.reconfigure(errors="surrogateescape")  # any bytes, as in arguments
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        # a name of a run or a file may have letters that this output has not
        sys.stdout.reconfigure(errors="backslashreplace")
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream.isatty():
            from runner.cli.output import Guarded

            form, errors, flushed = stream.encoding, stream.errors, stream.line_buffering
            guarded = Guarded(stream.detach(), form, errors, line_buffering=flushed)
            setattr(sys, name, guarded)
            setattr(sys, f"__{name}__", guarded)  # by which others ask how wide the terminal is


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    return told(lambda: _run(words), words)


def told(work: Callable[[], int], words: Sequence[str] = ("run",)) -> int:
    """The exit code of `work`; an error is told on stderr."""
    try:
        return work()
    except ProjError as error:
        return _tell(error)
    except KeyboardInterrupt as interrupt:
        return 128 + getattr(interrupt, "number", 2)
    except BrokenPipeError:
        # whoever read our output has gone; nothing more can be said, also not at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except Exception as error:  # noqa: BLE001
        trouble = _trouble(error)
        return _tell(trouble) if trouble else _report_bug(words)


def _trouble(error: Exception) -> ProjError | None:
    """An error that the machine makes, wherever it comes up, not `proj`: nothing in the program would prevent it."""
    import errno

    if not isinstance(error, OSError):
        return None
    try:
        os.getcwd()
    except FileNotFoundError:
        return ProjError("the folder that you are in is not there any more", "cd  into another one")
    troubles = (
        "ENOSPC",
        "EDQUOT",
        "EROFS",
        "EACCES",
        "EPERM",
        "ENOTDIR",
        "EIO",
        "EMFILE",
        "ENFILE",
        "ENOMEM",
        "ENAMETOOLONG",
        "ELOOP",
        "EISDIR",
    )
    if error.errno not in [getattr(errno, name) for name in troubles]:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return ProjError(f"{where}{error.strerror}", "proj doctor  checks the machine and the store")


def _run(words: list[str]) -> int:
    if words == ["--version"]:
        sys.stdout.write(f"proj {__version__}\n")
        return 0
    if not words and "_PROJ_COMPLETE" not in os.environ:  # the shell asks by a variable
        from runner.cli.here import show_here

        show_here()
        return 0
    at = words.index("--") if "--" in words else len(words)
    line, words, extra = words, words[:at], words[at + 1 :]
    if words and words[0] not in COMMANDS and not words[0].startswith("-"):
        from runner.cli.mistakes import meant

        words = meant(words)
        if words == ["--version"]:
            return _run(words)
    if words and words[0] in COMMANDS:
        from runner.cli.options import find, passed_on, quick

        found = find(load(words[0]), words[1:])
        if found and found[0].ends_early:
            own = found[1][: passed_on(found[0].options, found[1])]
            if len(own) < len(found[1]):  # a `--` behind it belongs to what is passed on
                at = len(words) - len(found[1]) + len(own)
                words, extra = line[:at], line[at:]
            found = found[0], own
        values = quick(found[0].options, found[1]) if found else None
        if found and values is not None:
            return found[0].call(values, extra)
    return _through_typer(words, extra)


def _through_typer(words: list[str], extra: list[str]) -> int:
    """Everything but a plain line: help, completion, mistakes."""
    gc.enable()
    import typer

    from runner.cli.application import application

    try:
        code = application(extra).main(args=words, prog_name="proj", standalone_mode=False)
    except SystemExit as stop:
        code = stop.code
    except typer.Abort as abort:  # made of a KeyboardInterrupt
        return 128 + getattr(abort.__cause__, "number", 2)
    except Exception as error:
        if not hasattr(error, "format_message"):  # of click: the installed one's, or that which typer brings
            raise
        return _tell_usage(error, words)
    return code if isinstance(code, int) else 0


def _tell_usage(error: Any, words: list[str]) -> int:
    """A mistake on the command line that click found, told as every other error is."""
    message = error.format_message().strip()
    if "Usage:" in message:  # a group without a command: the message is its help
        error.show()
        return int(error.exit_code)
    context = getattr(error, "ctx", None)
    command = context.command_path if context else " ".join(["proj", *words[:1]])
    message = message[:1].lower() + message[1:].rstrip(".")
    hint = ""
    if option := getattr(error, "option_name", "") if "No such option" in error.format_message() else "":
        from runner.cli.mistakes import option_hint

        message = f"no such option: {option}"
        hint = option_hint(words, option, getattr(error, "possibilities", None) or ())
    elif message.startswith("missing argument"):
        from runner.cli.mistakes import missing_hint

        hint = missing_hint(words, message)
    elif message.startswith("got unexpected extra argument"):
        from runner.cli.mistakes import extra_hint

        hint = extra_hint(words)
    elif message.startswith("no such command"):
        from runner.cli.mistakes import inner_hint

        message, hint = message.partition(".")[0], inner_hint(words)
    return _tell(InputError(message, hint or f"{command} -h  shows the usage"))


def _tell(error: ProjError) -> int:
    """One style for all errors: what is wrong and where, then what to type next."""
    from runner.cli.output import colours
    from runner.text.terminal import printable

    bold, dim, off = ("\033[1;31m", "\033[2m", "\033[0m") if colours(sys.stderr) else ("", "", "")
    first, *rest = error.message.split("\n")  # indented: no message can look like another one
    lines = [f"{bold}error:{off} {printable(first)}", *(f"       {printable(line)}" for line in rest)]
    lines += [f"{dim}  hint:{off} {printable(line)}" for line in error.hint.splitlines()]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from runner.cli.annotations import annotate

        annotate(error)
    return error.exit_code


def _report_bug(words: Sequence[str]) -> int:
    """An error that is not the user's: one line on the screen, everything in a file that can be sent to us."""
    import platform
    import traceback

    from runner import paths
    from runner.text.credentials import redact
    from runner.text.terminal import printable

    lines = [f"proj {__version__}, Python {platform.python_version()}, {platform.platform()}"]
    lines += [f"command: {words[0] if words else ''}", "", traceback.format_exc()]
    path = paths.scratch("logs", f"bug-{os.getpid()}.log")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(redact("\n".join(lines)))
        where = f"the details are in {path}"
    except OSError:
        where = "\n".join(lines)
    last = printable(redact(traceback.format_exc().splitlines()[-1]))
    sys.stderr.write(f"error: this is a bug in proj: {last}\n  {where}\n")
    return 125
