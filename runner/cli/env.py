"""`proj env`: the environments in the cache."""

from __future__ import annotations

from typing import Any

import typer

from runner.cli.output import emit_json, emit_lines, table
from runner.cli.terminal import Terminal
from runner.errors import InputError
from runner.text.units import ago, byte_count, seconds, size

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode=None, help="The environments in the cache."
)

AS_JSON = typer.Option(False, "--json", help="Print JSON.")
KEYS = typer.Argument(None, help="Keys of environments; they may be shortened.", metavar="KEY...")
WITH_GROUP = typer.Option([], "--group", help="With a dependency group.", metavar="NAME")
WITH_EXTRA = typer.Option([], "--extra", help="With an extra.", metavar="NAME")


@app.command()
def ls(as_json: bool = AS_JSON) -> None:
    """List environments, the last used first."""
    from runner.environments import maintenance

    rows = maintenance.listing()
    if as_json:
        emit_json([row._asdict() for row in rows])
        return
    table(
        ["key", "kind", "python", "packages", "from", "last used", "state"],
        [
            (
                row.key[:12],
                row.kind,
                row.python,
                row.packages,
                row.file,
                ago(row.used) if row.used else "",
                _state(row),
            )
            for row in rows
        ],
        right=["packages"],
    )


@app.command()
def du(as_json: bool = AS_JSON) -> None:
    """Show how much of the disk each environment takes, and all of them together.

    Environments share their files with uv's package cache by hard links: `own` is what removing one sets free.
    """
    from runner.environments import maintenance

    rows = maintenance.listing(sizes=True)
    total = maintenance.disk_use(row.key for row in rows)
    if as_json:
        sizes = [{"key": row.key, "kind": row.kind, "own": row.size} for row in rows]
        emit_json({"environments": sizes, "total": total})
        return
    table(
        ["key", "kind", "own"],
        [(row.key[:12], row.kind, size(row.size or 0)) for row in rows],
        right=["own"],
    )
    emit_lines([f"{size(total)} in all, shared files counted once"])


@app.command()
def show(key: str = typer.Argument(..., metavar="KEY"), as_json: bool = AS_JSON) -> None:
    """Show one environment and its packages."""
    from runner.environments import cache, maintenance
    from runner.environments.python.packages import packages

    full = maintenance.pick([key])[0]
    row = next(each for each in maintenance.listing(sizes=True) if each.key == full)
    found = packages(cache.lock_text(full))
    facts: dict[str, Any] = {**row._asdict(), "folder": cache.folder(full), "packages": found}
    if as_json:
        emit_json(facts)
        return
    facts |= {
        "created": ago(row.created) if row.created else "",
        "used": ago(row.used) if row.used else "",
        "size": size(row.size or 0),
        "in_use": row.in_use,
    }
    emit_lines(
        f"{name.replace('_', ' '):<10} {facts[name]}" for name in facts if name != "packages" and facts[name]
    )
    emit_lines(["", *(f"{name} {version}" for name, version in sorted(found.items()))])


@app.command()
def verify(
    keys: list[str] = KEYS,
    deep: bool = typer.Option(False, "--deep", help="Compare contents too, not only sizes."),
    as_json: bool = AS_JSON,
) -> None:
    """Check that installed files are as they were installed; without KEY, in all environments. Exits with 1 if not."""
    import os

    from runner.environments import cache, maintenance
    from runner.environments.python.fingerprint import damaged

    wrong: dict[str, list[str]] = {}
    for key in maintenance.pick(keys) if keys else cache.ready():
        found = cache.read(key)
        if found and "site" in found.facts:
            files = damaged(os.path.join(found.prefix, found.facts["site"]), deep=deep)
            if files:
                wrong[key] = files
    if as_json:
        emit_json({"damaged": wrong})
    else:
        emit_lines(f"{key[:12]} {file}" for key, files in wrong.items() for file in files)
        emit_lines([] if wrong else ["all files are as they were installed"])
    if wrong:
        raise typer.Exit(1)


@app.command()
def rm(
    keys: list[str] = KEYS,
    everything: bool = typer.Option(False, "--all", help="All that are not in use."),
) -> None:
    """Remove environments. One that is in use stays."""
    from runner.environments import cache, maintenance

    if bool(keys) == everything:
        raise InputError("name the environments to remove, or --all", "proj env ls")
    removed, kept = maintenance.remove(cache.ready() if everything else maintenance.pick(keys))
    emit_lines(f"removed {key[:12]}" for key in removed)
    if kept and not everything:
        names = ", ".join(key[:12] for key in kept)
        raise InputError(f"in use and not removed: {names}", "proj runs --status RUNNING")


@app.command()
def gc(
    older_than: str = typer.Option(
        "", "--older-than", help="Not used for so long: 12h, 30d.", metavar="TIME"
    ),
    max_size: str = typer.Option("", "--max-size", help="Until all fit: 500MB, 20GB.", metavar="SIZE"),
    store: str = typer.Option("", "--store", help="The store of the runs.", metavar="PATH"),
    as_json: bool = AS_JSON,
) -> None:
    """Remove environments that were not used for long (30 days, unless told), and what killed builds and runs left."""
    from runner.environments import maintenance

    text = older_than or ("" if max_size else "30d")
    age = seconds(text, "--older-than") if text else None
    removed = maintenance.collect(
        older_than=age, max_size=byte_count(max_size, "--max-size") if max_size else None
    )
    containers = _containers(store)
    if as_json:
        emit_json({"removed": removed, "containers": containers})
    else:
        lines = [f"removed {key[:12]}" for key in removed]
        lines += [f"removed the container of run {run_id[:12]}" for run_id in containers]
        emit_lines(lines or ["nothing to remove"])


def _containers(given: str) -> list[str]:
    """Runs that are over and whose containers were removed; a run of another store may be on."""
    from runner.cli.reference import open_store
    from runner.containers import command, engine
    from runner.errors import ProjError

    if not engine.program() or not engine.is_there():
        return []
    from runner.environments.docker import install
    from runner.running.reconcile import current

    install.clear()
    with open_store(given, quiet=True) as opened:

        def over(run_id: str) -> bool:
            try:
                return current(opened, run_id).status not in ("RUNNING", "SCHEDULED")
            except ProjError:
                return False

        return command.sweep(over)


@app.command()
def lock(
    directory: str = typer.Argument(".", help="Folder of a project.", metavar="[DIR]"),
    env_manager: str = typer.Option("", "--env-manager", help="virtualenv or conda.", metavar="NAME"),
    python: str = typer.Option("", "--python", help="Use this version of Python.", metavar="VERSION"),
    group: list[str] = WITH_GROUP,
    extra: list[str] = WITH_EXTRA,
    refresh: bool = typer.Option(False, "--refresh", help="Resolve anew, and show what changed."),
    offline: bool = typer.Option(False, "--offline", help="Without the network."),
) -> None:
    """Print the lock of a project's environment: resolved now, or kept from an earlier time."""
    import os

    from runner import environments
    from runner.project import reading
    from runner.values import EntryPoint

    loaded = reading.load(os.path.abspath(directory))
    spec = environments.choose(loaded, EntryPoint("", ""), env_manager)
    options = {"python": python, "groups": group, "extras": extra, "refresh": refresh, "offline": offline}
    text = environments.lock(spec, loaded.directory, options, Terminal())
    emit_lines(text.splitlines())


@app.command()
def diff(
    first: str = typer.Argument(..., metavar="RUN"),
    second: str = typer.Argument(..., metavar="RUN"),
    store: str = typer.Option("", "--store", help="The store to look in.", metavar="PATH"),
    as_json: bool = AS_JSON,
) -> None:
    """Show which packages two runs had differently."""
    from runner.cli.reference import find, open_store
    from runner.environments.python.packages import changes, difference

    with open_store(store) as opened:
        locks = [_lock_of(opened.run_directory(find(opened, ref).run_id), ref) for ref in (first, second)]
    if as_json:
        emit_json([change._asdict() for change in changes(*locks)])
    else:
        emit_lines(difference(*locks) or ["the same packages"])


def _lock_of(directory: str, ref: str) -> str:
    import os

    for name in os.listdir(directory):
        if name.endswith((".lock", "packages.txt")) or name == "pylock.toml":
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                return file.read()
    raise InputError(f"run {ref} has no lock of its packages", "it ran in the system's environment")


def _state(row: Any) -> str:
    return "in use" if row.in_use else row.problem
