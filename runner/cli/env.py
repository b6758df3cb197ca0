"""`proj env`: the environments in the cache."""

from __future__ import annotations

import os
from itertools import chain

from runner import environments
from runner.cli import kernel, output, reference
from runner.cli.options import Command, Group, Option
from runner.cli.reference import open_store
from runner.cli.terminal import Terminal
from runner.environments import building, cache, maintenance
from runner.environments.packages import changes, difference, packages
from runner.errors import InputError, ProjError
from runner.text.units import ago, byte_count, iso, seconds, size
from runner.values import EntryPoint, EnvironmentOptions

__all__ = ["COMMAND"]


def ls(as_json: bool) -> int:
    """List environments, the last used first."""
    found = maintenance.listing()
    names = ("key", "kind", "python", "packages", "from", "last used", "state", "projects")
    rows = (
        (
            row.key[:12],
            row.kind,
            row.python,
            row.packages,
            row.file,
            _used(row.used),
            _state(row),
            _whose(row),
        )
        for row in found
    )
    plain = [{**row._asdict(), "created": iso(row.created), "used": iso(row.used)} for row in found]
    spare = ("state", "packages", "kind", "python")
    return output.result(
        as_json, plain, output.table(names, rows, right=["packages"], spare=spare, whole=["key"])
    )


def du(as_json: bool) -> int:
    """Show how much of the disk each environment takes, and all of them together.

    Environments share their files with uv's package cache by hard links: `own` is what removing one sets free.
    """
    found = maintenance.listing(sizes=True)
    total = maintenance.disk_use(row.key for row in found)
    sizes = [{"key": row.key, "kind": row.kind, "own": row.size} for row in found]
    rows = ((row.key[:12], row.kind, size(row.size or 0), _used(row.used), _whose(row)) for row in found)
    names = ["key", "kind", "own", "last used", "projects"]
    lines = chain(
        output.table(names, rows, right=["own"], spare=["kind"], whole=["key"]),
        [f"{size(total)} in all, shared files counted once"],
    )
    return output.result(as_json, {"environments": sizes, "total": total}, lines)


def show(key: str, as_json: bool) -> int:
    """Show one environment and its packages."""
    full = maintenance.pick([key])[0]
    row = next(each for each in maintenance.listing(sizes=True) if each.key == full)
    found = packages(cache.lock_text(full))
    facts = {**row._asdict(), "folder": cache.folder(full)}
    shown = {**facts, "created": _used(row.created), "used": _used(row.used), "size": size(row.size or 0)}
    shown["projects"] = _whose(row)
    lines = [f"{name.replace('_', ' '):<10} {value}" for name, value in shown.items() if value]
    lines += ["", *(f"{name} {version}" for name, version in sorted(found.items()))]
    facts |= {"created": iso(row.created), "used": iso(row.used)}
    return output.result(as_json, {**facts, "packages": found}, lines)


def verify(keys: tuple[str, ...], deep: bool, as_json: bool) -> int:
    """Check that installed files are as they were installed; without KEY, in all environments. Exits with 1 if not."""
    from runner.environments.python.fingerprint import damaged

    wrong: dict[str, list[str]] = {}
    for key in maintenance.pick(keys) if keys else cache.ready():
        found = cache.read(key)
        if found and "site" in found.facts:
            files = damaged(os.path.join(found.prefix, found.facts["site"]), deep=deep)
            if files:
                wrong[key] = files
    lines = [f"{key[:12]} {file}" for key, files in wrong.items() for file in files]
    output.result(as_json, {"damaged": wrong}, lines or ["all files are as they were installed"])
    return 1 if wrong else 0


def rm(keys: tuple[str, ...], everything: bool, dry_run: bool) -> int:
    """Remove environments. One that is in use stays."""
    if bool(keys) == everything:
        raise InputError("name the environments to remove, or --all", "proj env ls")
    chosen = cache.ready() if everything else maintenance.pick(keys)
    if dry_run:
        free = [key for key in chosen if not building.in_use(key)]
        output.emit_lines(f"would remove {key[:12]}" for key in free)
        return 0
    removed, kept = maintenance.remove(chosen)
    output.emit_lines(f"removed {key[:12]}" for key in removed)
    if kept and not everything:
        names = ", ".join(key[:12] for key in kept)
        raise InputError(f"in use and not removed: {names}", "proj runs --status RUNNING")
    return 0


def gc(older_than: str, max_size: str, dry_run: bool, location: str, as_json: bool) -> int:
    """Remove environments that were not used for long (30 days, unless told), and what killed builds and runs left."""
    text = older_than or ("" if max_size else "30d")
    age = seconds(text, "--older-than") if text else None
    most = byte_count(max_size, "--max-size") if max_size else None
    removed = maintenance.collect(older_than=age, max_size=most, dry_run=dry_run)
    containers = [] if dry_run else _containers(location)
    lines = [f"{'would remove' if dry_run else 'removed'} {key[:12]}" for key in removed]
    lines += [f"removed the container of run {run_id[:12]}" for run_id in containers]
    return output.result(
        as_json, {"removed": removed, "containers": containers}, lines or ["nothing to remove"]
    )


def _containers(given: str) -> list[str]:
    """Runs that are over and whose containers were removed; a run of another store may be on."""
    from runner.containers import command, engine

    if not engine.program() or not engine.is_there():
        return []
    from runner.running.reconcile import current

    with open_store(given, quiet=True) as opened:

        def over(run_id: str) -> bool:
            try:
                return current(opened, run_id).status not in ("RUNNING", "SCHEDULED")
            except ProjError:
                return False

        return command.sweep(over)


def lock(
    directory: str, env_manager: str, python: str, groups: tuple[str, ...], extras: tuple[str, ...],
    refresh: bool, offline: bool,
) -> int:  # fmt: skip
    """Print the lock of a project's environment: resolved now, or kept from an earlier time."""
    from runner.project import reading

    loaded = reading.load(os.path.abspath(directory))
    spec = environments.choose(loaded, EntryPoint("", ""), env_manager)
    options = EnvironmentOptions(python, groups, extras, refresh=refresh, offline=offline)
    text = environments.lock(spec, loaded.directory, options, Terminal())
    output.emit_lines(text.splitlines())
    return 0


def diff(first: str, second: str, location: str, as_json: bool) -> int:
    """Show which packages two runs had differently."""
    with reference.open_store(location) as store:
        locks = [
            _lock_of(store.run_directory(reference.find(store, ref).run_id), ref) for ref in (first, second)
        ]
    return output.result(as_json, changes(*locks), difference(*locks) or ["the same packages"])


def _lock_of(directory: str, ref: str) -> str:
    for name in os.listdir(directory):
        if name.endswith((".lock", "packages.txt")) or name == "pylock.toml":
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                return file.read()
    raise InputError(f"run {ref} has no lock of its packages", "it ran in the system's environment")


def _whose(row: maintenance.Row) -> str:
    """The folders, those that are gone marked, as they are typed."""
    home = os.path.expanduser("~")
    texts = []
    for place in row.projects:
        gone = " (gone)" if os.path.isabs(place) and not os.path.isdir(place) else ""
        texts.append(("~" + place[len(home) :] if place.startswith(home + os.sep) else place) + gone)
    return ", ".join(texts)


def _state(row: maintenance.Row) -> str:
    return "in use" if row.in_use else row.problem


def _used(moment: int) -> str:
    return ago(moment) if moment else ""


DRY = Option("dry_run", ("--dry-run",), "Show what would be removed, and remove nothing.", "flag")
KEYS = Option("keys", (), "Keys of environments; they may be shortened.", "many", metavar="KEY...")
COMMAND = Group("The environments in the cache.", {
    "ls": Command(ls, (reference.JSON,)),
    "du": Command(du, (reference.JSON,)),
    "show": Command(show, (Option("key", (), default=None, metavar="KEY"), reference.JSON)),
    "verify": Command(verify, (
        KEYS,
        Option("deep", ("--deep",), "Compare contents too, not only sizes.", "flag"),
        reference.JSON,
    )),
    "rm": Command(rm, (KEYS, Option("everything", ("--all",), "All that are not in use.", "flag"), DRY)),
    "gc": Command(gc, (
        Option("older_than", ("--older-than",), "Not used for so long: 12h, 30d.", metavar="TIME"),
        Option("max_size", ("--max-size",), "Until all fit: 500MB, 20GB.", metavar="SIZE"),
        DRY,
        Option("location", ("--store",), "The store of the runs.", metavar="PATH"),
        reference.JSON,
    )),
    "kernel": kernel.COMMAND,
    "lock": Command(lock, (
        Option("directory", (), "Folder of a project.", default=".", metavar="[DIR]"),
        Option("env_manager", ("--env-manager",), "A kind of environment: virtualenv, conda, pixi.", metavar="NAME"),
        Option("python", ("--python",), "Use this version of Python.", metavar="VERSION"),
        Option("groups", ("--group",), "With a dependency group.", "many", metavar="NAME"),
        Option("extras", ("--extra",), "With an extra.", "many", metavar="NAME"),
        Option("refresh", ("--refresh",), "Resolve anew, and show what changed.", "flag"),
        Option("offline", ("--offline",), "Without the network.", "flag"),
    )),
    "diff": Command(diff, (
        Option("first", (), default=None, metavar="RUN", complete="runs"),
        Option("second", (), default=None, metavar="RUN", complete="runs"),
        reference.STORE,
        reference.JSON,
    )),
})  # fmt: skip
