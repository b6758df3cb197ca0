"""What the shell offers when TAB is pressed: each function gets the line so far and the word that is begun."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from runner import paths
from runner.cli.reference import scope_here
from runner.errors import ProjError
from runner.text.terminal import printable

if TYPE_CHECKING:
    from typer import Context

    from runner.tracking.store import Store
    from runner.values import Project

__all__ = [
    "aliases", "artifacts", "columns", "entry_points", "environment_kinds", "experiments", "keys", "models", "parameters",
    "places", "runs", "stages", "statuses", "templates", "versions",
]  # fmt: skip

Found = list[tuple[str, str]]  # (word, what it is)
MOST = 50


def _quiet(function: Callable[[Context, str], Found]) -> Callable[[Context, str], Found]:
    """Nothing is offered where something is wrong: the command itself will say what."""

    def complete(ctx: Context, incomplete: str) -> Found:
        try:
            return function(ctx, incomplete)
        except (ProjError, OSError, ValueError):
            return []

    return complete


def _starting(words: Iterable[tuple[str, str]], incomplete: str) -> Found:
    """Of words that are nothing but words for a shell, which puts them into the line as they are.

    A run may be called `$(reboot)`, or `--yes`.
    """
    return [
        (word, printable(text)) for word, text in words if word.startswith(incomplete) and _is_harmless(word)
    ]


def _is_harmless(word: str) -> bool:
    return not word.startswith("-") and all(letter.isalnum() or letter in " _@%+=:,./-" for letter in word)


def _project(ctx: Context) -> Project:
    from runner.running.planning import load_project
    from runner.sources import fetch
    from runner.values import Silent

    # an option that still waits for its value ends the reading of the line: what came before is in `args`
    uri = ctx.args[0] if ctx.args else ctx.params.get("uri") or "."
    if "://" in uri:
        raise ProjError("a TAB does not clone a repository")
    return load_project(fetch(uri, "", Silent()))


@_quiet
def entry_points(ctx: Context, incomplete: str) -> Found:
    """Of the project that the line names."""
    entries = _project(ctx).entry_points
    return _starting(((entry.name, entry.description or entry.command) for entry in entries), incomplete)


@_quiet
def parameters(ctx: Context, incomplete: str) -> Found:
    """Names with `=`, and after it the choices."""
    from runner.project.entry_point import entry_point

    entry = entry_point(_project(ctx), ctx.params.get("entry_point") or "main")
    name, equals, _ = incomplete.partition("=")
    words = []
    for parameter in entry.parameters:
        default = f"default {parameter.default}" if parameter.has_default and not parameter.secret else ""
        text = parameter.description or default or parameter.type
        if not equals:
            words.append((f"{parameter.name}=", text))
        elif parameter.name == name:
            usual = () if parameter.secret or not parameter.has_default else (parameter.default,)
            values = ("true", "false") if parameter.type == "bool" else parameter.choices or usual
            words += [(f"{name}={value}", "the default" if value in usual else "") for value in values]
    return _starting(words, incomplete)


def environment_kinds(ctx: Context, incomplete: str) -> Found:  # noqa: ARG001
    from runner.environments import kinds

    words = [("local", "the Python that is on PATH")]
    for kind in kinds.every():
        words += [
            (name, kind.ABOUT if name == kind.NAMES[0] else f"as {kind.NAMES[0]}") for name in kind.NAMES
        ]
    return _starting(words, incomplete)


def places(ctx: Context, incomplete: str) -> Found:  # noqa: ARG001
    """Of the cache."""
    from runner.running import disk

    return _starting(
        ((name, {**disk.OTHERS, **disk.FILES, **disk.FOLDERS}[name]) for name in disk.NAMES), incomplete
    )


def statuses(ctx: Context, incomplete: str) -> Found:  # noqa: ARG001
    from runner.tracking.fold import STATUSES

    words = STATUSES if incomplete.isupper() else [status.lower() for status in STATUSES]
    return _starting(((word, "") for word in words), incomplete)


@_quiet
def experiments(ctx: Context, incomplete: str) -> Found:
    """By name, deleted ones too."""
    with _store(ctx) as store:
        return _starting(((each.name, each.experiment_id) for each in store.experiments("all")), incomplete)


@_quiet
def models(ctx: Context, incomplete: str) -> Found:
    """Registered ones, by name."""
    from runner.tracking import registry

    with _store(ctx) as store:
        return _starting(((each.name, each.description) for each in registry.listing(store.root)), incomplete)


@_quiet
def versions(ctx: Context, incomplete: str) -> Found:
    """Names of registered models; behind one its numbers and aliases."""
    from runner.tracking import registry

    words = []
    with _store(ctx) as store:
        for model in registry.listing(store.root):
            words.append((model.name, model.description))
            if incomplete.startswith((f"{model.name}/", f"{model.name}@")):
                latest = list(model.versions.values())[-MOST:]
                words += [(f"{model.name}/{each.number}", each.stage) for each in latest]
                words += [(f"{model.name}@{alias}", "alias") for alias in model.aliases]
    return _starting(words, incomplete)


@_quiet
def aliases(ctx: Context, incomplete: str) -> Found:
    """Of the registered model that the line names, those that are protected too."""
    from runner.tracking import registry

    text = str(ctx.params.get("name") or ctx.params.get("ref") or (ctx.args[0] if ctx.args else ""))
    with _store(ctx) as store:
        model = registry.find(store.root, text.partition("/")[0].partition("@")[0])
    if model is None:
        return []
    words = [(name, "alias") for name in model.aliases]
    words += [(target.removeprefix("alias:"), "protected") for target in model.policies]
    return _starting(dict(words).items(), incomplete)


def stages(ctx: Context, incomplete: str) -> Found:  # noqa: ARG001
    from runner.tracking.registry import STAGES

    return _starting(((stage, "") for stage in STAGES), incomplete)


@_quiet
def runs(ctx: Context, incomplete: str) -> Found:
    """Names and ids of the last runs, `last`, and `best:` with the metrics that they have."""
    with _store(ctx) as store:
        view = "all" if ctx.info_name == "restore" else "active"
        scope = scope_here(store)
        found = store.search(limit=MOST, view=view, places=None if scope is None else scope.keys).runs
        if scope is not None and incomplete and not incomplete.startswith("best:"):
            known = {run.run_id for run in found}
            found += tuple(run for run in store.search(limit=MOST, view=view).runs if run.run_id not in known)
    words = [("last", "the last one")]
    words += [(run.name, f"{run.status} {run.project}") for run in found]
    if incomplete.startswith("best:"):
        keys = dict.fromkeys(key for run in found for key in run.metrics)
        sign = "-" if incomplete.startswith("best:-") else ""
        words = [(f"best:{sign}metrics.{key}", "the greatest" if sign else "the least") for key in keys]
    elif incomplete and not incomplete.strip("0123456789abcdef"):
        words += [(run.run_id[:12], f"{run.name} {run.status}") for run in found]
    elif "best:".startswith(incomplete):
        words.append(("best:metrics.", "the one with the least value of a metric"))
    return _starting(words, incomplete)


@_quiet
def keys(ctx: Context, incomplete: str) -> Found:
    """What runs can be put in order by: attributes, and the metrics, parameters and tags of the last ones."""
    from runner.tracking.index.grammar import RUNS

    with _store(ctx) as store:
        return _starting(((key, "") for key in (*_keys(store), *RUNS.numbers, *RUNS.texts)), incomplete)


@_quiet
def columns(ctx: Context, incomplete: str) -> Found:
    """After a comma the next one."""
    from runner.tables.columns import ATTRIBUTES

    before, comma, _ = incomplete.rpartition(",")
    with _store(ctx) as store:
        names = [*ATTRIBUTES, *_keys(store)]
    return _starting(((f"{before}{comma}{name}", "") for name in names), incomplete)


def _keys(store: Store) -> list[str]:
    found = store.search(limit=MOST).runs
    return [
        *dict.fromkeys(f"metrics.{key}" for run in found for key in run.metrics),
        *dict.fromkeys(f"params.{key}" for run in found for key in run.params),
        *dict.fromkeys(f"tags.{key}" for run in found for key in run.tags if not key.startswith("mlflow.")),
    ]


@_quiet
def artifacts(ctx: Context, incomplete: str) -> Found:
    """Files of the run that the line names, and folders up to the next `/`."""
    from runner.text.units import size
    from runner.tracking.artifacts import listing

    ref = ctx.params.get("ref") or (ctx.args[0] if ctx.args else "last")
    with _store(ctx) as store:
        found = listing(store, store.resolve(ref), incomplete.rpartition("/")[0])
    words = [(f"{each.path}/", "folder") if each.is_dir else (each.path, size(each.size)) for each in found]
    return _starting(words, incomplete)


@_quiet
def templates(ctx: Context, incomplete: str) -> Found:
    """Before the folder."""
    from runner.scaffold.builtin import templates as builtin

    if ctx.params.get("words") or ctx.args:
        return []
    return _starting(builtin(), incomplete)


def _store(ctx: Context) -> Store:
    from runner.tracking.store import Store

    return Store(paths.store_here(ctx.params.get("location") or ctx.params.get("store") or ""))
