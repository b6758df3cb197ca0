"""Containers: the image is found, pulled or built, known by its id; the command runs as the caller."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from runner.containers import command
from runner.containers import engine as container_engine
from runner.environments.base import Specified
from runner.errors import EnvironmentFailure, InputError
from runner.values import Activation, Container, EnvironmentOptions, EnvironmentSpec, Json, Report

__all__ = ["LOCK_NAME", "activate", "build", "lock", "outdated", "problem", "remove", "specify"]

LOCK_NAME = "docker.lock"
HIDDEN = ("e", "env", "env-file", "l", "label")  # arguments whose values are not for the record


def specify(spec: EnvironmentSpec, directory: str, options: EnvironmentOptions, report: Report) -> Specified:  # noqa: ARG001
    from runner.environments.docker import spec as docker_spec

    stated = docker_spec.read(spec.options, options.docker_args, directory)
    if trouble := container_engine.problem():
        raise EnvironmentFailure(trouble, "start Docker, or run it without: --env-manager virtualenv")
    copied = options.build_image
    pinned = bool(options.kept_lock)
    name = options.project_name or os.path.basename(directory)
    content: dict[str, Json] = {"image": stated.image, "platform": stated.platform}
    watched: tuple[str, ...] = ()
    tag = ""
    if stated.build:
        content["context"], watched = _context(stated, directory)
        content |= {"dockerfile": stated.build.dockerfile, "target": stated.build.target}
        content["arguments"] = dict(stated.build.arguments)
        tag = f"proj/{docker_spec.slug(name)}:{_short(content)}"
    if copied:
        from runner.environments.docker.context import scan

        found = scan(directory, listed=True)
        content |= {"copied": command.CODE, "code": found.digest}
        watched = (*watched, *found.watched)
    packages = _packages(stated, directory, options)
    if packages:
        content["packages"] = packages.content
        watched = (*watched, *packages.files)
    if not pinned:
        known = None if stated.build else container_engine.inspect("image", stated.image)
        content["id"] = known["Id"] if known else ""  # another image under the same name is another one
    mounts = docker_spec.mounts(stated.volumes, directory)
    plan: dict[str, Any] = {
        "directory": directory,
        "stated": [list(each) if isinstance(each, tuple) else each for each in stated._replace(build=None)],
        "build": list(stated.build) if stated.build else None,
        "tag": tag,
        "copied": copied,
        "context": content.get("context"),
        "code": content.get("code"),
        "pinned": pinned,
        "offline": options.offline,
        "packages": packages and {"content": packages.content, "plan": packages.plan},
        # what may be a password is not kept on disk
        "varying": bool(packages and packages.varying) or any(map(_sets, options.docker_args)),
        "name": f"proj/{docker_spec.slug(name)}",
    }
    details: dict[str, Json] = (
        {"volumes": [":".join(filter(None, each)) for each in mounts]} if mounts else {}
    )
    if stated.flags:
        details["arguments"] = [
            name if value is None else f"{name}={'...' if name in HIDDEN else value}"
            for name, value in stated.flags
        ]
    identity: Json = {"pinned": pinned, "platform": stated.platform}
    warnings = packages.warnings if packages else ()
    return Specified(content, identity, watched, plan, details, warnings)


def _sets(argument: str) -> bool:
    """Whether an argument of -A gives a variable its value: e=NAME=VALUE"""
    name, _, value = argument.lstrip("-").partition("=")
    return name in ("e", "env") and "=" in value


def _packages(stated: Any, directory: str, options: EnvironmentOptions) -> Any:
    if not stated.python_env:
        return None
    from runner.environments.docker import packages as docker_packages

    return docker_packages.read(stated.python_env, directory, options)


def _context(stated: Any, directory: str) -> tuple[str, tuple[str, ...]]:
    from runner.environments.docker.context import scan

    folder = os.path.normpath(os.path.join(directory, stated.build.context))
    dockerfile = os.path.join(directory, stated.build.dockerfile)
    found = scan(folder, os.path.relpath(dockerfile, folder))
    return found.digest, (*found.watched, dockerfile)


def _short(content: Mapping[str, Json]) -> str:
    from hashlib import sha256

    return sha256(json.dumps(content, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def outdated(lock: str) -> bool:
    """Whether a kept lock names an image that was made here and is gone: made again, it has another id."""
    wanted = json.loads(lock)
    return _made_here(wanted) and container_engine.inspect("image", wanted["id"]) is None


def _made_here(wanted: Mapping[str, Any]) -> bool:
    return "base" in wanted or "context" in wanted


def lock(specified: Specified, options: EnvironmentOptions, report: Report) -> str:
    plan, stated = specified.plan, _stated(specified.plan)
    refresh = options.refresh
    text: dict[str, Json] = {"image": stated.image} if stated.image else {}
    if stated.build:
        made = None if refresh else container_engine.inspect("image", plan["tag"])
        image = made["Id"] if made else _built(plan, stated, fresh=refresh, report=report)
        text |= {"image": plan["tag"], "id": image, "context": plan["context"]}
    else:
        base = _present(stated.image, stated.platform, offline=plan["offline"], anew=refresh, report=report)
        text |= _locked(base, stated.image)
    if plan["packages"]:
        from runner.environments.docker import packages as docker_packages

        image, shown = str(text["id"]), str(text["image"])
        text |= docker_packages.lock(plan["packages"], image, shown, options, report)
    if plan["packages"] or plan["copied"]:
        text["base"] = text.pop("id")
        text |= {"code": plan["code"]} if plan["copied"] else {}
        text |= _on_top(text, plan, fresh=refresh, report=report)
    return json.dumps(text, indent=1, sort_keys=True) + "\n"


def _built(plan: Mapping[str, Any], stated: Any, *, fresh: bool, report: Report) -> str:
    from runner.environments.docker import images

    directory, tag = plan["directory"], plan["tag"]
    return images.build(stated.build, directory, tag, fresh=fresh, platform=stated.platform, report=report)


def _on_top(
    text: Mapping[str, Any], plan: Mapping[str, Any], *, fresh: bool, report: Report
) -> dict[str, Json]:
    """Name and id of the image with the packages, and then the project's files, on the lock's base."""
    found: dict[str, Json] = {}
    base = str(text["base"])
    if plan["packages"] and text.get("requirements") is not None:
        from runner.environments.docker import install

        found = install.ensure(plan["packages"], str(text["requirements"]), base, report)
    if plan["copied"]:
        from runner.environments.docker import images
        from runner.environments.docker.context import scan

        under = {"under": found["image"]} if found else {}
        below = str(found.get("id") or base)
        tag = f"{plan['name']}:{_short({'base': below, 'code': plan['code']})}"
        made = None if fresh else container_engine.inspect("image", tag)
        if made is None:
            files = scan(plan["directory"], listed=True)
            image = images.copy(files, below, tag, command.CODE, report)
        else:
            image = str(made["Id"])
        found = {"image": tag, "id": image, **under}
    return found


def _stated(plan: Mapping[str, Any]) -> Any:
    from runner.environments.docker.spec import Build, Stated

    return Stated(*plan["stated"])._replace(build=Build(*plan["build"]) if plan["build"] else None)


def _locked(image: Mapping[str, Any], reference: str) -> dict[str, Json]:
    from runner.environments.docker.images import digest_of

    found: dict[str, Json] = {
        "id": str(image["Id"]),
        "platform": f"{image.get('Os')}/{image.get('Architecture')}",
    }
    if digest := digest_of(image, reference):
        found["digest"] = digest
    return found


def _present(
    reference: str, platform: str, *, offline: bool, anew: bool, report: Report
) -> Mapping[str, Any]:
    """The image, pulled when it is missing, or when a newer one is asked for and a registry has it."""
    from runner.environments.docker import images

    found = container_engine.inspect("image", reference)
    if found and not (anew and images.digest_of(found, reference) and not offline):
        return found
    if offline:
        raise EnvironmentFailure(
            f"the image {reference} is not here, and --offline forbids to pull it", f"docker pull {reference}"
        )
    images.pull(reference, platform, report)
    found = container_engine.inspect("image", reference)
    if found is None:
        raise EnvironmentFailure(f"the image {reference} was pulled and is not here", "docker images")
    return found


def build(specified: Specified, lock: str, prefix: str, handle: int, report: Report) -> Mapping[str, Json]:  # noqa: ARG001
    """Makes sure that the image of the lock is here; there is nothing in the folder."""
    wanted = json.loads(lock)
    plan, stated = specified.plan, _stated(specified.plan)
    image = container_engine.inspect("image", wanted["id"]) or _again(wanted, plan, stated, report)
    if image is None:
        name = wanted.get("image") or wanted["id"]
        raise EnvironmentFailure(
            f"the image {name} ({wanted['id'][:19]}) is not here any more, and no registry has it",
            "--refresh  resolves the environment anew",
        )
    engine = container_engine.info()
    security = " ".join(str(each) for each in engine.get("SecurityOptions") or ())
    details: dict[str, Json] = {"image": wanted.get("image") or stated.image, "image_id": str(image["Id"])}
    if wanted.get("digest"):
        details["digest"] = wanted["digest"]
    if wanted.get("requirements") is not None:
        from runner.environments.python.packages import packages

        details |= {"python": wanted["python"], "packages": len(packages(wanted["requirements"]))}
        if wanted.get("warning"):
            details["warnings"] = [wanted["warning"]]
    return {
        "id": str(image["Id"]),
        "name": "" if plan["pinned"] else wanted.get("image") or stated.image,
        "made": _made_here(wanted),
        "base": wanted.get("base", ""),
        "base_name": stated.image if "base" in wanted and not stated.build and not plan["pinned"] else "",
        "below": [name for name in (wanted.get("under"), plan["tag"]) if name],
        "engine": container_engine.address(),
        "rootless": "rootless" in security,
        "remapped": "userns" in security,
        "init": bool(engine.get("InitBinary")),
        "system": str(engine.get("OperatingSystem") or ""),
        "nvidia": "nvidia" in (engine.get("Runtimes") or {}) or bool(engine.get("DiscoveredDevices")),
        "details": details,
    }


def _again(
    wanted: Mapping[str, Any], plan: Mapping[str, Any], stated: Any, report: Report
) -> Mapping[str, Any] | None:
    """The image of a lock that is gone: pulled by its digest, or made again from the same files and packages."""
    base: Mapping[str, Any] | None = container_engine.inspect("image", wanted.get("base") or wanted["id"])
    if any(wanted.get(name) not in (None, plan[name]) for name in ("context", "code")):
        return None
    if base is None and "context" in wanted:
        report.note("the image of the lock is gone; it is built again from the same files")
        base = container_engine.inspect("image", _built(plan, stated, fresh=False, report=report))
    elif base is None and wanted.get("digest"):
        base = _present(wanted["digest"], stated.platform, offline=plan["offline"], anew=False, report=report)
    if base is None or "base" not in wanted:
        return base
    report.note("the image of the lock is gone; it is made again from the same files and packages")
    made = _on_top({**wanted, "base": base["Id"]}, plan, fresh=False, report=report)
    return container_engine.inspect("image", str(made["id"])) if made else None


def problem(prefix: str, facts: Mapping[str, Any]) -> str:  # noqa: ARG001
    if facts["engine"] != container_engine.address():
        return f"it was prepared for another container engine ({facts['engine']})"
    try:
        return _image_problem(facts)
    except EnvironmentFailure as error:  # no engine
        return error.message


def _image_problem(facts: Mapping[str, Any]) -> str:
    if facts.get("base_name"):  # the image was made on top of it
        base = container_engine.inspect("image", facts["base_name"])
        if base is not None and base["Id"] != facts["base"]:
            return f"the image {facts['base_name']} is another one now"
    named = container_engine.inspect("image", facts["name"]) if facts["name"] else None
    if named is not None:
        return "" if named["Id"] == facts["id"] else f"the image {facts['name']} is another one now"
    if container_engine.inspect("image", facts["id"]) is None:  # it may be there without its name
        return f"the image {facts['name'] or facts['id']} is not there any more"
    return ""


def activate(prefix: str, facts: Mapping[str, Any], plan: Mapping[str, Any]) -> Activation:  # noqa: ARG001
    from runner.environments.docker import spec as docker_spec

    stated, directory = _stated(plan), plan["directory"]
    if stated.gpus:
        _check_gpus(stated.gpus, facts)
    missing = [name for name in stated.copied if name not in os.environ]
    if missing:
        raise InputError(
            f"the project's docker_env copies {', '.join(missing)} from your environment: not set",
            f"export {missing[0]}=...",
        )
    mounts = docker_spec.mounts(stated.volumes, directory)
    place = command.CODE
    for source, target, _ in mounts:
        if source == directory:  # the project says itself where it wants to be
            place = target
    own = any(source == directory for source, _, _ in mounts)
    for source, target, _ in mounts:
        if target and source.startswith("/") and not os.path.lexists(source):
            os.makedirs(source, exist_ok=True)  # the engine would make it, for root
    container = Container(
        image=facts["id"],
        directory="" if plan["copied"] or own else directory,
        place=place,
        init=facts.get("init", True),
        volumes=tuple(":".join(filter(None, each)) for each in mounts),
        constants={**_account(), **stated.constants},
        copied=tuple(stated.copied),
        flags=tuple((name, value) for name, value in stated.flags),
    )
    if not facts[
        "rootless"
    ]:  # outputs belong to the caller; without root, the container's root is that already
        groups = tuple(str(each) for each in os.getgroups() if each != os.getgid())
        user = f"{os.getuid()}:{os.getgid()}"
        container = container._replace(user=user, groups=groups, remapped=facts["remapped"])
    return Activation("docker", python="python", container=container)


def _account() -> dict[str, str]:
    """A home where every user may write, and a name: the image does not know the user."""
    name = os.environ.get("USER") or os.environ.get("LOGNAME") or "user"
    return {"HOME": "/tmp", "USER": name, "LOGNAME": name}  # noqa: S108 inside the container


def _check_gpus(gpus: str, facts: Mapping[str, Any]) -> None:
    """The engine itself notices only when the container starts."""
    local = (
        str(facts["engine"]).startswith("unix:")
        and "Desktop" not in facts["system"]
        and sys.platform == "linux"
    )
    if not local or facts["nvidia"]:
        return
    if not any(os.path.exists(f"/dev/{name}") for name in ("nvidiactl", "nvidia0", "dxg")):
        raise EnvironmentFailure(
            f"the project asks for GPUs (gpus: {gpus}), and this machine has none that Docker can use",
            "remove `gpus` from docker_env, or run it where there is one",
        )


def remove(prefix: str, facts: Mapping[str, Any]) -> None:  # noqa: ARG001
    if facts["made"] and facts["engine"] == container_engine.address():
        from runner.environments.docker import images

        for image in (facts["id"], *facts.get("below", ())):  # what was put into an image, and then that
            images.remove(str(image))
