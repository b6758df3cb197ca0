"""`proj models push, pull`: versions between stores, and to and from MLflow servers."""

from __future__ import annotations

from runner.cli import output, reference
from runner.errors import InputError

__all__ = ["pull", "push"]


def push(ref: str, target: str, location: str, as_json: bool) -> int:
    """Copy a version, or all of a registered model, to another store, or to a server with the runs that made them."""
    from runner.tracking.mlflow.registries import push as send
    from runner.tracking.mlflow.rest import Rest
    from runner.tracking.registry.reference import named
    from runner.tracking.registry.transfer import copy
    from runner.tracking.store import user_name

    done = []
    with reference.open_store(location) as store:
        model, version = named(store.root, ref)
        versions = [version] if version else list(model.versions.values())
        if "://" in target:
            with Rest(target) as rest:
                for each in versions:
                    done.append((model.name, each.number, *send(store, model, each, rest)))
        else:
            with reference.open_store(target, new=True) as other:
                for each in versions:
                    made, new = copy(store, model, each, other, user_name())
                    done.append((model.name, each.number, str(made.number), new))
    return _told(done, as_json)


def pull(source: str, ref: str, location: str, as_json: bool) -> int:
    """Copy versions of a registered model from another store, or from a server; without NAME, of all models."""
    from runner.tracking import registry
    from runner.tracking.mlflow.registries import pull as take
    from runner.tracking.mlflow.rest import Rest
    from runner.tracking.registry.reference import named
    from runner.tracking.registry.transfer import copy
    from runner.tracking.store import user_name

    done = []
    with reference.open_store(location, new=True) as store:
        if "://" in source:
            name, slash, number = ref.partition("/")
            if slash and not number.isdigit():
                raise InputError(f"{ref!r} names no version of a server", "NAME/7")
            with Rest(source) as rest:
                for each, theirs, made, new in take(store, rest, name, number, user_name()):
                    done.append((each, int(theirs), str(made.number), new))
        else:
            with reference.open_store(source) as other:
                wanted = (
                    [named(other.root, ref)]
                    if ref
                    else [(each, None) for each in registry.listing(other.root)]
                )
                for model, version in wanted:
                    for one in [version] if version else model.versions.values():
                        made, new = copy(other, model, one, store, user_name())
                        done.append((model.name, one.number, str(made.number), new))
    return _told(done, as_json)


def _told(done: list[tuple[str, int, str, bool]], as_json: bool) -> int:
    value = [
        {"name": name, "from": old, "version": int(new), "new": is_new} for name, old, new, is_new in done
    ]
    lines = [
        f"{name}/{old} -> {name}/{new}" + ("" if is_new else " (was there)")
        for name, old, new, is_new in done
    ]
    return output.result(as_json, value, lines or ["nothing to copy"])
