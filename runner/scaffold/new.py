"""New projects from templates, and templates brought into projects that were made from them.

Copier (https://copier.readthedocs.io) renders and merges; its template format is the ecosystem's. It is imported
here only, when a project is made: it takes half a second.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from runner import paths, sources
from runner.errors import InputError, ProjError, SourceError
from runner.host import git
from runner.host.process import Completed
from runner.parameters.shell import quote
from runner.scaffold import installed
from runner.scaffold.builtin import BUILTIN, Template, assembled, templates
from runner.sources.git.messages import last_line
from runner.text.credentials import without
from runner.values import JsonMapping, Report

__all__ = ["ANSWERS", "Made", "Template", "new", "templates", "update"]

ANSWERS = ".copier-answers.yml"


class Made(NamedTuple):
    """What was made or changed."""

    directory: str
    template: str
    version: str
    files: tuple[str, ...]
    conflicts: tuple[str, ...] = ()


def new(
    template: str, directory: str, answers: JsonMapping, *, ask: bool, trust: bool, report: Report
) -> Made:
    """Renders a template into `directory`, which must not exist or be empty. Nothing is left there on an error."""
    target = os.path.abspath(directory)
    if os.path.exists(target) and (not os.path.isdir(target) or os.listdir(target)):
        hint = "proj init  makes a project of an existing folder"
        raise InputError(f"{directory} exists and is not empty", hint)
    work = os.path.join(paths.temporary(), f"new-{os.getpid()}")
    shutil.rmtree(work, ignore_errors=True)
    rendered = os.path.join(work, os.path.basename(target) or "project")
    try:
        with _located(template, report) as (source, version):
            _render(source, version, rendered, answers, ask, trust)
        if not os.path.isdir(rendered) or not os.listdir(rendered):
            raise InputError(f"the template {template} makes no files")
        _name_builtin(rendered, template)
        files = tuple(sorted(_files(rendered)))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(target):
            os.rmdir(target)
        shutil.move(rendered, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Made(target, template, version, files)


def update(
    directory: str, answers: JsonMapping, *, ask: bool, trust: bool, version: str, report: Report
) -> Made:
    """Brings the newest version of its template into a project: a three-way merge, with conflicts as git marks them."""
    import yaml

    target = os.path.abspath(directory)
    path = os.path.join(target, ANSWERS)
    try:
        with open(path, encoding="utf-8") as file:
            known = yaml.safe_load(file) or {}
    except OSError:
        message = f"{directory} was not made from a template: it has no {ANSWERS}"
        raise InputError(message, "proj new  makes one") from None
    template, base = str(known.get("_src_path", "")), str(known.get("_commit", ""))
    if not base:
        raise InputError(f"{path} does not say which version of the template the project has")
    _check_committed(target)
    with _located(template, report) as (source, newest):
        if template.startswith(BUILTIN) and git.run("rev-parse", "-q", "--verify", base, folder=source).code:
            raise InputError(
                f"the project has {template} of version {base}, which this machine has never seen",
                f"run `proj new --list` once with proj-runner {base.removeprefix('v')}, then proj update",
            )
        _merge(target, source, answers, ask, trust, version or newest)
        _name_builtin(target, template)
    changed = _status(target).out.split("\0")
    files = tuple(sorted(line[3:] for line in changed if line))
    conflicts = tuple(sorted(line[3:] for line in changed if line[:2] in ("UU", "AA", "DU", "UD")))
    return Made(target, template, version or newest, files, conflicts)


@contextmanager
def _located(template: str, report: Report) -> Iterator[tuple[str, str]]:
    """(what copier reads, its version, "" for the newest)."""
    name, known = template.removeprefix(BUILTIN), [each.name for each in templates()]
    if name in known and not os.path.isdir(template):
        yield assembled(name)
    elif os.path.isdir(template):
        yield os.path.abspath(template), ""
    elif os.path.isfile(template):
        checkout = sources.fetch(template, "", report)
        try:
            yield checkout.directory, ""
        finally:
            sources.release(checkout)
    elif os.path.exists(template):
        raise InputError(f"{template} is neither a folder nor a file")
    elif template.startswith(BUILTIN) or not {"/", ":"} & set(template):
        import difflib

        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else "proj new --list  shows them"
        raise InputError(f"there is no template {name!r}", hint)
    else:
        yield template, ""


def _render(source: str, version: str, target: str, answers: JsonMapping, ask: bool, trust: bool) -> None:
    import copier

    with _explained(source, source):
        for pretend in (True, False) if ask and answers else (False,):  # nobody is asked in vain
            made = copier.run_copy(
                source,
                target,
                data=dict(answers),
                user_defaults={"project_name": os.path.basename(target), "proj_source": installed.source()},
                vcs_ref=version or None,
                defaults=pretend or not ask,
                unsafe=trust,
                quiet=True,
                pretend=pretend,
            )
            _check(answers, list(made.answers.user), made.answers.hidden)


def _check(answers: JsonMapping, asked: Sequence[str], hidden: Collection[str]) -> None:
    """InputError for an answer to a question that the template does not ask. `hidden`: those that nobody is asked."""
    import difflib

    for name in answers:
        if name not in asked and name not in hidden:
            shown = [each for each in asked if each not in hidden]
            near = difflib.get_close_matches(name, shown, 1)
            known = f"it asks for {', '.join(shown)}" if shown else "it asks nothing"
            raise InputError(
                f"the template asks no question {name!r}",
                f"did you mean {near[0]}? {known}" if near else known,
            )


def _merge(target: str, source: str, answers: JsonMapping, ask: bool, trust: bool, version: str) -> None:
    import copier
    import yaml

    path = os.path.join(target, ANSWERS)
    draft = os.path.join(
        target, ".git", "proj-answers.yml"
    )  # names this machine's folder: not for the project
    with open(path, encoding="utf-8") as file, open(draft, "w", encoding="utf-8") as copy:
        yaml.safe_dump({**yaml.safe_load(file), "_src_path": source}, copy)
    try:
        with _explained(target, source):
            copier.run_update(
                target,
                data=dict(answers),
                answers_file=os.path.relpath(draft, target),
                vcs_ref=version or None,
                defaults=not ask,
                overwrite=True,
                conflict="inline",
                unsafe=trust,
                quiet=True,
            )
        if os.path.exists(draft):
            with open(draft, encoding="utf-8") as file:
                updated = yaml.safe_load(file)
            with open(path, "w", encoding="utf-8") as file:
                file.write("# Changed by `proj update` only.\n")
                yaml.safe_dump(updated, file, sort_keys=False)
    finally:
        if os.path.exists(draft):
            os.unlink(draft)


def _variables(repository: str) -> dict[str, str]:
    return git.looking(repository) if os.path.isdir(repository) else git.looking("")


@contextmanager
def _explained(repository: str, template: str) -> Iterator[None]:
    """Copier's errors in our words. The git that it starts executes nothing that `repository` names."""
    import copier.errors
    import jinja2
    import plumbum
    import yaml

    try:
        with (
            warnings.catch_warnings(),
            plumbum.local.env(**_variables(repository)),
            contextlib.redirect_stderr(io.StringIO()),  # some of Copier's errors print themselves
        ):
            warnings.simplefilter("ignore")
            yield
    except copier.errors.UnsafeTemplateError:
        message = "the template runs code of its own (tasks, migrations or extensions)"
        raise InputError(message, "--trust  allows it") from None
    except copier.errors.InteractiveSessionError as error:
        message = f"the template asks questions, and this is no terminal: {error}"
        raise InputError(message, "-d key=value or --defaults") from None
    except copier.errors.InvalidConfigFileError as error:
        said = f": {_first(error.__cause__)}" if error.__cause__ else ""
        raise InputError(f"the copier.yml of the template cannot be read{said}") from None
    except copier.errors.CopierError as error:
        raise InputError(f"the template cannot be used: {_first(error)}") from None
    except plumbum.ProcessExecutionError as error:
        raise SourceError(
            f"the template {without(template)} cannot be used: {last_line(error.stderr or '')}",
            f"git ls-remote {quote(without(template))}  shows what git says",
        ) from None
    except (jinja2.TemplateError, yaml.YAMLError) as error:
        raise InputError(f"the template is broken: {_first(error)}") from None
    except (ValueError, TypeError) as error:
        if str(error) == "Local template must be a directory.":
            raise InputError(
                f"{without(template)} is not the address of a template",
                "a folder, gh:OWNER/REPOSITORY, git+https://..., git@HOST:PATH",
            ) from None
        hint = "the questions and their types are in copier.yml of the template"
        raise InputError(f"an answer is wrong: {_first(error)}", hint) from None
    except OSError as error:
        raise ProjError(f"the template cannot be used: {error.strerror or error}") from None


def _first(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _name_builtin(directory: str, template: str) -> None:
    """The answers name a built-in template, not the folder of this machine that it was rendered from."""
    path = os.path.join(directory, ANSWERS)
    name = template.removeprefix(BUILTIN)
    if not os.path.isfile(path) or name not in {each.name for each in templates()}:
        return
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    lines = [f"_src_path: {BUILTIN}{name}" if line.startswith("_src_path:") else line for line in lines]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _status(target: str) -> Completed:
    return git.run("status", "--porcelain", "-z", folder=target, variables=git.looking(target))


def _check_committed(target: str) -> None:
    done = _status(target)
    if done.code:
        message = f"{target} is not in a git repository, which the merge needs"
        raise InputError(message, "git init && git add -A && git commit")
    if done.out:
        hint = "commit them first: then the update can be undone"
        raise InputError(f"{target} has uncommitted changes", hint)


def _files(directory: str) -> list[str]:
    found = []
    for folder, _, names in os.walk(directory):
        found += [os.path.relpath(os.path.join(folder, name), directory) for name in names]
    return found
